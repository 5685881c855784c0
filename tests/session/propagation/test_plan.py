"""The steps of a propagation: each frame once, from the nearer anchor, whatever the directions are asked for in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import blob_record
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.propagation.plan import Direction, Step, plan_steps
from napari_sam2.session.state.history import History
from napari_sam2.session.state.objects import ObjectInfo, SessionObject
from napari_sam2.session.state.session_state import SessionState

T = 8
PRESENT, ABSENT = (blob_record(np.full((2, 2), is_present), 2.0) for is_present in (True, False))


def session_object(object_id: int, anchors: dict[int, bool], tracked: set[int] = frozenset(), **info: Any) -> SessionObject:  # type: ignore[assignment]
    """An object with anchors, on which it is present or absent, that is tracked on frames."""
    state = SessionState(History(lambda snapshots: None, lambda commit: None), RecordBudget().put)
    item = state.add(object_id, ObjectInfo("cell", **info))
    for frame, is_present in anchors.items():
        item.conditioning[frame] = PRESENT if is_present else ABSENT
    for frame in tracked:
        item.tracked[frame] = PRESENT
    item.stale[2] = item.fused[3] = PRESENT  # shown, and to be done all the same
    return item


@pytest.mark.parametrize(
    ("anchors", "direction", "ahead", "behind"),
    [
        ({}, "both", [], []),
        ({0: True}, "both", [1, 2, 3, 4, 5, 6, 7], []),
        ({7: True}, "both", [], [6, 5, 4, 3, 2, 1, 0]),
        ({3: True}, "both", [4, 5, 6, 7], [2, 1, 0]),
        ({3: True}, "forward", [4, 5, 6, 7], []),
        ({3: True}, "backward", [], [2, 1, 0]),
        ({0: True, 4: True}, "both", [1, 2, 5, 6, 7], [3]),
        ({0: True, 5: True}, "forward", [1, 2, 6, 7], [4, 3]),
        ({1: True, 5: True}, "backward", [2, 3], [4, 0]),
        ({0: True, 5: False}, "both", [1, 2, 3, 4, 6, 7], []),
        ({2: False, 5: True}, "both", [6, 7], [4, 3, 1, 0]),
        ({1: False, 6: False}, "both", [2, 3, 7], [5, 4, 0]),
        ({3: False}, "both", [4, 5, 6, 7], [2, 1, 0]),
    ],
)
def test_from_where_frames_are_reached(anchors: dict[int, bool], direction: Direction, ahead: list[int], behind: list[int]) -> None:
    expected = [*(Step(frame, (1,), False) for frame in ahead), *(Step(frame, (1,), True) for frame in behind)]
    assert plan_steps([session_object(1, anchors)], range(T), direction) == expected


def test_what_is_done_already_is_left_out() -> None:
    item = session_object(1, {0: True}, {1, 2, 5})
    assert [step.frame for step in plan_steps([item], range(T), "both")] == [3, 4, 6, 7]


def test_an_object_is_not_followed_beyond_its_life() -> None:
    item = session_object(1, {4: True}, first_frame=2, end_frame=7)
    assert [step.frame for step in plan_steps([item], range(T), "both")] == [5, 6, 3, 2]


def test_only_the_frames_that_are_asked_for() -> None:
    item = session_object(1, {4: True})
    assert plan_steps([item], [1, 4, 6], "both") == [Step(6, (1,), False), Step(1, (1,), True)]


def test_objects_in_the_order_in_which_they_are_given() -> None:
    one, other, unprompted = session_object(1, {0: True}), session_object(2, {2: True}), session_object(3, {})
    assert plan_steps([other, unprompted, one], range(4), "both") == [
        Step(1, (1,), False),
        Step(2, (1,), False),
        Step(3, (2, 1), False),
        Step(1, (2,), True),
        Step(0, (2,), True),
    ]


objects = st.builds(
    lambda anchors, tracked, first, length: session_object(1, anchors, tracked, first_frame=first, end_frame=first + length),
    st.dictionaries(st.integers(0, T - 1), st.booleans(), max_size=4),
    st.sets(st.integers(0, T - 1)),
    st.integers(0, 3),
    st.integers(1, T),
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(objects, st.sets(st.integers(0, T - 1)))
def test_each_frame_is_reached_once_whatever_is_asked_for_first(item: SessionObject, frames: set[int]) -> None:
    both, forward, backward = (plan_steps([item], sorted(frames), direction) for direction in ("both", "forward", "backward"))
    due = {t for t in frames if item.anchors and t not in (*item.anchors, *item.tracked) and item.info.may_be_on(t)}
    assert sorted(step.frame for step in both) == sorted(due)
    assert {*forward, *backward} == set(both)
    assert [step.frame for step in forward] == [step.frame for step in both if step in forward], "in the same order"
    for step in both:
        assert any(anchor > step.frame if step.reverse else anchor < step.frame for anchor in item.anchors)
        assert step in forward or step.frame < min(item.anchors)
        assert step in backward or step.frame > max(item.anchors)
    assert [step.reverse for step in both] == sorted(step.reverse for step in both)
    ahead, behind = ([step.frame for step in both if step.reverse is reverse] for reverse in (False, True))
    assert (ahead, behind) == (sorted(ahead), sorted(behind, reverse=True))
