"""Labelled stacks from folders, and one sentence for invalid ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.training.real_stacks import read_stacks, sample_real_clip
from training.drifting_discs import write_stack

IMAGE = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
LABELS = np.zeros((3, 20, 30), np.uint16)
LABELS[:, 2:8, 3:9], LABELS[1:, 10:18, 15:25] = 3, 7


@pytest.mark.parametrize(("axes", "is_sequence"), [("TYX", True), ("ZYX", True), ("QYX", False)])
def test_a_stack_or_a_collection_of_images(axes: str, is_sequence: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (stack,) = read_stacks([write_stack(tmp_path / "one", IMAGE, LABELS, axes)])
    assert stack.is_sequence == is_sequence
    assert stack.labels.dtype == np.uint16
    np.testing.assert_array_equal(stack.image, IMAGE)
    np.testing.assert_array_equal(stack.labels, LABELS)
    said = f"{tmp_path / 'one'}: its 3 frames, along Q, are taken for separate images; "
    said += "if they follow each other, write image.tif with the axes TYX or ZYX"
    assert caplog.messages == ([] if is_sequence else [said])


def test_folders_of_stacks_and_a_folder_named_twice(tmp_path: Path) -> None:
    for name, frame in (("b", 1), ("a", 0)):
        write_stack(tmp_path / "all" / name, IMAGE[frame], LABELS[frame], "YX")
    (tmp_path / "all" / "notes.txt").touch()
    (tmp_path / "all" / "unlabelled").mkdir()
    stacks = read_stacks([tmp_path / "all", tmp_path / "all" / "b"])
    assert [int(stack.image[0, 0, 0]) for stack in stacks] == [0, 600, 600]
    assert [stack.image.shape for stack in stacks] == [(1, 20, 30)] * 3


def test_large_labels_are_renumbered_and_infinite_intensities_replaced(tmp_path: Path) -> None:
    image = IMAGE.astype(np.float32)
    image[0, 0, :2] = np.nan, np.inf
    (stack,) = read_stacks([write_stack(tmp_path / "one", image, np.where(LABELS == 7, 70_000, LABELS.astype(np.int32)))])
    np.testing.assert_array_equal(stack.labels, np.select([LABELS == 7, LABELS == 3], [2, 1], 0))
    assert stack.image[0, 0, :3].tolist() == [2, 2, 2]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "float labels": ({"labels": LABELS * np.float32(10_000.1)}, r"masks\.tif holds float32: labels must be whole numbers"),
    "colour": (
        {"image": np.stack([IMAGE] * 3, axis=-1), "axes": "TYXC"},
        r"image\.tif is in colour: choose a channel",
    ),
    "negative": ({"labels": LABELS.astype(np.int16) - 1}, r"masks\.tif holds the label -1: labels must be between 0 and 65535"),
    "no object": ({"labels": LABELS * 0}, r"masks\.tif has no object: all labels are 0"),
    "another shape": (
        {"labels": LABELS[:2]},
        r"one/masks\.tif holds 2 frames of 20 x 30 pixels, but .*one/image\.tif holds 3 frames",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_stacks_have_one_sentence(name: str, tmp_path: Path) -> None:
    arrays, message = BAD[name]
    write_stack(tmp_path / "one", **{"image": IMAGE, "labels": LABELS} | arrays)
    with pytest.raises(ValueError, match=message) as caught:
        read_stacks([tmp_path])
    assert "\n" not in str(caught.value)


def test_a_folder_without_stacks_has_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*gone"):
        read_stacks([tmp_path / "gone"])
    folder = write_stack(tmp_path / "one", IMAGE, LABELS)
    (folder / "image.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*image\.tif"):
        read_stacks([tmp_path])
    (folder / "masks.tif").unlink()
    with pytest.raises(ValueError, match=f"{tmp_path} holds no labelled stack: there is no masks.tif in it, nor in a folder"):
        read_stacks([tmp_path])


@pytest.mark.parametrize(("content", "what"), [(b"", "is not a TIFF file"), (b"II*\0 nothing", "is a TIFF without an image in it")])
def test_a_damaged_file_is_named(content: bytes, what: str, tmp_path: Path) -> None:
    folder = write_stack(tmp_path / "one", IMAGE, LABELS)
    (folder / "image.tif").write_bytes(content)
    with pytest.raises(ValueError, match=rf"image\.tif {what}$") as caught:
        read_stacks([tmp_path])
    assert "\n" not in str(caught.value)


def test_only_ct_is_shown_in_windows(tmp_path: Path) -> None:
    """A subtracted background is also far below 0, but it is not air."""
    rng = np.random.default_rng(0)
    labels = np.zeros((2, 64, 64), np.uint8)
    labels[:, 10:26, 10:26], labels[:, 38:54, 38:54] = 1, 2
    fluorescence = rng.normal(0, 150, labels.shape).astype(np.float32) + np.array([0, 5000, 20_000], np.float32)[labels]
    ct = (rng.normal(40, 20, labels.shape) + np.array([0, 60, 200])[labels]).astype(np.int16)
    ct[:, :6] = -1000
    stacks = read_stacks([write_stack(tmp_path / "a", fluorescence, labels), write_stack(tmp_path / "b", ct, labels)])
    assert [stack.is_ct for stack in stacks] == [False, True]
    for seed in range(20):
        clip = sample_real_clip(stacks[0], np.random.default_rng(seed), 2, 64)
        seen, true = clip.frames[0].astype(int), clip.labels[0, 0]
        if (true == 1).sum() > 20 and (true == 2).sum() > 20:
            assert abs(np.median(seen[true == 1]) - np.median(seen[true == 2])) > 20
