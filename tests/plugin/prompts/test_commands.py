import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import (
    AddBox,
    AddClicks,
    AddOutline,
    ChangeClicks,
    MoveClicks,
    MoveDrawing,
    RemoveClicks,
    RemoveDrawing,
)
from widget_driving import in_session

KEY, OTHER = ObjectFrame(1, 0), ObjectFrame(2, 1)
FIRST, SECOND, OUTSIDE = Click(10, 10, True), Click(24, 35, True), Click(20, 5, False)


@pytest.fixture
def session(blobs):
    return blob_session(blobs, "TYX")


def add(key, *clicks):
    return AddClicks(key, clicks, frozenset([7]))


def test_the_first_click_adds_the_object(session):
    mask = add(KEY, FIRST, OUTSIDE).run(session)
    assert mask.sum() == 100
    assert in_session(session) == {KEY: (FIRST, OUTSIDE)}
    assert add(KEY, SECOND).run(session).sum() == 196
    assert len(session.objects) == 1


def test_clicks_outside_alone_are_refused_and_leave_no_object(session):
    with pytest.raises(ValueError, match="object 1 has only clicks outside it on frame 0: click inside it, too"):
        add(KEY, OUTSIDE).run(session)
    assert (list(session.objects), session.can_undo) == ([], False)
    add(KEY, FIRST).run(session)
    with pytest.raises(ValueError, match="on frame 2"):
        add(ObjectFrame(1, 2), OUTSIDE).run(session)
    session.propagate_all()
    assert add(ObjectFrame(1, 2), OUTSIDE).run(session).sum() == 100, "it corrects what was propagated"


def test_a_click_that_fails_leaves_no_object(session, monkeypatch):
    def fail(*arguments):
        raise OSError("the disk is gone")

    monkeypatch.setattr(session, "add_points", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        add(KEY, FIRST).run(session)
    assert list(session.objects) == []


def test_a_box_adds_the_object_by_one_action(session):
    command = AddBox(KEY, (3, 3, 17, 17))
    assert command.run(session).sum() == 100
    assert command.addition is None
    assert session.objects[1].prompts[0].box_rc == (3, 3, 17, 17)
    add(KEY, SECOND).run(session)
    AddBox(KEY, (4, 4, 16, 16)).run(session)
    assert in_session(session) == {KEY: (SECOND,)}, "points stay"
    for count in (2, 1, 0):
        session.undo()
        assert len(session.objects) == (count > 0)


def test_a_box_that_is_refused_leaves_no_object(session):
    with pytest.raises(ValueError, match="row0 < row1"):
        AddBox(KEY, (3, 3, 3, 17)).run(session)
    assert list(session.objects) == []


def test_one_point_is_changed_or_several(session):
    add(KEY, FIRST, OUTSIDE, SECOND).run(session)
    assert ChangeClicks(KEY, ((FIRST, Click(6, 6, True)),)).run(session).sum() == 196
    assert session.state.history.calls[-1].method == "change_point"
    moved = ((OUTSIDE, Click(21, 5, False)), (SECOND, Click(24, 35, False)))
    assert ChangeClicks(KEY, moved).run(session).sum() == 100
    assert in_session(session) == {KEY: (Click(6, 6, True), Click(21, 5, False), Click(24, 35, False))}
    session.undo()
    assert in_session(session)[KEY][1] == OUTSIDE, "several points are changed by one action"


@pytest.mark.parametrize(
    ("removed", "left", "methods"),
    [
        ([SECOND], (FIRST, OUTSIDE), ["remove_point"]),
        ([SECOND, OUTSIDE], (FIRST,), ["set_points"]),
        ([FIRST, SECOND, OUTSIDE], None, ["clear_prompts"]),
    ],
)
def test_points_are_removed(session, removed, left, methods):
    add(KEY, FIRST, OUTSIDE, SECOND).run(session)
    count = len(session.state.history.calls)
    RemoveClicks(KEY, tuple(removed)).run(session)
    assert in_session(session).get(KEY) == left
    assert [call.method for call in session.state.history.calls[count:]] == methods


def test_a_mask_stays_when_all_points_are_removed(session, blobs):
    add(KEY, FIRST).run(session)
    session.add_mask(1, 0, blobs[0] == 150)
    of_mask = session.mask(1, 0)
    assert of_mask.any()
    add(KEY, OUTSIDE, FIRST).run(session)
    assert (session.mask(1, 0) != of_mask).any()
    RemoveClicks(KEY, (FIRST, OUTSIDE)).run(session)
    assert in_session(session) == {}
    np.testing.assert_array_equal(session.mask(1, 0), of_mask)


def test_points_are_moved_to_another_object(session):
    add(KEY, FIRST, SECOND).run(session)
    MoveClicks(RemoveClicks(KEY, (SECOND,)), add(OTHER, Click(26, 35, True))).run(session)
    assert in_session(session) == {KEY: (FIRST,), OTHER: (Click(26, 35, True),)}


def test_what_cannot_be_removed_is_not_moved(session):
    add(KEY, FIRST).run(session)
    session.lock_object(1)
    with pytest.raises(ValueError, match="locked"):
        MoveClicks(RemoveClicks(KEY, (FIRST,)), add(OTHER, FIRST)).run(session)
    assert in_session(session) == {KEY: (FIRST,)}


@pytest.mark.parametrize("command", [ChangeClicks(KEY, ((SECOND, FIRST),)), RemoveClicks(KEY, (SECOND,))])
@pytest.mark.parametrize("has_object", [True, False])
def test_a_point_that_is_not_there_any_more(session, command, has_object):
    if has_object:
        add(KEY, FIRST).run(session)
    with pytest.raises(ValueError, match="not there any more"):
        command.run(session)


def test_only_what_adds_clicks_has_pending_ones():
    addition = add(OTHER, FIRST)
    removal = RemoveClicks(KEY, (FIRST,))
    assert addition.addition is MoveClicks(removal, addition).addition is addition
    assert MoveClicks(removal, addition).key == OTHER
    assert removal.addition is ChangeClicks(KEY, ((FIRST, SECOND),)).addition is None


# --- boxes and outlines --------------------------------------------------------------------------------------------

SQUARE_OUTLINE = ((4.5, 4.5), (4.5, 14.5), (14.5, 14.5), (14.5, 4.5))


def test_an_outline_is_a_mask_and_is_removed(session):
    AddOutline(ObjectFrame(7, 0), SQUARE_OUTLINE).run(session)
    assert session.objects[7].prompts[0].mask.sum() == 100
    RemoveDrawing(ObjectFrame(7, 0)).run(session)
    assert not session.objects[7].prompts
    for object_id in (7, 8):
        with pytest.raises(ValueError, match="the shape is not there any more: what was done before has changed it"):
            RemoveDrawing(ObjectFrame(object_id, 0)).run(session)


def test_a_box_is_moved_to_another_object_or_not_at_all(session):
    AddBox(ObjectFrame(7, 0), (4, 4, 16, 16)).run(session)
    MoveDrawing(RemoveDrawing(ObjectFrame(7, 0)), AddBox(ObjectFrame(8, 1), (4, 4, 16, 16))).run(session)
    assert (dict(session.objects[7].prompts), list(session.objects[8].prompts)) == ({}, [1])
    with pytest.raises(ValueError, match="is not inside the image"):
        MoveDrawing(RemoveDrawing(ObjectFrame(8, 1)), AddBox(ObjectFrame(9, 1), (4, 4, 99, 16))).run(session)
    assert list(session.objects[8].prompts) == [1]
    assert 9 not in session.objects
