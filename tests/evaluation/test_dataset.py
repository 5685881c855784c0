"""Labelled stacks: what is read, and one sentence for what cannot be scored."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from blob_tracker import squares
from evaluation_stacks import write_dataset
from napari_sam2.evaluation.dataset import Dataset, channels_used, read_datasets

T = 6
TRUTH = squares(
    T,
    (16, 16),
    {
        2: [(2, 2, 3)] * T,
        5: [None, (8, 8, 2), (8, 8, 4), (8, 8, 3), (8, 8, 3), (8, 8, 3)],
        9: [None, None, None, None, (2, 9, 3), None],
    },
)
TABLE = "id,t_first,n_frames,contiguous,parent\n2,0,6,1,0\n5,1,5,1,2\n9,4,1,1,2\n"


def test_listed_objects(tmp_path: Path) -> None:
    """Those with enough frames, each from where it appears; lineage as listed."""
    dataset = Dataset.read(write_dataset(tmp_path, TRUTH, table=TABLE))
    assert (dataset.anchors, dataset.lineage) == ({2: 0, 5: 1}, {5: 2})
    assert dataset.span(5) == range(1, 6)
    np.testing.assert_array_equal(dataset.mask(5, 2), TRUTH[2] == 5)


def test_listed_objects_of_a_volume_begin_where_they_are_largest(tmp_path: Path) -> None:
    table = "id,z_first,n_frames,contiguous\n2,0,6,1\n5,1,5,0\n"
    assert Dataset.read(write_dataset(tmp_path, TRUTH, "ZYX", table=table)).anchors == {2: 0}
    assert Dataset.read(write_dataset(tmp_path, TRUTH, "ZYX", table=table.replace(",0\n", ",1\n"))).anchors == {2: 0, 5: 2}


@pytest.mark.parametrize(("axes", "anchors"), [("TYX", {2: 0, 5: 1, 9: 4}), ("ZYX", {2: 0, 5: 2, 9: 4})])
def test_without_a_table_all_objects_count(axes: str, anchors: dict[int, int], tmp_path: Path) -> None:
    assert Dataset.read(write_dataset(tmp_path, TRUTH, axes)).anchors == anchors


def test_it_is_the_image_that_says_what_is_a_volume(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, TRUTH, "ZYX")
    tifffile.imwrite(folder / "masks.tif", TRUTH, photometric="minisblack")
    assert Dataset.read(folder).anchors == {2: 0, 5: 2, 9: 4}
    tifffile.imwrite(folder / "image.tif", TRUTH, photometric="minisblack")
    assert Dataset.read(folder, axes="TYX").anchors == {2: 0, 5: 1, 9: 4}
    assert Dataset.read(folder, axes="ZYX").anchors == {2: 0, 5: 2, 9: 4}


def test_where_objects_of_a_time_lapse_appear_need_not_be_in_the_table(tmp_path: Path) -> None:
    table = "id,n_frames,contiguous\n2,9,1\n5,9,1\n"
    assert Dataset.read(write_dataset(tmp_path, TRUTH, "TYX", table=table)).anchors == {2: 0, 5: 1}


def test_single_image(tmp_path: Path) -> None:
    dataset = Dataset.read(write_dataset(tmp_path, TRUTH[4], "YX"))
    assert dataset.truth.shape == (1, 16, 16)
    assert dataset.anchors == {2: 0, 5: 0, 9: 0}


def test_one_channel_of_several(tmp_path: Path) -> None:
    write_dataset(tmp_path, TRUTH[4], "CYX", image=np.zeros((2, 16, 16), np.uint8))
    assert Dataset.read(tmp_path, channel=1).anchors == {2: 0, 5: 0, 9: 0}
    assert Dataset.read(tmp_path, axes="CYX", channel=0).truth.shape == (1, 16, 16)


COLLECTION = squares(4, (16, 16), {7: [(2, 2, 3), None, (8, 8, 4), (4, 9, 3)], 9: [None, None, (2, 9, 3), None]})


def pillow_pages(path: Path, array: np.ndarray) -> None:
    """A TIFF of several pages without a word about axes, which tifffile calls I."""
    first, *others = (Image.fromarray(plane) for plane in array)
    first.save(path, save_all=True, append_images=others)


@pytest.mark.parametrize("writer", ["tifffile, Q", "Pillow, I", "explicit N", "a time-lapse that is none"])
def test_frames_along_other_axes_are_separate_images(writer: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A label counts on its own image; the second image has no object."""
    axes = None
    if writer == "Pillow, I":
        pillow_pages(tmp_path / "image.tif", COLLECTION.astype(np.uint8))
        pillow_pages(tmp_path / "masks.tif", COLLECTION.astype(np.uint8))
    else:
        in_file, axes = {"tifffile, Q": ("QYX", None), "explicit N": ("QYX", "nyx")}.get(writer, ("TYX", "NYX"))
        write_dataset(tmp_path, COLLECTION, in_file)
    found = read_datasets(tmp_path, axes)
    assert [(dataset.number, dataset.anchors, dataset.name) for dataset in found] == [
        (0, {7: 0}, tmp_path.name),
        (2, {7: 0, 9: 0}, tmp_path.name),
        (3, {7: 0}, tmp_path.name),
    ]
    for dataset in found:
        assert dataset.span(7) == range(1)
        np.testing.assert_array_equal(dataset.mask(7, 0), COLLECTION[dataset.number] == 7)
        stack = dataset.stack()
        assert (stack.axes, len(stack)) == ("YX", 1)
        np.testing.assert_array_equal(np.asarray(stack.frames[0]) > 0, COLLECTION[dataset.number] > 0)
    letter = "I" if "I" in writer else "Q"
    said = f"{tmp_path}: its 4 frames, along {letter}, are taken for separate images; "
    said += "if they follow each other, give axes TYX or ZYX (--axes)"
    assert [record.message for record in caplog.records] == ([said] if axes is None else [])
    with pytest.raises(ValueError, match="holds a collection of images, each a data set of its own"):
        Dataset.read(tmp_path, axes)
    assert Dataset.read(tmp_path, "TYX").anchors == {7: 0, 9: 2}


