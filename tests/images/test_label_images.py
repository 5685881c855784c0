"""Label images of all writers are read alike, and what cannot be one is refused in the same sentence wherever it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_sam2.images.label_images import (
    MAX_LABEL,
    as_labels,
    as_renumbered_labels,
    check_fit,
    check_labels,
    is_of_unknown_order,
    open_labels,
    warn_of_separate_images,
)
from napari_sam2.images.stack import Stack

LABELS = np.zeros((3, 8, 9), np.uint16)
LABELS[:, 1:4, 2:5], LABELS[1:, 5:7, 3:8] = 3, 700


def by_tifffile(path: Path, array: np.ndarray, **metadata: Any) -> None:
    tifffile.imwrite(path, array, photometric="minisblack", metadata=metadata or None)


def by_pillow(path: Path, array: np.ndarray) -> None:
    first, *others = (Image.fromarray(plane) for plane in array)
    first.save(path, format="TIFF", save_all=True, append_images=others)


def by_zarr(path: Path, array: np.ndarray) -> None:
    zarr.create_array(path, data=array)


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "tifffile": ("a.tif", lambda path: by_tifffile(path, LABELS)),
    "tifffile, one channel": ("a.tif", lambda path: by_tifffile(path, LABELS[:, None], axes="TCYX")),
    "tifffile, columns first": ("a.tif", lambda path: by_tifffile(path, LABELS.transpose(0, 2, 1), axes="TXY")),
    "ImageJ": ("a.tif", lambda path: tifffile.imwrite(path, LABELS[:, None], imagej=True, metadata={"axes": "TCYX"})),
    "Pillow": ("a.tif", lambda path: by_pillow(path, LABELS)),
    "zarr": ("a.zarr", lambda path: by_zarr(path, LABELS.astype(np.int64))),
}


@pytest.mark.parametrize("name", WRITERS)
def test_labels_of_many_writers(name: str, tmp_path: Path) -> None:
    file, write = WRITERS[name]
    write(tmp_path / file)
    labels = open_labels(tmp_path / file)
    np.testing.assert_array_equal(as_labels(labels.frames[:], tmp_path / file), LABELS)


@pytest.mark.parametrize("values", [LABELS[0] > 0, LABELS[0].astype(np.uint8), LABELS[0].astype(">i4"), np.uint64([[MAX_LABEL]])])
def test_whole_numbers_of_all_types(values: np.ndarray) -> None:
    found = as_labels(values)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(as_renumbered_labels(values), values)


COLOURS = "has colours or channels: labels must be whole numbers, one for each pixel"
FRACTIONS = "labels must be whole numbers, 0 for the background and one for each object"
NO_LABELS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "colours": ("a.tif", lambda path: tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint8), photometric="rgb"), COLOURS),
    "colours of Pillow": ("a.png", lambda path: Image.new("RGBA", (9, 8)).save(path), COLOURS),
    "channels": ("a.tif", lambda path: by_tifffile(path, LABELS, axes="CYX"), COLOURS),
    "two channels": ("a.tif", lambda path: by_tifffile(path, LABELS[:2], axes="CYX"), COLOURS),
    "fractions": ("a.tif", lambda path: by_tifffile(path, LABELS / 2), f"holds float64: {FRACTIONS}"),
    "fractions of Pillow": ("a.tif", lambda path: by_pillow(path, LABELS.astype(np.float32)), f"holds float32: {FRACTIONS}"),
    "fractions of zarr": ("a.zarr", lambda path: by_zarr(path, LABELS.astype(np.float16)), f"holds float16: {FRACTIONS}"),
}


@pytest.mark.parametrize("name", NO_LABELS)
def test_what_cannot_be_labels(name: str, tmp_path: Path) -> None:
    file, write, said = NO_LABELS[name]
    write(tmp_path / file)
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / file))} {said}$"):
        open_labels(tmp_path / file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^there is no file .*gone\.tif$"):
        open_labels(tmp_path / "gone.tif")


def test_arrays_have_no_name() -> None:
    with pytest.raises(ValueError, match=r"^labels have colours or channels: "):
        check_labels(Stack.open(np.zeros((8, 9, 3), np.uint8), "YXS"))
    with pytest.raises(ValueError, match=r"^labels hold float64: "):
        check_labels(Stack.open(np.zeros((8, 9))))


@pytest.mark.parametrize("label", [-1, MAX_LABEL + 1, 2**40])
def test_labels_that_are_out_of_range(label: int) -> None:
    said = f"{label}: labels must be between 0 and {MAX_LABEL}$"
    values = np.array([[0, label]])
    with pytest.raises(ValueError, match=f"^there is a label {said}"):
        as_labels(values)
    with pytest.raises(ValueError, match=rf"^a/b\.tif holds the label {said}"):
        as_labels(values, Path("a/b.tif"))


def test_labels_that_are_too_large_are_numbered_anew() -> None:
    np.testing.assert_array_equal(as_renumbered_labels(np.array([[70_000, 0], [9, 2**40]])), [[2, 0], [1, 3]])
    np.testing.assert_array_equal(as_renumbered_labels(np.array([[70_000, 9]])), [[2, 1]])
    with pytest.raises(ValueError, match=f"^there is a label -1: labels must be between 0 and {MAX_LABEL}$"):
        as_renumbered_labels(np.array([[-1, 70_000]]))
    with pytest.raises(ValueError, match=rf"^a\.tif holds {MAX_LABEL + 1} objects: at most {MAX_LABEL} are possible$"):
        as_renumbered_labels(np.arange(1, MAX_LABEL + 2), Path("a.tif"))
    assert as_renumbered_labels(np.arange(2, MAX_LABEL + 2)).max() == MAX_LABEL


def test_labels_have_the_frames_of_their_image() -> None:
    image, paths = Stack.open(np.zeros((3, 2, 8, 9)), "TCYX"), (Path("image.tif"), Path("masks.zarr"))
    check_fit(image, Stack.open(LABELS, "ZYX"), *paths)
    check_fit(image, Stack.open(LABELS.transpose(2, 1, 0), "XYT"), *paths)
    for other, shape in ((LABELS[:2], "2 frames of 8 x 9"), (LABELS[:, :7], "3 frames of 7 x 9"), (LABELS[0], "1 frame of 8 x 9")):
        with pytest.raises(ValueError, match=f"^masks.zarr holds {shape} pixels, but image.tif holds 3 frames of 8 x 9 pixels$"):
            check_fit(image, Stack.open(other), *paths)


@pytest.mark.parametrize(
    ("axes", "is_unknown"), [("TYX", False), ("ZYX", False), ("NYX", False), ("QYX", True), ("IYX", True), ("CYX", False)]
)
def test_frames_of_which_nothing_says_whether_they_follow_each_other(
    axes: str, is_unknown: bool, caplog: pytest.LogCaptureFixture
) -> None:
    image = Stack.open(LABELS, axes)
    assert is_of_unknown_order(image) == is_unknown
    warn_of_separate_images(image, Path("cells"), "say so")
    said = f"cells: its 3 frames, along {axes[0]}, are taken for separate images; if they follow each other, say so"
    assert caplog.messages == ([said] if is_unknown else [])


def test_a_single_frame_follows_none() -> None:
    assert not is_of_unknown_order(Stack.open(LABELS[:1], "QYX"))
    assert not is_of_unknown_order(Stack.open(LABELS[0], "YX"))
