"""What was done can be undone after a session was closed and opened again, as in one that was never closed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import BlobTracker
from known_sessions import ACTIONS, MOVIE, TRUTH, Doer, begun, calls, everything_done, inside, known, opened, unused_rows
from napari_sam2.predictors import tracker
from napari_sam2.session.session import Session
from napari_sam2.session.state import history
from napari_sam2.session.store.database import PAGE_BYTES
from napari_sam2.session.volumes.propagate_each import propagate_each
from napari_sam2.weights.load import save_checkpoint
from thoroughness import examples
from tiny_models import tiny_predictor

Sequence = list[tuple[Any, ...]]


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def same(session: Session, other: Session) -> None:
    assert known(session) == known(other)
    assert calls(session) == calls(other)
    assert (session.can_undo, session.can_redo) == (other.can_undo, other.can_redo)


def same_there_and_back(session: Session, other: Session) -> int:
    """Redo, undo and redo all in both: they are the same at each step. Returns how many actions could be undone."""
    count = 0
    for method in ("redo", "undo", "redo"):
        count = 0
        while getattr(session, method)():
            assert getattr(other, method)()
            same(session, other)
            count += 1
        assert not getattr(other, method)()
    return count


@settings(max_examples=examples(10), deadline=None, derandomize=True, database=None)
@given(st.lists(ACTIONS, min_size=2, max_size=3), st.booleans(), st.sampled_from([200, 4]))
def test_opened_again_it_can_be_undone_as_if_it_had_never_been_closed(
    parts: list[Sequence], is_saved_as_it_goes: bool, max_actions: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker, "Tracker", BlobTracker)
        patch.setattr(history, "MAX_ACTIONS", max_actions)
        path = Path(folder) / "movie.sam2"
        never_closed, session = begun(axes="ZYX"), begun(axes="ZYX")
        if is_saved_as_it_goes:
            session.save(path)
        for part in parts:
            doers = Doer(never_closed), Doer(session)
            for step in part:
                for doer in doers:
                    doer.do(*step)
            same(never_closed, session)
            session.save(path)
            session.close()
            assert unused_rows(path) == 0
            session = opened(path)
            same(never_closed, session)
        same_there_and_back(never_closed, session)
        session.close()
        assert unused_rows(path) == 0
        again = opened(path)
        same(never_closed, again)
        same_there_and_back(never_closed, again)
        again.close()
        never_closed.close()


@pytest.mark.parametrize("is_saved_as_it_goes", [True, False])
def test_everything_is_undone_and_redone(path: Path, is_saved_as_it_goes: bool) -> None:
    session, never_closed = begun(), begun()
    if is_saved_as_it_goes:
        session.save(path)
    for one in (session, never_closed):
        everything_done(one)
    session.save(path)
    session.close()
    session = opened(path)
    assert same_there_and_back(never_closed, session) == 20
    while session.undo():
        pass
    assert known(session) == known(begun())
    session.close()
    session = opened(path)
    assert not session.can_undo
    while session.redo():
        pass
    while never_closed.redo():
        pass
    same(never_closed, session)
    session.close()


def test_what_was_undone_is_gone_when_a_propagation_goes_on(path: Path) -> None:
    """It goes on in the action before, so that no other one takes the place of what was undone."""
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    running = session.propagate()
    next(running)
    session.add_object("undone")
    session.undo()
    next(running)
    assert not session.can_redo
    expected = known(session)
    session.close()
    again = opened(path)
    assert not again.can_redo
    assert known(again) == expected
    again.close()


def test_an_action_after_an_undo_after_reopening(path: Path) -> None:
    session = begun()
    session.save(path)
    for name in ("one", "two", "three"):
        session.add_object(name)
    session.undo()
    session.close()
    session = opened(path)
    session.undo()
    session.add_object("four")
    session.close()
    session = opened(path)
    assert [item.name for item in session.objects.values()] == ["one", "four"]
    assert not session.can_redo
    assert [session.undo(), session.undo(), session.undo()] == [True, True, False]
    session.close()


@pytest.mark.parametrize("max_actions", [1, 3])
def test_only_so_many_actions_can_be_undone(path: Path, max_actions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_ACTIONS", max_actions)
    session, never_closed = begun(), begun()
    session.save(path)
    for frame in range(5):
        for one in (session, never_closed):
            one.add_points(1 if 1 in one.objects else one.add_object(), frame, inside(1, frame))
        session.close()
        assert unused_rows(path) == 0
        session = opened(path)
    assert same_there_and_back(never_closed, session) == max_actions
    assert len(calls(session)) == 6
    session.close()


def test_a_propagation_that_was_stopped_is_gone_on_with_and_undone(path: Path) -> None:
    session, never_closed = begun(), begun()
    session.save(path)
    for one in (session, never_closed):
        one.add_points(one.add_object(), 0, inside(1, 0))
        for _, _ in zip(range(3), one.propagate(), strict=False):
            pass
    session.close()
    session = opened(path)
    assert sorted(session.objects[1].tracked) == [1, 2, 3]
    for one in (session, never_closed):
        list(one.propagate())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    assert [steps for method, arguments in calls(session) if method == "propagate" for steps in [arguments["steps"]]] == [3, None]
    assert same_there_and_back(never_closed, session) == 4
    session.undo()
    session.close()
    session = opened(path)
    assert sorted(session.objects[1].tracked) == [1, 2, 3]
    session.undo()
    assert not session.objects[1].tracked
    session.close()


def test_another_model_is_undone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first one is not in memory any more: it is loaded from where it was."""
    files = []
    for seed in (0, 1):
        files.append(path.with_name(f"seed{seed}.safetensors"))
        network = tiny_predictor(seed=seed)
        save_checkpoint(files[-1], network.state_dict(), network.config)
    session = Session(MOVIE, model=files[0])
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    before = known(session)
    session.use_model(files[1])
    after = known(session)
    session.close()
    for _ in range(2):
        session = Session.open(path, MOVIE)
        assert session.model.source == str(files[1])
        assert known(session) == after
        session.undo()
        assert (session.model.source, known(session)) == (str(files[0]), before)
        session.close()
        session = Session.open(path, MOVIE)
        assert (session.model.source, known(session)) == (str(files[0]), before)
        session.redo()
        assert (session.model.source, known(session)) == (str(files[1]), after)
        session.close()
    del network
    save_checkpoint(files[0], tiny_predictor(seed=2).state_dict(), tiny_predictor().config)
    session = Session.open(path, MOVIE)
    with pytest.raises(ValueError, match=r"movie\.sam2 was saved with other weights of .*seed0\.safetensors"):
        session.undo()
    assert known(session) == after
    files[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"movie\.sam2 was saved with the model .*seed0\.safetensors, which is not there"):
        session.undo()
    assert (session.model.source, known(session)) == (str(files[1]), after)
    session.add_object()
    session.close()