def test_the_table_is_of_stacks_alone(tmp_path: Path) -> None:
    write_dataset(tmp_path, COLLECTION, "QYX", table="id,n_frames,contiguous\n7,3,0\n")
    assert [dataset.anchors for dataset in read_datasets(tmp_path, "NYX")] == [{7: 0}, {7: 0, 9: 0}, {7: 0}]


@pytest.mark.parametrize(
    ("channel", "used", "grey"),
    [(None, (0, 1), False), (1, (1,), True), ([1], (1,), True), ([1, 0], (1, 0), False)],
)
def test_channels_of_a_collection(channel: Any, used: tuple[int, ...], grey: bool, tmp_path: Path) -> None:
    image = np.stack([np.zeros_like(COLLECTION), COLLECTION], axis=1)
    write_dataset(tmp_path, COLLECTION, image=image, axes="QQYX")
    (first, *_) = read_datasets(tmp_path, "NCYX", channel)
    assert (first.channels, first.num_channels) == (used, 2)
    stack = first.stack()
    assert stack.is_composed != grey
    shown = np.asarray(stack.frames[0]) if grey else np.asarray(stack.frames[0])[..., used.index(1)]
    np.testing.assert_array_equal(shown, COLLECTION[0])


def test_colours_of_a_collection(tmp_path: Path) -> None:
    write_dataset(tmp_path, COLLECTION, "QYX")
    image = np.repeat(COLLECTION.astype(np.uint8)[..., None], 3, axis=-1)
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="rgb")
    (first, *_) = read_datasets(tmp_path)
    assert (first.channels, first.stack().is_rgb) == ((), True)


@pytest.mark.parametrize(
    ("channels", "count", "said"),
    [((), 0, ""), ((1,), 2, "channel 1 of 2"), ((0, 1), 2, "channels 0 and 1 of 2"), ((0, 1, 4), 5, "channels 0, 1 and 4 of 5")],
)
def test_channels_in_words(channels: tuple[int, ...], count: int, said: str) -> None:
    assert channels_used(channels, count) == said


