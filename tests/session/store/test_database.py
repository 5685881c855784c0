"""The SQLite file of a session: whole or not at all, told from others, read beside a writer."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import BlobTracker, tiny_model
from known_sessions import MOVIE, TRUTH, begun, inside, known, opened
from napari_sam2.images.calibration import PIXELS
from napari_sam2.predictors import tracker
from napari_sam2.session.replay import replay
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.session import Session
from napari_sam2.session.store.database import (
    APPLICATION_ID,
    PAGE_BYTES,
    VERSION,
    Database,
    copy_session_file,
    followed,
    is_session_file,
    open_to_read,
    open_to_write,
)
from napari_sam2.session.store.file_lock import FileLock


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "Tracker", BlobTracker)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.sam2"


def saved(path: Path) -> Path:
    session = begun()
    session.add_points(session.add_object("cell"), 0, inside(1, 0))
    list(session.propagate())
    session.save(path)
    session.close()
    return path


def change(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


# --- as a file -----------------------------------------------------------------------------------------------------


def test_made_written_and_read(path: Path) -> None:
    database = Database.create(path)
    with database.transaction():
        database.execute("INSERT INTO header VALUES (?)", ("first",))

    def half() -> None:
        with database.transaction():
            database.execute("UPDATE header SET value = 'second'")
            raise KeyError("half of it is done")

    with pytest.raises(KeyError):
        half()
    database.execute_many("INSERT INTO actions VALUES (?, ?, ?, ?)", [(1, 0, 0, "a"), (2, 1, 1, None)])
    database.close()
    database.close()
    assert names(path) == ["movie.sam2"]
    database = open_to_read(path)
    assert list(database.execute("SELECT * FROM header")) == [("first",)]
    assert list(database.execute("SELECT * FROM actions")) == [(1, 0, 0, "a"), (2, 1, 1, None)]
    database.close()
    assert names(path) == ["movie.sam2"]


def test_a_file_that_is_only_read_cannot_be_written(path: Path) -> None:
    Database.create(path).close()
    database = open_to_read(path)

    def write() -> None:
        with database.transaction():
            database.execute("DELETE FROM header")

    with pytest.raises(ValueError, match=r"^what was done is still there, but could not be saved to \S+movie\.sam2"):
        write()
    database.close()


def test_it_is_closed_and_unlocked_when_nobody_uses_it(path: Path) -> None:
    database = Database.create(path, FileLock(path))
    with pytest.raises(ValueError, match="is open in another session"):
        open_to_write(path)
    del database
    gc.collect()
    open_to_write(path).close()
    assert names(path) == ["movie.sam2"]


@pytest.mark.parametrize("fault", ["PRAGMA user_version = 2", "DROP TABLE stored"])
def test_what_cannot_be_opened_is_not_locked(fault: str, path: Path) -> None:
    change(saved(path), fault)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"version 2|is not a session file, or is damaged"):
            open_to_write(path)
    assert names(path) == ["movie.sam2"]


def test_is_session_file(path: Path) -> None:
    assert not is_session_file(path)
    saved(path)
    assert is_session_file(path)
    change(path, f"PRAGMA user_version = {VERSION + 1}")
    assert is_session_file(path)
    change(path, f"PRAGMA application_id = {APPLICATION_ID + 1}")
    assert not is_session_file(path)
    for content in (b"", b"x", b"SQLite format 3\0", b"{}", b"II*\0" + bytes(5000)):
        path.write_bytes(content)
        assert not is_session_file(path)
    assert not is_session_file(path.parent)


def test_looking_at_a_file_does_not_end_the_locks_of_this_process(path: Path) -> None:
    """As it would on POSIX, if it were opened and closed as a file."""
    database = Database.create(path)
    database.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        assert is_session_file(path)
        open_to_read(path).close()
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    other = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert "database is locked" in other.stderr
    database.execute("ROLLBACK")
    database.close()


def test_a_link_is_followed(path: Path) -> None:
    path.touch()
    (path.parent / "folder").mkdir()
    (path.parent / "to_folder").symlink_to(path.parent / "folder")
    link = path.parent / "to_folder" / "link.sam2"
    link.symlink_to(path)
    assert followed(link) == path
    assert followed(path) == path
    (path.parent / "folder" / "b.sam2").touch()
    assert followed(path.parent / "to_folder" / "b.sam2") == path.parent / "to_folder" / "b.sam2"
    assert followed(path.parent / "none.sam2") == path.parent / "none.sam2"
    for strange in ("x" * 5000, "a\0b"):
        assert followed(path.parent / strange) == path.parent / strange


# --- of other versions, and damaged --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1, 2**31 - 1])
def test_another_version(version: int, path: Path) -> None:
    change(saved(path), f"PRAGMA user_version = {version}")
    message = rf"^\S+movie\.sam2 is of version {version} of the session format; napari-sam2 \S+ reads version {VERSION}$"
    for attempt in (lambda: opened(path), lambda: SavedSession.read(path), lambda: replay(path)):
        with pytest.raises(ValueError, match=message):
            attempt()


FAULTS = [
    "DROP TABLE changes",
    "DELETE FROM header",
    "UPDATE header SET value = '{'",
    "UPDATE header SET value = CAST(x'22ff22' AS TEXT)",
    "UPDATE stored SET about = '{}' WHERE kind = 'info'",
    "UPDATE stored SET about = '{' WHERE kind = 'prompts'",
    "UPDATE stored SET about = x'00' WHERE kind = 'model'",
    "UPDATE stored SET about = '{}' WHERE kind = 'record'",
    "UPDATE stored SET about = replace(about, 'float32', 'float33') WHERE kind = 'record'",
    "UPDATE stored SET kind = 'guess' WHERE kind = 'info'",
    "DELETE FROM stored WHERE kind = 'record'",
    "DELETE FROM state WHERE kind = 'info'",
    "DELETE FROM state WHERE kind = 'model'",
    "UPDATE state SET object = 88 WHERE kind = 'anchor'",
    "UPDATE state SET kind = 'guess' WHERE kind = 'tracked'",
    "UPDATE state SET value = value + 1000",
    "UPDATE changes SET value = 1000 WHERE value IS NOT NULL OR kind = 'tracked'",
    "UPDATE changes SET kind = 'guess ' || kind",
    "UPDATE actions SET call = '[]'",
    "UPDATE actions SET call = CAST(x'22ff22' AS TEXT)",
]
DAMAGED = (
    r"^\S+movie\.sam2 (is damaged; napari-sam2 replay movie\.sam2 finds the results again, if its log can be read|is not a session "
    r"file, or is damaged)$|^movie\.sam2 (is not JSON: line 1|has no 'name')"
)


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_is_named(fault: str, path: Path) -> None:
    change(saved(path), fault)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=DAMAGED) as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content
    assert names(path) == ["movie.sam2"]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if "record" in fault or "tracked' " in fault])
def test_results_that_are_damaged_are_found_again(fault: str, path: Path) -> None:
    change(saved(path), fault)
    np.testing.assert_array_equal(replay(path, MOVIE, tiny_model()).labels, np.where(TRUTH == 1, 1, 0))


@pytest.mark.parametrize("data", ["x'00'", "zeroblob(16)", "NULL", "'text'"])
def test_tensors_that_are_damaged_are_named_when_they_are_read(data: str, path: Path) -> None:
    change(saved(path), f"UPDATE stored SET data = {data} WHERE kind = 'record'")
    for attempt in (lambda: opened(path), lambda: SavedSession.read(path).result(PIXELS)):
        with pytest.raises(ValueError, match=DAMAGED):
            attempt()


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_pages_that_are_damaged(part: float, path: Path) -> None:
    """It is opened, as far as that can be told, or refused in a sentence."""
    whole = saved(path).read_bytes()
    session = opened(path)
    expected = known(session)
    session.close()
    start = int(len(whole) * part) // PAGE_BYTES * PAGE_BYTES
    path.write_bytes(whole[:start] + np.random.default_rng(0).bytes(PAGE_BYTES) + whole[start + PAGE_BYTES :])
    try:
        session = opened(path)
    except ValueError as error:
        assert "is damaged" in str(error)  # noqa: PT017
    else:
        for name in ("infos", "prompts"):
            assert known(session)[name] == expected[name]
        session.close()


# --- two at once ---------------------------------------------------------------------------------------------------

WRITER = """
import sys
import numpy as np
from blob_tracker import BlobTracker
from known_sessions import MOVIE, begun, inside, opened
from napari_sam2.predictors import tracker
from pathlib import Path

