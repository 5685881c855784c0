"""What changes of a session tell is enough for whoever shows it: a view that knows nothing else shows what there is."""

from __future__ import annotations

import contextlib
import copy
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import BlobTracker, blob_record, tiny_model
from napari_sam2.predictors import tracker
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import RecordBudget
from napari_sam2.session.session import Session
from napari_sam2.session.state.history import Commit, History
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import RECORD_KINDS, ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import SessionState, StateChange
from napari_sam2.session.state.undoable import Address
from napari_sam2.session.store.rows import Rows
from napari_sam2.session.volumes.propagate_each import propagate_each
from packed_records import bits
from session_actions import CORNERS, MOVIE, SAYING, T, actions, do
from thoroughness import examples
from tiny_models import tiny_predictor

# --- a state of its own ------------------------------------------------------------------------------------------------


class Kept:
    """A state, and the changes that its actions lead to."""

    def __init__(self) -> None:
        self.changes: list[StateChange] = []
        self.history = History(lambda snapshots: None, self.keep)
        self.state = SessionState(self.history, RecordBudget().put)
        self.state.models[0] = ModelIdentity("one", "tiny", 64)

    def keep(self, commit: Commit) -> None:
        self.changes.append(self.state.change_of(commit.changed))

    def object_on(self, *frames: int, **info: Any) -> int:
        """Add an object that is tracked on frames."""
        object_id = len(self.state.infos) + 1
        item = self.state.add(object_id, ObjectInfo(f"object {object_id}", **info))
        for frame in frames:
            item.tracked[frame] = record(frame)
        return object_id


def record(number: int) -> FrameRecord:
    return blob_record(np.arange(4).reshape(2, 2) <= number % 4, 2.0)


def test_what_is_looked_up() -> None:
    state = Kept().state
    state.add(7, ObjectInfo("seven", is_locked=True))
    state.add(5, ObjectInfo("five", parent=3))
    state.add(3, ObjectInfo("three", parent=7))
    assert (state.lineage, list(state.lineage)) == ({3: 7, 5: 3}, [3, 5])
    assert [item.object_id for item in state.ordered()] == [3, 5, 7]
    assert [item.object_id for item in state.ordered([7, 3, 7])] == [7, 3]
    assert state.object(np.uint8(3)) is state.objects[3]
    assert state.unlocked(3) is state.objects[3]
    with pytest.raises(ValueError, match=r"^object 7 is locked: unlock it first$"):
        state.unlocked(7)
    for look in (state.object, state.unlocked, lambda object_id: state.ordered([3, object_id])):
        with pytest.raises(ValueError, match=r"^there is no object 4; objects are \[3, 5, 7\]$"):
            look(4)
    with pytest.raises(ValueError, match=r"^other_id is a whole number, got 'x'$"):
        state.object("x", "other_id")  # type: ignore[arg-type]


def test_dictionaries_by_their_address() -> None:
    state = Kept().state
    item = state.add(2, ObjectInfo("two"))
    item.prompts[1] = FramePrompts(is_approved=True)
    assert [state.mapping(Address(kind, 0)) for kind in ("info", "planes", "model", "sample")] == [
        state.infos,
        state.positions,
        state.models,
        state.error_samples,
    ]
    assert state.mapping(Address("prompts", 2)) is item.prompts
    assert [state.mapping(Address(kind, 2)) for kind in RECORD_KINDS] == list(item.records.values())
    assert state.mapping(Address("stale", 9)).address == ("stale", 9), "also of an object that is to be added"
    with pytest.raises(LookupError):
        state.mapping(Address("nothing", 2))
    addresses = [mapping.address for mapping in state.mappings()]
    shared = [(kind, 0) for kind in ("info", "planes", "model", "sample")]
    assert addresses == [*shared, ("prompts", 2), *((kind, 2) for kind in RECORD_KINDS)]
    assert all(state.mapping(address) is mapping for address, mapping in zip(addresses, state.mappings(), strict=True))


def test_nothing_is_left_of_an_object_that_is_removed() -> None:
    kept = Kept()
    object_id = kept.object_on(1, 2)
    item = kept.state.objects[object_id]
    item.prompts[4] = FramePrompts(is_approved=True)
    with kept.history.action():
        kept.state.remove(object_id)
    assert (dict(kept.state.objects), item.shown_frames(), item.prompts) == ({}, set(), {})
    (change,) = kept.changes
    assert change == StateChange({1: None}, {(1, 4): None}, frozenset({(1, 1), (1, 2)}), frozenset({(1, 1), (1, 2)}))
    assert change.frames == {1, 2}


