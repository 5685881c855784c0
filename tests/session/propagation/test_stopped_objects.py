"""Where objects have come to their end during a propagation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blob_tracker import blob_record, blob_session
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.propagation.plan import Step
from napari_sam2.session.propagation.stopped_objects import StoppedObjects
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import History
from napari_sam2.session.state.objects import ObjectInfo, SessionObject
from napari_sam2.session.state.session_state import SessionState
from napari_sam2.session.state.stop_rules import StopRules
from square_movies import CHANGING, CHANGING_MOVIE, INSIDE_CHANGING, NUM_CHANGING


def opened(*values: int) -> Session:
    session = blob_session(CHANGING_MOVIE)
    for value in values:
        session.add_points(session.add_object(object_id=value), 0, [INSIDE_CHANGING[value]])
    return session


def tracked(session: Session, object_id: int) -> list[int]:
    return sorted(session.objects[object_id].memory.tracked)


def test_stop_where_an_object_is_gone() -> None:
    session = opened(2)
    assert [result.frame for result in session.propagate(stop=StopRules(max_absent_frames=2))] == [1, 2, 3, 4]
    assert [result.frame for result in session.propagate(stop=StopRules(max_absent_frames=2))] == []
    assert [result.frame for result in session.propagate(stop=StopRules(max_absent_frames=3))] == [5]
    list(session.propagate())
    assert tracked(session, 2) == list(range(1, NUM_CHANGING))


def test_after_the_next_anchor_it_is_followed_again() -> None:
    session = opened(2)
    session.add_points(2, 8, [INSIDE_CHANGING[2]])
    list(session.propagate(stop=StopRules(max_absent_frames=1)))
    assert tracked(session, 2) == [1, 2, 3, 6, 7, 9], "to frame 3 from the first anchor, to frame 6 from the second"
    np.testing.assert_array_equal(session.labels[9], np.where(CHANGING[9] == 2, 2, 0))


@pytest.mark.parametrize(
    ("value", "rules", "last"),
    [
        (1, StopRules(area_px=(10, 30)), 5),
        (1, StopRules(area_px=(20, 100)), 1),
        (1, StopRules(area_px=(10, 100)), 9),
        (2, StopRules(area_px=(10, 100)), 9),
        (3, StopRules(at_border=True), 5),
        (1, StopRules(at_border=True), 9),
        (1, StopRules(), 9),
    ],
)
def test_stop_rules(value: int, rules: StopRules, last: int) -> None:
    session = opened(value)
    list(session.propagate(stop=rules))
    assert tracked(session, value) == list(range(1, last + 1))


def test_backward_too_and_each_object_by_itself() -> None:
    session = blob_session(CHANGING_MOVIE[::-1])
    for value in (1, 3):
        session.add_points(session.add_object(object_id=value), 9, [INSIDE_CHANGING[value]])
    list(session.propagate(stop=StopRules(at_border=True)))
    assert tracked(session, 1) == list(range(9))
    assert tracked(session, 3) == list(range(4, 9))


def test_what_was_shown_beyond_the_stop_goes_when_it_is_out_of_date() -> None:
    session = opened(3)
    list(session.propagate())
    session.add_points(3, 1, [(24, 21)])
    assert (session.labels[9] == 3).any()
    list(session.propagate(stop=StopRules(at_border=True)))
    assert not session.labels[6:].any()
    fresh = opened(3)
    fresh.add_points(3, 1, [(24, 21)])
    list(fresh.propagate(stop=StopRules(at_border=True)))
    np.testing.assert_array_equal(session.labels, fresh.labels)
    session.undo()
    assert (session.labels[9] == 3).any()


# --- step by step ------------------------------------------------------------------------------------------------------

SIDE = 8


def session_object(object_id: int, masks: dict[int, Any], anchors: dict[int, Any]) -> SessionObject:
    """An object that is tracked on frames, as slices of a frame; None where it is absent."""
    state = SessionState(History(lambda snapshots: None, lambda commit: None), RecordBudget().put)
    item = state.add(object_id, ObjectInfo("cell"))
    for mapping, shown in ((item.tracked, masks), (item.conditioning, anchors)):
        for frame, part in shown.items():
            mask = np.zeros((SIDE, SIDE), bool)
            if part is not None:
                mask[part] = True
            mapping[frame] = blob_record(mask, 2.0)
    return item


MIDDLE, LARGE, EDGE = np.s_[3:5, 3:5], np.s_[2:6, 2:6], np.s_[0:2, 3:5]


@pytest.mark.parametrize(
    ("rules", "masks", "is_stopped"),
    [
        (StopRules(), {1: None, 2: None}, False),
        (StopRules(1), {2: None}, True),
        (StopRules(2), {1: MIDDLE, 2: None}, False),
        (StopRules(2), {2: None}, False),  # the frame before it is not tracked
        (StopRules(2), {1: None, 2: None}, True),
        (StopRules(3), {0: None, 1: None, 2: None}, False),  # the first of these is an anchor, which says where it is
        (StopRules(1), {2: MIDDLE}, False),
        (StopRules(area_px=(4, 8)), {2: MIDDLE}, False),
        (StopRules(area_px=(5, 8)), {2: MIDDLE}, True),
        (StopRules(area_px=(1, 16)), {2: LARGE}, False),
        (StopRules(area_px=(1, 15.5)), {2: LARGE}, True),
        (StopRules(area_px=(4, 8)), {2: None}, False),
        (StopRules(at_border=True), {2: EDGE}, True),
        (StopRules(at_border=True), {2: MIDDLE}, False),
        (StopRules(at_border=True), {}, False),
        (StopRules(1, (1, 9)), {2: EDGE}, False),
        (StopRules(5, (1, 15), True), {2: LARGE}, True),
    ],
)
def test_by_the_frame_that_tracking_comes_from(rules: StopRules, masks: dict[int, Any], is_stopped: bool) -> None:
    item = session_object(1, masks, {0: MIDDLE})
    assert StoppedObjects(rules, (SIDE, SIDE)).update(item, Step(3, (1,), False)) == is_stopped
    mirrored = session_object(1, {6 - frame: mask for frame, mask in masks.items()}, {6: MIDDLE})
    assert StoppedObjects(rules, (SIDE, SIDE)).update(mirrored, Step(3, (1,), True)) == is_stopped


def test_a_prompted_frame_stops_nothing() -> None:
    item = session_object(1, {}, {2: EDGE})
    assert not StoppedObjects(StopRules(at_border=True), (SIDE, SIDE)).update(item, Step(3, (1,), False))


def test_it_is_stopped_up_to_the_next_anchor_in_each_direction_and_for_itself() -> None:
    stopped = StoppedObjects(StopRules(at_border=True), (SIDE, SIDE))
    item, other = session_object(1, {1: EDGE, 6: MIDDLE}, {0: MIDDLE, 5: MIDDLE}), session_object(2, {1: MIDDLE}, {0: MIDDLE})
    assert [stopped.update(item, Step(frame, (1,), False)) for frame in (2, 3, 4)] == [True] * 3
    assert not stopped.update(other, Step(2, (2,), False))
    assert not stopped.update(item, Step(4, (1,), True)), "from the other side it is a track of its own"
    assert [stopped.update(item, Step(frame, (1,), False)) for frame in (6, 7)] == [False] * 2
