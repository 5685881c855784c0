"""Which tensors a request needs."""

from __future__ import annotations

from napari_sam2.cluster.messages import NamedMemory, NamedRecord, Request, Video
from napari_sam2.model.memory_recall import Recall

VIDEO = Video("v", (2, 4, 4), "uint8", None, "float32", 16)


def record(*digests: bytes | None) -> NamedRecord:
    logits, pointer, memory = digests
    return NamedRecord(logits, pointer, memory, 1.0, 1.0, None)


def test_each_is_named_once() -> None:
    memory = NamedMemory(
        Recall((), (), 1), {0: record(None, b"p", b"m")}, {1: record(None, b"q", None), 2: record(None, b"p", b"n")}
    )
    assert memory.digests == [b"p", b"m", b"q", b"p", b"n"]
    request = Request("track", VIDEO, 3, memories=[memory, memory])
    assert request.digests == [b"p", b"m", b"q", b"n"]


def test_records_to_be_remembered_are_needed() -> None:
    assert Request("remember", VIDEO, 0, records=[record(b"l", None, None)]).digests == [b"l"]
    assert Request("segment", VIDEO, 0).digests == []