def test_each_kind_of_change() -> None:
    kept, state = Kept(), None
    state = kept.state
    one, other = kept.object_on(0, 1, 2), kept.object_on(1, 5, is_hidden=True)
    state.positions[3] = (b"", b"")
    item = state.objects[one]
    prompts, model = FramePrompts(((1.0, 2.0),), (1,)), ModelIdentity("other", "tiny", 64)
    expected: list[StateChange] = []

    with kept.history.action():
        state.infos[one] = info = replace(item.info, name="cell")
    expected.append(StateChange({one: info}))
    with kept.history.action():
        item.prompts[2], item.conditioning[2] = prompts, record(9)
        item.tracked.discard(2)
    expected.append(StateChange({}, {(one, 2): prompts}, frozenset({(one, 2)}), frozenset({(one, 2)})))
    with kept.history.action():
        state.infos[other] = shown = replace(state.objects[other].info, is_hidden=False)
    expected.append(StateChange({other: shown}, masks=frozenset({(other, 1), (other, 5)}), positions=frozenset({3})))
    with kept.history.action():
        state.models[0] = model
    expected.append(StateChange(model=model))
    with kept.history.action():
        state.positions[4] = (b"x",)
        del state.positions[3]
    expected.append(StateChange(positions=frozenset({3, 4})))
    assert kept.changes == expected
    kept.changes.clear()
    for _ in expected:
        kept.history.undo()
    assert [change.masks for change in kept.changes] == [change.masks for change in expected[::-1]]
    assert [change.positions for change in kept.changes] == [{3, 4}, set(), {3}, set(), set()]
    assert kept.changes[1].model == ModelIdentity("one", "tiny", 64)
    assert kept.changes[3].prompts == {(one, 2): None}


def test_a_mask_that_is_stale_now_is_shown_as_before() -> None:
    """The very same record is shown: of a long stack nothing is drawn again but what differs."""
    kept = Kept()
    item = kept.state.objects[kept.object_on(*range(6))]
    with kept.history.action():
        for frame in range(5):
            item.tracked.move(frame, item.stale)
        item.tracked[5] = record(7)
    with kept.history.action():
        item.fused[1] = record(8)
        item.stale.move(2, item.tracked)
        item.tracked[4] = record(9)  # over what is stale
        item.corrected[3] = record(3)  # which is not shown
    assert [change.masks for change in kept.changes] == [{(1, 5)}, {(1, 1), (1, 4)}]
    kept.changes.clear()
    for _ in range(2):
        kept.history.undo()
    for _ in range(2):
        kept.history.redo()
    assert [change.masks for change in kept.changes] == [{(1, 1), (1, 4)}, {(1, 5)}, {(1, 5)}, {(1, 1), (1, 4)}]


def test_of_what_was_prepared_for_use_nothing_is_told() -> None:
    kept = Kept()
    item = kept.state.objects[kept.object_on(1)]
    with kept.history.action():
        item.tracked.refresh(1, record(1))
        item.corrected[1] = record(2)
    assert kept.changes == [StateChange()]


# --- any sequence of actions -------------------------------------------------------------------------------------------


@cache
def other_model() -> Any:
    return tiny_predictor(seed=1)


