"""What people say about objects on frames, in data pixels: checked, and in the terms of the model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import blob_session
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts, check_box, check_mask, check_points
from square_movies import MOVIE, SHAPE, TRUTH, T, followed, inside

FRAME = 5


TRAPEZE = np.triu(np.ones(SHAPE, bool), 12)


EVERYWHERE = (0, 0, *SHAPE)


def point(object_id: int) -> tuple[int, int]:
    return inside(object_id, FRAME)[0]


def mask_of(*object_ids: int) -> np.ndarray:
    return np.isin(TRUTH[FRAME], object_ids)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("points", [point(1)], None)], mask_of(1)),
        ([("points", [point(1), point(2)], None)], mask_of(1, 2)),
        ([("points", [point(1)], [1]), ("points", [point(3)], [True])], mask_of(1, 3)),
        ([("points", [point(1), point(2), point(2)], [1, 1, 0])], mask_of(1)),
        ([("points", [point(1), point(2)], None), ("points", [point(1)], [0])], mask_of(2)),
        ([("points", np.array([point(1)], np.float32), np.array([1.0]))], mask_of(1)),
        ([("points", [(0, 0)], None)], mask_of()),
        ([("box", (3, 7, 11, 15))], mask_of(1)),
        ([("box", EVERYWHERE)], mask_of(1, 2, 3)),
        ([("box", EVERYWHERE), ("points", [point(2)], [0])], mask_of(1, 3)),
        ([("box", (3, 7, 11, 15)), ("box", (24, 3, 30, 9))], mask_of(3)),
        ([("mask", TRAPEZE)], TRAPEZE),
        ([("mask", TRAPEZE.astype(np.uint8) * 7)], TRAPEZE),
        ([("mask", mask_of(1, 2)), ("points", [point(2)], [0])], mask_of(1)),
        ([("points", [point(1)], None), ("mask", TRAPEZE)], TRAPEZE),
        ([("mask", TRAPEZE), ("box", (3, 7, 11, 15))], mask_of(1)),
    ],
)
def test_prompts(said: list[tuple[Any, ...]], expected: np.ndarray) -> None:
    session = blob_session(MOVIE)
    object_id = session.add_object()
    for kind, *arguments in said:
        mask = getattr(session, f"add_{kind}")(object_id, FRAME, *arguments)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(session.mask(object_id, FRAME), expected)
    np.testing.assert_array_equal(session.labels[FRAME], np.where(expected, object_id, 0))
    assert not np.delete(session.labels, FRAME, axis=0).any()


@pytest.mark.parametrize("shape", [(24, 40), (57, 31), (128, 70)])
def test_clicks_hit_the_pixel_they_are_on(shape: tuple[int, int]) -> None:
    last_row, last_col = shape[0] - 1, shape[1] - 1
    pixels = {(0, 0), (0, last_col), (last_row, 0), (last_row, last_col), (7, 9), (8, 11), (13, 10)}
    image = np.zeros(shape, np.uint8)
    for row, col in pixels:
        image[row, col] = 255
    session = blob_session(image)
    object_id = session.add_object()
    for row, col in pixels:
        for d_row, d_col in ((0, 0), (-0.3, 0.3), (0.3, -0.3)):
            at = np.clip((row + d_row, col + d_col), -0.5, np.array(shape) - 0.51)
            mask = session.add_points(object_id, 0, [at])
            assert np.argwhere(mask).tolist() == [[row, col]]
            session.clear_prompts(object_id, 0)


@pytest.mark.parametrize("shape", [(24, 40), (57, 31)])
def test_box_edges_are_outer_edges(shape: tuple[int, int]) -> None:
    image = np.zeros(shape, np.uint8)
    image[0, 0] = image[10, 20] = image[shape[0] - 1, shape[1] - 1] = 255
    session = blob_session(image)
    for box, found in (
        ((0, 0, 1, 1), [[0, 0]]),
        ((10, 20, 11, 21), [[10, 20]]),
        ((9, 19, 12, 22), [[10, 20]]),
        ((11, 20, 12, 21), []),
        ((10, 21, 11, 22), []),
        ((9, 19, 10, 22), []),
        ((9, 19, 12, 20), []),
        ((shape[0] - 1, shape[1] - 1, *shape), [[shape[0] - 1, shape[1] - 1]]),
    ):
        assert np.argwhere(session.add_box(session.add_object(), 0, box)).tolist() == found


BAD_PROMPTS = {
    "above": ("points", [(-0.6, 3)], None, "the point (row -0.6, column 3) is outside the image of 32 rows and 32 columns"),
    "right": ("points", [(3, 3), (3, 31.5)], None, "the point (row 3, column 31.5) is outside"),
    "not a number": ("points", [(float("nan"), 3)], None, "(row nan, column 3) is outside"),
    "infinity": ("points", [(3, float("inf"))], None, "(row 3, column inf) is outside"),
    "three numbers": ("points", [(3, 3, 3)], None, "points must be (row, column) pairs, got [(3, 3, 3)]"),
    "ragged": ("points", [(3, 3), (3,)], None, "points must be (row, column) pairs"),
    "one number": ("points", 3, None, "points must be (row, column) pairs, got 3"),
    "no point": ("points", [], None, "points must be (row, column) pairs, got []"),
    "words": ("points", [("3", "3")], None, "points must be (row, column) pairs"),
    "nothing": ("points", [(None, 3)], None, "points must be (row, column) pairs"),
    "mapping": ("points", {"row": 3}, None, "points must be (row, column) pairs"),
    "label 2": ("points", [(3, 3)], [2], "labels must be 1 (inside) or 0 (outside), one for each of the 1 points, got [2]"),
    "too many labels": ("points", [(3, 3)], [1, 1], "labels must be 1"),
    "label is a word": ("points", [(3, 3)], ["x"], "labels must be 1"),
    "only outside": ("points", [(3, 3)], [0], "frame 2 has only points outside object 1: add a point inside, a box or a mask"),
    "box of three": ("box", (1, 2, 3), "a box must be row0, col0, row1, col1, got (1, 2, 3)"),
    "box of nan": ("box", (1, 2, float("nan"), 5), "a box must be row0"),
    "box of words": ("box", "1234", "a box must be row0"),
    "no box": ("box", None, "a box must be row0"),
    "box upside down": ("box", (5, 5, 3, 8), "a box must have row0 < row1 and col0 < col1, got (5, 5, 3, 8)"),
    "flat box": ("box", (5, 5, 5, 8), "a box must have row0 < row1"),
    "box outside": ("box", (5, 5, 8, 32.5), "is not inside the image of 32 rows and 32 columns"),
    "box before": ("box", (-1, 5, 8, 12), "is not inside the image"),
    "mask of another shape": ("mask", np.ones((32, 31)), "a mask must have the shape of a frame, (32, 32), got (32, 31)"),
    "mask of words": ("mask", np.full(SHAPE, "a"), "a mask must hold booleans or numbers, got <U1"),
    "empty mask": ("mask", np.zeros(SHAPE), "the mask is empty: it has no pixel inside"),
}


@pytest.mark.parametrize("name", BAD_PROMPTS)
def test_bad_prompt_is_refused_and_changes_nothing(name: str) -> None:
    kind, *arguments, message = BAD_PROMPTS[name]
    session = followed(blob_session(MOVIE), {2: 0})
    session.add_object(object_id=1)
    before = session.labels.copy()
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(session, f"add_{kind}")(1, 2, *arguments)
    assert session.objects[1].anchors == []
    assert session.objects[1].prompts == {}
    assert session.plan() == []
    np.testing.assert_array_equal(session.labels, before)


@pytest.mark.parametrize("frame", [-1, T])
@pytest.mark.parametrize("kind", ["points", "box", "mask"])
def test_frame_that_does_not_exist(frame: int, kind: str) -> None:
    session = blob_session(MOVIE)
    said = {"points": [(3, 3)], "box": EVERYWHERE, "mask": TRAPEZE}[kind]
    with pytest.raises(ValueError, match=rf"^frame {frame} does not exist: the stack has 8, counted from 0$"):
        getattr(session, f"add_{kind}")(session.add_object(), frame, said)


# --- values of their own -----------------------------------------------------------------------------------------------

TWO = FramePrompts(((1.0, 2.0), (3.0, 4.0)), (1, 0))
BOX = FramePrompts(box_rc=(0.0, 0.0, 4.0, 4.0))
PACKED = FramePrompts(packed_mask=PackedMask.pack(TRUTH[0] == 1))


def test_points_are_added_changed_and_taken_away() -> None:
    assert TWO.with_points(((5.0, 6.0),), (1,)) == FramePrompts(((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), (1, 0, 1))
    assert TWO.with_point(1, (7.0, 8.0), 1) == FramePrompts(((1.0, 2.0), (7.0, 8.0)), (1, 1))
    assert TWO.without_point(0) == FramePrompts(((3.0, 4.0),), (0,))
    assert FramePrompts(((1.0, 2.0), (3.0, 4.0)), (1, 0)) == TWO, "values never change"
    assert FramePrompts(is_approved=True).with_points(((5.0, 6.0),), (0,)) == FramePrompts(((5.0, 6.0),), (0,))
    kept = FramePrompts(TWO.points_rc, TWO.labels, BOX.box_rc)
    assert [one.box_rc for one in (kept.with_points((), ()), kept.with_point(0, (0.0, 0.0), 0), kept.without_point(1))] == [
        BOX.box_rc
    ] * 3


@pytest.mark.parametrize(
    ("prompts", "is_empty", "locates"),
    [
        (FramePrompts(), True, False),
        (FramePrompts(is_approved=True), False, False),
        (FramePrompts(((1.0, 2.0),), (0,)), False, False),
        (TWO, False, True),
        (BOX, False, True),
        (PACKED, False, True),
    ],
)
def test_what_was_said(prompts: FramePrompts, is_empty: bool, locates: bool) -> None:
    assert (prompts.is_empty, prompts.locates) == (is_empty, locates)


def test_a_mask_of_prompts() -> None:
    assert TWO.mask is None
    np.testing.assert_array_equal(PACKED.mask, TRUTH[0] == 1)


# --- checked -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [((1, 2),), np.array([[1, 2]], np.uint8), torch.tensor([[1.0, 2.0]]), [np.array([1, 2])]])
@pytest.mark.parametrize("labels", [None, [1], (True,), np.array([1.0]), torch.tensor([1])])
def test_points_of_any_kind_are_numbers(points: Any, labels: Any) -> None:
    found = check_points(points, labels, (3, 4))
    assert found == (((1.0, 2.0),), (1,))
    assert [type(value) for value in (*found[0][0], *found[1])] == [float, float, int]


@settings(derandomize=True, database=None)
@given(st.floats(-3, 9), st.floats(-3, 9), st.booleans())
def test_a_point_is_inside_where_it_is_on_a_pixel(row: float, column: float, is_at_edge: bool) -> None:
    row, column = (max(-0.5, min(value, side)) if is_at_edge else value for value, side in ((row, 4.5), (column, 6.5)))
    is_inside = -0.5 <= row < 4.5 and -0.5 <= column < 6.5
    if is_inside:
        assert check_points([(row, column)], None, (5, 7)) == (((row, column),), (1,))
    else:
        with pytest.raises(ValueError, match=r"outside the image of 5 rows and 7 columns$"):
            check_points([(row, column)], None, (5, 7))


@pytest.mark.parametrize("box", [(0, 0, 5, 7), [0.0, 0.0, 5.0, 7.0], np.array([0, 0, 5, 7]), torch.tensor([0, 0, 5, 7])])
def test_a_box_may_be_the_whole_frame(box: Any) -> None:
    assert check_box(box, (5, 7)) == (0.0, 0.0, 5.0, 7.0)
    for side, step in ((0, -0.1), (1, -0.1), (2, 0.1), (3, 0.1)):
        wider = [float(edge) + step * (number == side) for number, edge in enumerate(box)]
        with pytest.raises(ValueError, match="is not inside the image of 5 rows and 7 columns"):
            check_box(wider, (5, 7))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_what_is_not_0_is_the_mask(dtype: Any) -> None:
    plane = np.array([[0, 3], [0, 1]]).astype(dtype)
    for mask in (plane, plane.tolist(), torch.tensor(plane)):
        found = check_mask(mask, (2, 2))
        assert found.dtype == np.bool_
        assert found.tolist() == [[False, True], [False, True]]
