"""Whatever ends the program, at most the frame or the action in work is lost."""

from __future__ import annotations

import functools
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, tiny_model
from killed_sessions import Order, Server, never_killed, server, state_of, steps_of
from known_sessions import MOVIE, RENUMBERED, begun, opened, unused_rows
from napari_sam2.predictors import build, tracker
from napari_sam2.session.replay import replay
from napari_sam2.session.session import Session
from napari_sam2.session.store.temporary import unsaved_sessions

__all__ = ["server"]
SAMPLE = Path(__file__).with_name("first_format") / "everything"
WORKS = ["saved", "unsaved", "save as", "opened again"]


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)
    monkeypatch.setattr(build, "load_model", lambda name, device: tiny_model())


@functools.cache
def states_of(seed: int, saves: bool) -> list[Any]:
    return never_killed(steps_of(seed, saves))[1]


def check_work(order: Order, lines: list[str]) -> None:
    """Compare what is left with what was logged, go on with it, and compare with a session that was never killed."""
    folder, steps = Path(order.folder), steps_of(order.seed, order.work == "save as")
    done, saves = lines.count("done"), [line.split() for line in lines if line.startswith("sav")]
    if order.work in ("saved", "opened again"):
        candidates = [folder / "a.sam2"]
    else:
        saved = [name for word, name in saves if word == "saved"]
        candidates = (
            [folder / f"{saved[-1]}.sam2"] if saved else list(unsaved_sessions(folder / "data/napari-sam2/unsaved sessions"))
        )
        if saves and saves[-1][0] == "saving":
            candidates.insert(0, folder / f"{saves[-1][1]}.sam2")
        if not candidates and done == 0:
            return  # it was killed before anything was done
    if "begun" not in lines:
        return
    states = states_of(order.seed, order.work == "save as")
    found = None
    for path in filter(Path.exists, candidates):
        if path.stat().st_size == 0 and done == 0:
            return
        unused_rows(path)  # it is whole
        session = Session.open(path, MOVIE, tiny_model())
        state = state_of(session)
        found = next((index for index in (done, done + 1) if index < len(states) and state == states[index]), None)
        if found is not None:
            break
        session.close()
    assert found is not None, (order, lines)
    reference, _ = never_killed(steps, found)
    assert state_of(session) == state_of(reference)
    for _ in range(3):
        assert session.undo() == reference.undo()
    session.redo()
    reference.redo()
    if any(item.anchors for item in reference.objects.values()):
        assert len(list(session.propagate())) == len(list(reference.propagate()))
    assert state_of(session) == state_of(reference)
    session.close()
    reference.close()
    assert unused_rows(path) == 0


def kill_at_work(server: Server, folder: Path, seed: int, count: int) -> None:
    """Kill processes at work, half of them where they write, half of them at any time."""
    choose = random.Random(seed)
    for work in WORKS:
        (folder / f"{work} whole").mkdir()
        num_points = server.num_points(Order(work, seed, str(folder / f"{work} whole")))
        num_done = len(states_of(seed, work == "save as")) - 1
        for n in range(count):
            place = folder / f"{work} {n}"
            place.mkdir()
            if n % 2:
                order = Order(work, seed, str(place), kill_at=choose.randint(1, num_points))
                lines = server.killed(order)
            else:
                order = Order(work, seed, str(place))
                lines = server.killed(order, choose.randint(1, num_done), choose.uniform(0, 0.006))
            check_work(order, lines)


def kill_at_conversion(server: Server, folder: Path, seed: int, count: int) -> None:
    """Kill processes that convert a session of the first format: nothing old changes, and the new file is whole or not there."""
    choose = random.Random(seed)
    content = {one.name: one.read_bytes() for one in SAMPLE.iterdir()}

    def order(name: str, kill_at: int = 0) -> Order:
        shutil.copytree(SAMPLE, folder / name)
        return Order("convert", 0, str(folder / name), kill_at)

    num_points = server.num_points(order("whole"))
    for n in range(count):
        place = folder / f"convert {n}"
        server.killed(order(place.name, choose.randint(1, num_points)))
        assert {name: (place / name).read_bytes() for name in content} == content
        new = place / "movie.sam2"
        if new.exists():
            unused_rows(new)
        session = Session.open(new if new.exists() else place / "movie.sam2.json")
        told = json.loads(content["expected.json"])
        assert {str(i) for i in session.objects} == set(told["objects"])
        records = {
            i: {kind: [str(frame) for frame in sorted(one)] for kind, one in item.records.items()}
            for i, item in session.objects.items()
        }
        assert records == {
            int(i): {kind: list(one) for kind, one in item["records"].items()} for i, item in told["objects"].items()
        }
        assert [call.method for call in session.state.history.calls] == told["calls"]
        session.close()
        assert unused_rows(new) == 0


def test_killed_at_work(server: Server, tmp_path: Path) -> None:
    kill_at_work(server, tmp_path, seed=1, count=2)


def test_killed_while_labels_are_linked(server: Server, tmp_path: Path) -> None:
    whole = begun()
    list(whole.link_labels(RENUMBERED))
    (tmp_path / "whole").mkdir()
    saved, *_, last_point = server.killed(Order("link labels", 0, str(tmp_path / "whole")), after_lines=10**9)
    points = range(int(saved.split()[-1]) + 1, int(last_point.split()[-1]))
    for n, kill_at in enumerate(random.Random(0).sample(points, 8)):
        (tmp_path / str(n)).mkdir()
        done = server.killed(Order("link labels", 0, str(tmp_path / str(n)), kill_at)).count("done")
        with opened(tmp_path / str(n) / "a.sam2") as session:
            last = max((frame for item in session.objects.values() for frame in item.shown_frames()), default=1)
            assert last - 1 in (done, done + 1), "frames of labels, of which the first is 2"
            assert session.is_linking_stopped == (done > 0 or last > 1)
            session.save(tmp_path / str(n) / "b.sam2")
            again = replay(tmp_path / str(n) / "b.sam2", MOVIE, tiny_model())
            np.testing.assert_array_equal(again.labels, session.labels)
            list(session.link_labels(None if session.is_linking_stopped else RENUMBERED))
            np.testing.assert_array_equal(session.labels, whole.labels)
            assert not session.is_linking_stopped
            assert [call.arguments["labels"] is None for call in session.state.history.calls] == [False, True][
                : 1 + (1 < last < len(MOVIE) - 1)
            ]


def test_killed_at_conversion(server: Server, tmp_path: Path) -> None:
    kill_at_conversion(server, tmp_path, seed=1, count=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_killed_often(server: Server, tmp_path: Path, seed: int) -> None:
    kill_at_work(server, tmp_path, seed, count=5)
    kill_at_conversion(server, tmp_path, seed, count=3)
