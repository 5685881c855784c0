"""What a worker holds, and that it asks for what it lacks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import torch

from napari_sam2.cluster import model_server
from napari_sam2.cluster.messages import Computed, Missing, NamedRecord, PackedPrompt, Request, Video
from napari_sam2.cluster.model_server import ModelServer, ReceivedPlanes, ServedFrames
from napari_sam2.cluster.pixels import PackedPixels
from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.planes import FramePlanes
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.zoom import View
from napari_sam2.version import __version__
from napari_sam2.weights.load import find_weights
from served_here import ServedHere, served_here  # noqa: F401 - a fixture

VIDEO = Video("v", (3, 32, 32), "uint8", ((0.0, 255.0),), "float32", 16)
PLANE = np.full((32, 32), 9, np.uint8)
PIXELS = [PackedPixels.pack(PLANE, VIDEO.whole)]


@pytest.fixture
def server(served_here: ServedHere) -> ModelServer:  # noqa: F811
    return ModelServer("micro", "cpu")


def prompt() -> PackedPrompt:
    return PackedPrompt.pack(Prompt(np.array([[100, 100]], np.float32), np.array([1], np.int32)))


def test_a_model_is_described(server: ModelServer) -> None:
    found = server.describe()
    assert (found.config.name, found.source, found.device, found.software) == ("micro", "micro", "cpu", __version__)
    assert (found.recall, found.torch) == (server.call(lambda model: model.recall), torch.__version__)
    assert found.file_sha256 == file_sha256(find_weights("micro")[1])
    assert found.worker == "tcp://127.0.0.1:2"


def test_a_function_is_called_with_the_model(server: ModelServer) -> None:
    assert server.call(lambda model, factor: model.image_size * factor, factor=2) == 640


def test_a_call_tells_how_far_it_is_and_is_stopped(server: ModelServer) -> None:
    def count(model: Any, report: Any, most: int) -> list[tuple[int, int]]:
        assert report(0, most)
        seen = [asyncio.run(server.progress("a", goes_on=done < 2)) for done in range(most) if report(done, most)]
        assert not report(most, most)
        return seen

    assert asyncio.run(server.progress("a", goes_on=False)) == (0, 0), "it has not begun"
    assert server.call_watched("a", count, 4) == [(0, 4), (1, 4), (2, 4)]
    assert asyncio.run(server.progress("a", goes_on=True)) == (0, 0), "it is done"


def test_what_is_missing_is_asked_for(server: ModelServer) -> None:
    assert server.compute(asked(VIDEO, 1, [])) == Missing([], True)
    first = server.compute(Request("segment", VIDEO, 1, views=[None], prompts=[prompt()], pixels=PIXELS))
    assert isinstance(first, Computed)
    again = server.compute(asked(VIDEO, 1, []))
    assert isinstance(again, Computed)
    assert again.records == first.records  # by their digests: number for number
    (record,) = first.records
    unknown = Request("remember", VIDEO, 1, records=[NamedRecord(b"not there", None, None, 1.0, 1.0, None)])
    assert server.compute(unknown) == Missing([b"not there"], False)
    remembered = server.compute(Request("remember", VIDEO, 1, records=[record]))
    assert isinstance(remembered, Computed)
    assert list(remembered.tensors) == [remembered.records[0].memory]  # what came with the request does not go back


def test_frames_are_held_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_server, "PLANE_BYTES", 2 * PLANE.nbytes)
    planes = ReceivedPlanes(VIDEO)
    for frame in range(3):
        planes.put(frame, [PackedPixels.pack(PLANE + frame, VIDEO.whole)])
        assert planes[0 if frame < 2 else 2][0, 0] == 9 + (0 if frame < 2 else 2)
    assert [planes.lacks(frame, [VIDEO.whole]) for frame in range(3)] == [False, True, False]


def test_windows_of_a_frame_are_added(server: ModelServer) -> None:
    planes, one, other = ReceivedPlanes(VIDEO), View(0, 0, 8, 8), View(8, 8, 8, 8)
    planes.put(1, [PackedPixels.pack(PLANE, one)])
    assert not planes.lacks(1, [one, View(2, 2, 4, 4)])
    assert planes.lacks(1, [one, other])
    planes.put(1, [PackedPixels.pack(PLANE, other)])
    assert not planes.lacks(1, [one, other])
    assert planes[1].sum() == 9 * 128
    frames = ServedFrames(planes, 16, VIDEO.intensity_ranges)
    before = frames.read_view(1, View(16, 16, 8, 8).window)
    planes.put(1, [PackedPixels.pack(PLANE, View(16, 16, 8, 8))])
    assert not torch.equal(frames.read_view(1, View(16, 16, 8, 8).window), before)


@pytest.fixture
def shared(tmp_path: Path) -> Video:
    """A video in a file."""
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([PLANE, PLANE + 1, PLANE + 2]), photometric="minisblack", metadata={"axes": "TYX"}
    )
    return replace(VIDEO, shared=SharedImage.of(Stack.open(tmp_path / "a.tif")))


def asked(video: Video, frame: int, pixels: list[PackedPixels]) -> Request:
    return Request("segment", video, frame, views=[None], prompts=[prompt()], pixels=pixels)


def test_files_of_this_machine_are_read_once_a_frame_was_the_same(server: ModelServer, shared: Video) -> None:
    assert server.compute(asked(shared, 1, [])) == Missing([], True)  # nothing is believed before
    first = server.compute(asked(shared, 0, PIXELS))
    assert isinstance(first, Computed)
    assert first.reads_itself
    own = server.compute(asked(shared, 1, []))
    sent = server.compute(asked(replace(VIDEO, name="w"), 1, [PackedPixels.pack(PLANE + 1, VIDEO.whole)]))
    assert isinstance(own, Computed)
    assert isinstance(sent, Computed)
    assert own.records == sent.records
    assert not sent.reads_itself


def test_files_with_other_pixels_are_not_read(server: ModelServer, shared: Video) -> None:
    first = server.compute(asked(shared, 0, [PackedPixels.pack(PLANE + 5, VIDEO.whole)]))
    assert isinstance(first, Computed)
    assert not first.reads_itself
    assert server.compute(asked(shared, 1, [])) == Missing([], True)


def test_files_that_can_no_longer_be_read_are_sent(server: ModelServer, shared: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    server.compute(asked(shared, 0, PIXELS))
    monkeypatch.setattr(FramePlanes, "_frame", Mock(side_effect=FrameReadError("gone")))
    assert server.compute(asked(shared, 1, [])) == Missing([], True)


def test_few_sessions_are_served_at_a_time(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_server, "MAX_VIDEOS", 1)
    for name in "ab":
        video: Any = Video(name, VIDEO.shape, VIDEO.dtype, VIDEO.intensity_ranges, VIDEO.precision, 16)
        server.compute(Request("segment", video, 0, views=[None], prompts=[prompt()], pixels=PIXELS))
    assert list(server._videos) == ["b"]