def test_label_planes_of_other_positions(path: Path) -> None:
    image = np.stack([MOVIE, np.roll(MOVIE, 1, axis=2)])
    arguments = {"axes": "TZYX", "at": {"T": 0}}
    session, never_closed = begun(image, **arguments), begun(image, **arguments)
    session.save(path)
    for one in (session, never_closed):
        one.add_points(one.add_object(), 0, inside(1, 0))
        list(propagate_each(one, "T"))
        one.hide_object(1)
        one.undo()
    session.close()
    session = opened(path, image)
    assert session.labels[1].any()
    assert same_there_and_back(never_closed, session) == 5
    session.close()


def test_a_file_does_not_grow_with_what_is_undone_and_redone(path: Path) -> None:
    session = begun()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())

    def total() -> int:
        return sum(one.stat().st_size for one in path.parent.glob("movie.sam2*"))

    sizes = []
    for _ in range(5):
        for _ in range(100):
            session.undo()
            session.redo()
        sizes.append(total())
    assert sizes[-1] <= sizes[1]
    for _ in range(50):
        session.add_mask(1, 3, TRUTH[3] == 1)
        session.undo()
    assert total() <= sizes[-1] * 1.2
    expected = known(session)
    session.close()
    assert unused_rows(path) == 0
    assert path.stat().st_size < 30 * PAGE_BYTES
    again = opened(path)
    assert known(again) == expected
    again.close()
