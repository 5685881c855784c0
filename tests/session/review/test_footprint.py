"""Masks cut out of records, their pieces, and what two of them share, compared with the same masks in pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.predictors.zoom import View
from napari_sam2.session.review.footprint import Footprint, shared_px
from packed_records import record_of

FRAME = (12, 16)


def footprint(mask: np.ndarray, view: View | None = None) -> Footprint:
    logits = torch.from_numpy(np.where(mask, 1.0, -1.0).astype(np.float32))
    return Footprint.of(record_of(logits, torch.zeros(1), 1.0, 1.0, view=view), FRAME)


masks = st.lists(st.booleans(), min_size=12, max_size=12).map(lambda values: np.array(values).reshape(3, 4))
views = st.sampled_from([None, View(0, 0, 6, 8), View(4, 4, 6, 8), View(6, 8, 6, 8), View(2, 6, 3, 4)])


def in_pixels(mask: np.ndarray, view: View | None) -> np.ndarray:
    """Each cell is some whole number of pixels."""
    seen = view or View(0, 0, *FRAME)
    plane = np.zeros(FRAME, bool)
    plane[seen.window] = np.kron(mask, np.ones((seen.height // 3, seen.width // 4), bool))
    return plane


@given(masks, views)
def test_a_mask_is_where_its_pixels_are(mask: np.ndarray, view: View | None) -> None:
    found, plane = footprint(mask, view), in_pixels(mask, view)
    assert found.area_px == plane.sum()
    rows, cols = np.nonzero(plane)
    if not len(rows):
        assert (found.centroid_rc, found.touches_border, found.mask.size) == (None, False, 0)
        return
    assert found.box_rc == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)
    assert found.centroid_rc == pytest.approx((rows.mean(), cols.mean()))
    at_edge = {rows.min() == 0, cols.min() == 0, rows.max() == FRAME[0] - 1, cols.max() == FRAME[1] - 1}
    assert found.touches_border == (True in at_edge)


@given(masks, views, masks, views)
def test_what_two_masks_share(mask: np.ndarray, view: View | None, other: np.ndarray, other_view: View | None) -> None:
    """Exactly, as the cells of the coarser mask are made of those of the finer one; and whichever comes first."""
    one, two = footprint(mask, view), footprint(other, other_view)
    shared = shared_px(one, two)
    assert shared == shared_px(two, one)
    assert shared == (in_pixels(mask, view) & in_pixels(other, other_view)).sum()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["...."], 0.0),
        (["##..", ".#.."], 0.0),
        (["#...", ".#.."], 0.0),
        (["##.#"], 1 / 3),
        (["##.#", "...."], 1 / 3),
        (["#.#.", "...."], 0.5),
        (["#.#.", "#...", "#..#"], 1 / 5),
    ],
)
def test_the_second_piece(rows: list[str], expected: float) -> None:
    assert footprint(np.array([[cell == "#" for cell in row] for row in rows])).second_piece == expected
