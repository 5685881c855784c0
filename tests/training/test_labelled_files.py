"""Images and labels from files, and one sentence for those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from napari_sam2.training.labelled_files import count_objects, read_labelled_stack, without_unlabelled_frames
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.run_file import DataEntry

IMAGE = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
LABELS = np.zeros((4, 20, 30), np.uint16)
LABELS[:, 2:8, 3:9], LABELS[1:, 10:18, 15:25] = 3, 7


def tiff(path: Path, array: np.ndarray, axes: str | None = None) -> Path:
    tifffile.imwrite(path, array, photometric="minisblack", metadata=None if axes is None else {"axes": axes})
    return path


def entry(
    folder: Path, image: np.ndarray = IMAGE, labels: np.ndarray = LABELS, in_file: str | None = "TYX", **others: Any
) -> DataEntry:
    return DataEntry(tiff(folder / "raw.tif", image, in_file), tiff(folder / "labels.tif", labels), **others)


@pytest.mark.parametrize(
    ("in_file", "asked", "is_sequence"),
    [("TYX", None, True), ("ZYX", None, True), (None, "TYX", True), (None, "zyx", True), (None, "NYX", False)],
)
def test_frames_are_a_sequence_or_not(in_file: str | None, asked: str | None, is_sequence: bool, tmp_path: Path) -> None:
    stack = read_labelled_stack(entry(tmp_path, in_file=in_file, axes=asked))
    assert stack.is_sequence == is_sequence
    np.testing.assert_array_equal(stack.image, IMAGE)
    np.testing.assert_array_equal(stack.labels, LABELS)
    assert count_objects(stack) == (2 if is_sequence else 7)


def test_a_single_image(tmp_path: Path) -> None:
    stack = read_labelled_stack(entry(tmp_path, IMAGE[0], LABELS[0], in_file=None))
    assert (stack.image.shape, stack.is_sequence) == ((1, 20, 30), False)


def test_one_channel_of_an_ome_zarr(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "raw.zarr")
    group.create_array("0", data=np.stack([IMAGE * 0, IMAGE], axis=1))
    axes = [{"name": name} for name in "tcyx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    zarr.create_array(tmp_path / "labels.zarr", data=LABELS)
    stack = read_labelled_stack(DataEntry(tmp_path / "raw.zarr", tmp_path / "labels.zarr", channel=1))
    np.testing.assert_array_equal(stack.image, IMAGE)
    assert stack.is_sequence


def test_large_label_values_are_renumbered(tmp_path: Path) -> None:
    stack = read_labelled_stack(entry(tmp_path, labels=np.where(LABELS == 7, 1_000_000, LABELS.astype(np.int32))))
    np.testing.assert_array_equal(stack.labels, np.select([LABELS == 7, LABELS == 3], [2, 1], 0))


def test_infinite_intensities_are_replaced(tmp_path: Path) -> None:
    image = IMAGE.astype(np.float32)
    image[0, 0, :2] = np.nan, np.inf
    stack = read_labelled_stack(entry(tmp_path, image))
    assert stack.image[0, 0, :3].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("labelled", "is_sequence", "kept"),
    [
        ([1, 3, 4], True, [0, 1, 3, 4, 5]),
        ([1, 2, 3], True, [0, 1, 2, 3, 4, 5]),  # beyond the ends of a volume there are no objects
        ([1, 3, 4], False, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_unlabelled_frames_between_others_are_left_out(labelled: list[int], is_sequence: bool, kept: list[int]) -> None:
    labels = np.zeros((6, 4, 4), np.uint16)
    labels[labelled, 1, 2] = 1
    image = np.arange(6)[:, None, None] + labels
    left = without_unlabelled_frames(LabelledStack(image, labels, is_sequence))
    np.testing.assert_array_equal(left.image, image[kept])
    np.testing.assert_array_equal(left.labels, labels[kept])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another shape": (
        {"labels": LABELS[:3]},
        r"labels\.tif holds 3 frames of 20 x 30 pixels, but .*raw\.tif holds 4 frames",
    ),
    "no object": ({"labels": LABELS * 0}, r"labels\.tif has no object: all labels are 0"),
    "float labels": ({"labels": LABELS / 2}, r"labels\.tif holds float64: labels must be whole numbers"),
    "negative": ({"labels": LABELS.astype(int) - 1}, r"labels\.tif holds the label -1: labels must be between 0 and 65535"),
    "sequence or not": ({"in_file": None}, r'raw\.tif does not define whether its 4 frames are a sequence: write axes = "TYX"'),
    "colour": ({"image": np.stack([IMAGE] * 3, axis=-1), "in_file": "TYXC"}, r"raw\.tif is in colour: choose a channel"),
    "wrong axes": ({"axes": "YX"}, r"raw\.tif: axes YX do not fit an image of shape"),
    "no channel": ({"channel": 1}, r"raw\.tif: an image with axes TYX has no channels"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_do_not_fit_have_one_sentence(name: str, tmp_path: Path) -> None:
    arguments, message = BAD[name]
    with pytest.raises(ValueError, match=message) as caught:
        read_labelled_stack(entry(tmp_path, **arguments))
    assert "\n" not in str(caught.value)


def test_missing_files_have_one_sentence(tmp_path: Path) -> None:
    tiff(tmp_path / "raw.tif", IMAGE)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.tif"):
        read_labelled_stack(DataEntry(tmp_path / "raw.tif", tmp_path / "gone.tif"))
