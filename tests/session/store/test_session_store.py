"""Saved as it goes, opened again, done again: labels are exact, as the tracker is the double."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from napari_sam2.session.store.results_file import ResultsFile
from napari_sam2.session.store.session_document import VERSION
from napari_sam2.session.store.session_file import results_path

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.memory_bank import MemoryGate
from napari_sam2.session import session as session_module
from napari_sam2.session.inference import model_in_use
from napari_sam2.session.replay import replay
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.fuse_axes import StopRules, fuse_axes
from napari_sam2.weights.load import save_checkpoint
from tiny_models import tiny_predictor

T, SHAPE = 8, (32, 32)
TRUTH = squares(
    T,
    SHAPE,
    {
        1: [(4, 3 + t, 6) for t in range(T)],
        2: [(20 - t, 20, 5) for t in range(T)],
        3: [(25, 4, 4) if t >= 3 else None for t in range(T)],
    },
)
MOVIE = np.where(TRUTH > 0, 200, 10).astype(np.uint8)


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_in_use, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def opened(image: Any = MOVIE, **arguments: Any) -> Session:
    return Session(image, model=tiny_model(), **arguments)


def inside(object_id: int, frame: int) -> list[tuple[int, int]]:
    return [tuple(np.argwhere(TRUTH[frame] == object_id)[0].tolist())]


def known(session: Session) -> dict[str, Any]:
    """Everything that is to be the same when a session is opened again."""
    mappings = ("conditioning", "tracked", "stale", "fused", "corrected")
    return {
        "labels": np.asarray(session.labels).tobytes(),
        "infos": {object_id: item.info for object_id, item in session.objects.items()},
        "prompts": {object_id: dict(item.prompts) for object_id, item in session.objects.items()},
        "parents": session.lineage,
        "records": {
            (object_id, name, frame): (int(record.pointer), record.object_score, record.predicted_iou, record.mask_logits.tolist())
            for object_id, item in session.objects.items()
            for name in mappings
            for frame, record in getattr(item, name).items()
        },
    }


def everything_done(session: Session) -> None:
    """One of each kind of action, with interruptions and a change of mind."""
    first = session.add_object("first", colour="#102030")
    session.add_points(first, 0, inside(1, 0))
    running = session.propagate()
    next(running)
    second = session.add_object()
    session.add_box(second, 2, (17, 19, 24, 26))
    next(running)
    session.add_labels(np.where(TRUTH[4] == 3, 3, 0), 4)
    list(session.propagate(stop=StopRules(max_absent_frames=2)))
    session.add_mask(first, 5, TRUTH[5] == 2)
    session.add_scribble(first, 6, inside(1, 6))
    session.remove_point(first, 6, 0)
    session.undo()
    session.approve(second, 4)
    session.lock_object(second)
    session.hide_object(second)
    session.hide_object(second, False)
    session.divide_object(3, 6)
    session.rename_object(first, "cell")
    session.set_colour(first, None)
    session.split_object(first, 3)
    session.undo()
    session.redo()
    for _, _ in zip(range(2), session.propagate(), strict=False):
        pass
    session.add_polygon(first, 1, [(4, 4), (4, 10), (10, 10)])
    session.undo()


@pytest.mark.parametrize("is_saved_as_it_goes", [True, False])
def test_opened_again_it_is_the_same_and_goes_on(path: Path, is_saved_as_it_goes: bool) -> None:
    session = opened()
    if is_saved_as_it_goes:
        session.save(path)
    everything_done(session)
    if not is_saved_as_it_goes:
        session.save(path)
    session.close()
    again = Session.open(path, MOVIE, tiny_model())
    assert known(again) == known(session)
    for one in (session, again):
        list(one.propagate())
        one.add_points(1, 2, [(0, 0)], [0])
    assert known(again) == known(session)
    again.close()
    third = Session.open(path, MOVIE, tiny_model())
    assert known(third) == known(session)
    third.close()
    assert not list(path.parent.glob("*-wal"))


def test_done_again_it_finds_the_same(path: Path) -> None:
    session = opened()
    everything_done(session)
    session.save(path)
    session.close()
    results_path(path).unlink()
    replayed = replay(path, MOVIE, tiny_model())
    assert known(replayed) == known(session)
    assert [call.method for call in replayed._history.calls] == [call.method for call in session._history.calls]


def test_the_script_finds_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(intensity_range=(0, 255), memory_gate=MemoryGate(look_back=np.int64(3)))
    everything_done(session)
    script = session.to_script()
    monkeypatch.setattr(session_module, "load_model", lambda name, device: {"tiny": tiny_model()}[name])
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(script, "script", "exec"), names)
    assert known(names["run"](MOVIE)) == known(session)
    assert "session.add_points(object_id=1, frame=0, points=[[4, 3]])" in script
    assert "stop=StopRules(max_absent_frames=2)" in script
    assert "memory_gate=MemoryGate(" in script


def test_bounds_without_end_are_in_the_script_and_in_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate(stop=StopRules(area_px=(1, np.inf))))
    session.save(path)
    session.close()
    monkeypatch.setattr(session_module, "load_model", lambda name, device: tiny_model())
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(session.to_script(), "script", "exec"), names)
    for again in (names["run"](MOVIE), replay(path, MOVIE, tiny_model())):
        assert known(again) == known(session)


actions = st.lists(
    st.one_of(
        st.tuples(st.just("click"), st.integers(1, 3), st.integers(0, T - 1)),
        st.tuples(st.sampled_from(["remove", "divide", "split", "clear", "approve"]), st.integers(1, 3), st.integers(0, T - 1)),
        st.tuples(st.just("propagate"), st.integers(1, 9)),
        st.tuples(st.sampled_from(["undo", "redo", "everything", "consensus"])),
    ),
    min_size=1,
    max_size=9,
)


def do(session: Session, kind: str, *arguments: int) -> None:
    if kind == "click":
        object_id, frame = arguments
        if object_id not in session.objects:
            session.add_object(object_id=object_id)
        session.add_points(object_id, frame, inside(1 + (object_id + frame) % 2, frame))
    elif kind == "propagate":
        for _, _ in zip(range(arguments[0]), session.propagate(), strict=False):
            pass
    elif kind == "everything":
        list(session.propagate())
    elif kind == "consensus":
        list(fuse_axes(session))
    elif kind == "remove":
        session.remove_object(arguments[0])
    elif kind in ("undo", "redo"):
        getattr(session, kind)()
    else:
        methods = {"divide": session.divide_object, "split": session.split_object, "clear": session.clear_prompts}
        (methods | {"approve": session.approve})[kind](*arguments)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(actions)
def test_saved_equals_opened_equals_replayed(sequence: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_in_use, "Tracker", BlobTracker)
        path = Path(folder) / "a.json"
        session = opened(axes="ZYX")
        session.save(path)
        for kind, *arguments in sequence:
            try:
                do(session, kind, *arguments)
            except ValueError:
                continue
        session.close()
        again = Session.open(path, MOVIE, tiny_model())
        assert known(again) == known(session)
        again.close()
        replayed = replay(path, MOVIE, tiny_model())
        assert known(replayed) == known(session)
        with sqlite3.connect(results_path(path)) as database:
            unused = "SELECT COUNT(*) FROM records WHERE id NOT IN (SELECT record FROM places)"
            assert database.execute(unused).fetchone() == (0,)
        database.close()


def test_records_of_the_network_are_the_same_to_the_bit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    movie = np.random.default_rng(0).integers(0, 255, (6, 64, 64), np.uint8)
    session = Session(movie, model=tiny_predictor(), zoom=4.0)
    session.save(path)
    session.add_points(session.add_object(), 1, [(30, 30)])
    for _, _ in zip(range(2), session.propagate(), strict=False):
        pass
    session.close()
    again = Session.open(path, movie, tiny_predictor())
    for one in (session, again):
        list(one.propagate())
    for frame in range(6):
        record, other = session.objects[1].shown(frame), again.objects[1].shown(frame)
        assert record is not None
        assert other is not None
        assert torch.equal(record.mask_logits, other.mask_logits)
        assert record.memory is not None
        assert other.memory is not None
        assert record.memory.dtype == other.memory.dtype == torch.bfloat16
        assert torch.equal(record.memory, other.memory)
        assert (record.view, record.object_score) == (other.view, other.object_score)
    again.close()


# --- whatever ends the program -------------------------------------------------------------------------------------

WORKER = """
import sys, time
import numpy as np
from blob_tracker import BlobTracker, tiny_model
from napari_sam2.session import session as session_module
from napari_sam2.session.inference import model_in_use
from napari_sam2.session.session import Session

