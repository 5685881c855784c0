import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from measured_frames import measured
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.reports.object_rows import ObjectRows
from napari_sam2.plugin.reports.reports import RecordKind
from napari_sam2.plugin.review.review_queue import QueuedMask, ReviewQueue
from napari_sam2.session.review.track_measurements import ReviewReason
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange

CURRENT, STALE, NO_RECORD = RecordKind.CURRENT, RecordKind.STALE, RecordKind.NONE
R = ReviewReason
NUM_FRAMES = 8


def keys(queue):
    return [queue[i].key for i in range(len(queue))]


def rows_of(*frames, infos=None, prompts=None):
    rows = ObjectRows(NUM_FRAMES)
    rows.show(StateChange({i: ObjectInfo(f"object {i}") for i in range(1, 4)} | (infos or {}), prompts or {}))
    rows.show_measured(measured(*frames))
    return rows


def test_the_most_uncertain_first():
    rows = rows_of(
        (1, 0, CURRENT, 40, 0.8, R.BAD_MASK),
        (1, 3, CURRENT, 40, 1.5, R.JUMP | R.BAD_MASK),
        (1, 5, STALE, 40, 2.5, R.JUMP),
        (1, 6, NO_RECORD, 0, 0),
        (2, 0, CURRENT, 40, 0.1),
        (2, 3, CURRENT, 40, 1.5, R.OVERLAP, 1),
        (3, 2, CURRENT, 40, 1.5, R.DIVISION),
    )
    queue = ReviewQueue.of(rows)
    assert keys(queue) == [(3, 2), (1, 3), (2, 3), (1, 0), (1, 5)], "of equal ones the earlier frame, and stale ones at the end"
    assert queue[2] == QueuedMask(ObjectFrame(2, 3), 1.5, R.OVERLAP, 1)
    assert [queue[i].text for i in range(3)] == ["a division?", "a jump · a doubtful mask", "two objects on one cell (object 1)"]
    assert (queue[4].uncertainty, queue.num_all) == (0, 5)
    assert queue.num_by_reason == dict.fromkeys(R, 0) | {R.BAD_MASK: 2, R.JUMP: 2, R.OVERLAP: 1, R.DIVISION: 1}
    assert keys(ReviewQueue.of(rows, R.JUMP | R.DIVISION)) == [(3, 2), (1, 3), (1, 5)]
    assert keys(ReviewQueue.of(rows, R.LEAVES)) == []
    assert len(ReviewQueue.of(None)) == 0


def test_what_a_person_has_decided_is_not_listed():
    frames = [(i, t, CURRENT, 40, 1.0, R.JUMP) for i in (1, 2, 3) for t in (1, 2)]
    infos = {2: ObjectInfo("two", is_locked=True), 3: ObjectInfo("three", is_hidden=True)}
    prompts = {(1, 2): FramePrompts(is_approved=True)}
    frames += [(1, 5, CURRENT, 40, 0.2, R.OVERLAP, 3), (1, 6, CURRENT, 40, 0.2, R.OVERLAP, 2)]
    rows = rows_of(*sorted(frames), infos=infos, prompts=prompts)
    assert keys(ReviewQueue.of(rows)) == [(1, 1), (1, 6)], "of a hidden object nothing is seen"
    rows.show(StateChange({3: ObjectInfo("three")}, {(1, 2): None}))
    assert keys(ReviewQueue.of(rows)) == [(1, 1), (3, 1), (1, 2), (3, 2), (1, 5), (1, 6)]


def test_beside():
    queue = ReviewQueue.of(rows_of((1, 0, CURRENT, 4, 1.0, R.JUMP), (2, 0, CURRENT, 4, 2.0, R.JUMP)))
    first, second = queue[0], queue[1]
    assert (queue.beside(None, 1), queue.beside(ObjectFrame(3, 3), -1)) == (first, first)
    assert (queue.beside(first.key, 1), queue.beside(second.key, -1)) == (second, first)
    assert (queue.beside(second.key, 1), queue.beside(first.key, -1)) == (None, None)
    assert ReviewQueue.of(None).beside(None, 1) is None


@settings(deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 3), st.integers(0, NUM_FRAMES - 1)),
        st.tuples(st.sampled_from([0.0, 0.5, 0.75, 2.0]), st.integers(0, 511)),
    ),
    st.integers(0, 511),
    st.integers(0, 12),
)
def test_order_and_choice(found, wanted, max_items):
    frames = [(*key, CURRENT, 40, uncertainty, reasons) for key, (uncertainty, reasons) in sorted(found.items())]
    queue = ReviewQueue.of(rows_of(*frames), R(wanted), max_items)
    expected = sorted((-uncertainty, key[1], key[0]) for key, (uncertainty, reasons) in found.items() if reasons & wanted)
    listed = [(-queue[i].uncertainty, queue[i].key.frame, queue[i].key.object_id) for i in range(len(queue))]
    assert (queue.num_all, len(queue)) == (len(expected), min(len(expected), max_items))
    assert listed == sorted(listed)
    assert [one[0] for one in listed] == [one[0] for one in expected[: len(queue)]], "the most uncertain"
    assert set(listed) <= set(expected)
    for index, key in enumerate(keys(queue)):
        assert queue.index_of(key) == index


def test_hundreds_of_objects_on_hundreds_of_frames_are_listed_quickly():
    """300 objects on 1000 frames, a tenth of them uncertain: no list takes long, and no change of one object more than a moment."""
    rng = np.random.default_rng(0)
    rows = ObjectRows(1000)
    rows.show(StateChange({i: ObjectInfo(f"object {i}") for i in range(1, 301)}))
    ids, frames = np.repeat(np.arange(1, 301), 1000), np.tile(np.arange(1000), 300)
    reasons = np.where(rng.random(300_000) < 0.1, R.BAD_MASK, 0)
    one = measured((1, 0, CURRENT, 40, 0))
    columns = ids, frames, np.ones(len(ids)), np.full(len(ids), 40), rng.random(len(ids)) * 3, reasons, np.zeros(len(ids))
    names = "object_ids", "frames", "kinds", "areas_px", "uncertainties", "reasons", "other_ids"
    typed = [column.astype(getattr(one, name).dtype) for name, column in zip(names, columns, strict=True)]
    rows.show_measured(type(one)(*typed, np.zeros((len(ids), 2), np.float32)))
    durations_s = []
    for _ in range(5):
        started_s = time.perf_counter()
        queue = ReviewQueue.of(rows)
        durations_s.append(time.perf_counter() - started_s)
    assert (queue.num_all, len(queue)) == (np.count_nonzero(reasons), 2000)
    assert min(durations_s) < 0.1, durations_s
