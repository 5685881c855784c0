import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measured_frames import measured
from napari_sam2.plugin.clicks import ObjectFrame
from napari_sam2.plugin.object_rows import ObjectRows
from napari_sam2.plugin.reports import RecordKind
from napari_sam2.plugin.review import ANY_REASON, ReviewItem, ReviewQueue, frames_to_approve
from napari_sam2.session.review.track_measurements import ReviewReason
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange
from widget_driving import click

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


# --- the list --------------------------------------------------------------------------------------------------------


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
    assert queue[2] == ReviewItem(ObjectFrame(2, 3), 1.5, R.OVERLAP, 1)
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


# --- decisions, with the real session --------------------------------------------------------------------------------


@pytest.fixture
def review(controller):
    """Object 1, prompted on frame 0, and 2, prompted on frame 2, both propagated; the double is sure of prompted masks alone."""
    for object_id, position in ((1, (0, 10, 10)), (2, (2, 26, 35))):
        controller.choose_object(object_id)
        click(controller, position)
    controller.propagate()
    controller.keeps_object = False
    controller.put_down()
    return controller.review


ALL = [(1, 1), (2, 0), (2, 1), (1, 2)]


def shown(controller):
    return controller.object_in_hand, controller.frame


def listed(review):
    return sorted(keys(review.queue()))


def test_one_item_after_another(review, controller, texts):
    order = keys(review.queue())
    assert sorted(order) == sorted(ALL)
    seen = []
    for _ in order:
        review.next_item()
        seen.append(shown(controller))
    assert seen == order
    review.next_item()
    assert (shown(controller), texts[-1]) == (order[-1], "That was the last item of the list.")
    review.previous_item()
    assert shown(controller) == order[-2]
    assert texts[-1] == f"Object {order[-2][0]} on frame {order[-2][1]}: a doubtful mask"
    controller.go_to_frame(0)
    controller.put_down()
    review.previous_item()
    assert shown(controller) == order[-3], "from the last one on, after a look around"
    for _ in range(9):
        review.previous_item()
    assert texts[-1] == "This is the first item of the list."


def test_approving_shows_the_next_item_and_undo_brings_it_back(review, controller, texts):
    order = keys(review.queue())
    review.next_item()
    review.approve()
    assert controller.session.objects[order[0].object_id].prompts[order[0].frame].is_approved
    assert shown(controller) == order[1]
    assert sorted([*listed(review), order[0]]) == sorted(ALL)
    controller.undo()
    assert keys(review.queue()) == order


def test_all_are_approved_one_after_another(review, controller, texts):
    review.next_item()
    for _ in ALL:
        review.approve()
    assert listed(review) == []
    assert texts[-1] == "That was the last one: there is nothing to review any more."
    assert all(controller.session.objects[i].anchors == [0, 1, 2] for i in (1, 2))
    review.next_item()
    assert texts[-1] == "There is nothing to review."


def test_several_are_approved_at_once(review, controller):
    controller.choose_object(1)
    controller.go_to_frame(0)
    review.accept([ObjectFrame(1, 1), ObjectFrame(2, 1)])
    assert listed(review) == [(1, 2), (2, 0)]
    assert shown(controller) == (1, 0), "none of them was shown"
    controller.undo()
    assert listed(review) == sorted(ALL), "one undo takes all of it back"


def test_a_frame_that_is_no_item_is_approved_too(review, controller, texts):
    controller.workspace.rows.show_measured(measured((1, 1, CURRENT, 100, 0.1)))
    controller.choose_object(1)
    controller.go_to_frame(1)
    review.approve()
    assert controller.session.objects[1].anchors == [0, 1]
    assert shown(controller) == (1, 1)
    controller.put_down()
    review.approve()
    assert texts[-1] == "Take an object in hand first: click on it, or choose it in a list."


def test_an_object_ends_here(review, controller):
    review.go_to(ObjectFrame(1, 1))
    review.end_here()
    assert controller.session.objects[1].info.end_frame == 1
    assert not (controller.session.labels[1:] == 1).any()
    assert listed(review) == [(2, 0), (2, 1)]
    assert shown(controller)[0] == 2, "what was after the end is no item any more"
    controller.undo()
    assert listed(review) == sorted(ALL)
    review.end([ObjectFrame(1, 2), ObjectFrame(1, 1)])
    assert controller.session.objects[1].info.end_frame == 1, "one object ends once, at the first"


def test_what_the_session_refuses_is_told(review, controller, texts):
    review.go_to(ObjectFrame(1, 0))
    review.end_here()
    assert texts[-1] == "Object 1 cannot be cut at frame 0: it lasts from frame 0 to the last frame."
    assert listed(review) == sorted(ALL)


@pytest.mark.parametrize(
    ("prompted", "shown_frame", "expected"),
    [
        ([0], 3, (1, 3)),
        ([0, 2, 7], 5, (3, 5)),
        ([5], 2, (2, 4)),
        ([1, 5], 5, (6, 5)),
        ([], 4, (4, 4)),
    ],
)
def test_from_the_nearest_prompted_frame_to_the_shown_one(prompted, shown_frame, expected):
    assert frames_to_approve(prompted, shown_frame) == expected


def test_approve_to_here(review, controller, texts):
    review.go_to(ObjectFrame(1, 2))
    review.approve_to_here()
    assert controller.session.objects[1].anchors == [0, 1, 2]
    assert listed(review) == [(2, 0), (2, 1)]
    assert shown(controller)[0] == 2, "on to the next item"
    controller.undo()
    assert controller.session.objects[1].anchors == [0]
    review.go_to(ObjectFrame(2, 0))
    review.approve_to_here()
    assert controller.session.objects[2].anchors == [0, 1, 2]
    review.go_to(ObjectFrame(2, 2))
    review.approve_to_here()
    assert texts[-1] == "Object 2 has prompts on frame 2, or is approved: there is nothing to approve."


def test_from_prompt_to_prompt(review, controller, texts):
    review.go_to(ObjectFrame(1, 0))
    click(controller, (2, 10, 10))
    controller.keeps_object = False
    review.next_prompted()
    assert shown(controller) == (1, 2)
    review.next_prompted()
    assert (shown(controller), texts[-1]) == ((1, 2), "Object 1 has no prompts after frame 2.")
    review.previous_prompted()
    assert shown(controller) == (1, 0)
    review.previous_prompted()
    assert texts[-1] == "Object 1 has no prompts before frame 0."


def test_the_kinds_that_are_wanted(review, controller):
    heard = []
    review.changed.connect(lambda: heard.append(True))
    review.wanted = R.DIVISION
    assert (listed(review), heard) == ([], [True])
    review.wanted = ANY_REASON
    assert listed(review) == sorted(ALL)


def test_keys_are_bound_while_the_widget_is_there(review, controller, viewer):
    ours = {"PageDown", "PageUp", "Y", "Shift+Y", "H", "Shift+PageDown", "Shift+PageUp"}
    bound = {str(key): action for key, action in viewer.keymap.items()}
    assert ours <= bound.keys()
    bound["PageDown"](viewer)
    first, second = keys(review.queue())[:2]
    assert shown(controller) == first
    of_image = {str(key): action for key, action in viewer.layers[0].keymap.items()}
    of_image["Y"](viewer.layers[0])
    assert shown(controller) == second, "an image layer has a use for this key, which is ours"
    controller.close()
    assert not ours & {str(key) for key in viewer.keymap}
    assert "Y" not in {str(key) for key in viewer.layers[0].keymap}


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
