"""What was done is taken back and done again, as a whole or not at all."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, blob_session, squares, tiny_model
from napari_sam2.predictors import record_store, tracker
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session import session as session_module
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import MAX_ACTIONS, History, SessionBusyError
from napari_sam2.session.state.undoable import Address, Snapshots, UndoableDict

T, SHAPE = 60, (16, 24)
TRUTH = squares(T, SHAPE, {1: [(2, 2, 4)] * T, 2: [(9, 2 + t // 4, 5) for t in range(T)]})
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)


def opened() -> Session:
    session = blob_session(MOVIE)
    for point in ((3, 3), (10, 4)):
        session.add_points(session.add_object(), 0, [point])
    return session


def num_rows(session: Session) -> int:
    database = session._store._rows.database
    assert database is not None
    return database.execute("SELECT COUNT(*) FROM stored").fetchone()[0]


def test_one_undo_takes_back_a_whole_propagation() -> None:
    session = opened()
    before = session.labels.copy()
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, TRUTH)
    assert session.undo()
    np.testing.assert_array_equal(session.labels, before)
    assert len(session.plan()) == T - 1
    assert session.redo()
    np.testing.assert_array_equal(session.labels, TRUTH)
    assert session.plan() == []
    assert not session.redo()


def test_every_correction_is_taken_back_exactly() -> None:
    session = opened()
    list(session.propagate())
    seen = [session.labels.copy()]
    for correct in (
        lambda: session.add_mask(1, 30, TRUTH[30] == 2),
        lambda: list(session.propagate()),
        lambda: session.add_points(2, 40, [(3, 3)], [1]),
        lambda: session.clear_prompts(1, 30),
        lambda: list(session.propagate()),
        lambda: session.remove_object(1),
    ):
        correct()
        seen.append(session.labels.copy())
    for expected in seen[-2::-1]:
        session.undo()
        np.testing.assert_array_equal(session.labels, expected)
    for expected in seen[1:]:
        session.redo()
        np.testing.assert_array_equal(session.labels, expected)


def test_undo_in_the_middle_of_a_propagation_which_goes_on() -> None:
    session = opened()
    running = session.propagate()
    for _ in range(5):
        next(running)
    session.undo()
    assert not session.objects[1].tracked
    list(running)
    np.testing.assert_array_equal(session.labels, TRUTH)
    session.undo()
    assert not session.objects[1].tracked
    assert not session.labels[1:].any()


def test_a_prompt_in_the_middle_is_an_action_of_its_own() -> None:
    session = opened()
    running = session.propagate()
    for _ in range(5):
        next(running)
    session.add_mask(1, 50, TRUTH[50] == 1)
    list(running)
    assert [call.method for call in session._history.calls][-3:] == ["propagate", "add_mask", "propagate"]
    session.undo()
    assert sorted(session.objects[2].tracked) == [1, 2, 3, 4, 5]
    assert session.objects[1].anchors == [0, 50]
    session.undo()
    assert session.objects[1].anchors == [0]
    session.undo()
    assert not session.labels[1:].any()


def test_records_on_disk_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "RecordBudget", partial(RecordBudget, 0))
    monkeypatch.setattr(record_store, "MOST_BYTES", 0)
    session = opened()
    list(session.propagate())
    count = num_rows(session)
    session.add_mask(1, 30, TRUTH[30] == 2)
    session.undo()
    session.redo()
    session.undo()
    np.testing.assert_array_equal(session.labels, TRUTH)
    # Between mappings and the history records pass as they are: new are that of the frame, what it corrected, and the prompts.
    assert num_rows(session) <= count + 3


def test_labels_that_cannot_be_written_leave_everything_as_it_was() -> None:
    session = opened()
    before, anchors = session.labels.copy(), session.objects[1].anchors
    session.labels.flags.writeable = False
    with pytest.raises(OSError, match=r"^the labels of frame 5 cannot be written: assignment destination is read-only$"):
        session.add_points(1, 5, [(3, 3)])
    with pytest.raises(OSError, match="read-only"):
        session.undo()
    session.labels.flags.writeable = True
    assert session.objects[1].anchors == anchors
    np.testing.assert_array_equal(session.labels, before)
    session.undo()
    assert not session.labels[:, 9:].any()


class FailingLabels:
    """A label image on a disk that is full, or whose owner loses patience, when one frame is written."""

    dtype, ndim = np.dtype(np.uint16), 3

    def __init__(self) -> None:
        self.array = np.zeros(TRUTH.shape, np.uint16)
        self.shape = self.array.shape
        self.error: BaseException | None = None

    def __setitem__(self, key: Any, plane: Any) -> None:
        if key[0] == 30 and self.error is not None:
            error = self.error
            self.error = None if isinstance(error, KeyboardInterrupt) else error
            raise error
        self.array[key] = plane


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=["full", "interrupted"])
@pytest.mark.parametrize("method", ["undo", "redo", "hide_object", "remove_object"])
def test_what_fails_between_two_frames_is_shown_on_none(method: str, error: BaseException) -> None:
    labels = FailingLabels()
    session = blob_session(MOVIE, labels=labels)
    session.add_points(session.add_object(), 0, [(3, 3)])
    list(session.propagate())
    if method == "redo":
        session.undo()
    before = labels.array.copy()
    labels.error = error
    with pytest.raises(type(error)):
        getattr(session, method)(*([1] if "object" in method else []))
    np.testing.assert_array_equal(labels.array, before)
    labels.error = None
    getattr(session, method)(*([1] if "object" in method else []))
    frames_left = {"undo": 1, "redo": T}.get(method, 0)
    np.testing.assert_array_equal(labels.array, np.where(np.arange(T)[:, None, None] < frames_left, TRUTH == 1, 0))


def test_so_many_actions_and_no_more_can_be_taken_back() -> None:
    session = blob_session(MOVIE)
    for _ in range(MAX_ACTIONS + 5):
        session.add_object()
    assert sum(1 for _ in iter(session.undo, False)) == MAX_ACTIONS
    assert sorted(session.objects) == [1, 2, 3, 4, 5]
    assert not session.can_undo
    assert session.can_redo
    assert len(session._history.calls) == 5


def test_an_action_inside_an_action_is_part_of_it_and_one_without_effect_is_none() -> None:
    finished: list[Snapshots] = []
    history = History(finished.append, lambda commit: None)
    mapping: UndoableDict[Any] = UndoableDict(history, Address("info", 0))
    with history.action():
        mapping[1] = "a"
        with history.action():
            mapping[2] = "b"
            mapping[1] = "c"
    with history.action():
        pass
    assert len(history.done) == 1

    def fail() -> None:
        with history.action():
            mapping[3] = "d"
            del mapping[1]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert mapping == {1: "c", 2: "b"}
    history.undo()
    assert mapping == {}
    history.redo()
    assert mapping == {1: "c", 2: "b"}


def test_a_session_that_nobody_uses_is_gone_at_once(tmp_path: Path) -> None:
    """Not only when cycles are collected: its file is free for others then."""
    session = blob_session(np.zeros((3, 20, 20), np.uint8), "TYX")
    session.add_mask(session.add_object(), 0, np.eye(20))
    session.save(tmp_path / "movie.sam2")
    gone = weakref.ref(session)
    gc.disable()
    try:
        del session
        assert gone() is None
        assert [path.name for path in tmp_path.iterdir()] == ["movie.sam2"]
        with contextlib.closing(sqlite3.connect(tmp_path / "movie.sam2", timeout=0)) as database:
            database.execute("DELETE FROM state")
    finally:
        gc.enable()


def test_another_thread_is_refused_while_the_session_is_at_work() -> None:
    session = opened()
    refused: list[BaseException] = []

    def click() -> None:
        for call in (lambda: session.add_object(), session.undo, session.redo, lambda: next(session.propagate())):
            try:
                call()
            except SessionBusyError as error:
                refused.append(error)

    with session.state.history.working():
        thread = threading.Thread(target=click)
        thread.start()
        thread.join()
    assert [str(error) for error in refused] == [
        "the session is busy in another thread: try again when that has finished, or stop it first"
    ] * 4
    assert len(session.objects) == 2
    thread = threading.Thread(target=click)
    thread.start()
    thread.join()
    assert len(refused) == 4


def test_what_is_grouped_is_undone_and_redone_together() -> None:
    session = opened()
    with session.grouped():
        new = session.add_object()
        session.add_points(new, 3, [(3, 3)])
        with session.grouped():
            session.rename_object(new, "cell")
    session.add_object()
    assert session.undo()
    assert sorted(session.objects) == [1, 2, 3]
    assert session.undo()
    assert sorted(session.objects) == [1, 2]
    assert session.redo()
    assert (session.objects[3].name, session.objects[3].anchors) == ("cell", [3])
    assert session.redo()
    assert sorted(session.objects) == [1, 2, 3, 4]
    assert [call.method for call in session._history.calls][-4:] == ["add_object", "add_points", "rename_object", "add_object"]


def refused_together(session: Session) -> None:
    def fail() -> None:
        with session.grouped():
            session.add_object()
            session.lock_object(77)

    with pytest.raises(ValueError, match="there is no object 77"):
        fail()


def test_a_group_that_fails_is_not_done_and_cannot_be_redone() -> None:
    session = opened()
    calls, labels = session._history.calls, session.labels.copy()

    def fail() -> None:
        with session.grouped():
            session.add_points(1, 9, [(3, 3)])
            with session.grouped():
                session.add_object()
            session.add_points(77, 0, [(3, 3)])

    with pytest.raises(ValueError, match="there is no object 77"):
        fail()
    assert (session._history.calls, sorted(session.objects), session.can_redo) == (calls, [1, 2], False)
    np.testing.assert_array_equal(session.labels, labels)
    with session.grouped():
        session.add_object()
        refused_together(session)
    assert sorted(session.objects) == [1, 2, 3]
    session.undo()
    assert session._history.calls == calls


def test_groups_are_undone_after_reopening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    session = opened()
    session.save(tmp_path / "movie.sam2")
    with session.grouped():
        session.add_points(session.add_object(), 3, [(3, 3)])
    refused_together(session)
    session.close()
    again = Session.open(tmp_path / "movie.sam2", MOVIE, tiny_model())
    assert sorted(again.objects) == [1, 2, 3]
    again.undo()
    assert sorted(again.objects) == [1, 2]
    again.close()
    again = Session.open(tmp_path / "movie.sam2", MOVIE, tiny_model())
    assert sorted(again.objects) == [1, 2]
    again.redo()
    assert again.objects[3].anchors == [3]
    again.close()
