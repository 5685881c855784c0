"""What the file system or SQLite refuses, in plain words: tried as a user who may not, where this can be, and on real databases."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari_sam2.session.store.results_file import ResultsFile

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.images.calibration import PIXELS
from napari_sam2.session.inference import model_in_use
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.store.refusals import LONGEST_PATH_BYTES, refusal

TRUTH = squares(3, (32, 32), {1: [(4, 3 + t, 6) for t in range(3)]})
WORDS_OF_LIBRARIES = re.compile(
    r"Errno|unable to open|disk I/O|readonly database|sqlite|database is locked|malformed|Traceback", re.IGNORECASE
)


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_in_use, "Tracker", BlobTracker)


def begun(image: Any = None) -> Session:
    session = Session(np.where(TRUTH > 0, 3000, 100).astype(np.uint16) if image is None else image, model=tiny_model())
    session.add_points(session.add_object(), 0, [(6, 5)])
    return session


def saved(folder: Path) -> Path:
    """A session in a folder of its own that anybody may use."""
    folder.mkdir()
    tifffile.imwrite(folder / "movie.tif", np.where(TRUTH > 0, 3000, 100).astype(np.uint16), imagej=True, metadata={"axes": "TYX"})
    session = begun(folder / "movie.tif")
    list(session.propagate())
    session.save(folder / "movie.json")
    session.close()
    for path in (folder, *folder.iterdir()):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return folder / "movie.json"


def said(error: BaseException) -> str:
    text = str(error)
    assert not WORDS_OF_LIBRARIES.search(text), text
    assert "\n" not in text
    return text


# --- as another user -----------------------------------------------------------------------------------------------

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
WORKER = """
import json, logging, os, sys, traceback
from pathlib import Path
from blob_tracker import BlobTracker, tiny_model
from napari_sam2.images.calibration import PIXELS
from napari_sam2.session import session as session_module
from napari_sam2.session.inference import model_in_use
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.weights.download import download, find_checkpoint
from napari_sam2.weights.load import find_weights, read_checkpoint

model_in_use.Tracker = BlobTracker
warnings = []
handler = logging.Handler()
handler.emit = lambda record: warnings.append(record.getMessage())
logging.getLogger().addHandler(handler)

def replay(path):
    return int((replay(path, model=tiny_model()).labels > 0).sum())

def export(path):
    return int((SavedSession.read(path).result(PIXELS).labels > 0).sum())

def open_(path):
    Session.open(path, model=tiny_model()).close()

def save(path):
    session = Session(path.with_name("movie.tif"), model=tiny_model())
    session.add_points(session.add_object(), 0, [(6, 5)])
    session.save(path)

def cached(path):
    os.environ["NAPARI_SAM2_CACHE"] = str(path.parent)
    return find_weights("sam2.1_hiera_tiny")

def checkpoint(path):
    return read_checkpoint(path.with_name("sam2.1_hiera_tiny.pt"))

def model_folder(path):
    return find_weights(path.parent)

def fetched(path):
    os.environ["NAPARI_SAM2_CACHE"] = str(path.parent)
    return download("sam2.1_hiera_tiny", base_url="http://127.0.0.1:9/")

does = {
    "replay": replay, "export": export, "open": open_, "save": save,
    "cached": cached, "checkpoint": checkpoint, "folder": model_folder, "fetched": fetched,
}
found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    for name, do in does.items():
        warnings.clear()
        try:
            result = do(path / "movie.json")
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        found[f"{path.name} {name}"] = [result, list(warnings)]
print(json.dumps(found))
"""
PIXELS_FOUND = int((TRUTH > 0).sum())


@pytest.fixture(scope="module")
def as_nobody() -> Iterator[dict[str, Any]]:
    """What a user finds who is nobody, in folders that are each closed to that user in another way."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can try what another user may not, and with setpriv")
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setattr(model_in_use, "Tracker", BlobTracker)
        root = Path(name)
        root.chmod(0o755)
        saved(root / "open_to_all")
        saved(root / "unreadable_results").with_name("movie.results").chmod(0o600)
        saved(root / "unreadable_document").chmod(0o600)
        saved(root / "unreadable_image").with_name("movie.tif").chmod(0o600)
        saved(root / "read_only_results").with_name("movie.results").chmod(0o444)
        saved(root / "read_only_document").chmod(0o444)
        saved(root / "read_only_folder").parent.chmod(0o755)
        unfinished = saved(root / "unreadable_wal").with_name("movie.results-wal")
        unfinished.write_bytes(b"")
        unfinished.chmod(0o600)
        unfinished = saved(root / "read_only_wal").with_name("movie.results-wal")
        unfinished.write_bytes(b"")
        unfinished.with_name("movie.results").chmod(0o444)
        checkpoint = saved(root / "unreadable_checkpoint").with_name("sam2.1_hiera_tiny.pt")
        checkpoint.write_bytes(b"weights")
        checkpoint.chmod(0o600)
        saved(root / "unreadable_folder").parent.chmod(0o700)
        tests = Path(__file__).parents[1]
        environment = {
            "HOME": name,
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)]),
            "OMP_NUM_THREADS": "1",
        }
        able = subprocess.run([*NOBODY, sys.executable, "-c", "import napari_sam2"], env=environment, cwd="/", capture_output=True)
        if able.returncode:
            pytest.skip("another user cannot read this Python, or this checkout")
        done = subprocess.run(
            [*NOBODY, sys.executable, "-c", WORKER, name], env=environment, cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)


