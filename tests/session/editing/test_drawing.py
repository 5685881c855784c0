"""Polygons, scribbles and label images as masks and points."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from napari_sam2.session.editing.drawing import masks_of_labels, polygon_mask, scribble_points

SHAPE = (10, 12)


def test_pixels_whose_centre_is_inside_a_polygon() -> None:
    expected = np.zeros(SHAPE, bool)
    expected[2:5, 3:8] = True
    np.testing.assert_array_equal(polygon_mask([(1.5, 2.5), (1.5, 7.5), (4.5, 7.5), (4.5, 2.5)], SHAPE), expected)


@pytest.mark.parametrize(
    ("vertices", "message"),
    [
        ([(1, 1), (2, 2)], "a polygon has at least three vertices, got 2"),
        ([(1.1, 1.1), (1.1, 1.4), (1.4, 1.2)], "the polygon is empty: it holds the centre of no pixel"),
        ([(1, 1), (1, 12), (5, 5)], "the point (row 1, column 12) is outside the image of 10 rows and 12 columns"),
        ([(1, 1, 1)], "points must be (row, column) pairs, got [(1, 1, 1)]"),
    ],
)
def test_bad_polygon(vertices: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        polygon_mask(vertices, SHAPE)


@pytest.mark.parametrize(
    ("stroke", "points"),
    [
        ([(5, 5)], [(5, 5)]),
        ([(5, 5), (5, 5)], [(5, 5)]),
        ([(2, 1), (2, 8)], [(2, 4.5)]),
        ([(2, 1), (2, 9)], [(2, 3), (2, 7)]),
        ([(0, 0), (0, 6), (6, 6)], [(0, 2), (0, 6), (4, 6)]),
    ],
)
def test_points_of_a_stroke(stroke: Any, points: Any) -> None:
    np.testing.assert_allclose(scribble_points(stroke, SHAPE), points)


def test_a_long_stroke_is_eight_points_evenly_along_it() -> None:
    points = np.array(scribble_points([(0, 0), (0, 80), (0, 160)], (1, 200)))
    np.testing.assert_allclose(points[:, 1], np.arange(10, 160, 20))


def test_a_stroke_that_leaves_the_image() -> None:
    with pytest.raises(ValueError, match="outside the image"):
        scribble_points([(1, 1), (1, 12)], SHAPE)


LABELS = np.zeros(SHAPE, np.int32)
LABELS[1:3, 1:3], LABELS[5:7, 2:6], LABELS[8, 8] = 7, 2, 70_000


@pytest.mark.parametrize(("ids", "taken"), [(None, [2, 7, 70_000]), (7, [7]), (np.uint8(2), [2]), ([70_000, 2, 2], [70_000, 2])])
def test_labels_are_taken_apart(ids: Any, taken: list[int]) -> None:
    masks = masks_of_labels(LABELS, ids, SHAPE)
    assert list(masks) == taken
    for value, mask in masks.items():
        np.testing.assert_array_equal(mask, value == LABELS)


def test_a_mask_is_one_label() -> None:
    assert list(masks_of_labels(LABELS > 0, None, SHAPE)) == [1]


@pytest.mark.parametrize(
    ("labels", "ids", "message"),
    [
        (LABELS.T, None, "a label image must have the shape of a frame, (10, 12), got (12, 10)"),
        (LABELS.astype(float), None, "a label image must hold whole numbers, got float64"),
        (np.zeros(SHAPE, int), None, "the label image is empty: it has no label on this frame"),
        (LABELS, [2, 3], "the label image has no label 3 on this frame"),
        (LABELS, 0, "the label image has no label 0 on this frame"),
        (LABELS, [], "no label of the image was asked for"),
    ],
)
def test_bad_labels(labels: Any, ids: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        masks_of_labels(labels, ids, SHAPE)
