"""Objects that lie over each other in the labels."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors.memory_bank import MaskOrigin
from napari_sam2.predictors.zoom import View
from napari_sam2.session.labels.overlaps import ANCHOR_WEIGHT, confidence_weight, resolve_overlaps
from packed_records import record_of
from thoroughness import examples

WHOLE = View(0, 0, 8, 8)


def square(side: int, logit: float = 2.0, start: int = 0) -> np.ndarray:
    """Logits of a square on the diagonal, (8, 8)."""
    logits = np.full((8, 8), -5, np.float32)
    logits[start : start + side, start : start + side] = logit
    return logits


def areas(masks: list[np.ndarray], weights: list[float], has_time: bool = True) -> list[int]:
    """Areas of what each mask keeps."""
    resolve_overlaps(masks, [WHOLE] * len(masks), weights, has_time)
    return [int((mask > 0).sum()) for mask in masks]


def weight(
    distance: int, has_time: bool = True, side: int = 3, view: View | None = None, origin: MaskOrigin = MaskOrigin.TRACKED
) -> float:
    record = record_of(torch.tensor(square(side)), torch.zeros(1), 5.0, 0.9, anchor_distance=distance, view=view)
    return confidence_weight(replace(record, origin=origin), has_time, (8, 8))


# --- weights -----------------------------------------------------------------------------------------------------------


def test_anchors_win_then_what_was_tracked_forward_then_what_is_nearer() -> None:
    order = [weight(distance) for distance in (0, 1, 2, 5000, -1, -2, -5000)]
    assert order == sorted(set(order), reverse=True)


def test_in_a_volume_both_directions_are_alike() -> None:
    assert weight(-3, has_time=False) == weight(3, has_time=False) < weight(2, has_time=False)


def test_in_a_volume_a_mask_weighs_less_the_larger_it_is() -> None:
    assert weight(3, has_time=False, side=3) == pytest.approx(weight(3) / 9)
    assert weight(3, has_time=False, side=6) == pytest.approx(weight(3) / 36)
    # the same mask in a window in which a pixel is two cells
    assert weight(3, has_time=False, side=6, view=View(2, 2, 4, 4)) == pytest.approx(weight(3) / 9)
    assert weight(3, side=6) == weight(3), "in a time-lapse it does not matter"
    assert weight(0, has_time=False, side=6) == ANCHOR_WEIGHT
    assert weight(1, has_time=False, side=6, origin=MaskOrigin.OTHER) == weight(1), "the mean of several axes is what it is"


# --- of two that lie on each other -------------------------------------------------------------------------------------


@settings(max_examples=examples(30), deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=2, max_size=6))
def test_on_all_frames_it_is_the_one_with_the_higher_weight_whatever_the_logits(frames: list[tuple[float, float]]) -> None:
    for weights, expected in (([0.5, 0.4], [36, 0]), ([0.4, 0.5], [0, 36])):
        for one, other in frames:
            assert areas([square(6, one), square(6, other)], weights) == expected


@pytest.mark.parametrize(("logits", "kept"), [((3, 3), [36, 0]), ((3, 5.9), [36, 0]), ((3, 6.1), [0, 36]), ((9, 1), [36, 0])])
def test_of_two_with_the_same_weight_the_first_unless_the_other_is_much_surer(logits: tuple[float, float], kept: list[int]) -> None:
    assert areas([square(6, logits[0]), square(6, logits[1])], [0.5, 0.5]) == kept


def test_of_two_that_are_each_on_both_objects_each_has_the_one_that_it_is_surer_of() -> None:
    masks = [np.full((8, 20), -5, np.float32) for _ in range(2)]
    for mask, logits in zip(masks, ((3.0, 1.0), (1.0, 3.0)), strict=True):
        mask[1:6, 1:6], mask[1:6, 10:15] = logits
    resolve_overlaps(masks, [View(0, 0, 8, 20)] * 2, [0.5, 0.5], True)
    assert [(int((mask > 0)[:, :8].sum()), int((mask > 0)[:, 8:].sum())) for mask in masks] == [(25, 0), (0, 25)]


def test_the_other_keeps_what_is_its_own_alone() -> None:
    assert areas([square(7), square(6)], [0.4, 0.5]) == [49 - 36, 36]
    assert areas([square(7), square(6)], [0.5, 0.4]) == [49, 0]


def test_a_small_one_within_a_large_one_keeps_its_pixels() -> None:
    """A vein in the liver; a cell that a mask with the same anchor has taken in."""
    for weights, logits in (([0.5, 0.5], (3.0, 2.0)), ([ANCHOR_WEIGHT, ANCHOR_WEIGHT], (9.0, 0.5))):
        assert areas([square(7, logits[0]), square(3, logits[1], start=2)], weights) == [49 - 9, 9]
        assert areas([square(3, logits[1], start=2), square(7, logits[0])], weights) == [9, 49 - 9]


def test_a_small_one_that_is_trusted_less_has_no_pixel() -> None:
    """A child that was followed back, and lies on its parent."""
    assert areas([square(7), square(3, 9.0, start=2)], [0.5, 0.4]) == [49, 0]


def test_in_a_volume_one_may_lie_in_another_and_pixels_are_decided_by_logits() -> None:
    assert areas([square(7), square(3, 9.0, start=2)], [0.5, 0.4], has_time=False) == [49, 9]
    assert areas([square(7), square(6)], [0.5, 0.4], has_time=False) == [49, 0], "but two of the same size are one object"


def test_in_a_volume_the_one_that_is_surer_there_has_all_that_two_share() -> None:
    """Not stripes of both, as where each pixel is decided for itself."""
    one, other = square(6), square(6)
    one[:3], other[:3] = np.where(one[:3] > 0, 4, -5), np.where(other[:3] > 0, 1, -5)
    for logit, expected in ((3.0, [36, 0]), (9.0, [0, 36])):
        other[3:] = np.where(other[3:] > 0, logit, -5)
        assert areas([one.copy(), other.copy()], [0.5, 0.4], has_time=False) == expected
    assert areas([one.copy(), other.copy()], [ANCHOR_WEIGHT, 0.4], has_time=False) == [36, 0]


def test_two_that_were_prompted_where_they_are_nearly_equal_stay_two() -> None:
    assert areas([square(7), square(6)], [ANCHOR_WEIGHT, ANCHOR_WEIGHT]) == [49, 36]


def test_two_that_touch_are_decided_pixel_by_pixel() -> None:
    one, other = square(5), square(4, start=3)  # 4 of 16 pixels
    assert areas([one, other], [0.5, 0.4]) == [25, 16]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_three_each_pair_is_decided_by_what_the_masks_were(order: tuple[int, ...]) -> None:
    """A parent that goes on over both children loses both, and its own piece of neither is left."""
    parent = np.full((8, 20), -5, np.float32)
    parent[1:6, 1:6] = parent[1:6, 10:15] = parent[7, 19] = 2.0
    children = [np.full((8, 20), -5, np.float32) for _ in range(2)]
    children[0][1:6, 1:6] = 1.0
    children[1][1:6, 10:16] = 1.0
    given, trusted = [parent, *children], [0.3, 0.9, 0.8]
    masks, weights = [given[i] for i in order], [trusted[i] for i in order]
    resolve_overlaps(masks, [View(0, 0, 8, 20)] * 3, weights, True)
    assert [int((mask > 0).sum()) for mask in given] == [1, 25, 30]


def test_in_boxes_of_their_own() -> None:
    one, other = square(6), square(6, 3.0)[:6, :6].copy()
    resolve_overlaps([one, other], [WHOLE, View(0, 1, 6, 6)], [0.4, 0.5], True)  # 30 of 36 pixels
    assert (one > 0)[:6, 0].all()
    assert [int((mask > 0).sum()) for mask in (one, other)] == [6, 36]


def test_nothing_is_on_nothing() -> None:
    masks = [np.full((8, 8), -1, np.float32), np.zeros((8, 8), np.float32), square(4)]
    before = [mask.copy() for mask in masks]
    resolve_overlaps(masks, [WHOLE] * 3, [0.5, 0.5, 0.5], True)
    assert all(np.array_equal(mask, old) for mask, old in zip(masks, before, strict=True))
    resolve_overlaps([], [], [], True)
