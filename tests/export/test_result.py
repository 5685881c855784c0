"""Labels of any axes, and what does not fit them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blob_tracker import blob_session
from napari_sam2.export.result import Result, axes_of_labels, open_image
from napari_sam2.export.table import tabulate
from napari_sam2.export.tracks import find_tracks
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES, SHAPE, volume, write_nrrd

LABELS = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("stored", ["TZYX", "ZTYX", "XYZT", "YXTZ"])
def test_planes_of_axes_in_any_order(stored: str) -> None:
    result = Result(LABELS.transpose(["TZYX".index(axis) for axis in stored]), stored)
    assert (result.axes, result.shape, result.space) == ("TZYX", (2, 3, 4, 5), "ZYX")
    np.testing.assert_array_equal(list(result.planes()), LABELS.reshape(6, 4, 5))
    np.testing.assert_array_equal(result.cut({"T": 1, "X": 2}, "Z", "Y"), LABELS[1, :, :, 2])


@pytest.mark.parametrize(
    ("axes", "known"), [("QYX", "TYX"), ("IYX", "TYX"), ("TQYX", "TZYX"), ("QZYX", "TZYX"), ("IQYX", "TZYX"), ("tyx", "TYX")]
)
def test_axes_of_other_names(axes: str, known: str) -> None:
    assert Result(np.zeros((2,) * len(axes), np.uint8), axes).axes == known


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, ">u4"])
def test_whole_numbers_of_any_type(dtype: Any) -> None:
    plane = Result(np.eye(3, dtype=dtype), "YX").cut({})
    assert plane.dtype == np.uint16
    np.testing.assert_array_equal(plane, np.eye(3))


def test_all_channels_are_measured(tmp_path: Path) -> None:
    """However the image is looked at, whatever the place of its channels."""
    image = np.random.default_rng(0).integers(0, 99, (2, 5, 3, 6, 7), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", metadata={"axes": "TCZYX"})
    result = Result(np.zeros((2, 3, 6, 7), np.uint8), "TZYX", stack=open_image(tmp_path / "a.tif"))
    assert result.num_channels == 5
    np.testing.assert_array_equal(result.intensities(1, 2), np.moveaxis(image[1, :, 2], 0, -1))
    grey = Result(np.zeros((6, 7), np.uint8), "YX", stack=Stack.open(image[0, 0, 0]))
    assert (grey.num_channels, grey.intensities(0, 0).shape) == (1, (6, 7, 1))
    colour = Result(np.zeros((6, 7), np.uint8), "YX", stack=Stack.open(np.zeros((6, 7, 4), np.uint8)))
    assert (colour.num_channels, colour.intensities(0, 0).shape) == (3, (6, 7, 3))
    assert Result(np.zeros((6, 7), np.uint8), "YX").intensities(0, 0) is None


def test_a_single_frame_and_a_single_image_are_the_same() -> None:
    Result(np.zeros((6, 7), np.uint8), "YX", stack=Stack.open(np.zeros((1, 6, 7)), "TYX"))
    Result(np.zeros((1, 6, 7), np.uint8), "TYX", stack=Stack.open(np.zeros((6, 7))))


@pytest.mark.parametrize(
    ("labels", "axes", "image", "message"),
    [
        (np.zeros((3, 4)), "YX", None, "labels must be whole numbers, got float64"),
        (np.zeros((3, 4), "u2"), "TYX", None, "axes TYX do not fit labels of shape"),
        (np.zeros((0, 3, 4), "u2"), "TYX", None, "the labels are empty"),
        (np.zeros((3, 4), "u2"), "TX", None, "labels have the axes Y and X, and T, Z or both, got TX"),
        (np.zeros((2, 2, 2, 3, 4), "u2"), "TZQYX", None, "labels have the axes Y and X"),
        (
            np.zeros((2, 3, 4), "u2"),
            "TYX",
            np.zeros((3, 3, 4)),
            r"labels and image do not fit: .*\(2, 3, 4\), the image TYX and \(3, 3, 4\)",
        ),
        (np.zeros((3, 4), "u2"), "YX", np.zeros((3, 5)), "labels and image do not fit"),
    ],
)
def test_what_does_not_fit(labels: Any, axes: str, image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Result(labels, axes, stack=None if image is None else Stack.open(image))


@pytest.mark.parametrize("value", [-1, 65536])
def test_labels_beyond_16_bit(value: int) -> None:
    with pytest.raises(ValueError, match=f"there is a label {value}: labels must be between 0 and 65535"):
        Result(np.array([[0, value]]), "YX").cut({})


def test_divisions() -> None:
    result = Result(np.zeros((3, 4), "u2"), "YX", lineage={2: 1, 3: 1, 4: 9, 9: 1, 5: 0})
    assert result.divisions({1: 0, 2: 4, 3: 4, 4: 5, 5: 1}) == {2: 1, 3: 1}
    with pytest.raises(ValueError, match="object 1 cannot be the parent of 2: it begins on frame 4, its child on frame 4"):
        result.divisions({1: 4, 2: 4})


def test_axes_of_a_label_file(tmp_path: Path) -> None:
    """The file's own; those of the image where it has the same shape; what a person says goes first."""
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 5), np.uint16), photometric="minisblack")
    volume = Stack.open(np.zeros((3, 4, 5)), "ZYX")
    assert axes_of_labels(open_image(path)) == "QYX"
    assert axes_of_labels(open_image(path), image=volume) == "ZYX"
    assert axes_of_labels(open_image(path, "TYX"), "TYX", volume) == "TYX"
    tifffile.imwrite(path, LABELS, photometric="minisblack", metadata={"axes": "TZYX"})
    labels = open_image(path)
    assert (labels.image.shape, axes_of_labels(labels)) == (LABELS.shape, "TZYX")


