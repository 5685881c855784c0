"""The files of an image, by which a worker reads it, and that they are believed only where they are the same."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam2.cluster.shared_image import SharedImage
from napari_sam2.images.stack import Stack
from zarr_by_hand import image_by_hand

MOVIE = np.random.default_rng(0).integers(0, 9999, (3, 2, 4, 16, 20), np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "a.tif", MOVIE, photometric="minisblack", metadata={"axes": "TCZYX"})
    return tmp_path / "a.tif"


def again(stack: Stack) -> Stack | None:
    """What another machine would open."""
    shared = SharedImage.of(stack)
    assert shared is not None
    found: SharedImage = pickle.loads(pickle.dumps(shared))
    return found.open()


@pytest.mark.parametrize(
    "options",
    [
        {"channel": 1},
        {"channel": 0, "along": "Z", "at": {"T": 2}},
        {"channel": [0, 1], "at": {"Z": 3}},
        {"channel": 1, "along": "Y", "at": {"T": 1}},
    ],
)
def test_the_same_frames_are_opened(path: Path, options: dict[str, object]) -> None:
    stack = Stack.open(path, **{"at": {"Z": 0}, **options} if options.get("along") is None else options)  # type: ignore[arg-type]
    opened = again(stack)
    assert opened is not None
    assert opened.layout == stack.layout
    np.testing.assert_array_equal(opened.frames[1], stack.frames[1])


def test_folders_of_frames_and_zarrs(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    for t in range(3):
        tifffile.imwrite(tmp_path / "f" / f"{t}.tif", MOVIE[t, 0, 0], photometric="minisblack")
    image_by_hand(tmp_path / "a.zarr", MOVIE[:, 0, 0], "0.4", "tyx")
    for stack in (Stack.open(tmp_path / "f", "TYX"), Stack.open(tmp_path / "a.zarr")):
        opened = again(stack)
        assert opened is not None
        np.testing.assert_array_equal(opened.frames[2], MOVIE[2, 0, 0])


def test_other_files_are_not_opened(path: Path) -> None:
    shared = SharedImage.of(Stack.open(path, channel=0, at={"Z": 0}))
    assert shared is not None
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert shared.open() is None
    path.unlink()
    assert shared.open() is None


def test_arrays_and_patients_are_in_no_files_that_are_named(path: Path) -> None:
    assert SharedImage.of(Stack.open(MOVIE[:, 0, 0], "TYX")) is None
    assert SharedImage.of(replace(Stack.open(path, channel=0, at={"Z": 0}), is_private=True)) is None
