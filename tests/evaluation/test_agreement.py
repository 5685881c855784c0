"""J and F of DAVIS, on masks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.morphology import disk

from napari_sam2.evaluation.agreement import boundary, boundary_f, iou

PAIRS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda shape: st.tuples(*(arrays(bool, shape) for _ in "ab")))


def square(row: int, col: int, side: int = 4, shape: tuple[int, int] = (20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[row : row + side, col : col + side] = True
    return mask


def test_boundary_is_offset_up_and_left() -> None:
    """That of a pixel is the pixel with its upper and left neighbours, as in the DAVIS toolkit."""
    expected = np.zeros((20, 20), bool)
    expected[4:6, 4:6] = True
    np.testing.assert_array_equal(boundary(square(5, 5, 1)), expected)


def test_boundary_ends_at_the_image_border() -> None:
    assert not boundary(np.ones((5, 5), bool)).any()
    half = np.zeros((5, 5), bool)
    half[:, :2] = True
    expected = np.zeros((5, 5), bool)
    expected[:, 1] = True
    np.testing.assert_array_equal(boundary(half), expected)


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        (square(5, 5), 1.0),
        (square(5, 6), 1.0),  # the tolerance of 20 x 20 pixels is one pixel: ceil(0.008 * 28.3)
        # A ring of 16 pixels, two columns further: 4 of 5 in its first row match, 4 of 5 in its last, and in its left column the
        # 2 that touch these rows of the other ring.
        (square(5, 7), 10 / 16),
        (square(12, 12), 0.0),
        (np.zeros((20, 20), bool), 0.0),
    ],
)
def test_boundary_f(b: np.ndarray, expected: float) -> None:
    assert boundary_f(square(5, 5), b) == expected


def test_precision_and_recall_differ() -> None:
    """One of two objects found: all that was found is right, half of what is there was found."""
    both = square(2, 2) | square(12, 12)
    assert boundary_f(square(2, 2), both) == pytest.approx(2 / 3)


def test_the_tolerance_is_a_share_of_the_diagonal() -> None:
    """Beyond a diagonal of 250 pixels it is three pixels: squares moved by three match, by four not wholly."""
    shape = (200, 250)
    assert boundary_f(square(50, 50, 40, shape), square(50, 53, 40, shape)) == 1
    assert boundary_f(square(50, 50, 40, shape), square(50, 54, 40, shape)) < 1


def test_nothing_found_and_nothing_there() -> None:
    empty = np.zeros((20, 20), bool)
    assert (iou(empty, empty), boundary_f(empty, empty)) == (1, 1)


def test_iou() -> None:
    assert iou(square(5, 5), square(5, 7)) == 8 / 24


@given(PAIRS)
def test_roles_are_the_same(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    assert boundary_f(a, b) == pytest.approx(boundary_f(b, a))
    assert iou(a, b) == iou(b, a)
    assert boundary_f(a, a) == iou(a, a) == 1
    assert 0 <= boundary_f(a, b) <= 1


@given(PAIRS)
def test_as_by_dilation(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """The definition: boundaries dilated with a disk."""
    a, b = (boundary(mask) for mask in pair)
    near_a, near_b = (_dilated(line, disk(1)) for line in (a, b))
    if a.any() and b.any():
        precision, recall = (a & near_b).sum() / a.sum(), (b & near_a).sum() / b.sum()
        expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert boundary_f(*pair) == pytest.approx(expected)


def _dilated(mask: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    radius = footprint.shape[0] // 2
    padded = np.pad(mask, radius)
    shifted = [np.roll(padded, (row - radius, col - radius), (0, 1)) for row, col in np.argwhere(footprint)]
    return np.logical_or.reduce(shifted)[radius:-radius, radius:-radius]
