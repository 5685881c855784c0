import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.joined_actions import JoinedActions


@pytest.fixture
def session(blobs):
    return blob_session(blobs, "TYX")


@pytest.fixture
def actions(session):
    return JoinedActions(session)


def test_actions_of_one_stroke_are_undone_and_redone_together(session, actions):
    with actions.together():
        session.add_object(object_id=1)
        session.add_points(1, 0, [(10, 10)])
    session.rename_object(1, "nucleus")
    with actions.together():
        session.add_points(1, 1, [(10, 10)])
        session.add_points(1, 2, [(10, 10)])
        session.add_points(1, 2, [(11, 11)])
    everything = session.labels.copy()
    steps = []
    while actions.undo():
        steps.append((sorted(session.objects[1].prompts), session.objects[1].name) if session.objects else None)
    assert steps == [([0], "nucleus"), ([0], "object 1"), None]
    assert not session.can_undo
    assert [actions.redo() for _ in range(4)] == [True, True, True, False]
    np.testing.assert_array_equal(session.labels, everything)


def test_undo_at_the_console_in_between(session, actions):
    with actions.together():
        session.add_object(object_id=1)
        session.add_points(1, 0, [(10, 10)])
    session.undo()
    assert not session.objects[1].prompts
    assert actions.undo()
    assert not session.objects
    assert actions.redo()
    assert list(session.objects[1].prompts) == [0]


def test_nothing_is_joined_that_failed_or_was_done_before(session, actions):
    session.add_object(object_id=1)
    with pytest.raises(ValueError, match="outside"), actions.together():
        session.add_points(1, 0, [(10, 400)])
    with actions.together():
        session.add_points(1, 0, [(10, 10)])
    assert actions.undo()
    assert list(session.objects) == [1]
