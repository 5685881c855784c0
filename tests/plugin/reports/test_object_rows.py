import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measured_frames import measured
from napari_sam2.plugin.reports.frame_states import UNCERTAIN_ABOVE
from napari_sam2.plugin.reports.object_rows import ObjectRow, ObjectRows
from napari_sam2.plugin.reports.reports import RecordKind
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange

NUM_FRAMES = 4
POINT, APPROVAL = FramePrompts(((1.0, 2.0),), (1,)), FramePrompts(is_approved=True)


class Heard(list):
    def __init__(self, rows):
        super().__init__()
        rows.changed.connect(self.append)


def test_rows_and_what_is_told_of_their_changes():
    rows = ObjectRows(NUM_FRAMES)
    heard = Heard(rows)
    rows.show(StateChange({1: ObjectInfo("a"), 2: ObjectInfo("b", "#112233", is_locked=True)}, {(1, 2): POINT, (1, 0): APPROVAL}))
    first, second = (
        ObjectRow(1, "a", prompted=(2,), approved=(0,)),
        ObjectRow(2, "b", "#112233", is_locked=True),
    )
    assert heard == [{1: first, 2: second}]
    rows.show_measured(measured((1, 1, 1, 30, 0.25), (1, 2, 1, 40, 0), (1, 3, 1, 0, 1.5), (2, 0, 2, 9, 1)))
    found = ObjectRow(1, "a", None, 2, 3, 1.5, num_uncertain=1, prompted=(2,), approved=(0,))
    stale = ObjectRow(2, "b", "#112233", 1, num_stale=1, is_locked=True)
    assert heard[1:] == [{1: found, 2: stale}]
    rows.show(StateChange({2: ObjectInfo("b", "#112233", is_locked=True)}, masks=frozenset([(1, 1)])))
    assert len(heard) == 2, "nothing that is shown is another"
    rows.show(StateChange({1: None}))
    assert heard[2:] == [{1: None}]
    assert rows.by_id == {2: stale}
    rows.reset(StateChange({3: ObjectInfo("c")}))
    assert heard[3:] == [{2: None, 3: ObjectRow(3, "c")}]


def test_frames_change_also_where_the_row_does_not():
    rows, heard = ObjectRows(NUM_FRAMES), []

    def take():
        heard.append(rows.frames.states_of(1).tolist())

    rows.frames_changed.connect(take)
    rows.show(StateChange({1: ObjectInfo("a")}))
    rows.show_measured(measured((1, 0, 1, 30, 0), (1, 1, 1, 0, 0)))
    told = Heard(rows)
    rows.show_measured(measured((1, 0, 1, 0, 0), (1, 1, 1, 30, 0)))
    rows.show_measured(measured())
    assert (told, heard[1:]) == ([], [[1, 2, 0, 0], [2, 1, 0, 0]])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ObjectRow(1, "a"), ""),
        (ObjectRow(1, "a", num_uncertain=2, num_stale=3, approved=(0,)), "2 uncertain"),
        (ObjectRow(1, "a", num_stale=3, approved=(0,)), "3 stale"),
        (ObjectRow(1, "a", approved=(0, 2)), "2 approved"),
    ],
)
def test_what_is_to_be_reviewed(row, expected):
    assert row.review == expected


def row_anew(object_id, info, prompts, measurements):
    """The row of an object, from the whole state, by the words of its documentation."""
    of_it = {frame: values for (other, frame), values in measurements.items() if other == object_id}
    mine = {frame: given for (other, frame), given in prompts.items() if other == object_id and not given.is_empty}
    known = {
        frame: uncertainty for frame, (kind, _, uncertainty) in of_it.items() if kind == RecordKind.CURRENT and uncertainty > 0
    }
    worst = min((frame for frame in known if known[frame] == max(known.values())), default=None)
    return ObjectRow(
        object_id,
        info.name,
        info.colour,
        sum(area > 0 for _, area, _ in of_it.values()),
        worst,
        known.get(worst, 0.0),
        sum(u > UNCERTAIN_ABOVE and kind == RecordKind.CURRENT and frame not in mine for frame, (kind, _, u) in of_it.items()),
        sum(kind == RecordKind.STALE and frame not in mine for frame, (kind, _, _) in of_it.items()),
        tuple(sorted(frame for frame, given in mine.items() if not given.is_approved)),
        tuple(sorted(frame for frame, given in mine.items() if given.is_approved)),
        info.is_locked,
        info.is_hidden,
    )


object_ids, frames = st.integers(1, 3), st.integers(0, NUM_FRAMES - 1)
infos = st.builds(ObjectInfo, st.sampled_from("ab"), st.sampled_from([None, "#112233"]), st.booleans(), st.booleans())
changes = st.builds(
    StateChange,
    st.dictionaries(object_ids, st.none() | infos, max_size=2),
    st.dictionaries(st.tuples(object_ids, frames), st.sampled_from([None, POINT, APPROVAL, FramePrompts()]), max_size=3),
)
no_record = st.just((RecordKind.NONE, 0.0, 0.0))
records = st.tuples(
    st.sampled_from([RecordKind.CURRENT, RecordKind.STALE]),
    st.sampled_from([0.0, 7.0]),
    st.sampled_from([0.0, 0.25, 0.5, 1.5, 2.0]),
)
measurements = st.dictionaries(st.tuples(object_ids, frames), no_record | records, min_size=1, max_size=4)


@given(st.lists(changes | measurements, max_size=12))
def test_rows_after_any_changes_are_those_of_the_whole_state(steps):
    rows, told = ObjectRows(NUM_FRAMES), {}

    def take(changed):
        for object_id, row in changed.items():
            assert row != told.get(object_id), "only what is another is told"
            told[object_id] = row

    rows.changed.connect(take)
    all_infos, all_prompts, all_measurements = {}, {}, {}
    for step in steps:
        if isinstance(step, StateChange):
            for object_id, info in step.infos.items():
                all_infos[object_id] = info
                if info is None:
                    del all_infos[object_id]
                    for known in (all_prompts, all_measurements):
                        for key in [key for key in known if key[0] == object_id]:
                            del known[key]
            all_prompts |= {key: value or FramePrompts() for key, value in step.prompts.items() if key[0] in all_infos}
            rows.show(step)
        else:
            all_measurements |= {key: values for key, values in step.items() if key[0] in all_infos}
            rows.show_measured(measured(*((*key, *values) for key, values in sorted(step.items()))))
    anew = {object_id: row_anew(object_id, info, all_prompts, all_measurements) for object_id, info in all_infos.items()}
    assert rows.by_id == anew
    assert {object_id: row for object_id, row in told.items() if row is not None} == anew


def test_300_objects_at_a_time():
    rows, durations_s = ObjectRows(1000), []
    changes = [StateChange({i: ObjectInfo(f"object {i}, {n}") for i in range(1, 301)}) for n in range(4)]
    reports = [measured(*((i, frame, 1, 30, (i * frame) % 7 / 5) for i in range(1, 301))) for frame in range(4)]
    for step in changes + reports:
        started_s = time.process_time()
        (rows.show if isinstance(step, StateChange) else rows.show_measured)(step)
        durations_s.append(time.process_time() - started_s)
    assert len(rows.by_id) == 300
    assert max(min(durations_s[:4]), min(durations_s[4:])) < 0.05, durations_s