MAY_BE_TAKEN = (
    r"; as it is, napari-sam2 export and napari-sam2 replay, or Session\.replay, take it, but a session that is opened is saved to "
    r"its file as it goes"
)
MAY_NOT_BE_READ = r"may not be read by you: ask whose file it is to allow it, or for a copy"
MAY_NOT_BE_WRITTEN = r"may be read by you but not written: copy the session to a folder of yours"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("open_to_all replay", PIXELS_FOUND),
        ("open_to_all export", PIXELS_FOUND),
        ("open_to_all open", None),
        ("open_to_all save", None),
        ("unreadable_results export", rf"PermissionError: the results \S+movie\.results {MAY_NOT_BE_READ}"),
        ("unreadable_results open", rf"PermissionError: the results \S+movie\.results {MAY_NOT_BE_READ}{MAY_BE_TAKEN}"),
        ("unreadable_results replay", PIXELS_FOUND),
        ("unreadable_results save", rf"PermissionError: the results \S+movie\.results {MAY_NOT_BE_READ}"),
        ("unreadable_document open", r"PermissionError: the session file \S+movie\.json cannot be read: permission is denied"),
        ("unreadable_document export", r"PermissionError: the session file \S+movie\.json cannot be read: permission is denied"),
        ("unreadable_document replay", r"PermissionError: the session file \S+movie\.json cannot be read: permission is denied"),
        ("unreadable_folder open", r"PermissionError: the session file \S+movie\.json cannot be read: permission is denied"),
        ("unreadable_folder replay", r"PermissionError: the session file \S+movie\.json cannot be read: permission is denied"),
        ("unreadable_folder export", r"PermissionError: the session file \S+movie\.json cannot be read: permission is denied"),
        ("read_only_results export", PIXELS_FOUND),
        ("read_only_results replay", PIXELS_FOUND),
        ("read_only_results open", rf"PermissionError: the results \S+movie\.results {MAY_NOT_BE_WRITTEN}{MAY_BE_TAKEN}"),
        ("read_only_document export", PIXELS_FOUND),
        ("read_only_document open", rf"PermissionError: \S+movie\.json {MAY_NOT_BE_WRITTEN}{MAY_BE_TAKEN}"),
        ("read_only_folder export", PIXELS_FOUND),
        ("read_only_folder replay", PIXELS_FOUND),
        (
            "read_only_folder open",
            r"PermissionError: nothing may be written to the folder \S+ by you, where movie\.results lies: copy the session to a "
            rf"folder of yours{MAY_BE_TAKEN}",
        ),
        ("read_only_folder save", r"ValueError: movie\.json cannot be written to the folder \S+: permission is denied"),
        ("unreadable_wal open", rf"PermissionError: the results \S+movie\.results-wal {MAY_NOT_BE_READ}{MAY_BE_TAKEN}"),
        ("unreadable_wal export", rf"PermissionError: the results \S+movie\.results-wal {MAY_NOT_BE_READ}"),
        (
            "read_only_wal export",
            r"ValueError: \S+movie\.results-wal is still to be written into movie\.results, which may not be written by you: copy "
            r"both, and movie\.json, to a folder of yours",
        ),
        (
            "unreadable_checkpoint cached",
            r"ValueError: \S+sam2\.1_hiera_tiny\.pt is not the released sam2\.1_hiera_t, it has 7 bytes.*",
        ),
        (
            "unreadable_checkpoint checkpoint",
            r"PermissionError: the checkpoint file \S+sam2\.1_hiera_tiny\.pt cannot be read: permission is denied",
        ),
        ("unreadable_folder checkpoint", r"PermissionError: the checkpoint file \S+ cannot be read: permission is denied"),
        ("unreadable_folder folder", r"PermissionError: the model \S+ cannot be read: permission is denied"),
        ("unreadable_folder cached", r"ValueError: \S+ cannot be read: permission is denied; choose another folder with .*CACHE"),
        (
            "unreadable_folder fetched",
            r"DownloadError: \S+ cannot be read: permission is denied; choose another folder with .*CACHE",
        ),
        (
            "read_only_folder fetched",
            r"DownloadError: cannot write \S+ \(permission is denied\): make room and see that the folder .*",
        ),
    ],
)
def test_as_a_user_who_may_not(what: str, expected: Any, as_nobody: dict[str, Any]) -> None:
    result, warnings = as_nobody[what]
    if isinstance(expected, str):
        assert re.fullmatch(expected, result), result
    else:
        assert result == expected
    for text in (str(result), *warnings):
        assert not WORDS_OF_LIBRARIES.search(text), text


