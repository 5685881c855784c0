"""A worker's memory: of a stack that is mapped, no more than what is read now."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from napari_sam2.batch import memory
from napari_sam2.batch.memory import FRAMES_BETWEEN_RELEASES, labels_of_worker, memory_released, release_memory
from napari_sam2.images.stack import Stack
from napari_sam2.session.labels.label_file import LabelFile


@pytest.mark.skipif(sys.platform != "linux", reason="others count differently")
def test_pages_of_a_mapped_image_are_given_back(tmp_path: Path) -> None:
    movie = np.full((64, 512, 1024), 7, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", movie, photometric="minisblack", metadata={"axes": "TYX"})
    del movie
    stack = Stack.open(tmp_path / "a.tif")
    process = psutil.Process()
    before = process.memory_info().shared
    assert sum(int(np.asarray(stack.frames[frame]).max()) for frame in range(64)) == 7 * 64
    assert process.memory_info().shared - before > 50 * 2**20
    release_memory(stack)
    assert process.memory_info().shared - before < 10 * 2**20
    assert int(np.asarray(stack.frames[3]).max()) == 7


def test_an_image_in_memory_stays() -> None:
    stack = Stack.open(np.full((2, 8, 8), 7, np.uint16))
    release_memory(stack)
    assert int(stack.frames[1].max()) == 7


def test_memory_is_released_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[Stack] = []
    monkeypatch.setattr(memory, "release_memory", released.append)
    stack = Stack.open(np.zeros((2, 8, 8), np.uint16))
    now_and_then = memory_released(stack)
    for _ in range(2 * FRAMES_BETWEEN_RELEASES):
        now_and_then()
    assert len(released) == 2


def test_large_labels_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack.open(np.zeros((2, 8, 8), np.uint16))
    assert type(labels_of_worker(stack)) is np.ndarray
    monkeypatch.setattr(memory, "LABEL_BYTES", 0)
    assert isinstance(labels_of_worker(stack), LabelFile)