class View:
    """A copy of what a session shows, made of its changes alone; masks are asked for where something else is shown."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.infos: dict[int, ObjectInfo] = {}
        self.prompts: dict[tuple[int, int], FramePrompts] = {}
        self.shown: dict[tuple[int, int], FrameRecord] = {}
        self.labels = np.zeros(session.labels.shape, np.uint16)
        self.model = session.state.model
        self.taken: list[tuple[StateChange, StateChange]] = []
        session.state.changed.connect(self.take)

    def take(self, change: StateChange) -> None:
        self.taken.append((change, copy.deepcopy(change)))
        _update(self.infos, change.infos)
        _update(self.prompts, change.prompts)
        _update(self.shown, {(object_id, frame): self.ask(object_id, frame) for object_id, frame in change.masks})
        for frame in change.frames:
            self.labels[frame] = self.session.label_plane(frame)
        self.model = self.model if change.model is None else change.model

    def ask(self, object_id: int, frame: int) -> FrameRecord | None:
        item = self.session.objects.get(object_id)
        return None if item is None or item.info.is_hidden else item.shown(frame)

    def check(self) -> None:
        state = self.session.state
        assert self.infos == dict(state.infos)
        assert self.prompts == {
            (item.object_id, frame): prompts for item in state.objects.values() for frame, prompts in item.prompts.items()
        }
        assert self.model == state.model
        keys = {(item.object_id, frame) for item in state.objects.values() for frame in item.shown_frames()}
        expected = {key: record for key in keys if (record := self.ask(*key)) is not None}
        assert set(self.shown) == set(expected)
        for key, record in expected.items():
            assert (self.shown[key].mask_logits == record.mask_logits).all()
            assert bits(self.shown[key].pointer) == bits(record.pointer)
        np.testing.assert_array_equal(self.labels, self.session.labels)


def _update(mine: dict[Any, Any], changed: Any) -> None:
    for key, value in changed.items():
        if value is None:
            del mine[key]
        else:
            mine[key] = value


@contextlib.contextmanager
def double() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "Tracker", BlobTracker)
        yield


steps = st.one_of(actions, actions, actions, actions, st.tuples(st.just("use_model"), st.booleans()))


@settings(max_examples=examples(20), deadline=None, derandomize=True, database=None)
@given(st.lists(steps, min_size=1, max_size=12))
def test_a_view_that_is_told_changes_alone_shows_what_there_is(sequence: list[tuple[Any, ...]]) -> None:
    with double():
        session = Session(MOVIE, model=tiny_model())
        view = View(session)
        for kind, *arguments in sequence:
            if kind in SAYING and arguments[0] not in session.objects:
                session.add_object(object_id=arguments[0])
            num_taken, num_changes = len(view.taken), session.state.history.num_changes
            with contextlib.suppress(ValueError):
                if kind == "use_model":
                    session.use_model(other_model() if arguments[0] else tiny_model())
                else:
                    do(session, kind, *arguments)
            # of a propagation, each frame
            assert len(view.taken) - num_taken <= session.state.history.num_changes - num_changes
            assert kind == "propagate" or len(view.taken) - num_taken <= 1
            view.check()
        while session.undo():
            view.check()
        assert (view.infos, view.prompts, view.shown) == ({}, {}, {})
        while session.redo():
            pass
        view.check()
        assert all(change == as_it_was for change, as_it_was in view.taken), "what was told is not changed by what comes later"


def opened() -> tuple[Session, View]:
    with double():
        session = Session(MOVIE, model=tiny_model())
    view = View(session)
    for object_id in (1, 2):
        session.add_object()
        session.add_points(object_id, 2, [CORNERS[2, object_id]])
    session.propagate_all()
    return session, view


def test_what_is_refused_or_changes_nothing_is_not_told() -> None:
    session, view = opened()
    session.lock_object(1)
    view.taken.clear()
    for refused in (
        lambda: session.remove_object(1),
        lambda: session.merge_objects(2, 1),
        lambda: session.add_points(2, 3, [(-5, 0)]),
        lambda: session.divide_object(2, 3, 0),
        lambda: session.use_model("no such model"),
    ):
        with pytest.raises((ValueError, FileNotFoundError)):
            refused()
    session.lock_object(1)
    assert session.propagate_all() == 0
    assert not session.redo()
    assert view.taken == []
    view.check()


def test_actions_of_several_steps_are_told_once() -> None:
    session, view = opened()
    view.taken.clear()
    plane = np.zeros(MOVIE.shape[1:], np.uint8)
    plane[2:5, 2:5], plane[10:14, 10:14] = 5, 7
    session.add_labels(plane, 4)
    assert [set(change.infos) for change, _ in view.taken] == [{5, 7}]
    session.divide_object(1, 3)
    session.merge_objects(5, 7)
    session.undo()
    assert len(view.taken) == 4
    view.check()


def test_a_click_on_a_long_stack_tells_of_its_frame_alone() -> None:
    """All others are stale then, and shown as they were."""
    session, view = opened()
    view.taken.clear()
    session.add_points(1, 4, [CORNERS[4, 1]])
    assert [set(item.stale) for item in session.objects.values()] == [{3, 5, 6}, set()]
    assert [change.masks for change, _ in view.taken] == [{(1, 4)}]
    view.check()


def test_it_is_told_in_the_thread_and_after_labels_and_file_were_written(tmp_path: Path) -> None:
    session, view = opened()
    session.save(tmp_path / "x.sam2")
    in_file: list[int] = []
    labels: list[bool] = []

    def look(change: StateChange) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "x.sam2")) as database:
            ((number,),) = database.execute("SELECT MAX(number) FROM actions WHERE NOT is_undone")
        in_file.append(number)
        labels.append(np.array_equal(session.labels[3], session.label_plane(3)))

    session.state.changed.connect(look)
    done = session.state.history.done[-1].number
    session.rename_object(1, "cell")
    session.remove_object(2)
    session.undo()
    assert in_file == [done + 1, done + 2, done + 1]
    assert labels == [True] * 3
    view.check()
    session.close()


def test_it_is_told_too_where_the_file_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays done, so whoever shows it must hear of it."""
    session, view = opened()
    session.save(tmp_path / "x.sam2")
    view.taken.clear()

    def full(*arguments: Any, **options: Any) -> Any:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Rows, "transaction", full)
        for do_it in (lambda: session.rename_object(1, "cell"), lambda: session.remove_object(2), session.undo):
            with pytest.raises(OSError, match="the disk is full"):
                do_it()
            view.check()
    assert [set(change.infos) for change, _ in view.taken] == [{1}, {2}, {2}]
    session.close()


def test_other_positions_are_told_by_their_number() -> None:
    truth = np.stack([np.where(MOVIE > 0, 200, 0)] * 3)
    with double():
        session = Session(truth.astype(np.uint8), "TZYX", model=tiny_model(), along="Z", at={"T": 1})
        session.add_points(session.add_object(), 2, [CORNERS[2, 1]])
        told: list[StateChange] = []
        session.state.changed.connect(told.append)
        positions = [step.position for step in propagate_each(session, "T")]
        assert set(positions) == {0, 1, 2}
        assert [sorted(change.positions) for change in told if change.positions] == [[2], [0]]
        told.clear()
        session.hide_object(1)
        session.hide_object(1, False)
        session.rename_object(1, "cell")
        session.remove_object(1)
        session.undo()
    assert [sorted(change.positions) for change in told] == [[0, 2], [0, 2], [], [0, 2], [0, 2]]
    assert [len(change.masks) for change in told] == [T, T, 0, T, T]