class Slow(BlobTracker):
    def track(self, *arguments):
        time.sleep(0.02)
        return super().track(*arguments)

model_in_use.Tracker = Slow
session = Session(np.load(sys.argv[1]), model=tiny_model())
session.save(sys.argv[2])
for object_id, point in ((1, (5, 5)), (2, (21, 21))):
    session.add_points(session.add_object(), 0, [point])
print("ready", flush=True)
for done in session.propagate():
    print(done.frame, flush=True)
"""


@pytest.mark.parametrize("kill_after", [0, 7])
def test_killed_in_the_middle_of_a_propagation(path: Path, kill_after: int) -> None:
    truth = squares(40, SHAPE, {1: [(4, 4, 6)] * 40, 2: [(20, 20, 5)] * 40})
    movie = np.where(truth > 0, 200, 10).astype(np.uint8)
    np.save(path.with_name("movie.npy"), movie)
    tests = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}
    arguments = [sys.executable, "-c", textwrap.dedent(WORKER), str(path.with_name("movie.npy")), str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        said = [int(worker.stdout.readline()) for _ in range(kill_after)]
        worker.send_signal(signal.SIGKILL)
    session = Session.open(path, movie, tiny_model())
    kept = sorted(session.objects[1].tracked)
    assert kept[: len(said)] == said == list(range(1, kill_after + 1))
    np.testing.assert_array_equal(session.labels[: len(kept) + 1], truth[: len(kept) + 1])
    list(session.propagate())
    np.testing.assert_array_equal(session.labels, truth)
    session.close()
    np.testing.assert_array_equal(replay(path, movie, tiny_model()).labels, truth)


def test_what_cannot_be_saved_is_said_and_stays_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    session.save(path)
    session.add_points(session.add_object(), 0, inside(1, 0))
    write_record = ResultsFile.write_record

    def no_space(*arguments: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(ResultsFile, "write_record", no_space)
    with pytest.raises(
        OSError, match=r"what was done is still there, but could not be saved to .*results: the disk is full$"
    ) as caught:
        session.add_points(1, 3, inside(1, 3))
    assert caught.value.errno == errno.ENOSPC
    assert session.objects[1].anchors == [0, 3]
    monkeypatch.setattr(ResultsFile, "write_record", write_record)
    list(session.propagate())
    session.close()
    again = Session.open(path, MOVIE, tiny_model())
    assert known(again) == known(session)
    again.close()


def test_numbers_of_numpy(path: Path) -> None:
    session = opened()
    session.save(path)
    one, frame = np.int64(session.add_object()), np.uint8(2)
    session.add_points(one, frame, np.array(inside(1, 2)), np.ones(1, np.int64))
    session.change_point(one, frame, np.int64(0), label=np.int64(1))
    list(session.propagate(objects=np.array([1]), frames=np.arange(T)))
    session.add_box(one, np.int64(4), np.array([4, 7, 10, 13]))
    session.approve(one, np.int64(6))
    session.clear_prompts(one, np.int64(4))
    session.rename_object(one, "mother")
    session.set_colour(one, "#ff0000")
    session.hide_object(one, np.bool_(True))
    daughters = session.divide_object(one, np.int64(5), np.int64(2))
    session.merge_objects(np.int64(daughters[0]), np.int64(daughters[1]))
    session.remove_object(np.int64(session.split_object(one, np.int64(3))))
    assert all(type(key) is int for item in session.objects.values() for key in (item.object_id, *item.prompts))
    assert (session.objects[1].anchors, session._file and session._file._is_behind) == ([2], False)
    session.close()
    again = Session.open(path, MOVIE, tiny_model())
    assert known(again) == known(session)
    again.close()
    assert known(replay(path, MOVIE, tiny_model()))["labels"] == known(session)["labels"]


def test_where_it_cannot_be_saved_it_is_still_saved_to_the_file_before(path: Path) -> None:
    session, other = opened(), opened()
    session.save(path)
    other.save(path.with_name("other.json"))
    with pytest.raises(ValueError, match="there is no folder"):
        session.save(path.parent / "nowhere" / "movie.json")
    with pytest.raises(ValueError, match="is open in another session"):
        session.save(path.with_name("other.json"))
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path.with_name("third.json"))
    before = Session.open(path, MOVIE, tiny_model())
    assert known(before) == known(session)
    session.add_object()
    assert list(before.objects) == [1]
    for one in (session, other, before):
        one.close()


def test_a_session_moves_from_a_full_disk_to_another(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = opened()
    session.save(path)
    transaction = ResultsFile.transaction

    @contextlib.contextmanager
    def full(results: ResultsFile) -> Iterator[None]:
        if results.path == results_path(path):
            raise ValueError("the disk is full")
        with transaction(results):
            yield

    monkeypatch.setattr(ResultsFile, "transaction", full)
    with pytest.raises(ValueError, match="the disk is full"):
        session.add_object("cell")
    with pytest.raises(ValueError, match="the disk is full"):
        session.close()
    session.save(path.with_name("other.json"))
    assert [record.message for record in caplog.records] == [f"{path} stays as it was saved last: the disk is full"]
    session.close()
    for name, names in ((path.name, []), ("other.json", ["cell"])):
        again = Session.open(path.with_name(name), MOVIE, tiny_model())
        assert [item.name for item in again.objects.values()] == names
        again.close()


def test_the_folder_may_be_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened()
    monkeypatch.chdir(path.parent)
    session.save(path.name)
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    session.add_object("cell")
    session.close()
    assert not list(elsewhere.iterdir())
    assert '"cell"' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [1e20, 1e308, -1e20])
def test_an_image_of_one_large_number(path: Path, value: float) -> None:
    image = np.full((2, *SHAPE), value)
    session = opened(image)
    session.add_mask(session.add_object(), 0, TRUTH[0] == 1)
    list(session.propagate())
    session.save(path)
    session.close()
    again = Session.open(path, image, tiny_model())
    assert known(again) == known(session)
    again.close()


# --- what may be amiss ---------------------------------------------------------------------------------------------


def saved(path: Path, image: Any = MOVIE) -> None:
    session = opened(image)
    session.add_points(session.add_object(), 0, inside(1, 0))
    list(session.propagate())
    session.save(path)
    session.close()


def refused(message: str, path: Path, *arguments: Any, error: type[Exception] = ValueError) -> None:
    with pytest.raises(error, match=message):
        Session.open(path, *arguments)


def test_two_sessions_on_one_file(path: Path) -> None:
    first, second = opened(), opened()
    first.save(path)
    with pytest.raises(ValueError, match=r"movie.sam2.results is open in another session: close it there first"):
        second.save(path)
    refused("is open in another session", path, MOVIE, tiny_model())
    first.close()
    second.save(path)
    second.close()


def test_another_image(path: Path) -> None:
    saved(path)
    refused("the image of movie.sam2 was an array, not a file: give it as image=", path, None, tiny_model())
    refused(
        "this is another image than movie.sam2 was saved with, the same size with other pixels",
        path,
        255 - MOVIE,
        tiny_model(),
    )
    refused(r"uint8 of shape \(7, 32, 32\), not uint8 of shape \(8, 32, 32\)", path, MOVIE[:7], tiny_model())
    refused(r"uint16 of shape \(8, 32, 32\), not uint8", path, MOVIE.astype(np.uint16), tiny_model())
    Session.open(path, MOVIE, tiny_model()).close()


@pytest.mark.parametrize("is_broken_when_saved", [True, False])
def test_an_image_of_which_a_part_cannot_be_read(path: Path, is_broken_when_saved: bool) -> None:
    movie = path.with_name("movie.zarr")
    zarr.create_array(movie, data=MOVIE, chunks=(1, *SHAPE))
    last = movie / f"c/{T - 1}/0/0"
    content = last.read_bytes()
    last.write_bytes(b"\0" if is_broken_when_saved else content)
    session = opened(movie)
    session.add_points(session.add_object(), 0, inside(1, 0))
    session.save(path)
    session.close()
    last.write_bytes(content if is_broken_when_saved else b"\0")
    again = Session.open(path, None, tiny_model())
    assert known(again) == known(session)
    again.close()
    zarr.create_array(movie, data=255 - MOVIE, chunks=(1, *SHAPE), overwrite=True)
    refused("the same size with other pixels", path, None, tiny_model())


def test_an_image_that_told_its_axes_may_come_back_as_an_array(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = xr.DataArray(np.ascontiguousarray(MOVIE.T), dims=("x", "y", "time"))
    saved(path, image)
    session = Session.open(path, image.values, tiny_model())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0).T)
    monkeypatch.setattr(session_module, "load_model", lambda name, device: tiny_model())
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(session.to_script(), "script", "exec"), names)
    np.testing.assert_array_equal(names["run"](image.values).labels, session.labels)
    session.close()


def test_an_image_file_that_was_moved(path: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    image = tmp_path / "there" / "movie.tif"
    tifffile.imwrite(image, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    saved(path, image)
    assert json.loads(path.read_text())["source"]["path"] == str(image)
    session = Session.open(path, model=tiny_model())
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    session.close()
    moved = image.rename(tmp_path / "elsewhere.tif")
    refused(
        r"the image .*there.movie.tif of movie.sam2 is not there: put it back, or give image=",
        path,
        None,
        tiny_model(),
        error=FileNotFoundError,
    )
    Session.open(path, moved, tiny_model()).close()
    Session.open(path, model=tiny_model()).close()  # from now on it is known where it is
    moved.rename(tmp_path / "movie.tif")
    refused("the image .*elsewhere.tif .*is not there", path, None, tiny_model(), error=FileNotFoundError)
    path.write_text(path.read_text().replace("elsewhere.tif", "there/movie.tif"))
    Session.open(path, model=tiny_model()).close()  # found beside the file
    assert json.loads(path.read_text())["source"]["path"] == str(tmp_path / "movie.tif")


@pytest.mark.parametrize("other", ["", "{}", "[1]", '{"schema": "prompts"}', "x,y\n1,2\n"])
def test_only_a_session_is_replaced_by_a_session(path: Path, other: str) -> None:
    path.write_text(other)
    session = opened(MOVIE)
    with pytest.raises(ValueError, match="is there already and is no session file: give another name, or move it away"):
        session.save(path)
    assert path.read_text() == other
    assert not results_path(path).exists()


def test_a_damaged_session_may_be_replaced(path: Path) -> None:
    for _ in range(2):
        session = opened(MOVIE)
        session.save(path)
        session.close()
        whole = path.read_text()
        path.write_text(whole[:100])
    path.write_text(whole)
    Session.open(path, MOVIE, tiny_model()).close()


def test_the_image_is_not_replaced_by_the_session(tmp_path: Path) -> None:
    image = tmp_path / "movie.tif"
    tifffile.imwrite(image, MOVIE, metadata={"axes": "TYX"}, photometric="minisblack")
    (tmp_path / "link.tif").symlink_to(image)
    for name in ("movie.tif", "link.tif"):
        session = opened(tmp_path / name)
        with pytest.raises(ValueError, match=r"movie\.tif is there already and is no session file"):
            session.save(image)
    np.testing.assert_array_equal(tifffile.imread(image), MOVIE)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.tif", "movie.tif"]


def test_a_session_elsewhere_knows_the_files_of_image_and_model(path: Path) -> None:
    image = path.with_name("volume.tif")
    tifffile.imwrite(image, MOVIE, metadata={"axes": "ZYX"}, photometric="minisblack")
    checkpoint = path.with_name("tuned.safetensors")
    save_checkpoint(checkpoint, tiny_model().state_dict(), tiny_model().config)
    session = Session(image, model=checkpoint).reslice("X")
    session.add_points(session.add_object(), 4, [(0, 5)])
    session.save(path)
    session.close()
    again = Session.open(path)
    assert (again.stack.along, again.image_path) == ("X", image)
    assert known(again) == known(session)
    again.close()


def test_a_model_file_that_was_moved(path: Path) -> None:
    checkpoint = path.with_name("tuned.safetensors")
    save_checkpoint(checkpoint, tiny_model().state_dict(), tiny_model().config)
    session = Session(MOVIE, model=checkpoint)
    session.add_points(session.add_object(), 0, [(3, 4)])
    session.save(path)
    session.close()
    moved = checkpoint.rename(path.with_name("moved.safetensors"))
    refused("tuned.safetensors.*give model= .*where it is", path, MOVIE, error=FileNotFoundError)
    Session.open(path, MOVIE, tiny_model()).close()  # a model in memory has no file
    assert json.loads(path.read_text())["model"]["name"] == str(checkpoint)
    Session.open(path, MOVIE, moved).close()
    Session.open(path, MOVIE).close()
    assert json.loads(path.read_text())["model"]["name"] == str(moved)


def test_a_model_that_was_loaded_from_a_file_is_known_by_it(path: Path) -> None:
    checkpoint = path.with_name("tuned.safetensors")
    save_checkpoint(checkpoint, tiny_model().state_dict(), tiny_model().config)
    session = Session(MOVIE, model=load_model(checkpoint, "cpu"))
    assert session.document().model.name == str(checkpoint)
    assert f"model={str(checkpoint)!r}" in session.to_script()
    session.save(path)
    session.close()
    Session.open(path, MOVIE).close()


def test_another_model(path: Path) -> None:
    saved(path)
    other = tiny_predictor(seed=1)
    refused("was saved with other weights of tiny: .*napari-sam2 replay movie.sam2", path, MOVIE, other)
    np.testing.assert_array_equal(replay(path, MOVIE, other).labels, np.where(TRUTH == 1, 1, 0))
    refused(
        "movie.sam2 was saved with the model tiny: .*give model= .*where it is",
        path,
        MOVIE,
        error=(ValueError, FileNotFoundError),
    )  # type: ignore[arg-type]


def test_missing_or_foreign_files(path: Path) -> None:
    refused("there is no session file", path, error=FileNotFoundError)
    saved(path)
    content = path.read_text()
    results_path(path).rename(path.with_name("kept"))
    refused(
        r"the results .*movie.sam2.results are not there: find them again with napari-sam2 replay", path, error=FileNotFoundError
    )
    results_path(path).write_bytes(b"something else, and longer than a header" * 40)
    refused("is not a file of results, or is damaged", path, MOVIE, tiny_model())
    results_path(path).write_bytes(path.with_name("kept").read_bytes().replace(b"TABLE label_planes", b"TABLE (abel\xffplanes"))
    refused("is not a file of results, or is damaged", path, MOVIE, tiny_model())
    path.with_name("kept").rename(results_path(path))
    for text, message in (("{", "is not JSON"), ("[]", "is not a session file"), ('{"schema": "x"}', "is not a session file")):
        path.write_text(text)
        refused(message, path)
    for version in (VERSION - 1, VERSION + 1, str(VERSION), None):
        path.write_text(json.dumps(json.loads(content) | {"version": version}))
        refused(rf"is of version {version!r} of the format, written by napari-sam2 .* reads version {VERSION} alone", path)
    path.write_text(re.sub(r'"revision": \d+', '"revision": 99', content))
    refused("is older than movie.sam2: find the results again with napari-sam2 replay", path, MOVIE, tiny_model())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("model"), "movie.sam2 has no 'model'"),
        (lambda d: d.update(modle=1), "movie.sam2 has an unknown key 'modle'; did you mean 'model'?"),
        (lambda d: d["settings"].update(precision=3), "movie.sam2.settings.precision must be a text, got 3"),
        (lambda d: d["image"].update(shape=[1.5]), "movie.sam2.image.shape[0] must be a whole number, got 1.5"),
        (lambda d: d["objects"]["1"]["prompts"].update(x={}), "has a key 'x', where a whole number is expected"),
        (lambda d: d["settings"].update(intensity_ranges=[[1]]), "intensity_ranges[0] must have 2 entries, got 1"),
    ],
)
def test_a_file_with_a_fault_says_where(path: Path, change: Any, message: str) -> None:
    saved(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    refused(re.escape(message), path, MOVIE, tiny_model())


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE state SET value = 'x'",
        "UPDATE objects SET value = '{'",
        "UPDATE calls SET value = CAST(x'22ff22' AS TEXT)",
        "UPDATE records SET about = '{}'",
        "UPDATE records SET about = replace(about, 'float32', 'float33')",
        "UPDATE records SET data = x'00'",
        "UPDATE records SET data = zeroblob(16) || data",
        "UPDATE places SET frame = frame + 88",
        "UPDATE places SET object = 88",
    ],
)
def test_damaged_results_are_named(fault: str, path: Path) -> None:
    saved(path)
    database = sqlite3.connect(results_path(path))
    database.execute(fault)
    database.commit()
    database.close()
    message = r"movie\.sam2\.results is damaged; without it, napari-sam2 replay finds the results again"
    refused(message, path, MOVIE, tiny_model())
    with pytest.raises(ValueError, match=message):
        SavedSession.read(path).result(PIXELS)
    results_path(path).unlink()
    np.testing.assert_array_equal(replay(path, MOVIE, tiny_model()).labels, np.where(TRUTH == 1, 1, 0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"method": "save", "arguments": {"path": "x"}}, "a session has no action 'save'"),
        ({"method": "add_object", "arguments": {"nme": "x"}}, "add_object cannot be called with nme"),
        ({"method": "add_mask", "arguments": {"object_id": 1, "frame": 0, "mask": {"mask": {"shape": [1]}}}}, "a mask is damaged"),
    ],
)
def test_an_action_that_cannot_be_done(path: Path, call: dict, message: str) -> None:
    saved(path)
    results_path(path).unlink()
    content = json.loads(path.read_text())
    content["calls"].append(call)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        replay(path, MOVIE, tiny_model())


def test_the_file_is_whole_at_any_time(path: Path) -> None:
    """It is written beside and put in place: no half of it is ever seen."""
    session = opened()
    session.save(path)
    seen = []
    for frame in (0, 3):
        session.add_points(1 if session.objects else session.add_object(), frame, inside(1, frame))
        seen.append(len(json.loads(path.read_text())["calls"]))
    assert seen == [2, 3]
    list(session.propagate())
    assert json.loads(path.read_text())["calls"][-1]["arguments"]["steps"] is None
    session.undo()
    assert len(json.loads(path.read_text())["calls"]) == 3
    session.close()
    assert [entry.name for entry in sorted(path.parent.iterdir())] == ["movie.sam2", "movie.sam2.results"]
    assert dataclasses.is_dataclass(session.document())