@pytest.mark.parametrize(("axes", "taken"), [("CYX", "TYX"), ("TCYX", "TZYX")])
def test_a_single_channel_of_labels_is_no_channel(axes: str, taken: str, tmp_path: Path) -> None:
    shape = [1 if axis == "C" else length for axis, length in zip("TCYX", (3, 1, 4, 5), strict=True) if axis in axes]
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, np.ones(shape, np.uint8), photometric="minisblack", metadata={"axes": axes})
    labels = open_image(path)
    result = Result(labels.image, axes_of_labels(labels))
    assert (result.axes, result.shape, result.cut({"T": 0}).tolist()) == (taken, tuple(shape), [[1] * 5] * 4)


@pytest.mark.parametrize("axes", ["YXS", "CYX"])
def test_a_label_file_has_one_value_for_each_pixel(axes: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    tifffile.imwrite(
        path, np.zeros((3, 3, 3), np.uint8), photometric="rgb" if "S" in axes else "minisblack", metadata={"axes": axes}
    )
    with pytest.raises(ValueError, match=r"labels\.tif has colours or channels"):
        axes_of_labels(open_image(path))
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.tif"):
        open_image(tmp_path / "gone.tif")


def test_a_session_knows_its_divisions_and_scores() -> None:
    movie = np.zeros((4, 20, 30), np.uint16)
    movie[:2, 4:8, 4:12] = movie[2:, 4:8, 3:6] = movie[2:, 4:8, 9:12] = 900
    session = blob_session(movie, "TYX")
    mother = session.add_object()
    session.add_points(mother, 0, [(5, 5)])
    list(session.propagate())
    left, right = session.divide_object(mother, 2)
    session.add_points(left, 2, [(5, 4)])
    session.add_points(right, 2, [(5, 10)])
    list(session.propagate())
    result = session.result()
    tracks = find_tracks(result)
    assert tracks.lineage == {left: mother, right: mother}
    assert tracks.frames() == {mother: [0, 1], left: [2, 3], right: [2, 3]}
    assert (tabulate(result)["object_score"] == 10).all()


def test_a_result_lies_where_its_image_does_and_does_not_name_it_where_that_is_of_a_patient(tmp_path: Path) -> None:
    labels = np.ones(SHAPE, np.uint16)
    stack = Stack.open(write_nrrd(tmp_path / "jane.nrrd", volume(), GEOMETRIES["oblique"]))
    result = Result(labels, "ZYX", stack=stack, image_path=tmp_path / "jane.nrrd")
    assert (result.image_path, result.geometry) == (None, stack.geometry)
    assert Result(labels, "ZYX", stack=stack, geometry=GEOMETRIES["straight"]).geometry == GEOMETRIES["straight"]
    plain = Result(labels, "ZYX", stack=Stack.open(volume(), "ZYX"), image_path=tmp_path / "a.tif")
    assert (plain.image_path, plain.geometry) == (tmp_path / "a.tif", None)
