"""A click changes a mask where it is, and not elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View
from napari_sam2.session.inference.refinement import is_elsewhere, refined
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts
from packed_records import record_of

WHOLE = View(0, 0, 16, 16)
INSIDE, OUTSIDE = 1, 0
Box = tuple[int, int, int, int]


def mask(*boxes: Box) -> np.ndarray:
    """Rows and columns from, to."""
    filled = np.zeros((16, 16), bool)
    for row0, col0, row1, col1 in boxes:
        filled[row0:row1, col0:col1] = True
    return filled


def record(found: np.ndarray, number: float = 1.0, score: float = 5.0, view: View | None = None) -> FrameRecord:
    logits = torch.from_numpy(np.where(found, number, -number)).float()
    return record_of(logits, torch.tensor([number]), score, number / 10, view=view)


def clicks(*said: tuple[tuple[float, float], int]) -> FramePrompts:
    points, labels = zip(*said, strict=True)
    return FramePrompts(points, labels)


BODY, LEFT, RIGHT = (4, 4, 12, 12), (6, 2, 9, 4), (6, 12, 9, 14)


@pytest.mark.parametrize(
    ("before", "after", "said", "expected"),
    [
        pytest.param([BODY], [BODY, LEFT, RIGHT], ((7, 13), INSIDE), [BODY, RIGHT], id="added where it was clicked"),
        pytest.param([BODY, LEFT, RIGHT], [BODY], ((7, 3), OUTSIDE), [BODY, RIGHT], id="taken away where it was clicked"),
        pytest.param([BODY], [BODY, LEFT], ((7, 13), INSIDE), [BODY, (6, 12, 9, 15)], id="added by hand"),
        pytest.param([BODY], [(6, 13, 9, 15)], ((7, 13), INSIDE), [(6, 13, 9, 15)], id="elsewhere: all of the answer"),
        pytest.param([], [BODY, LEFT], ((7, 7), INSIDE), [BODY, LEFT], id="nothing before: all of the answer"),
        pytest.param([BODY, RIGHT], [RIGHT], ((7, 7), OUTSIDE), [RIGHT], id="one of two"),
    ],
)
def test_only_where_it_was_clicked(before: list[Box], after: list[Box], said: tuple, expected: list[Box]) -> None:
    answer = record(mask(*after), 2.0)
    found = refined(answer, record(mask(*before)), clicks(said), WHOLE)
    assert found is not None
    np.testing.assert_array_equal(found.mask_logits > 0, mask(*expected))
    assert (found.pointer.array.item(), found.object_score, found.predicted_iou) == (2.0, 5.0, 0.2)


def test_logits_are_those_of_whoever_decided() -> None:
    found = refined(record(mask(BODY, LEFT, RIGHT), 2.0), record(mask(BODY)), clicks(((7, 13), INSIDE)), WHOLE)
    assert found is not None
    np.testing.assert_array_equal(np.abs(found.mask_logits) == 2, mask(RIGHT))


def test_on_the_heart_of_what_is_shown_it_means_that_it_is_absent() -> None:
    shown, there, gone = record(mask(BODY)), record(mask((4, 4, 12, 11))), record(mask(), score=-0.3)
    for answer in (there, gone):
        assert refined(answer, shown, clicks(((7, 7), OUTSIDE)), WHOLE) is None
    both = refined(there, shown, clicks(((7, 7), OUTSIDE), ((5, 5), INSIDE)), WHOLE)
    assert both is not None, "with a click inside it is there"
    assert both.mask_logits[5, 5] > 0
    assert both.mask_logits[7, 7] < 0


LARGE, SMALL, CRUMB, BRIDGE = (1, 1, 8, 8), (10, 2, 15, 7), (12, 13, 14, 15), (8, 4, 10, 5)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([LARGE, SMALL], [LARGE, SMALL], [SMALL], id="the piece that it is on"),
        pytest.param([LARGE, BRIDGE, SMALL], [LARGE, BRIDGE, SMALL], [SMALL, (9, 4, 10, 5)], id="the lobe that it is on"),
        pytest.param([LARGE, SMALL], [(1, 1, 3, 8), (5, 1, 8, 8), SMALL], [SMALL], id="a hole is not enough"),
        pytest.param([LARGE, SMALL], [], [SMALL], id="the network is not sure that it is gone"),
        pytest.param([LARGE, CRUMB], [LARGE, CRUMB], None, id="hardly anything is left"),
        pytest.param([LARGE, CRUMB], [CRUMB], [CRUMB], id="unless the network says so"),
    ],
)
def test_by_hand_a_click_on_the_heart_of_a_part_takes_that_part(
    before: list[Box], after: list[Box], expected: list[Box] | None
) -> None:
    answer = record(mask(*after), 2.0, score=5.0 if after else -0.3)
    found = refined(answer, record(mask(*before)), clicks(((4, 4), OUTSIDE)), WHOLE)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_array_equal(found.mask_logits > 0, mask(*expected))
        assert found.object_score == 5.0


def test_by_hand_it_is_as_sure_as_the_network_was_of_the_opposite() -> None:
    shown = record(mask(LARGE, SMALL), 3.0)
    found = refined(shown, shown, clicks(((4, 4), OUTSIDE)), WHOLE)
    assert found is not None
    np.testing.assert_array_equal(found.mask_logits, np.where(mask(SMALL), 3.0, -3.0))


@pytest.mark.parametrize(
    ("shown", "said", "expected"),
    [
        ([BODY], (((7, 15), INSIDE),), False),
        ([BODY], (((7, 0), INSIDE), ((7, 15), INSIDE)), False),
        ([RIGHT], (((7, 8), INSIDE),), True),
        ([RIGHT], (((7, 8), INSIDE), ((7, 14), INSIDE)), False),
        ([RIGHT], (((7, 8), OUTSIDE),), False),
        ([], (((7, 8), INSIDE),), True),
        ([], (((7, 8), OUTSIDE),), False),
    ],
)
def test_elsewhere_is_farther_from_the_mask_than_it_is_deep(shown: list[Box], said: tuple, expected: bool) -> None:
    """Four cells, and two."""
    assert is_elsewhere(record(mask(*shown)), clicks(*said), WHOLE) == expected


def test_a_box_or_a_mask_is_not_elsewhere() -> None:
    shown = record(mask(RIGHT))
    assert not is_elsewhere(shown, FramePrompts(((7, 2),), (1,), (4, 2, 12, 12)), WHOLE)
    assert not is_elsewhere(shown, FramePrompts(((7, 2),), (1,), packed_mask=PackedMask.pack(mask(BODY))), WHOLE)


def test_on_the_border_it_takes_that_place_alone() -> None:
    """Unless the network is sure that the object is gone."""
    shown, border = record(mask(BODY)), clicks(((4, 7), OUTSIDE))
    unsure = refined(record(mask(), 2.0, score=-0.3), shown, border, WHOLE)
    assert unsure is not None
    np.testing.assert_array_equal(unsure.mask_logits > 0, mask(BODY) & ~mask((4, 7, 5, 8)))
    assert (unsure.pointer.array.item(), unsure.object_score) == (1.0, 5.0)
    assert refined(record(mask(), 2.0, score=-9.0), shown, border, WHOLE) is None


@pytest.mark.parametrize(
    ("click", "expected"),
    [
        pytest.param((4, 7), [BODY, (4, 5, 5, 10)], id="one cell deep: less than three cells away"),
        pytest.param((5, 7), [BODY, (4, 4, 5, 12)], id="two cells deep: less than six"),
    ],
)
def test_a_click_near_the_border_is_about_the_border_there(click: tuple[int, int], expected: list[Box]) -> None:
    """The network would narrow the mask all round."""
    body, *taken = expected
    answer = record(mask((6, 6, 10, 10)), 2.0)
    found = refined(answer, record(mask(body)), clicks((click, OUTSIDE)), WHOLE)
    assert found is not None
    changed = mask(body) & ~(found.mask_logits > 0)
    np.testing.assert_array_equal(changed[4], mask(*taken)[4])


def test_boxes_and_masks_count_as_a_whole() -> None:
    answer, shown = record(mask(BODY, LEFT), 2.0), record(mask(BODY))
    for said in (FramePrompts(((7, 13),), (1,), (4, 2, 12, 12)), FramePrompts(packed_mask=PackedMask.pack(mask(BODY)))):
        assert refined(answer, shown, said, WHOLE) is answer


def test_in_a_view() -> None:
    """Masks of a window of 8 x 8 pixels, two cells to a pixel; a click outside the window says nothing about it."""
    view = View(4, 4, 8, 8)
    answer, shown = record(mask(BODY, LEFT, RIGHT), 2.0, view=view), record(mask(BODY), view=view)
    found = refined(answer, shown, clicks(((7, 10.25), INSIDE), ((0, 0), OUTSIDE)), WHOLE)
    assert found is not None
    np.testing.assert_array_equal(found.mask_logits > 0, mask(BODY, RIGHT))
    assert found.view == view