def test_a_replay_without_results_that_may_be_read_says_so(as_nobody: dict[str, Any]) -> None:
    (warning,) = as_nobody["unreadable_results replay"][1]
    assert warning.endswith("; movie.json is done as it says itself, which may lack the latest action")


# --- whoever one is ------------------------------------------------------------------------------------------------


def test_a_path_that_is_too_long_for_sqlite(tmp_path: Path) -> None:
    folder = tmp_path / "/".join(["x" * 60] * 9)
    folder.mkdir(parents=True)
    session = begun()
    with pytest.raises(ValueError, match=r"the path of movie\.results is too long, ") as caught:
        session.save(folder / "movie.json")
    assert f"one of at most {LONGEST_PATH_BYTES}; choose a folder that is nearer to the root" in said(caught.value)
    assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert not list(folder.iterdir())


def test_the_longest_path_that_sqlite_takes(tmp_path: Path) -> None:
    """The bound is that of SQLite, no less."""
    base = tmp_path / ("x" * 200)
    base.mkdir()
    for length, fits in ((LONGEST_PATH_BYTES, True), (LONGEST_PATH_BYTES + 1, False)):
        rest = length - len(os.fsencode(base)) - 1 - len("/.results")
        folder = base / ("y" * (rest - 1))
        folder.mkdir()
        path = folder / ".results"
        assert len(os.fsencode(path)) in (length - 1, length)
        path = folder / ("z" * (length - len(os.fsencode(path))) + ".results")
        assert len(os.fsencode(path)) == length
        if fits:
            ResultsFile(path).close()
        else:
            with pytest.raises(ValueError, match="is too long"):
                ResultsFile(path)


@pytest.mark.parametrize("name", ["n" * 300, "é" * 200])
def test_a_name_that_is_too_long(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be written to the folder .*: its path is too long$") as caught:
        begun().save(tmp_path / f"{name}.json")
    said(caught.value)
    for attempt in (Session.open, Session.replay):
        with pytest.raises(OSError, match=r"^the session file .* cannot be read: its path is too long$") as refused:
            attempt(tmp_path / f"{name}.json")
        said(refused.value)


def test_a_folder_in_the_place_of_the_results(tmp_path: Path) -> None:
    session = begun()
    (tmp_path / "movie.results").mkdir()
    with pytest.raises(ValueError, match=r"movie\.results is a folder: give the name of a file to write") as caught:
        session.save(tmp_path / "movie.json")
    said(caught.value)
    path = saved(tmp_path / "other")
    path.with_name("movie.results").unlink()
    path.with_name("movie.results").mkdir()
    for attempt in (lambda: Session.open(path, model=tiny_model()), lambda: SavedSession.read(path)):
        with pytest.raises(
            ValueError, match=r"movie\.results is a folder, where the results of a session belong: move it away"
        ) as refused:
            attempt()
        said(refused.value)


def test_a_session_file_that_is_a_folder_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "movie.json").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no session file .*movie\.json"):
        Session.open(tmp_path / "movie.json")
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match=r"there is no session file"):
        Session.open(tmp_path / "file" / "movie.json")


