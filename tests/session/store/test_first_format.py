"""Sessions of the first format, as the code that wrote them left them, see ``first_format/README.md``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, tiny_model
from known_sessions import unused_rows
from napari_sam2.cli.main import main
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors import build, tracker
from napari_sam2.session.replay import replay
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.store.first_format import converted, is_first_format, name_of_converted, results_of

SAMPLES = Path(__file__).with_name("first_format")
FILES = {"everything": "movie.sam2.json", "volumes": "volumes.json", "killed": "movie.json"}


@pytest.fixture(autouse=True)
def _double(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_model", lambda name, device: {"tiny": tiny_model()}[name])
    if "killed" not in request.node.name:
        monkeypatch.setattr(tracker, "Tracker", BlobTracker)


def sample(name: str, folder: Path) -> Path:
    """Copy a session, and return its JSON file."""
    shutil.copytree(SAMPLES / name, folder / name)
    (folder / name / "expected.json").unlink()
    return folder / name / FILES[name]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sample("everything", tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir()}


def sha(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()


def found(session: Session) -> dict[str, Any]:
    """What a session holds, in the form of ``expected.json``."""

    def numbers(one: np.ndarray) -> str:
        return sha(one.tobytes())[:16]

    objects = {}
    for object_id, item in sorted(session.objects.items()):
        prompts = {
            frame: {
                "points": one.points_rc,
                "labels": one.labels,
                "box": one.box_rc,
                "is_approved": one.is_approved,
                "mask": None if one.mask is None else np.argwhere(one.mask).tolist(),
            }
            for frame, one in sorted(item.prompts.items())
        }
        records = {
            kind: {
                frame: {
                    "object_score": one.object_score,
                    "predicted_iou": one.predicted_iou,
                    "anchor_distance": one.anchor_distance,
                    "view": None if one.view is None else [float(value) for value in dataclasses.astuple(one.view)],
                    "mask_logits": numbers(one.mask_logits),
                    "pointer": numbers(one.pointer.array),
                }
                for frame, one in sorted(mapping.items())
            }
            for kind, mapping in item.records.items()
        }
        objects[object_id] = {"info": dataclasses.asdict(item.info), "prompts": prompts, "records": records}
    labels = np.ascontiguousarray(session.labels, "<u2")
    pixels = [int((labels == one).sum()) for one in np.unique(labels)]
    told = {"objects": objects, "shape": labels.shape, "labels": sha(labels.tobytes()), "pixels": pixels}
    return json.loads(json.dumps(told | {"calls": [call.method for call in session.state.history.calls]}))


def expected(name: str) -> dict[str, Any]:
    told = json.loads((SAMPLES / name / "expected.json").read_text(encoding="utf-8"))
    today = {"consensus": "fuse_axes", "follow_each": "propagate_each"}
    for item in told["objects"].values():
        for records in item["records"].values():
            for record in records.values():
                del record["memory"]  # it is encoded again
    return told | {"calls": [today.get(method, method) for method in told["calls"]]}


@pytest.mark.parametrize("name", FILES)
def test_opened_all_is_there_and_goes_on(name: str, tmp_path: Path) -> None:
    path = sample(name, tmp_path)
    before = contents(path.parent)
    session = Session.open(path)
    assert found(session) == expected(name)
    assert (session.can_undo, session.can_redo) == (False, False)
    assert session.saved_to == name_of_converted(path)
    session.add_object("new")
    list(session.propagate())
    session.undo()
    labels, calls, new = np.array(session.labels), session.state.history.calls, name_of_converted(path)
    session.close()
    assert contents(path.parent) == before | {new.name: new.read_bytes()}
    assert unused_rows(new) == 0
    again = Session.open(new)
    np.testing.assert_array_equal(again.labels, labels)
    assert again.state.history.calls == calls
    assert again.can_redo
    again.close()


@pytest.mark.parametrize("name", FILES)
def test_read_for_its_results_nothing_is_converted(name: str, tmp_path: Path) -> None:
    path = sample(name, tmp_path)
    before = contents(path.parent)
    saved = SavedSession.read(path)
    result = saved.result(PIXELS)
    assert sha(np.ascontiguousarray(result.labels, "<u2").tobytes()) == expected(name)["labels"]
    assert contents(path.parent) == before
    assert saved.image_path is not None


@pytest.mark.parametrize("name", FILES)
def test_replayed_the_labels_are_the_same(name: str, tmp_path: Path) -> None:
    """With its results, by what they hold of the latest action; without them by the JSON file, which has all but that."""
    path = sample(name, tmp_path)
    before = contents(path.parent)
    session = replay(path)
    assert [call.method for call in session.state.history.calls] == expected(name)["calls"]
    if name == "killed":  # with windows, edges of tracked masks are placed since
        told = np.asarray(SavedSession.read(path).result(PIXELS).labels)
        assert np.array_equal(session.labels[1], told[1]), "what was clicked"
        assert np.array_equal(session.labels.any((1, 2)), told.any((1, 2)))
    else:
        assert sha(np.ascontiguousarray(session.labels, "<u2").tobytes()) == expected(name)["labels"]
    assert contents(path.parent) == before
    for one in path.parent.glob("*.results*"):
        one.unlink()
    without = replay(path)
    missing = 1 if name == "killed" else 0
    told = expected(name)["calls"]
    assert [call.method for call in without.state.history.calls] == told[: len(told) - missing]
    assert np.array_equal(without.labels, session.labels) == (name != "killed")


def test_arguments_have_the_names_of_today(path: Path) -> None:
    session = Session.open(path)
    calls = {call.method: call.arguments for call in session.state.history.calls if call.method in ("divide_object", "propagate")}
    assert calls["divide_object"] == {"object_id": 3, "frame": 5}
    stops = [call.arguments.get("stop") for call in session.state.history.calls if call.method == "propagate"]
    assert stops[0] == {"stop_rules": {"max_absent_frames": 2, "area_px": [2, float("inf")], "at_border": False}}
    session.close()
    content = json.loads(path.read_text())
    content["calls"].append({"method": "divide_object", "arguments": {"object_id": 1, "frame": 2, "daughters": 3}})
    path.write_text(json.dumps(content))
    for one in path.parent.glob("*.results"):
        one.unlink()
    replayed = replay(path)
    assert replayed.state.history.calls[-1].arguments == {"object_id": 1, "frame": 2, "children": 3}
    assert [child for child, parent in replayed.lineage.items() if parent == 1] == [6, 7, 8]


@pytest.mark.parametrize("windows", ["C:\\Users\\me\\Data\\movie.tif", "\\\\server\\share\\movie.tif", "D:/Data/movie.tif"])
def test_paths_written_on_windows(windows: str, path: Path, tmp_path: Path) -> None:
    content = json.loads(path.read_text())
    content["source"] |= {"path": windows, "way": None}
    path.write_text(json.dumps(content))
    session = Session.open(path)
    assert session.image_path == path.with_name("movie.tif")
    assert found(session) == expected("everything")
    session.close()
    assert main(["export", str(path), str(tmp_path / "objects.csv")]) == 0
    assert "intensity_mean_c0" in (tmp_path / "objects.csv").read_text()


def test_it_need_not_end_in_json(path: Path) -> None:
    """Any name was taken, also that of today."""
    for name, new in (("movie", "movie.sam2"), ("a.b.JSON", "a.b.JSON.sam2"), ("movie.sam2", "movie-converted.sam2")):
        json_file = path.with_name(name)
        json_file.write_bytes(path.read_bytes())
        results_of(json_file).write_bytes(results_of(path).read_bytes())
        assert is_first_format(json_file)
        session = Session.open(json_file)
        assert found(session) == expected("everything")
        assert session.saved_to == path.with_name(new)
        session.close()
        path.with_name(new).unlink()


@pytest.mark.parametrize("content", [b"", b"x", b"[1]", b"{", b'{"schema": "prompts"}', None])
def test_what_is_none(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "movie.sam2.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    try:
        assert not is_first_format(path)
    except ValueError as error:
        assert str(error).startswith(f"{path} is not JSON: line 1")  # noqa: PT017
    with pytest.raises(ValueError, match=r"^\S+movie\.sam2\.json is (not JSON: |not a session file)"):
        Session.open(path)
    assert [one.name for one in tmp_path.iterdir()] == ["movie.sam2.json"]


# --- what may be amiss: one sentence, and nothing is changed -------------------------------------------------------


def refused(path: Path, message: str, error: type[Exception] = ValueError) -> None:
    """Opening is refused in one sentence; exporting too; nothing is changed, and nothing left behind."""
    before = contents(path.parent)
    for attempt in (Session.open, SavedSession.read):
        with pytest.raises(error, match=message) as caught:
            attempt(path)
        assert "\n" not in str(caught.value)
        assert contents(path.parent) == before


@pytest.mark.parametrize("length", [0, 1, 700, 2000, -3])
def test_json_that_was_cut_short(length: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:length])
    refused(path, r"^\S+movie\.sam2\.json is not JSON: line \d+, column \d+$")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("model"), r"^movie\.sam2\.json is damaged: it is not whole as a session file of the first format$"),
        (lambda d: d.update(source=3), "it is not whole as a session file of the first format"),
        (lambda d: d["settings"].update(precision=3), r"movie\.sam2\.json\.settings\.precision must be a text, got 3"),
        (lambda d: d["image"].update(shape=[1.5]), r"movie\.sam2\.json\.image\.shape\[0\] must be a whole number, got 1\.5"),
        (lambda d: d["settings"].update(intensity_ranges=[[1]]), r"intensity_ranges\[0\] must have 2 entries, got 1"),
        (lambda d: d["model"].update(sha256="0" * 64), "movie.sam2 was saved with other weights of tiny"),
        (lambda d: d["image"].update(dtype="uint16"), "this is another image than .* was saved with"),
    ],
)
def test_json_with_a_fault(path: Path, change: Callable[[Any], None], message: str) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    before = contents(path.parent)
    with pytest.raises(ValueError, match=message):
        Session.open(path)
    assert contents(path.parent) == before


@pytest.mark.parametrize("version", [1, 3, "2", None])
def test_another_version(version: Any, path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))
    refused(path, r"movie\.sam2\.json is not a session file; if it is the log of one, napari-sam2 replay takes it$")


FAULTS = [
    "DROP TABLE records",
    "DELETE FROM state",
    "UPDATE state SET value = 'x'",
    "UPDATE state SET value = '\"7\"'",
    "UPDATE objects SET value = '{'",
    "UPDATE objects SET value = '[1]'",
    "UPDATE calls SET value = CAST(x'22ff22' AS TEXT)",
    "UPDATE records SET about = '{}'",
    "UPDATE records SET about = replace(about, 'float32', 'float33')",
    "UPDATE records SET data = x'00'",
    "UPDATE records SET data = zeroblob(16) || data",
    "UPDATE places SET object = object + 88",
    "UPDATE places SET kind = 'guessed' WHERE kind = 'anchor'",
]
DAMAGED = r"movie\.sam2\.results is damaged: find the results again with napari-sam2 replay movie\.sam2\.json$"


def change_results(path: Path, statement: str) -> None:
    database = sqlite3.connect(results_of(path))
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_results_that_are_damaged(fault: str, path: Path) -> None:
    change_results(path, fault)
    refused(path, DAMAGED if "objects" not in fault or "{" in fault else r"movie\.sam2\.json is damaged|" + DAMAGED)


@pytest.mark.parametrize("what", ["text", "another database", "half", "empty"])
def test_results_that_are_none(what: str, path: Path) -> None:
    results = results_of(path)
    if what == "another database":
        results.unlink()
        with sqlite3.connect(results) as database:
            database.execute("CREATE TABLE cells (id INTEGER)")
        database.close()
    else:
        results.write_bytes({"text": b"row,column\n" * 999, "half": results.read_bytes()[:6000], "empty": b""}[what])
    refused(path, DAMAGED)


def test_results_that_are_damaged_or_older_are_found_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As the sentences say: the JSON file has all but what was done last."""
    labels = expected("everything")["labels"]
    for fault, reason in (
        ("UPDATE records SET about = '{}'", None),
        ("UPDATE state SET value = 3", r"movie\.sam2\.results is older than movie\.sam2\.json"),
        ("DROP TABLE calls", r"movie\.sam2\.results is damaged"),
    ):
        change_results(path, fault)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            session = replay(path)
        assert sha(np.ascontiguousarray(session.labels, "<u2").tobytes()) == labels
        messages = [one.message for one in caplog.records]
        assert len(messages) == (0 if reason is None else 1)
        assert reason is None or messages[0].endswith(
            "what movie.sam2.json holds itself is taken, which may lack the latest action"
        )
    refused(path, "results is older than|is damaged")


