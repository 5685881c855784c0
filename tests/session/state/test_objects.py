"""Objects of a session: which of their records are shown, and how they look at a console."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch

from blob_tracker import blob_record, blob_session
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import History
from napari_sam2.session.state.objects import (
    RECORD_KINDS,
    ObjectInfo,
    ObjectsById,
    SessionObject,
    check_colour,
    check_name,
    hidden_ids,
    shown_on,
    written_frames,
)
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import SessionState
from square_movies import MOVIE, T, inside


def state() -> SessionState:
    return SessionState(History(lambda snapshots: None, lambda commit: None), RecordBudget().put)


def one_object(**info: Any) -> SessionObject:
    return state().add(4, ObjectInfo("cell", **info))


def record(number: int, is_remembered: bool = False) -> FrameRecord:
    found = blob_record(np.arange(4).reshape(2, 2) < number % 4, 2.0, (number,))
    return found.with_memory(PackedTensor.pack(torch.ones(1))) if is_remembered else found


@pytest.mark.parametrize("kinds", [kinds for count in range(1, 6) for kinds in itertools.combinations(RECORD_KINDS, count)])
def test_of_several_records_of_a_frame_one_is_shown(kinds: tuple[str, ...]) -> None:
    """What several axes agreed on, else what a person decided on, else what was tracked, else what is stale."""
    item = one_object()
    records = {kind: record(number) for number, kind in enumerate(kinds)}
    for kind, one in records.items():
        item.records[kind][3] = one
    expected = next((records[kind] for kind in ("fused", "anchor", "tracked", "stale") if kind in records), None)
    assert item.shown(3) is expected
    assert item.shown_frames() == (set() if expected is None else {3})
    assert item.shown(2) is None


def test_records_by_their_names() -> None:
    item = one_object()
    assert [item.conditioning, item.tracked, item.stale, item.fused, item.corrected] == list(item.records.values())
    item.conditioning[5], item.conditioning[2], item.tracked[3] = record(1), record(2), record(3)
    assert item.anchors == [2, 5]
    assert item.memory.frames() == [2, 3, 5]
    assert (item.name, item.info.colour) == ("cell", None)


def test_what_is_forgotten() -> None:
    item = one_object()
    for frame in (1, 2):
        item.prompts[frame] = FramePrompts(is_approved=True)
        for kind in RECORD_KINDS:
            item.records[kind][frame] = record(frame)
    item.drop_provisional(1)
    assert [kind for kind in RECORD_KINDS if 1 in item.records[kind]] == ["anchor", "tracked", "corrected"]
    item.forget(1)
    item.forget(1)
    assert (1 in item.prompts, item.shown_frames()) == (False, {2})
    assert all(list(mapping) == [2] for mapping in item.records.values())
    item.clear()
    assert (dict(item.prompts), item.shown_frames(), item.name) == ({}, set(), "cell")


def test_what_is_remembered_around_a_frame() -> None:
    """Stale frames near it too, but for those that are only shown; what was tracked since comes first."""
    item = one_object()
    item.conditioning[0] = record(0)
    for frame in (3, 4, 5, 6, 8):
        item.stale[frame] = record(frame, True) if frame != 4 else record(frame, True).to_be_shown(np.zeros((1, 1), np.float32))
    item.tracked[6] = tracked = record(9, True)
    memory = item.memory_around(5, 2)
    assert sorted(memory.tracked) == [3, 5, 6]
    assert memory.tracked[6] is tracked
    assert sorted(memory.conditioning) == [0]
    assert sorted(item.memory.tracked) == [6], "nothing is changed by it"


@pytest.mark.parametrize(
    ("info", "frames", "lifetime"),
    [
        ({}, {0, 1, 2, 3}, "it lasts from frame 0 to the last frame"),
        ({"first_frame": 2}, {2, 3}, "it lasts from frame 2 to the last frame"),
        ({"end_frame": 2}, {0, 1}, "it lasts from frame 0 to frame 1"),
        ({"first_frame": 1, "end_frame": 3}, {1, 2}, "it lasts from frame 1 to frame 2"),
    ],
)
def test_where_an_object_may_be(info: dict[str, Any], frames: set[int], lifetime: str) -> None:
    about = ObjectInfo("cell", **info)
    assert {frame for frame in range(4) if about.may_be_on(frame)} == frames
    assert about.lifetime == lifetime


def test_objects_by_their_ids() -> None:
    known = state()
    objects = known.objects
    known.add(7, ObjectInfo("seven"))
    known.add(3, ObjectInfo("three", is_hidden=True))
    assert (list(objects), len(objects), 3 in objects, 4 in objects) == ([7, 3], 2, True, False)
    assert objects[3] is objects[3]
    assert objects[np.uint16(3)] is objects[3]
    assert hidden_ids(known.infos) == [3]
    with pytest.raises(KeyError):
        objects[4]
    later = objects.made(np.int64(9))  # type: ignore[arg-type]
    assert (type(later.object_id), 9 in objects, objects.made_ids) == (int, False, [7, 3, 9])
    known.add(9, ObjectInfo("nine"))
    assert objects[9] is later
    known.remove(9)
    assert objects.made(9) is later, "undo brings it back"
    assert isinstance(objects, ObjectsById)


def test_what_is_shown_on_a_frame() -> None:
    known = state()
    for object_id, is_hidden in ((1, False), (2, True), (3, False), (4, False)):
        item = known.add(object_id, ObjectInfo("x", is_hidden=is_hidden))
        item.tracked[object_id // 4] = record(object_id)
    assert list(shown_on(0, known.objects.values())) == [1, 3]
    assert list(shown_on(1, known.objects.values())) == [4]


# --- in words ----------------------------------------------------------------------------------------------------------


def opened() -> Session:
    session = blob_session(MOVIE)
    session.add_points(session.add_object("parent"), 2, inside(1, 2))
    session.add_points(session.add_object(), 0, inside(2, 0))
    return session


def test_objects_are_for_reading_only() -> None:
    session = opened()
    with pytest.raises(TypeError):
        session.objects[3] = session.objects[1]  # type: ignore[index]
    with pytest.raises(TypeError):
        del session.objects[1]  # type: ignore[attr-defined]
    session.lock_object(1)
    session.hide_object(2)
    parent = "<object 1 'parent': on 1 frame, 2 to 2; prompted on 2; locked>"
    other = "<object 2 'object 2': on 1 frame, 0 to 0; prompted on 0; hidden>"
    assert repr(session.objects) == f"{{1: {parent}, 2: {other}}}"
    session.add_object("later")
    assert repr(session.objects[3]) == "<object 3 'later': on no frame; not prompted>"
    session.lock_object(1, False)
    session.propagate_all(objects=[1])
    assert repr(session.objects[1]) == "<object 1 'parent': on 8 frames, 0 to 7; prompted on 2>"


def test_many_prompted_frames_are_counted() -> None:
    session = opened()
    for frame in range(T):
        session.add_points(1, frame, inside(1, frame))
    assert "; prompted on 0, 1, 2, 3, 4 and 3 more>" in repr(session.objects[1])


@pytest.mark.parametrize(
    ("frames", "expected"), [([3], "3"), ([0, 1, 2, 3, 9], "0, 1, 2, 3, 9"), (range(7, 13), "7, 8, 9, 10, 11 and 1 more")]
)
def test_frames_in_few_words(frames: Any, expected: str) -> None:
    assert written_frames(frames) == expected


def test_names_and_colours() -> None:
    assert check_name(" two words ") == "two words"
    assert (check_colour(None), check_colour("#AbCdEf")) == (None, "#abcdef")
    for name in ("", " \t", None, 5):
        with pytest.raises(ValueError, match="^" + re.escape(f"a name is a text with something in it, got {name!r}")):
            check_name(name)  # type: ignore[arg-type]
    for colour in ("#12345", "#1234567", "#12345g", "red", "", 5, "#123456\n"):
        with pytest.raises(ValueError, match=r"^a colour has the form #rrggbb, got "):
            check_colour(colour)  # type: ignore[arg-type]