def test_another_process_has_it_open(tmp_path: Path) -> None:
    path = saved(tmp_path / "a")
    database = sqlite3.connect(path.with_name("movie.results"), isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        for attempt in (lambda: Session.open(path, model=tiny_model()), lambda: SavedSession.read(path)):
            with pytest.raises(ValueError, match=r"movie\.results is open in another session: close it there first$") as caught:
                attempt()
            said(caught.value)
    finally:
        database.close()


@pytest.mark.parametrize("content", ["text", "another database", "half"])
def test_results_that_are_none(content: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a")
    results = path.with_name("movie.results")
    if content == "another database":
        results.unlink()
        with sqlite3.connect(results) as database:
            database.execute("CREATE TABLE cells (id INTEGER)")
        database.close()
    else:
        results.write_bytes(b"row,column\n" * 999 if content == "text" else results.read_bytes()[:6000])
    with pytest.raises(ValueError, match=r"movie\.results is (not a file of results, or is )?damaged") as caught:
        SavedSession.read(path).result(PIXELS)
    assert "napari-sam2 replay" in said(caught.value)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """SQLite's own: the database may not grow. What was done stays done, and is saved when there is room."""
    session = begun()
    session.save(tmp_path / "movie.json")
    assert session._file is not None
    database = session._file._results._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match=r"^what was done is still there, but could not be saved to .*: the disk is full$") as caught:
        session.add_object("x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    said(caught.value)
    assert len(session.objects) == 2
    database.execute("PRAGMA max_page_count = 100000")
    session.close()
    again = Session.open(tmp_path / "movie.json", session.stack.image, tiny_model())
    assert len(again.objects) == 2
    again.close()


@pytest.mark.parametrize("is_there", [False, True])
def test_nothing_is_left_of_what_cannot_be_saved(is_there: bool, tmp_path: Path) -> None:
    """In earnest: the system takes no more than so many bytes of a file. What was there before is as it was."""
    resource = pytest.importorskip("resource", reason="limits are POSIX")
    image = np.random.default_rng(0).integers(0, 255, (3, 32, 32), np.uint8)
    if is_there:
        earlier = begun(image)
        earlier.save(tmp_path / "movie.json")
        earlier.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    session = begun(image)
    session.add_mask(1, 1, image[1] > 99)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, hard))
    try:
        with pytest.raises(
            OSError, match=r"movie\.results.*: (the disk is full|the disk, or the connection to it, fails)$"
        ) as caught:
            session.save(tmp_path / "movie.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_BUSY, ValueError, "is open in another session: close it there first"),
        (sqlite3.SQLITE_LOCKED, ValueError, "is open in another session: close it there first"),
        (sqlite3.SQLITE_FULL, OSError, "task: the disk is full"),
        (sqlite3.SQLITE_IOERR_READ, OSError, "task: the disk, or the connection to it, fails"),
        (sqlite3.SQLITE_IOERR_FSYNC, OSError, "task: the disk, or the connection to it, fails"),
        (sqlite3.SQLITE_NOMEM, MemoryError, "task: there is not enough memory"),
        (sqlite3.SQLITE_CANTOPEN, ValueError, "task: the file system of .* does not allow it; choose a folder on another disk"),
        (sqlite3.SQLITE_READONLY_CANTLOCK, ValueError, "task: the file system of .* does not allow it"),
        (sqlite3.SQLITE_NOTADB, ValueError, "is not a file of results, or is damaged: move it away"),
        (sqlite3.SQLITE_CORRUPT, ValueError, "is not a file of results, or is damaged: move it away"),
        (sqlite3.SQLITE_ERROR, ValueError, "is not a file of results, or is damaged: move it away"),
        (sqlite3.SQLITE_INTERRUPT, ValueError, "task"),
    ],
)
def test_what_is_said_of_each_code(code: int, kind: type[Exception], message: str, tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    told = refusal(tmp_path / "movie.results", error, "task")
    assert type(told) is kind
    assert re.search(message, said(told))


def test_a_folder_that_cannot_be_reached(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    error = sqlite3.OperationalError("unable to open database file")
    told = refusal(tmp_path / "circle" / "movie.results", error, "task")
    assert re.fullmatch(r"the results .*movie\.results cannot be reached: its links lead in a circle", said(told))