def test_an_image_with_one_channel_has_no_choice(tmp_path: Path) -> None:
    write_dataset(tmp_path, TRUTH[4], "CYX", image=np.zeros((1, 16, 16), np.uint8))
    assert Dataset.read(tmp_path, "CYX").channels == ()


def written(**changes: Any) -> Callable[[Path], Any]:
    return lambda folder: write_dataset(folder, **{"truth": TRUTH, **changes})


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (write_dataset(folder, TRUTH) / name).unlink()


def damaged(folder: Path) -> None:
    content = (write_dataset(folder, TRUTH) / "masks.tif").read_bytes()
    (folder / "masks.tif").write_bytes(content[: len(content) // 2])


def coloured(folder: Path) -> None:
    tifffile.imwrite(write_dataset(folder, TRUTH) / "masks.tif", np.zeros((6, 16, 16, 3), np.uint8), photometric="rgb")


BAD: dict[str, tuple[Callable[[Path], Any], dict[str, Any], str]] = {
    "no folder": (lambda folder: None, {}, r"D is not a data set: there is no image\.tif"),
    "no masks": (without("masks.tif"), {}, r"D is not a data set: there is no masks\.tif"),
    "damaged": (damaged, {}, r"D/masks\.tif holds \d frames of 16 x 16 pixels, but D/image\.tif holds 6 frames of 16 x 16 pixels"),
    "no object": (written(truth=TRUTH * 0), {}, r"D has no object to score"),
    "floats": (written(truth=TRUTH.astype(np.float32)), {}, r"D/masks\.tif holds float32: labels must be whole numbers, .*"),
    "colours": (coloured, {}, r"D/masks\.tif has colours or channels: labels must be whole numbers, .*"),
    "negative": (
        written(truth=TRUTH.astype(np.int16) - 1),
        {},
        r"D/masks\.tif holds the label -1: labels must be between 0 and 65535",
    ),
    "too many": (written(truth=TRUTH.astype(np.uint32) * 60000), {}, r"D/masks\.tif holds the label 540000: .*"),
    "other shape": (
        written(image=np.zeros((6, 16, 17), np.uint8)),
        {},
        r"D/masks\.tif holds 6 frames of 16 x 16 pixels, but D/image\.tif holds 6 frames of 16 x 17 pixels",
    ),
    "other length": (
        written(image=np.zeros((5, 16, 16), np.uint8)),
        {},
        r"D/masks\.tif holds 6 frames of 16 x 16 pixels, but D/image\.tif holds 5 frames of 16 x 16 pixels",
    ),
    "several times": (
        written(image=np.zeros((2, 6, 16, 16), np.uint8), axes="TZYX"),
        {},
        r"D/image\.tif: objects cannot be propagated through an image of shape \(2, 6, 16, 16\) with axes TZYX along T alone: .*",
    ),
    "no such channel": (written(), {"channel": 1}, r"D/image\.tif: an image with axes TYX has no channels to choose from"),
    "column": (written(table="id,frames\n2,6\n"), {}, r"D/objects\.csv has no column 'n_frames'"),
    "cell": (
        written(table="id,n_frames,contiguous\n2,6,1\n5,many,1\n"),
        {},
        r"D/objects\.csv, line 3: id, n_frames, contiguous must be whole numbers",
    ),
    "unknown object": (
        written(table="id,n_frames,contiguous\n4,6,1\n"),
        {},
        r"D/objects\.csv lists object 4, which is not in the masks",
    ),
    "wrong frame": (
        written(table="id,t_first,n_frames,contiguous\n5,0,6,1\n"),
        {},
        r"D/objects\.csv has object 5 begin on frame 0, where it is not in the masks",
    ),
    "none listed": (written(table="id,n_frames,contiguous\n9,1,1\n"), {}, r"D has no object to score"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_scored(case: str, tmp_path: Path) -> None:
    prepare, arguments, said = BAD[case]
    prepare(tmp_path / "D")
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Dataset.read(tmp_path / "D", **arguments)
    assert re.fullmatch(said.replace("D", re.escape(str(tmp_path / "D"))), str(caught.value)), caught.value
