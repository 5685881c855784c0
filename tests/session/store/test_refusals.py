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

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors import tracker
from napari_sam2.session.replay import replay
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.store.database import PAGE_BYTES, Database
from napari_sam2.session.store.refusals import LONGEST_PATH_BYTES, check_suffix, is_of_damage, refusal

TRUTH = squares(3, (32, 32), {1: [(4, 3 + t, 6) for t in range(3)]})
FIRST_FORMAT = Path(__file__).with_name("first_format") / "everything"
WORDS_OF_LIBRARIES = re.compile(
    r"Errno|unable to open|disk I/O|readonly database|sqlite|database is locked|malformed|Traceback|filelock", re.IGNORECASE
)


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


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
    session.save(folder / "movie.sam2")
    session.close()
    for path in (folder, *folder.iterdir()):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return folder / "movie.sam2"


def first_format(folder: Path) -> Path:
    """A session of the first format, likewise."""
    shutil.copytree(FIRST_FORMAT, folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return folder / "movie.sam2.json"


def said(error: BaseException) -> str:
    text = str(error)
    assert not WORDS_OF_LIBRARIES.search(text), text
    assert "\n" not in text
    return text


# --- as another user -----------------------------------------------------------------------------------------------

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
WORKER = """
import json, logging, os, sys
from pathlib import Path
from blob_tracker import BlobTracker, tiny_model
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors import tracker
from napari_sam2.session.replay import replay
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.weights.download import download, find_checkpoint
from napari_sam2.weights.load import find_weights, read_checkpoint

tracker.Tracker = BlobTracker
warnings = []
handler = logging.Handler()
handler.emit = lambda record: warnings.append(record.getMessage())
logging.getLogger().addHandler(handler)

def replayed(path):
    return int((replay(path, model=tiny_model()).labels > 0).sum())

def export(path):
    return int((SavedSession.read(path).result(PIXELS).labels > 0).sum())

def open_(path):
    Session.open(path, model=tiny_model()).close()

def save(path):
    session = Session(path.with_name("movie.tif"), model=tiny_model())
    session.add_points(session.add_object(), 0, [(6, 5)])
    session.save(path.with_name("movie.sam2"))
    session.close()

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
    "replay": replayed, "export": export, "open": open_, "save": save,
    "cached": cached, "checkpoint": checkpoint, "folder": model_folder, "fetched": fetched,
}
found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    for name, do in does.items():
        if path.name == "home":
            continue
        warnings.clear()
        try:
            result = do(path / ("movie.sam2.json" if "first" in path.name else "movie.sam2"))
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
        patch.setattr(tracker, "Tracker", BlobTracker)
        root = Path(name)
        root.chmod(0o755)
        (root / "home").mkdir()
        (root / "home").chmod(0o777)
        saved(root / "open_to_all")
        saved(root / "unreadable_session").chmod(0o600)
        saved(root / "unreadable_image").with_name("movie.tif").chmod(0o600)
        saved(root / "read_only_session").chmod(0o444)
        saved(root / "read_only_folder").parent.chmod(0o755)
        for unfinished in ("unreadable_wal", "read_only_wal"):
            wal = saved(root / unfinished).with_name("movie.sam2-wal")
            wal.write_bytes(b"")
            if unfinished == "unreadable_wal":
                wal.chmod(0o600)
            else:
                wal.with_name("movie.sam2").chmod(0o444)
        checkpoint = saved(root / "unreadable_checkpoint").with_name("sam2.1_hiera_tiny.pt")
        checkpoint.write_bytes(b"weights")
        checkpoint.chmod(0o600)
        saved(root / "unreadable_folder").parent.chmod(0o700)
        first_format(root / "first_unreadable").chmod(0o600)
        first_format(root / "first_unreadable_results").with_name("movie.sam2.results").chmod(0o600)
        first_format(root / "first_read_only").parent.chmod(0o755)
        killed = first_format(root / "first_read_only_wal")
        killed.with_name("movie.sam2.results-wal").write_bytes(b"")
        killed.parent.chmod(0o755)
        tests = Path(__file__).parents[2]
        environment = {
            "HOME": f"{name}/home",
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


TAKEN_AS_IT_IS = (
    r"copy it to a folder of yours; as it is, napari-sam2 export and napari-sam2 replay take it, but a session that is opened is "
    r"saved to its file as it goes"
)
MAY_NOT_BE_READ = r"may not be read by you: ask whose file it is to allow it, or for a copy"
MAY_NOT_BE_WRITTEN = rf"PermissionError: \S+movie\.sam2 may be read by you but not written: {TAKEN_AS_IT_IS}"
JSON_NOT_READ = r"PermissionError: the session file \S+movie\.sam2\.json cannot be read: permission is denied"
UNREACHABLE = r"PermissionError: the session file \S+movie\.sam2 cannot be read: permission is denied"
STILL_TO_BE_WRITTEN = (
    r"ValueError: \S+movie\.sam2-wal is still to be written into movie\.sam2, which may not be written by you: copy both to a "
    r"folder of yours"
)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("open_to_all replay", PIXELS_FOUND),
        ("open_to_all export", PIXELS_FOUND),
        ("open_to_all open", None),
        ("open_to_all save", None),
        ("unreadable_image replay", r"ImageFileError: \S+movie\.tif may not be read: permission is denied"),
        ("unreadable_session open", rf"PermissionError: the session file \S+movie\.sam2 {MAY_NOT_BE_READ}"),
        ("unreadable_session export", rf"PermissionError: the session file \S+movie\.sam2 {MAY_NOT_BE_READ}"),
        ("unreadable_session replay", rf"PermissionError: the session file \S+movie\.sam2 {MAY_NOT_BE_READ}"),
        ("unreadable_session save", rf"PermissionError: the session file \S+movie\.sam2 {MAY_NOT_BE_READ}"),
        ("unreadable_folder open", UNREACHABLE),
        ("unreadable_folder replay", UNREACHABLE),
        ("unreadable_folder export", UNREACHABLE),
        ("read_only_session export", PIXELS_FOUND),
        ("read_only_session replay", PIXELS_FOUND),
        ("read_only_session open", MAY_NOT_BE_WRITTEN),
        ("read_only_session save", r"PermissionError: \S+movie\.sam2 may be read by you but not written: give another name"),
        ("read_only_folder export", PIXELS_FOUND),
        ("read_only_folder replay", PIXELS_FOUND),
        ("read_only_folder open", MAY_NOT_BE_WRITTEN),
        ("read_only_folder save", r"ValueError: movie\.sam2 cannot be written to the folder \S+: permission is denied"),
        ("unreadable_wal open", rf"PermissionError: the session file \S+movie\.sam2-wal {MAY_NOT_BE_READ}"),
        ("unreadable_wal export", rf"PermissionError: the session file \S+movie\.sam2-wal {MAY_NOT_BE_READ}"),
        ("read_only_wal export", STILL_TO_BE_WRITTEN),
        ("read_only_wal replay", STILL_TO_BE_WRITTEN),
        ("read_only_wal open", MAY_NOT_BE_WRITTEN),
        ("first_unreadable open", JSON_NOT_READ),
        ("first_unreadable export", JSON_NOT_READ),
        ("first_unreadable replay", JSON_NOT_READ),
        ("first_unreadable_results open", rf"PermissionError: the session file \S+movie\.sam2\.results {MAY_NOT_BE_READ}"),
        ("first_unreadable_results export", rf"PermissionError: the session file \S+movie\.sam2\.results {MAY_NOT_BE_READ}"),
        ("first_unreadable_results replay", 207),
        ("first_read_only open", r"ValueError: movie\.sam2 cannot be written to the folder \S+: permission is denied"),
        ("first_read_only export", 207),
        ("first_read_only replay", 207),
        (
            "first_read_only_wal export",
            r"ValueError: \S+movie\.sam2\.results-wal is still to be written into movie\.sam2\.results, which lies where nothing "
            r"may be written by you: copy both, and movie\.sam2\.json, to a folder of yours",
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
    (warning,) = as_nobody["first_unreadable_results replay"][1]
    assert warning.endswith("; what movie.sam2.json holds itself is taken, which may lack the latest action")


# --- whoever one is ------------------------------------------------------------------------------------------------


def test_a_path_that_is_too_long_for_sqlite(tmp_path: Path) -> None:
    folder = tmp_path / "/".join(["x" * 60] * 9)
    folder.mkdir(parents=True)
    session = begun()
    with pytest.raises(ValueError, match=r"^the path of movie\.sam2 is too long, ") as caught:
        session.save(folder / "movie.sam2")
    assert f"one of at most {LONGEST_PATH_BYTES}; choose a folder that is nearer to the root" in said(caught.value)
    assert not list(folder.iterdir())
    path = saved(tmp_path / "a")
    shutil.move(path, folder)
    for attempt in (Session.open, SavedSession.read, replay):
        with pytest.raises(ValueError, match=r"^the path of movie\.sam2 is too long, ") as refused:
            attempt(folder / "movie.sam2")
        said(refused.value)
    assert [one.name for one in folder.iterdir()] == ["movie.sam2"]


@pytest.mark.parametrize("letters", [1, 5, 40, 100])
def test_the_longest_path_that_sqlite_takes(letters: int, tmp_path: Path) -> None:
    """The bound is that of SQLite, no less."""
    for length, fits in ((LONGEST_PATH_BYTES, True), (LONGEST_PATH_BYTES + 1, False)):
        folder = tmp_path
        while (rest := length - len(os.fsencode(folder)) - len(f"/{'n' * letters}.sam2")) > 0:
            folder = folder / ("y" * min(rest - 1, 100 if rest != 102 else 50))
            folder.mkdir(exist_ok=True)
        path = folder / f"{'n' * letters}.sam2"
        assert len(os.fsencode(path)) == length
        if fits:
            Database.create(path).close()
            path.unlink()
        else:
            with pytest.raises(ValueError, match=rf"^the path of {path.name} is too long, {length} bytes"):
                Database.create(path)
        if letters > 20:  # what takes the place of the file has a name that is no longer
            session = begun()
            if fits:
                session.save(path)
                session.close()
            else:
                with pytest.raises(ValueError, match=rf"^the path of {path.name} is too long, {length} bytes"):
                    session.save(path)


@pytest.mark.parametrize("name", ["n" * 300, "é" * 200])
def test_a_name_that_is_too_long(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be written to the folder .*: its path is too long$") as caught:
        begun().save(tmp_path / f"{name}.sam2")
    said(caught.value)
    for attempt in (Session.open, replay, SavedSession.read):
        for ending in ("sam2", "json"):
            with pytest.raises(OSError, match=r"^the session file .* cannot be read: its path is too long$") as refused:
                attempt(tmp_path / f"{name}.{ending}")
            said(refused.value)


def test_a_name_that_leaves_no_room_for_what_lies_beside(tmp_path: Path) -> None:
    """A system takes so many letters, but SQLite and the lock need names that are longer."""
    path = tmp_path / f"{'n' * (255 - len('.sam2'))}.sam2"
    with pytest.raises((ValueError, OSError), match=r"its path is too long$") as caught:
        begun().save(path)
    said(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_place_of_the_session(tmp_path: Path) -> None:
    session = begun()
    (tmp_path / "movie.sam2").mkdir()
    with pytest.raises(ValueError, match=r"movie\.sam2 is a folder: give the name of a file to write") as caught:
        session.save(tmp_path / "movie.sam2")
    said(caught.value)
    for attempt in (Session.open, replay, SavedSession.read):
        with pytest.raises(ValueError, match=r"movie\.sam2 is not a session file$") as refused:
            attempt(tmp_path / "movie.sam2")
        said(refused.value)


def test_a_session_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none.sam2", tmp_path / "file" / "movie.sam2"):
        for attempt in (Session.open, replay, SavedSession.read):
            with pytest.raises(FileNotFoundError, match=r"there is no session file") as refused:
                attempt(path)
            said(refused.value)


def test_another_program_has_it_locked(tmp_path: Path) -> None:
    """Not another session, whose lock lies beside it: a program for databases."""
    path = saved(tmp_path / "a")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN EXCLUSIVE")
    try:
        for attempt in (lambda: Session.open(path, model=tiny_model()), lambda: SavedSession.read(path), lambda: replay(path)):
            with pytest.raises(ValueError, match=r"movie\.sam2 is open in another program: close it there first$") as caught:
                attempt()
            said(caught.value)
    finally:
        database.close()
    Session.open(path, model=tiny_model()).close()


@pytest.mark.parametrize("content", ["text", "another database", "half", "empty", "a page"])
def test_a_file_that_is_none(content: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a")
    if content == "another database":
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE cells (id INTEGER)")
        database.close()
    else:
        whole = path.read_bytes()
        path.write_bytes(
            {"text": b"row,column\n" * 999, "half": whole[: len(whole) // 2], "empty": b"", "a page": whole[:PAGE_BYTES]}[content]
        )
    for attempt in (lambda: Session.open(path, model=tiny_model()), lambda: SavedSession.read(path).result(PIXELS)):
        with pytest.raises(ValueError, match=r"movie\.sam2 is (not a session file(, or is damaged)?|damaged; .*)$") as caught:
            attempt()
        said(caught.value)
    assert not [one for one in path.parent.iterdir() if "-" in one.name]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("movie.json", "give movie.sam2, not movie.json; JSON is the format of its log, which to_json() returns"),
        ("movie.sam2.json", "give movie.sam2, not movie.sam2.json; JSON is the format of its log, which to_json() returns"),
        ("movie.SAM2", "give movie.sam2, not movie.SAM2"),
        ("a.b.tif", "give a.b.sam2, not a.b.tif"),
        ("movie", "give movie.sam2, not movie"),
    ],
)
def test_names_that_are_not_those_of_session_files(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'a session is saved to a file that ends in .sam2: {sentence}')}$"):
        check_suffix(Path("folder") / name)
    check_suffix(Path("folder") / "movie.sam2")


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """SQLite's own: the database may not grow. What was done stays done, and is saved when there is room."""
    session = begun()
    session.save(tmp_path / "movie.sam2")
    database = session._store._rows.database
    assert database is not None
    ((pages,),) = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    with pytest.raises(OSError, match=r"^what was done is still there, but could not be saved to .*: the disk is full$") as caught:
        session.add_object("x" * 100_000)
    assert caught.value.errno == errno.ENOSPC
    said(caught.value)
    assert len(session.objects) == 2
    database.execute("PRAGMA max_page_count = 100000").fetchone()
    session.close()
    again = Session.open(tmp_path / "movie.sam2", session.stack.image, tiny_model())
    assert len(again.objects) == 2
    again.close()


@pytest.mark.parametrize("is_there", [False, True])
def test_nothing_is_left_of_what_cannot_be_saved(is_there: bool, tmp_path: Path) -> None:
    """In earnest: the system takes no more than so many bytes of a file. What was there before is as it was."""
    resource = pytest.importorskip("resource", reason="limits are POSIX")
    image = np.random.default_rng(0).integers(0, 255, (3, 32, 32), np.uint8)
    if is_there:
        earlier = begun(image)
        earlier.save(tmp_path / "movie.sam2")
        earlier.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    session = begun(image)
    session.add_mask(1, 1, image[1] > 99)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 4000, 20_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(
                OSError,
                match=r"^the session could not be saved to \S+movie\.sam2: the disk( is full|, or the connection to it, fails)$",
            ) as caught:
                session.save(tmp_path / "movie.sam2")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        said(caught.value)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    session.save(tmp_path / "movie.sam2")
    session.close()


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_BUSY, ValueError, "is open in another program: close it there first"),
        (sqlite3.SQLITE_LOCKED, ValueError, "is open in another program: close it there first"),
        (sqlite3.SQLITE_FULL, OSError, "task: the disk is full"),
        (sqlite3.SQLITE_IOERR_READ, OSError, "task: the disk, or the connection to it, fails"),
        (sqlite3.SQLITE_IOERR_FSYNC, OSError, "task: the disk, or the connection to it, fails"),
        (sqlite3.SQLITE_NOMEM, MemoryError, "task: there is not enough memory"),
        (sqlite3.SQLITE_CANTOPEN, ValueError, "task: the file system of .* does not allow it; choose a folder on another disk"),
        (sqlite3.SQLITE_READONLY_CANTLOCK, ValueError, "task: the file system of .* does not allow it"),
        (sqlite3.SQLITE_NOTADB, ValueError, "is not a session file, or is damaged"),
        (sqlite3.SQLITE_CORRUPT, ValueError, "is not a session file, or is damaged"),
        (sqlite3.SQLITE_ERROR, ValueError, "is not a session file, or is damaged"),
        (sqlite3.SQLITE_INTERRUPT, ValueError, "task"),
    ],
)
def test_what_is_said_of_each_code(code: int, kind: type[Exception], message: str, tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    told = refusal(tmp_path / "movie.sam2", error, "task")
    assert type(told) is kind
    assert re.search(message, said(told))
    assert is_of_damage(error) == (code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR))


def test_a_folder_that_cannot_be_reached(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    error = sqlite3.OperationalError("unable to open database file")
    told = refusal(tmp_path / "circle" / "movie.sam2", error, "task")
    assert re.fullmatch(r"the session file .*movie\.sam2 cannot be reached: its links lead in a circle", said(told))
