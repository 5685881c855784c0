"""Windows that follow objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.predictors.mask_box import bounding_box
from napari_sam2.predictors.zoom import OUTSIDE_LOGIT, View, Zoom, resample_logits, whole_view

SHAPE = (90, 140)
ZOOM = Zoom(SHAPE, object_sizes=4.0, min_side_px=8)

shapes = st.tuples(st.integers(1, 300), st.integers(1, 300))
numbers = st.floats(-500, 500)


def disk(view: View, row: float, column: float, radius: float, size: int = 64) -> np.ndarray:
    """Logits of a disk of the frame as a view of it shows it."""
    rows = view.row + (np.arange(size) + 0.5) * view.height / size - 0.5
    columns = view.column + (np.arange(size) + 0.5) * view.width / size - 0.5
    return (radius - np.hypot(rows[:, None] - row, columns - column)).astype(np.float32)


def test_area_of_a_mask_in_pixels_of_the_data() -> None:
    mask = np.zeros((4, 8), bool)
    mask[1:3, 2:5] = True
    assert View(0, 0, 4, 8).area_px(mask) == 6
    assert View(3, 5, 6, 20).area_px(mask) == 6 * 1.5 * 2.5
    assert View(3, 5, 6, 20).area_px(mask & False) == 0


@given(shapes, numbers, numbers, st.floats(0.1, 1000), st.floats(1.5, 10))
def test_a_view_lies_in_the_frame(shape: tuple[int, int], row: float, column: float, side: float, object_sizes: float) -> None:
    view = Zoom(shape, object_sizes).around((row, column), side)
    assert 0 <= view.row <= view.row + view.height <= shape[0]
    assert 0 <= view.column <= view.column + view.width <= shape[1]
    assert view.height == min(max(round(side), 24), shape[0])
    assert np.zeros(shape)[view.window].shape == (view.height, view.width)


@given(st.floats(0, 89), st.floats(0, 139), st.floats(8, 300))
def test_a_view_holds_what_it_is_around(row: float, column: float, side: float) -> None:
    assert ZOOM.around((row, column), side).contains(row, column)


def test_a_view_is_centred_where_there_is_room() -> None:
    assert ZOOM.around((40, 60), 9) == View(36, 56, 9, 9)
    assert ZOOM.around((0, 139), 9) == View(0, 131, 9, 9)
    assert ZOOM.around((40, 60), 1000) == whole_view(SHAPE)
    assert ZOOM.around((40, 70), 100) == View(0, 20, 90, 100)


def test_a_view_is_a_few_times_the_object() -> None:
    assert ZOOM.of_box((40, 60, 50, 70), area_px=100) == View(25, 45, 40, 40)
    # a box around a disk
    assert ZOOM.of_box((40, 60, 50, 70)).side == round(4 * 10 * np.sqrt(np.pi / 4))
    # a thin one must fit as well
    assert ZOOM.of_box((40, 10, 42, 60), area_px=100).side == 80


def pixels_of(view: View) -> set[tuple[int, int]]:
    return {(row, column) for row in range(*view.window[0].indices(99)) for column in range(*view.window[1].indices(99))}


views = st.builds(View, st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9))


def test_views_are_joined_cut_and_widened() -> None:
    one, other = View(2, 3, 4, 5), View(4, 1, 10, 3)
    assert one.union(other) == other.union(one) == View(2, 1, 12, 7)
    assert one.intersection(other) == other.intersection(one) == View(4, 3, 2, 1)
    assert one.expand_to((0, 4, 7, 6)) == View(0, 3, 7, 5)
    assert one.expand_to((3, 4, 5, 6)) == one


@given(views, views)
def test_the_union_is_the_box_of_all_pixels(one: View, other: View) -> None:
    frame = np.zeros((20, 20), bool)
    frame[one.window] = frame[other.window] = True
    row0, col0, row1, col1 = bounding_box(frame)  # type: ignore[misc]
    assert one.union(other) == View(row0, col0, row1 - row0, col1 - col0)
    assert one.expand_to((other.row, other.column, other.row + other.height, other.column + other.width)) == one.union(other)


@given(views, views)
def test_the_intersection_has_the_pixels_of_both(one: View, other: View) -> None:
    common = pixels_of(one) & pixels_of(other)
    if common:
        assert pixels_of(one.intersection(other)) == common
    else:
        with pytest.raises(ValueError, match="have no pixel in common"):
            one.intersection(other)


def test_views_that_only_touch_have_nothing_in_common() -> None:
    with pytest.raises(ValueError, match="have no pixel in common") as caught:
        View(0, 0, 2, 2).intersection(View(0, 2, 2, 2))
    expected = "View(row=0, column=0, height=2, width=2) and View(row=0, column=2, height=2, width=2) have no pixel in common"
    assert str(caught.value) == expected


def test_sides_to_try_are_halved_down_to_twice_the_smallest() -> None:
    assert ZOOM.ladder() == [140, 45, 22.5]
    assert Zoom((1, 1), 4.0).ladder() == [1]


@given(st.floats(20, 70), st.floats(20, 120), st.floats(2, 12), st.integers(30, 90))
def test_a_view_finds_the_object_and_its_size(row: float, column: float, radius: float, side: int) -> None:
    view = ZOOM.around((row + 2, column - 3), side)
    logits = disk(view, row, column, radius)
    fitting = ZOOM.fitting(view, logits)
    expected = ZOOM.around((row, column), 4 * radius * np.sqrt(np.pi))
    pixel = view.side / 64
    assert abs(fitting.side - expected.side) <= 4 * 2 * pixel + 1
    assert abs(fitting.row - expected.row) <= 6 * pixel + 1
    assert abs(fitting.column - expected.column) <= 6 * pixel + 1
    assert ZOOM.side_for(view, logits) == pytest.approx(fitting.side, abs=1)


def test_a_view_stays_while_it_fits_and_changes_slowly() -> None:
    view = View(10, 10, 60, 60)
    fits = 60 / 4 / np.sqrt(np.pi)
    assert ZOOM.next_view(view, disk(view, 45, 45, 1.1 * fits)) == view
    assert ZOOM.next_view(view, disk(view, 45, 51, 1.1 * fits)) == View(16, 22, 60, 60)
    assert ZOOM.next_view(view, disk(view, 40, 40, 0.3 * fits)).side == 48
    assert ZOOM.next_view(view, disk(view, 40, 40, 1.8 * fits)).side == 75


def test_without_an_object_the_view_stays() -> None:
    view = View(10, 10, 60, 60)
    empty = np.full((8, 8), -1, np.float32)
    assert ZOOM.next_view(view, empty) == ZOOM.fitting(view, empty) == view
    assert ZOOM.side_for(view, empty) == 60


def test_a_mask_seen_in_another_view_is_the_same_mask() -> None:
    source, target = View(10, 20, 64, 64), View(30, 20, 40, 80)
    moved = resample_logits(disk(source, 45, 50, 9), source, target)
    np.testing.assert_allclose(moved[:, 1:-14], disk(target, 45, 50, 9)[:, 1:-14], atol=0.2, rtol=0)
    # the source ends at column 84, the target at 100
    assert (moved[:, 52:] == OUTSIDE_LOGIT).all()
    assert resample_logits(moved, target, target) is moved