def test_results_older_than_the_json_file(path: Path) -> None:
    change_results(path, "UPDATE state SET value = 3")
    refused(path, r"results is older than movie\.sam2\.json: find the results again with napari-sam2 replay movie\.sam2\.json$")


def test_results_that_are_not_there(path: Path) -> None:
    results_of(path).unlink()
    refused(
        path,
        r"the results \S+movie\.sam2\.results are not there: find them again with napari-sam2 replay movie\.sam2\.json$",
        FileNotFoundError,
    )


def test_a_name_that_is_taken(path: Path) -> None:
    session = Session.open(path)
    session.close()
    message = (
        r"movie\.sam2\.json is a session of the first format, and \S+movie\.sam2 is there already: open that, if it was converted"
    )
    before = contents(path.parent)
    with pytest.raises(ValueError, match=message):
        Session.open(path)
    assert contents(path.parent) == before
    assert SavedSession.read(path).document.objects


def test_the_image_is_not_there(path: Path) -> None:
    """Nothing is left that would be in the way when the image is given."""
    image = path.with_name("movie.tif").rename(path.parent.with_name("moved.tif"))
    before = contents(path.parent)
    with pytest.raises(FileNotFoundError, match=r"the image \S+ of movie\.sam2 is not there: put it back, or give image="):
        Session.open(path)
    assert contents(path.parent) == before
    session = Session.open(path, image)
    assert found(session) == expected("everything")
    session.close()
    Session.open(name_of_converted(path)).close()  # from now on it is known where it is


