from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.predictors.mask_postprocessing import (
    fill_holes_in_mask_scores,
    remove_holes_and_sprinkles,
    resize_logits,
    resize_mask,
)


def logits(*rows: str) -> torch.Tensor:
    """Draw a mask: # is inside, . outside."""
    return torch.tensor([[[[2.0 if cell == "#" else -3.0 for cell in row] for row in rows]]])


HOLES = logits(
    "#######.",
    "#.##..#.",
    "##.#..#.",
    "####.##.",
    "#######.",
)


@pytest.mark.parametrize(("max_area", "filled"), [(0, 0), (1, 0), (2, 2), (4, 2), (5, 12), (8, 12)])
def test_holes_are_counted_across_corners(max_area: int, filled: int) -> None:
    """The two left holes touch at a corner and are one; the 2 x 2 hole has a pixel below it. The strip at the border has 5 too."""
    found = fill_holes_in_mask_scores(HOLES, max_area)
    changed = found != HOLES
    assert int(changed.sum()) == filled
    assert torch.all(found[changed] == 0.1)


def test_masks_of_a_batch_do_not_touch_each_other() -> None:
    stacked = torch.cat([logits("###", "#.#", "###"), logits("...", "...", "...")])
    found = fill_holes_in_mask_scores(stacked, 1)
    assert found[0, 0, 1, 1] == pytest.approx(0.1)
    assert torch.equal(found[1], stacked[1])


def test_holes_and_specks_are_both_judged_by_the_original() -> None:
    """A speck inside a hole: the hole is larger than allowed without it, and stays."""
    mask = logits("#####", "#...#", "#.#.#", "#...#", "#####")
    cleaned = remove_holes_and_sprinkles(mask, 0.0, max_hole_area=7, max_sprinkle_area=1)
    assert cleaned[0, 0, 2, 2] == -10
    assert torch.equal(cleaned[0, 0, 1], mask[0, 0, 1])
    filled = remove_holes_and_sprinkles(mask, 0.0, max_hole_area=8, max_sprinkle_area=0)
    assert (filled[0, 0, 1:4, 1:4] > 0).all()
    assert filled[0, 0, 1, 1] == 10


def test_any_leading_shape_is_taken() -> None:
    mask = HOLES.expand(2, 3, -1, -1).clone()
    assert int((remove_holes_and_sprinkles(mask, 0.0, 2, 0) != mask).sum()) == 6 * 2


def test_resizing_to_the_same_size_changes_nothing() -> None:
    mask = torch.randn(1, 1, 4, 6)
    assert resize_logits(mask, (4, 6)) is mask
    assert resize_logits(mask, (9, 7)).shape == (1, 1, 9, 7)


def test_half_of_a_pixel_is_inside_and_less_is_not() -> None:
    """Worked by hand: a pixel of half the number is a mean with weights that fall off from its middle."""
    assert resize_mask(torch.tensor([[True, False]]), (1, 1)).tolist() == [[True]]
    # the weights of four pixels in the first of two are 3, 3, 1, 0 sevenths
    assert resize_mask(torch.tensor([[False, True, False, False]]), (1, 2)).tolist() == [[False, False]]
    assert resize_mask(torch.tensor([[False, True, True, False]]), (1, 2)).tolist() == [[True, True]]
    assert resize_mask(torch.tensor([[True, False, False]]), (1, 6)).tolist() == [[True, True, False, False, False, False]]


def test_a_mask_of_the_size_wanted_is_returned_as_it_is() -> None:
    mask = torch.rand(5, 7) > 0.5
    assert resize_mask(mask, (5, 7)) is mask


@settings(deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(1, 5))
def test_a_mask_enlarged_and_made_small_again_is_the_same_mask(mask: np.ndarray, factor: int) -> None:
    given_mask, size = torch.from_numpy(mask), tuple(mask.shape)
    enlarged = resize_mask(given_mask, (factor * size[0], factor * size[1]))
    assert enlarged.dtype == torch.bool
    middles = enlarged[factor // 2 :: factor, factor // 2 :: factor]
    if factor % 2:
        assert torch.equal(middles, given_mask)
    # nothing is skipped where the size is the same: the interpolation itself changes nothing there
    kept = F.interpolate(given_mask.float()[None, None], size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
    assert torch.equal(kept, given_mask.float())
