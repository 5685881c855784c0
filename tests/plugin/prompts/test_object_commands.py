import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.object_commands import (
    ApproveFrame,
    ApproveRange,
    ColourObject,
    DivideObject,
    EndObject,
    HideObject,
    LockObject,
    MergeObjects,
    RemoveObject,
    RenameObject,
    SplitObject,
    is_before,
)


@pytest.fixture
def session(blobs):
    session = blob_session(blobs, "TYX")
    for object_id, point_rc in ((1, (10, 10)), (2, (24, 35))):
        session.add_object(object_id=object_id)
        session.add_points(object_id, 0, [point_rc], [1])
    session.propagate_all()
    return session


@pytest.mark.parametrize(
    ("command", "look", "expected"),
    [
        (RenameObject(1, "nucleus"), lambda session: session.objects[1].name, "nucleus"),
        (ColourObject(2, "#102030"), lambda session: session.objects[2].info.colour, "#102030"),
        (LockObject(1, True), lambda session: session.objects[1].info.is_locked, True),
        (HideObject(1, True), lambda session: np.unique(session.labels).tolist(), [0, 2]),
        (RemoveObject(2), lambda session: list(session.objects), [1]),
        (MergeObjects(2, 1), lambda session: (sorted(session.objects), np.unique(session.labels[0]).tolist()), ([2], [0, 2])),
        (SplitObject(1, 2), lambda session: np.unique(session.labels[2]).tolist(), [0, 2, 3]),
        (DivideObject(1, 1), lambda session: session.lineage, {3: 1, 4: 1}),
        (ApproveFrame(2, 1), lambda session: session.objects[2].anchors, [0, 1]),
        (ApproveRange(2, 0, 2), lambda session: session.objects[2].anchors, [0, 1, 2]),
        (EndObject(1, 1), lambda session: [np.unique(plane).tolist() for plane in session.labels], [[0, 1, 2], [0, 2], [0, 2]]),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "object_id") else "",
)
def test_each_command_is_one_action(session, command, look, expected):
    before = look(session)
    assert before != expected
    assert command.run(session) is None
    assert look(session) == expected
    session.undo()
    assert look(session) == before
    assert (command.key, command.addition) == (ObjectFrame(command.object_id, 0), None)


def test_locks_and_hidden_objects_are_freed(session):
    for command in (LockObject(1, True), HideObject(1, True), LockObject(1, False), HideObject(1, False)):
        command.run(session)
    assert not session.objects[1].info.is_locked
    assert np.unique(session.labels).tolist() == [0, 1, 2]
    LockObject(1, True).run(session)
    with pytest.raises(ValueError, match="object 1 is locked: unlock it first"):
        RemoveObject(1).run(session)


def test_what_ends_before_its_prompts_ends_backward(session):
    session.remove_object(1)
    session.add_points(session.add_object(object_id=5), 2, [(10, 10)])
    session.propagate_all()
    assert [5 in plane for plane in session.labels] == [True] * 3
    EndObject(5, 1).run(session)
    assert [5 in plane for plane in session.labels] == [False, False, True]
    session.undo()
    assert [is_before(frame, [2, 4]) for frame in (1, 2, 3)] == [True, False, False]
    assert not is_before(1, [])
