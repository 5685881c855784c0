"""What a worker holds, and that it asks for what it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.cluster import model_server
from napari_sam2.cluster.messages import Computed, Missing, NamedRecord, PackedPrompt, Request, Video
from napari_sam2.cluster.model_server import ModelServer, ReceivedPlanes
from napari_sam2.cluster.packed_tensors import PackedTensor
from napari_sam2.cluster.workers import file_sha256
from napari_sam2.version import __version__
from napari_sam2.weights.load import find_weights
from served_here import ServedHere, served_here  # noqa: F401 - a fixture

VIDEO = Video("v", (3, 32, 32), "uint8", ((0.0, 255.0),), "float32")
PLANE = np.full((32, 32), 9, np.uint8)


@pytest.fixture
def server(served_here: ServedHere) -> ModelServer:  # noqa: F811
    return ModelServer("micro", "cpu")


def prompt() -> PackedPrompt:
    points = PackedTensor.pack(torch.tensor([[100.0, 100.0]]))
    return PackedPrompt(points, PackedTensor.pack(torch.tensor([1], dtype=torch.int32)), None, None)


def test_a_model_is_described(server: ModelServer) -> None:
    found = server.describe()
    assert (found.config.name, found.source, found.device, found.software) == ("micro", "micro", "cpu", __version__)
    assert found.file_sha256 == file_sha256(find_weights("micro")[1])
    assert found.worker == "tcp://127.0.0.1:2"


def test_a_function_is_called_with_the_model(server: ModelServer) -> None:
    assert server.call(lambda model, factor: model.image_size * factor, factor=2) == 640


def test_what_is_missing_is_asked_for(server: ModelServer) -> None:
    asked = Request("segment", VIDEO, 1, views=[None], prompts=[prompt()])
    assert server.compute(asked) == Missing([], True)
    first = server.compute(Request("segment", VIDEO, 1, views=[None], prompts=[prompt()], plane=PLANE))
    assert isinstance(first, Computed)
    again = server.compute(asked)
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
        planes.put(frame, PLANE + frame)
        assert planes[0 if frame < 2 else 2][0, 0] == 9 + (0 if frame < 2 else 2)
    assert [frame in planes for frame in range(3)] == [True, False, True]


def test_few_sessions_are_served_at_a_time(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_server, "MAX_VIDEOS", 1)
    for name in "ab":
        video: Any = Video(name, VIDEO.shape, VIDEO.dtype, VIDEO.intensity_ranges, VIDEO.precision)
        server.compute(Request("segment", video, 0, views=[None], prompts=[prompt()], plane=PLANE))
    assert list(server._videos) == ["b"]
