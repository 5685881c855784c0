"""Outlines enclose exactly the pixels of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam2.export.pixel_outlines import pixel_outlines


def signed_area(outline: np.ndarray) -> float:
    """Positive where it is clockwise as seen on the screen."""
    x, y = outline.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2


def filled(outlines: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Count for each pixel how often the outlines cross the line from its centre to the left, which is odd inside."""
    crossings = np.zeros(shape, int)
    for outline in outlines:
        for (x0, y0), (x1, y1) in zip(outline.tolist(), np.roll(outline, -1, 0).tolist(), strict=True):
            assert (x0 == x1) != (y0 == y1), "along the edges of pixels, and each corner is a turn"
            if x0 == x1:
                crossings[min(y0, y1) : max(y0, y1), x0:] += 1
    return crossings % 2 == 1


@pytest.mark.parametrize(
    ("rows", "corners"),
    [
        (["#"], [[(0, 0), (1, 0), (1, 1), (0, 1)]]),
        (["##"], [[(0, 0), (2, 0), (2, 1), (0, 1)]]),
        ([".#.", "###"], [[(1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (0, 2), (0, 1), (1, 1)]]),
        (["#.", ".#"], [[(0, 0), (1, 0), (1, 1), (0, 1)], [(1, 1), (2, 1), (2, 2), (1, 2)]]),
        (["###", "#.#", "###"], [[(0, 0), (3, 0), (3, 3), (0, 3)], [(1, 1), (1, 2), (2, 2), (2, 1)]]),
        (["..."], []),
    ],
    ids=["pixel", "two", "step", "touch at a corner", "hole", "nothing"],
)
def test_outlines_of_small_masks(rows: list[str], corners: list[list[tuple[int, int]]]) -> None:
    mask = np.array([[letter == "#" for letter in row] for row in rows])
    found = [outline.tolist() for outline in pixel_outlines(mask)]
    assert [{tuple(corner) for corner in outline} for outline in found] == [set(outline) for outline in corners]
    assert sum(signed_area(np.array(outline)) for outline in found) == mask.sum()


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_outlines_enclose_the_mask_and_nothing_else(mask: np.ndarray) -> None:
    outlines = pixel_outlines(mask)
    np.testing.assert_array_equal(filled(outlines, mask.shape), mask)
    assert sum(map(signed_area, outlines)) == mask.sum(), "pieces clockwise, holes the other way"