HOLDER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA locking_mode = EXCLUSIVE")
database.execute("PRAGMA journal_mode = WAL")
database.execute("BEGIN EXCLUSIVE")
database.execute("UPDATE state SET value = value")
database.execute("COMMIT")
print("open", flush=True)
sys.stdin.read()
"""


def test_open_in_the_program_of_before(path: Path) -> None:
    arguments = [sys.executable, "-c", HOLDER, str(results_of(path))]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        message = r"^\S+movie\.sam2\.results is open in another program: close it there first$"
        for attempt in (Session.open, SavedSession.read, replay):
            with pytest.raises(ValueError, match=message):
                attempt(path)
        assert not name_of_converted(path).exists()
        holder.communicate()
    session = Session.open(path)
    assert found(session) == expected("everything")
    session.close()


def test_a_disk_that_is_full(path: Path) -> None:
    """In earnest: the system takes no more than so many bytes of a file."""
    resource = pytest.importorskip("resource", reason="limits are POSIX")
    before = contents(path.parent)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (3000, 10_000, 20_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(
                OSError, match=r"movie\.sam2\.json could not be converted to \S+movie\.sam2: the disk( is full|, or the connection)"
            ):
                Session.open(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert contents(path.parent) == before


def test_somebody_else_converts_it(path: Path) -> None:
    """Two at once: the second is refused, and nothing of the first is touched."""
    from napari_sam2.session.store.file_lock import FileLock

    lock = FileLock(name_of_converted(path))
    with pytest.raises(ValueError, match=r"movie\.sam2 is open in another session"):
        converted(path)
    lock.release()
    assert converted(path) == path.with_name("movie.sam2")
