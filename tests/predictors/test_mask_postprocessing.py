from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.predictors.mask_postprocessing import (
    enlarge_found,
    fill_holes_in_mask_scores,
    label_image,
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


WHOLE = np.s_[:, :]


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.just(4), st.just(5)), elements=st.integers(-3, 3).map(float)))
def test_a_pixel_belongs_to_the_highest_logit_above_zero(planes: np.ndarray) -> None:
    ids = [3 * i + 5 for i in range(len(planes))]
    found = label_image(list(torch.from_numpy(planes)), [WHOLE] * len(ids), ids, (4, 5))
    expected = np.where(planes.max(0) > 0, np.array(ids)[planes.argmax(0)], 0)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)


def test_labels_reach_to_the_end_of_the_type() -> None:
    assert label_image([torch.ones(2, 2)], [WHOLE], [65535], (3, 3)).tolist() == [[65535] * 3] * 3


def test_a_mask_reaches_no_farther_than_its_window() -> None:
    masks = [torch.tensor([[1.0, 3.0]]), torch.full((2, 2), 2.0)]
    found = label_image(masks, [np.s_[1:2, 1:3], np.s_[0:2, 2:4]], [7, 9], (3, 4))
    assert found.tolist() == [[0, 0, 9, 9], [0, 7, 7, 9], [0, 0, 0, 0]]


def test_weights_decide_where_both_are_inside() -> None:
    weak, strong = torch.tensor([[0.5, -1.0, 0.5]]), torch.tensor([[9.0, 9.0, -9.0]])
    for order in ([0, 1], [1, 0]):
        masks, ids, weights = [weak, strong], [3, 4], [100.0, 1.0]
        found = label_image([masks[i] for i in order], [WHOLE] * 2, [ids[i] for i in order], (1, 3), [weights[i] for i in order])
        assert found.tolist() == [[3, 4, 3]]


def test_without_objects_there_are_no_labels() -> None:
    assert label_image([], [], [], (2, 3)).tolist() == [[0, 0, 0]] * 2


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


@settings(deadline=None)
@given(
    mask=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-8, 2, width=32)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_what_was_found_is_enlarged_as_the_whole_would_be(mask: np.ndarray, size: tuple[int, int]) -> None:
    whole = resize_logits(torch.from_numpy(mask)[None, None], size)[0, 0]
    found = enlarge_found(torch.from_numpy(mask), size)
    if found is None:
        assert not (whole > 1e-5).any()
        return
    part, row, column = found
    window = np.s_[row : row + part.shape[0], column : column + part.shape[1]]
    torch.testing.assert_close(part, whole[window], rtol=1e-5, atol=1e-5)
    whole = whole.clone()
    whole[window] = -1
    assert not (whole > 1e-5).any()


def test_what_was_found_is_a_copy() -> None:
    mask = torch.tensor([[-1.0, 2.0], [-1.0, -1.0]])
    part, row, column = enlarge_found(mask, (2, 2)) or pytest.fail("nothing found")
    assert (row, column, part.tolist()) == (0, 0, [[-1.0, 2.0]])
    part[:] = 0
    assert mask[0, 1] == 2
