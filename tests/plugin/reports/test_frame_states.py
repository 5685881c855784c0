import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measured_frames import measured
from napari_sam2.plugin.reports.frame_states import (
    UNCERTAIN_ABOVE,
    FrameState,
    FrameStates,
    columns_of_frame,
    frame_of_column,
    states_by_column,
)
from napari_sam2.plugin.reports.reports import RecordKind
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange

NONE, FOUND, ABSENT, APPROVED, PROMPTED, STALE, UNCERTAIN = FrameState
CURRENT, OLD, NO_RECORD = RecordKind.CURRENT, RecordKind.STALE, RecordKind.NONE
POINT, APPROVAL = FramePrompts(((1.0, 2.0),), (1,)), FramePrompts(is_approved=True)
SURE, UNSURE = UNCERTAIN_ABOVE / 2, UNCERTAIN_ABOVE * 1.5


@pytest.fixture
def frames():
    frames = FrameStates(8)
    frames.show(StateChange({1: ObjectInfo("one"), 2: ObjectInfo("two")}))
    return frames


def test_each_state(frames):
    frames.show(StateChange(prompts={(1, 0): POINT, (1, 5): APPROVAL}))
    rows = [(1, 1, CURRENT, 40, SURE), (1, 2, CURRENT, 40, UNSURE), (1, 3, OLD, 40, UNSURE), (1, 4, CURRENT, 0, SURE)]
    changed = frames.show_measured(measured((1, 0, CURRENT, 40, 0), *rows, (1, 5, CURRENT, 40, 0), (1, 6, CURRENT, 0, UNSURE)))
    assert changed == {1}
    item = frames.of(1)
    assert [*item.states] == [PROMPTED, FOUND, UNCERTAIN, STALE, ABSENT, APPROVED, UNCERTAIN, NONE]
    assert [item.is_found(frame) for frame in range(8)] == [True, True, True, True, False, True, False, False]
    assert (item.num_found, item.first_found) == (5, 0)
    assert item.worst == (2, pytest.approx(UNSURE)), "a stale frame is found again anyway; of equal ones the first"
    assert [*frames.of(2).states] == [NONE] * 8
    assert (frames.of(2).worst, frames.of(2).first_found) == (None, None)


def test_changes_replace_what_was_there(frames):
    frames.show(StateChange(prompts={(1, 0): POINT}))
    frames.show_measured(measured((1, 0, CURRENT, 40, 0), (1, 1, CURRENT, 40, UNSURE)))
    frames.show(StateChange(prompts={(1, 0): None, (1, 1): FramePrompts()}))
    frames.show_measured(measured((1, 1, NO_RECORD, 0, 0)))
    assert [*frames.of(1).states] == [FOUND, *[NONE] * 7]
    assert frames.show(StateChange({1: None})) == {1}
    assert frames.of(1) is None
    assert frames.show_measured(measured((1, 0, CURRENT, 40, 0), (2, 0, CURRENT, 1, 0))) == {2}, "of a removed object it is old"
    frames.show(StateChange({1: ObjectInfo("again")}))
    assert [*frames.of(1).states] == [NONE] * 8
    frames.reset()
    assert frames.of(2) is None
    assert not frames.of_all.any()


def test_all_objects_together(frames):
    assert not frames.of_all.any()
    frames.show(StateChange(prompts={(1, 0): POINT, (2, 7): APPROVAL}))
    frames.show_measured(measured((1, 1, CURRENT, 0, 0), (1, 2, CURRENT, 4, UNSURE), (2, 1, CURRENT, 4, 0), (2, 2, OLD, 4, 0)))
    assert [*frames.of_all] == [PROMPTED, ABSENT, UNCERTAIN, NONE, NONE, NONE, NONE, APPROVED]
    with pytest.raises(ValueError, match="read-only"):
        frames.of_all[0] = 0
    frames.show(StateChange({1: None}))
    assert [*frames.of_all] == [NONE, FOUND, STALE, NONE, NONE, NONE, NONE, APPROVED]


@pytest.mark.parametrize(("frame", "step", "expected"), [(0, 1, 2), (2, 1, 5), (5, 1, None), (7, -1, 5), (5, -1, 2), (2, -1, None)])
def test_the_next_uncertain_frame(frames, frame, step, expected):
    frames.show_measured(measured((1, 2, CURRENT, 9, UNSURE), (1, 3, OLD, 9, UNSURE), (1, 5, CURRENT, 0, UNSURE)))
    assert frames.next_uncertain(1, frame, step) == expected
    assert frames.next_uncertain(2, frame, step) is None
    assert frames.next_uncertain(9, frame, step) is None


def test_what_states_are_called():
    assert [state.description for state in FrameState] == [
        *("not propagated yet", "found", "absent", "approved", "prompted", "stale: propagate again", "uncertain")
    ]


@pytest.mark.parametrize(
    ("num_columns", "expected"),
    [
        (0, []),
        (1, [6]),
        (2, [6, 5]),
        (3, [1, 6, 5]),
        (6, [1, 1, 6, 0, 5, 2]),
        (12, [1, 1, 1, 1, 6, 6, 0, 0, 5, 5, 2, 2]),
        (8, [1, 1, 1, 6, 0, 0, 5, 2]),
    ],
)
def test_columns(num_columns, expected):
    states = np.array([1, 1, 6, 0, 5, 2], np.uint8)
    assert states_by_column(states, num_columns).tolist() == expected


@given(st.integers(1, 40), st.integers(1, 100), st.data())
def test_every_frame_has_a_column_and_every_column_a_frame(num_frames, num_columns, data):
    frame = data.draw(st.integers(0, num_frames - 1))
    first, end = columns_of_frame(frame, num_columns, num_frames)
    assert 0 <= first < end <= num_columns
    states = np.zeros(num_frames, np.uint8)
    states[frame] = UNCERTAIN
    drawn = np.flatnonzero(states_by_column(states, num_columns)).tolist()
    assert drawn == list(range(first, end))
    if num_columns >= num_frames:
        assert {frame_of_column(column, num_columns, num_frames) for column in drawn} == {frame}


def test_columns_beyond_the_ends_are_the_first_and_the_last_frame():
    assert [frame_of_column(column, 100, 10) for column in (-5, 0, 9, 10, 99, 100, 400)] == [0, 0, 0, 1, 9, 9, 9]
    assert frame_of_column(3, 0, 10) == 9, "a strip without width"