tracker.Tracker = BlobTracker
path = Path(sys.argv[1])
try:
    session = opened(path) if path.exists() else begun()
    if session.saved_to is None:
        session.save(path)
        session.add_points(session.add_object(), 0, inside(1, 0))
    print("open", flush=True)
except ValueError as error:
    print(error, flush=True)
    sys.exit()
for line in sys.stdin:
    if line == "go on\\n":
        print(sum(1 for _ in session.propagate()), flush=True)
    elif line == "close\\n":
        session.close()
        print("closed", flush=True)
"""


class Writer:
    """A session in another process."""

    def __init__(self, path: Path) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.said = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def do(self, what: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self._line()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    one = Writer(path)
    assert one.said == "open"
    yield one
    one.end()


def test_two_sessions_in_two_processes(path: Path, writer: Writer, tmp_path: Path) -> None:
    message = (
        r"^\S+movie\.sam2 is open in another session: close it there first, export it with napari-sam2 export, or open a copy$"
    )
    with pytest.raises(ValueError, match=message):
        opened(path)
    with pytest.raises(ValueError, match=message):
        begun().save(path)
    assert int(np.count_nonzero(replay(path, MOVIE, tiny_model()).labels)) == 36
    assert int(writer.do("go on")) == 7
    result = SavedSession.read(path).result(PIXELS)  # while the other goes on
    np.testing.assert_array_equal(result.labels, np.where(TRUTH == 1, 1, 0))
    copy = tmp_path / "copy.sam2"
    shutil.copy(path, copy)
    for ending in ("-wal", "-shm"):
        shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    session = opened(copy)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    session.close()
    assert writer.do("close") == "closed"
    assert names(path) == ["copy.sam2", "movie.sam2"]
    session = opened(path)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    other = Writer(path)
    assert (
        other.said == f"{path} is open in another session: close it there first, export it with napari-sam2 export, or open a copy"
    )
    other.end()
    session.close()


def exported(path: Path) -> Any:
    return SavedSession.read(path).result(PIXELS).labels


def replayed(path: Path) -> Any:
    return replay(path, MOVIE, tiny_model()).labels


@pytest.mark.parametrize("read", [exported, replayed])
def test_what_a_killed_program_left_is_read(read: Callable[[Path], Any], path: Path, writer: Writer) -> None:
    assert int(writer.do("go on")) == 7
    writer.end()
    assert names(path) == ["movie.sam2", "movie.sam2-lock", "movie.sam2-shm", "movie.sam2-wal"]
    np.testing.assert_array_equal(read(path), np.where(TRUTH == 1, 1, 0))
    session = opened(path)
    np.testing.assert_array_equal(session.labels, np.where(TRUTH == 1, 1, 0))
    session.close()
    assert names(path) == ["movie.sam2"]


def test_two_sessions_in_one_process(path: Path) -> None:
    first, second = begun(), begun()
    first.save(path)
    with pytest.raises(ValueError, match=r"movie\.sam2 is open in another session: close it there first"):
        second.save(path)
    with pytest.raises(ValueError, match=r"movie\.sam2 is open in another session"):
        Session.open(path, MOVIE, tiny_model())
    first.close()
    second.save(path)
    second.close()
    assert names(path) == ["movie.sam2"]


def test_a_session_file_is_copied_while_it_is_open(tmp_path: Path) -> None:
    with begun() as session:
        session.save(tmp_path / "a.sam2")
        session.add_object()
        written = [tmp_path / name for name in ("a.sam2", "a.sam2-wal")]
        before = [path.read_bytes() for path in written]
        copy_session_file(tmp_path / "a.sam2", tmp_path / "b.sam2")
        assert [path.read_bytes() for path in written] == before
    with Session.open(tmp_path / "b.sam2", MOVIE, tiny_model()) as copied:
        assert list(copied.objects) == [1]
    with pytest.raises(FileNotFoundError, match=r"there is no session file .*c\.sam2"):
        copy_session_file(tmp_path / "c.sam2", tmp_path / "d.sam2")
    with pytest.raises(FileNotFoundError, match=r"none.d\.sam2 cannot be reached: it is not there"):
        copy_session_file(tmp_path / "a.sam2", tmp_path / "none" / "d.sam2")
