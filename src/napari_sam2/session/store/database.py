"""The SQLite file of a session: its tables, who may write to it, and what is written as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from napari_sam2.file_errors import reading
from napari_sam2.session.store.file_lock import FileLock
from napari_sam2.session.store.refusals import is_of_damage, obstacle, refusal
from napari_sam2.version import __version__

APPLICATION_ID = 0x53414D32
"""By which SQLite files of sessions differ from others: "SAM2"."""
VERSION = 6
"""Counts up with every change of what a file may hold, see docs/session.md; a file of another version is not read."""
TABLES = """
CREATE TABLE header (value TEXT NOT NULL);
CREATE TABLE stored (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, about TEXT NOT NULL, data BLOB);
CREATE TABLE state (
    kind TEXT, object INTEGER, key INTEGER, value INTEGER NOT NULL, PRIMARY KEY (kind, object, key)
) WITHOUT ROWID;
CREATE TABLE actions (number INTEGER PRIMARY KEY, is_undone INTEGER NOT NULL, is_joined INTEGER NOT NULL, call TEXT);
CREATE INDEX undone_actions ON actions (number) WHERE is_undone;
CREATE TABLE changes (
    action INTEGER, kind TEXT, object INTEGER, key INTEGER, value INTEGER, PRIMARY KEY (action, kind, object, key)
) WITHOUT ROWID;
"""
PAGE_BYTES = 4096
"""A record has pages of its own, and of the last one half is empty: with 16 kB, one of ``micro`` takes a fifth more."""
MAX_UNSYNCED_S = 1.0
"""Frames that were written longer ago are on the disk, whatever happens to the power."""
MAX_WAIT_S = 1.0
"""So long another program may read the file before it counts as open there."""


class Database:
    """A session file that is open.

    Parameters
    ----------
    path : Path
        The file, see :meth:`create`.
    is_read_only : bool
        Others may have it open, and it may lie where nothing can be written.
    lock : FileLock, optional
        Held for as long as the file is open.
    task : str, optional
        Begins the sentence if it cannot be used.

    Raises
    ------
    ValueError
        If it is something else, is damaged, or of another version.
    OSError
        If it may not be read or written, or the disk fails.
    """

    def __init__(self, path: Path, is_read_only: bool = False, lock: FileLock | None = None, task: str | None = None) -> None:
        self.path = path
        self._lock = lock
        self._synced_at_s = time.monotonic()
        self._is_durable = False
        try:
            # The session may pass from one thread to another, but is never in two.
            self._connection = sqlite3.connect(
                _address(path, is_read_only), timeout=MAX_WAIT_S, isolation_level=None, check_same_thread=False, uri=True
            )
            self._end = weakref.finalize(self, _close, self._connection, lock)
            if is_read_only:
                self._connection.execute("PRAGMA query_only = TRUE")
            else:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
            self._check()
            with reading(path, "the session file"):
                self._file = path.stat()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes what it finds
            self.close()
            raise refusal(path, error, task or f"{path} cannot be used for a session", is_read_only) from error
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        """Check that the file is a session file of this version."""
        ((application_id,),) = self._connection.execute("PRAGMA application_id")
        ((version,),) = self._connection.execute("PRAGMA user_version")
        if application_id != APPLICATION_ID:
            raise ValueError(f"{self.path} is not a session file")
        if version != VERSION:
            raise ValueError(
                f"{self.path} is of version {version} of the session format; napari-sam2 {__version__} reads version {VERSION}"
            )
        for table in ("header", "stored", "state", "actions", "changes"):
            self._connection.execute(f"SELECT * FROM {table} LIMIT 0").fetchone()  # noqa: S608

    @classmethod
    def create(cls, path: Path, lock: FileLock | None = None, task: str | None = None) -> Database:
        """Make an empty session file where there is none; ``task`` begins the sentence if that cannot be done.

        Raises
        ------
        ValueError, OSError
            If it cannot be made.
        """
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
                connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            if lock is not None:
                lock.release()
            raise refusal(path, error, task or f"{path} cannot be used for a session") from error
        return cls(path, lock=lock, task=task)

    def release_lock(self) -> None:
        """Let others write to a file of this name; what is open is no file of that name any more."""
        if self._lock is not None:
            self._lock.release()

    def close(self) -> None:
        """Close the file, and let others write to it."""
        if hasattr(self, "_end"):
            self._end()
        elif self._lock is not None:
            self._lock.release()

    # --- writing ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self, is_durable: bool = True, task: str | None = None) -> Iterator[None]:
        """Write all of what is written inside, or nothing.

        Parameters
        ----------
        is_durable : bool
            It is on the disk at the end. Else this is so after a second, in which more may be written.
        task : str
            Begins the sentence if that cannot be done; what was done and where to by default.

        Raises
        ------
        ValueError, OSError
            If it cannot be written.
        """
        is_durable = is_durable or time.monotonic() - self._synced_at_s > MAX_UNSYNCED_S
        task = task or f"what was done is still there, but could not be saved to {self.path}"
        self._check_in_place(task)
        try:
            if is_durable != self._is_durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
                self._is_durable = is_durable
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise refusal(self.path, error, task) from error
            raise
        if is_durable:
            self._synced_at_s = time.monotonic()

    def _check_in_place(self, task: str) -> None:
        """Refuse to write to a file that nobody would find: where it was, is none any more, or another."""
        with reading(self.path, "the session file"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.path.samestat(self._file, self.path.stat()):
                return
        raise FileNotFoundError(f"{task}: the file was removed, moved or replaced meanwhile; save the session again")

    @property
    def is_in_place(self) -> bool:
        """The file is still where it was opened."""
        try:
            self._check_in_place("")
        except OSError:
            return False
        return True

    def execute(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Execute a statement; in a :meth:`transaction` or under :meth:`reading`, its errors are raised in plain words."""
        return self._connection.execute(statement, tuple(values))

    def execute_many(self, statement: str, rows: Iterable[Iterable[Any]]) -> None:
        """Execute a statement for each of many rows."""
        self._connection.executemany(statement, [tuple(row) for row in rows])

    def copy_to(self, path: Path, task: str) -> None:
        """Write the file to another place, without what is unused; nothing may be there.

        Parameters
        ----------
        path : Path
            The copy.
        task : str
            Begins the sentence if that cannot be done.

        Raises
        ------
        ValueError, OSError
            If it cannot be written.
        """
        try:
            self._connection.execute("VACUUM INTO ?", (str(path),))
        except sqlite3.Error as error:
            raise refusal(path, error, task) from error

    # --- reading ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Name the file where what is read inside cannot be understood, or does not fit.

        Raises
        ------
        ValueError
            If so.
        OSError
            If the disk fails.
        """
        try:
            yield
        except MemoryError:
            raise
        except sqlite3.Error as error:
            is_damage = is_of_damage(error)
            raise (self._damaged() if is_damage else refusal(self.path, error, f"{self.path} cannot be read", True)) from error
        except RuntimeError as error:
            if "out of memory" in str(error).lower():
                raise
            raise self._damaged() from error
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise self._damaged() from error

    def _damaged(self) -> ValueError:
        return ValueError(
            f"{self.path} is damaged; napari-sam2 replay {self.path.name} finds the results again, if its log can be read"
        )


def _address(path: Path, is_read_only: bool) -> str:
    """Address a file as SQLite takes it.

    One that is only read is opened as if it were to be written, where that can be: what a program that was killed left beside it is
    read with it then, and nothing is left beside it afterwards.
    """
    mode = "rw" if not is_read_only or _may_be_written(path) else "ro&immutable=1"
    return f"{path.absolute().as_uri()}?mode={mode}"


def _may_be_written(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)


def followed(path: Path) -> Path:
    """Follow a link to the file itself: what belongs to a session lies beside that, and under its name."""
    with contextlib.suppress(OSError):  # the error is raised when it is opened or written
        return Path(os.path.realpath(path)) if path.is_symlink() else path
    return path


def finish(path: Path) -> None:
    """Write what lies beside a session file into it, before another file takes its place, for which that would be taken.

    Raises
    ------
    ValueError
        If another program reads it: when that closes it, it would remove what belongs to the new file.
    """
    if path.exists():
        try:
            place = f"{path.absolute().as_uri()}?mode=rw"
            with contextlib.closing(sqlite3.connect(place, timeout=MAX_WAIT_S, isolation_level=None, uri=True)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.Error as error:  # else it is damaged, and what lies beside it of no use
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise refusal(path, error, f"{path} cannot be replaced") from error
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def is_session_file(path: Path) -> bool:
    """Return whether a file is a session file, of any version.

    Raises
    ------
    OSError
        If it may not be read, or the disk fails.
    """
    with reading(path, "the session file"):
        if not path.is_file():
            return False
        try:
            # Not by opening the file: to close it would end the locks that SQLite has on it in this process.
            place = path.absolute().as_uri() + "?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
                ((application_id,),) = connection.execute("PRAGMA application_id")
                return bool(application_id == APPLICATION_ID)
        except sqlite3.Error as error:
            if (found := obstacle(path, is_read_only=True)) is not None:
                raise found from error
            return False


def open_to_write(path: Path) -> Database:
    """Open a session file to go on with it; no other session can do so meanwhile.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    ValueError
        If it is open in another session, is something else, is damaged, or of another version.
    PermissionError
        If it may not be read, or not written.
    OSError
        If the disk fails.
    """
    _check_is_there(path)
    if not _may_be_written(path):
        raise PermissionError(
            f"{path} may be read by you but not written: copy it to a folder of yours; as it is, napari-sam2 export and "
            "napari-sam2 replay take it, but a session that is opened is saved to its file as it goes"
        )
    return Database(path, lock=FileLock(path))


def open_to_read(path: Path) -> Database:
    """Open a session file as it is, whether or not a session has it open.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        As :func:`open_to_write`.
    """
    _check_is_there(path)
    unfinished = path.with_name(path.name + "-wal")
    if not _may_be_written(path) and unfinished.exists():
        raise ValueError(
            f"{unfinished} is still to be written into {path.name}, which may not be written by you: copy both to a folder of yours"
        )
    return Database(path, is_read_only=True)


def copy_session_file(path: Path, copy: Path) -> None:
    """Copy a session file, whether or not a session has it open, to where nothing is; the file itself is only read.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        If it cannot be read, as :func:`open_to_read`, or the copy cannot be written.
    """
    open_to_read(path).close()  # whatever is wrong with it is said
    try:
        with (
            contextlib.closing(sqlite3.connect(_address(path, True), uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise refusal(copy, error, f"{path} cannot be copied to {copy}") from error


def _check_is_there(path: Path) -> None:
    with reading(path, "the session file"):
        if not path.exists():
            raise FileNotFoundError(f"there is no session file {path}")
    if not is_session_file(path):
        is_log = "; if it is the log of one, napari-sam2 replay takes it" if path.suffix.lower() == ".json" else ""
        raise ValueError(f"{path} is not a session file{is_log}")


def _close(connection: sqlite3.Connection, lock: FileLock | None) -> None:
    connection.close()
    if lock is not None:
        lock.release()
