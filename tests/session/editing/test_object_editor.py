"""Objects named, locked, hidden, approved, merged, split, divided; labels are exact, as the tracker is the double."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from blob_tracker import blob_session, squares
from napari_sam2.session.session import Session

T, SHAPE = 8, (32, 32)
# 1 goes right; 2 is one cell that divides at frame 4 into 3 and 4
TRUTH = squares(
    T,
    SHAPE,
    {
        1: [(2, 2 + t, 5) for t in range(T)],
        2: [(16, 14, 6) if t < 4 else None for t in range(T)],
        3: [None if t < 4 else (15, 10 - t, 5) for t in range(T)],
        4: [None if t < 4 else (18, 12 + t, 5) for t in range(T)],
    },
)
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)


def inside(value: int, frame: int) -> list[tuple[int, int]]:
    return [tuple(np.argwhere(TRUTH[frame] == value)[1].tolist())]


def opened(*clicks: tuple[int, int]) -> Session:
    """A session with objects clicked on at frames, propagated."""
    session = blob_session(MOVIE)
    for value, frame in clicks:
        session.add_points(session.add_object(object_id=value), frame, inside(value, frame))
    list(session.propagate())
    return session


def refused(session: Session, message: str, method: str, *arguments: Any) -> None:
    before, infos, done = session.labels.copy(), dict(session._state.infos), len(session._history.done)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        getattr(session, method)(*arguments)
    np.testing.assert_array_equal(session.labels, before)
    assert dict(session._state.infos) == infos
    assert len(session._history.done) == done


def test_name_and_colour() -> None:
    session = blob_session(MOVIE)
    cell = session.add_object("mother", colour="#FF8000")
    assert (session.objects[cell].name, session.objects[cell].info.colour) == ("mother", "#ff8000")
    session.rename_object(cell, " cell ")
    session.set_colour(cell, None)
    assert (session.objects[cell].name, session.objects[cell].info.colour) == ("cell", None)
    refused(session, "a name is a text with something in it, got ' '", "rename_object", cell, " ")
    refused(session, "a name is a text with something in it, got 5", "add_object", 5)
    refused(session, "a colour has the form #rrggbb, got 'red'", "set_colour", cell, "red")
    refused(session, "there is no object 9", "rename_object", 9, "x")


def test_a_locked_object_does_not_change() -> None:
    session = opened((1, 0), (2, 0))
    session.lock_object(1)
    before = session.labels.copy()
    locked = "object 1 is locked: unlock it first"
    calls: list[tuple[Any, ...]] = [
        ("add_points", 1, 3, [(3, 3)]),
        ("set_points", 1, 0, [(3, 3)]),
        ("change_point", 1, 0, 0, (3, 3)),
        ("remove_point", 1, 0, 0),
        ("add_scribble", 1, 3, [(3, 3)]),
        ("add_box", 1, 3, (0, 0, 5, 5)),
        ("add_mask", 1, 3, np.ones(SHAPE)),
        ("add_polygon", 1, 3, [(0, 0), (0, 9), (9, 9)]),
        ("clear_prompts", 1, 0),
        ("approve", 1, 3),
        ("remove_object", 1),
        ("merge_objects", 2, 1),
        ("merge_objects", 1, 2),
        ("split_object", 1, 3),
        ("divide_object", 1, 3),
    ]
    for method, *arguments in calls:
        refused(session, locked, method, *arguments)
    np.testing.assert_array_equal(session.labels, before)
    session.lock_object(1, False)
    session.add_mask(1, 3, np.ones(SHAPE))
    session.lock_object(1)
    assert {object_id for step in session.plan() for object_id in step.object_ids} == set()
    session.lock_object(1, False)
    assert {object_id for step in session.plan() for object_id in step.object_ids} == {1}


def test_a_hidden_object_is_followed_but_not_in_the_labels() -> None:
    session = opened((1, 0), (2, 0))
    with_it = session.labels.copy()
    session.hide_object(1)
    np.testing.assert_array_equal(session.labels, np.where(with_it == 1, 0, with_it))
    session.add_points(1, 5, inside(1, 5))
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where(with_it == 1, 0, with_it))
    session.hide_object(1, False)
    np.testing.assert_array_equal(session.labels, with_it)


def test_an_approved_frame_never_changes() -> None:
    session = opened((1, 0))
    session.approve(1, 4)
    kept = session.mask(1, 4)
    session.add_mask(1, 2, TRUTH[2] == 2)
    list(session.propagate())
    np.testing.assert_array_equal(session.mask(1, 4), kept)
    np.testing.assert_array_equal(session.mask(1, 3), TRUTH[3] == 2)
    np.testing.assert_array_equal(session.mask(1, 5), TRUTH[5] == 1)
    session.clear_prompts(1, 4)
    list(session.propagate())
    np.testing.assert_array_equal(session.mask(1, 5), TRUTH[5] == 4)


def test_a_range_is_approved_in_one_action() -> None:
    session = opened((1, 0))
    session.add_points(1, 3, inside(1, 3))
    before = session.labels.copy()
    assert session.approve_range(1, 2, 5) == [2, 4, 5], "3 is an anchor already"
    assert session.objects[1].anchors == [0, 2, 3, 4, 5]
    assert [frame for frame, prompts in session.objects[1].prompts.items() if prompts.is_approved] == [2, 4, 5]
    assert sorted(session.objects[1].stale) == [1, 6, 7]
    assert session.approve_range(1, 2, 5) == []
    session.undo()
    assert session.objects[1].anchors == [0, 3]
    session.redo()
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, before)


def test_a_range_leaves_out_frames_without_a_mask() -> None:
    session = blob_session(MOVIE)
    session.add_points(session.add_object(), 2, inside(1, 2))
    list(session.propagate("forward"))
    assert session.approve_range(1, 0, 4) == [3, 4]
    refused(session, "object 1 has no mask on frames 0 to 1: there is nothing to approve", "approve_range", 1, 0, 1)
    refused(session, "a range ends where it begins or later, got frames 4 to 3", "approve_range", 1, 4, 3)


def test_an_object_ends() -> None:
    session = opened((1, 0), (2, 0))
    session.end_object(1, 5)
    expected = np.where((TRUTH == 1) & (np.arange(T) < 5)[:, None, None], 1, 0)
    np.testing.assert_array_equal(np.where(session.labels == 1, 1, 0), expected)
    assert session.objects[1].info.end_frame == 5
    assert not [step for step in session.plan() if 1 in step.object_ids]
    refused(session, "object 1 cannot be cut at frame 6: it lasts from frame 0 to frame 4", "end_object", 1, 6)
    refused(session, "object 2 cannot be cut at frame 0: it lasts from frame 0 to the last frame", "end_object", 2, 0)
    session.undo()
    assert session.objects[1].info.end_frame is None
    assert (session.labels[5:] == 1).any()


def test_an_object_begins() -> None:
    session = opened((1, 6), (2, 0))
    session.begin_object(1, 3)
    expected = np.where((TRUTH == 1) & (np.arange(T) >= 3)[:, None, None], 1, 0)
    np.testing.assert_array_equal(np.where(session.labels == 1, 1, 0), expected)
    assert session.objects[1].info.first_frame == 3
    assert session.objects[1].anchors == [6], "what it was tracked from stays"
    assert not session.plan(), "nothing is stale"
    refused(session, "object 1 cannot be cut at frame 3: it lasts from frame 3 to the last frame", "begin_object", 1, 3)
    refused(session, "object 2 cannot be cut at frame 0: it lasts from frame 0 to the last frame", "begin_object", 2, 0)
    session.undo()
    assert session.objects[1].info.first_frame == 0
    assert (session.labels[:3] == 1).any()


def test_a_child_that_begins_later_has_no_parent() -> None:
    session = opened((2, 0))
    first, _ = session.divide_object(2, 4)
    session.add_points(first, 5, inside(3, 5))
    session.propagate_all()
    session.begin_object(first, 5)
    assert first not in session.lineage


def test_the_end_of_a_parent_leaves_later_children_without_one() -> None:
    session = opened((2, 0))
    assert session.divide_object(2, 4) == [3, 4]
    session.end_object(2, 2)
    assert session.lineage == {}


def test_approving_what_is_not_known_is_refused() -> None:
    session = blob_session(MOVIE)
    session.add_object()
    refused(session, "object 1 has no mask on frame 3: there is nothing to approve", "approve", 1, 3)


def test_a_click_on_an_approved_frame_refines_it() -> None:
    session = opened((1, 0))
    session.approve(1, 4)
    mask = session.add_points(1, 4, inside(3, 4), [0])
    np.testing.assert_array_equal(mask, TRUTH[4] == 1)
    assert not session.objects[1].prompts[4].is_approved


def test_division() -> None:
    session = opened((1, 0), (2, 0))
    assert (session.labels[4:] == 2).any(), "the double follows one of the daughters"
    daughters = session.divide_object(2, 4)
    assert daughters == [3, 4]
    assert session.lineage == {3: 2, 4: 2}
    assert [session.objects[i].name for i in daughters] == ["object 2.1", "object 2.2"]
    np.testing.assert_array_equal(session.labels, np.where(TRUTH <= 2, TRUTH, 0))
    for daughter in daughters:
        session.add_points(daughter, 5, inside(daughter, 5))
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)
    refused(session, "object 2 cannot be on frame 4: it lasts from frame 0 to frame 3", "add_points", 2, 4, [(1, 1)])
    refused(session, "object 3 cannot be on frame 3: it lasts from frame 4 to the last frame", "add_points", 3, 3, [(1, 1)])
    refused(session, "object 2 cannot be cut at frame 5", "divide_object", 2, 5)
    session.remove_object(2)
    assert session.lineage == {}
    session.undo()
    assert session.lineage == {3: 2, 4: 2}
    np.testing.assert_array_equal(session.labels, TRUTH)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 0), "object 2 cannot be cut at frame 0: it lasts from frame 0 to the last frame"),
        ((2, 8), "frame 8 does not exist"),
        ((2, 4, 0), "an object divides into one child or more, got 0"),
        ((5, 4), "object 5 has no mask before frame 4"),
    ],
)
def test_bad_division(arguments: tuple[int, ...], message: str) -> None:
    session = opened((2, 0))
    session.add_object(object_id=5)
    refused(session, message, "divide_object", *arguments)


def test_a_side_of_a_cut_on_which_there_is_nothing() -> None:
    session = blob_session(MOVIE)
    session.add_points(session.add_object(), 3, inside(1, 3))
    for frame, where in ((3, "before frame 3"), (4, "from frame 4 on")):
        with pytest.raises(ValueError, match=rf"^object 1 has no mask {where}$"):
            session.split_object(1, frame)


def test_a_mother_whose_prompt_came_later_keeps_what_is_shown_before() -> None:
    session = blob_session(MOVIE)
    session.add_points(session.add_object(), 6, inside(1, 6))
    list(session.propagate())
    session.divide_object(1, 3)
    assert session.objects[1].anchors == [2]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where((TRUTH == 1) & (np.arange(T) < 3)[:, None, None], 1, 0))


@pytest.mark.parametrize("anchors", [[0], [6], [0, 6], [1, 2, 6, 7]])
def test_split(anchors: list[int]) -> None:
    session = blob_session(MOVIE)
    session.add_object("cell", colour="#010203")
    for frame in anchors:
        session.add_points(1, frame, inside(1, frame))
    list(session.propagate())
    later = session.split_object(1, 4)
    assert (later, session.objects[later].name, session.objects[later].info.colour) == (2, "cell, from frame 4", "#010203")
    expected = np.where(TRUTH == 1, np.where(np.arange(T) < 4, 1, 2)[:, None, None], 0)
    np.testing.assert_array_equal(session.labels, expected)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, expected)
    assert all(frame < 4 for frame in session.objects[1].anchors)
    assert all(frame >= 4 for frame in session.objects[2].anchors)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    assert session.objects[1].anchors == anchors


def test_merging_the_parts_of_a_split_gives_the_whole() -> None:
    session = opened((1, 0))
    before = session.labels.copy()
    session.split_object(1, 4)
    session.merge_objects(1, 2)
    np.testing.assert_array_equal(session.labels, before)
    assert sorted(session.objects) == [1]
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, before)


def test_merged_objects_are_shown_together() -> None:
    session = opened((1, 0), (2, 0))
    ones, twos = session.labels == 1, session.labels == 2
    session.merge_objects(2, 1)
    np.testing.assert_array_equal(session.labels, np.where(ones | twos, 2, 0))
    assert session.objects[2].anchors == [0]
    # a click sees what is shown around it, of which some was never remembered
    session.add_points(2, 3, inside(1, 3))
    refused(session, "object 2 cannot be merged with itself", "merge_objects", 2, 2)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.labels, np.where(ones, 1, np.where(twos, 2, 0)))


def test_a_daughter_merged_with_its_mother() -> None:
    session = opened((1, 0), (2, 0))
    first, second = session.divide_object(2, 4)
    session.add_points(first, 4, inside(3, 4))
    session.merge_objects(2, first)
    assert session.lineage == {second: 2}
    list(session.propagate())
    expected = (TRUTH == 2) | (TRUTH == 3)
    expected[3] = False  # reached from frame 4, and to the double mother and daughter are not the same
    np.testing.assert_array_equal(session.labels == 2, expected)


def test_nobody_is_her_own_grandmother() -> None:
    session = opened((1, 0), (2, 0))
    session.divide_object(2, 4)  # 3 and 4
    session.add_points(3, 4, inside(3, 4))
    list(session.propagate())
    grandchildren = session.divide_object(3, 6)  # 5 and 6
    session.add_points(5, 6, inside(3, 6))
    session.merge_objects(2, 5)
    assert grandchildren == [5, 6]
    assert session.lineage == {3: 2, 4: 2, 6: 3}
    session.merge_objects(4, 6)
    assert session.lineage == {3: 2, 4: 2}


def test_a_hidden_object_that_is_split_stays_hidden() -> None:
    session = opened((1, 0))
    session.hide_object(1)
    later = session.split_object(1, 4)
    assert not session.labels.any()
    session.hide_object(later, False)
    np.testing.assert_array_equal(session.labels[4:] > 0, TRUTH[4:] == 1)
    assert not session.labels[:4].any()


def test_daughters_that_begin_after_an_earlier_end_have_no_mother() -> None:
    session = opened((2, 0))
    assert session.divide_object(2, 6) == [3, 4]
    assert session.divide_object(2, 4) == [5, 6]
    assert session.lineage == {5: 2, 6: 2}
    session.undo()
    assert session.lineage == {3: 2, 4: 2}


def test_hundreds_of_objects_from_labels() -> None:
    side = 64
    labels = np.zeros((side, side), np.int32)
    labels[::4, ::4] = np.arange(1, 257).reshape(16, 16)
    labels = np.maximum(labels, np.roll(labels, 1, axis=1))
    session = blob_session(np.where(labels > 0, 255, 0).astype(np.uint8)[None].repeat(2, axis=0))
    found = session.add_labels(labels, 1)
    assert found == {value: value for value in range(1, 257)}
    np.testing.assert_array_equal(session.labels[1], labels)
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, labels[None].repeat(2, axis=0))
    session.undo()
    session.undo()
    assert not session.labels.any()
    assert session.objects == {}


def test_labels_that_are_objects_already_get_other_ids() -> None:
    session = opened((1, 0))
    assert session.add_labels(TRUTH, 5, [1, 4, 3]) == {1: 5, 4: 4, 3: 3}
    assert session.add_labels(np.where(TRUTH[5] == 3, 70_000, 0), 5) == {70_000: 6}
    refused(session, "frame 8 does not exist", "add_labels", TRUTH[0], 8)
    refused(session, "a label image must have the shape of a frame", "add_labels", TRUTH[:3], 2)


def test_objects() -> None:
    session = blob_session(MOVIE)
    assert session.add_object() == 1
    assert session.add_object("mother", object_id=7) == 7
    assert session.add_object() == 8
    assert session.add_object(object_id=np.uint16(65535)) == 65535
    assert [item.name for item in session.objects.values()] == ["object 1", "mother", "object 8", "object 65535"]
    for object_id, message in (
        (7, "there is already an object 7"),
        (0, "an object id is a label value between 1 and 65535, got 0"),
        (-1, "between 1 and 65535, got -1"),
        (65536, "between 1 and 65535, got 65536"),
        (1.5, "object_id is a whole number, got 1.5"),
    ):
        with pytest.raises(ValueError, match=message):
            session.add_object(object_id=object_id)
    for unknown in (
        lambda: session.add_points(2, 0, [(1, 1)]),
        lambda: session.remove_object(2),
        lambda: session.mask(2, 0),
        lambda: session.plan(objects=[2]),
    ):
        with pytest.raises(ValueError, match=r"^there is no object 2; objects are \[1, 7, 8, 65535\]$"):
            unknown()


def test_largest_object_id_is_a_label() -> None:
    session = blob_session(MOVIE)
    session.add_points(session.add_object(object_id=65535), 0, inside(1, 0))
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 65535, 0))
