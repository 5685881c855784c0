"""Why a session file cannot be used, in plain words: SQLite calls a missing permission "disk I/O error"."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from napari_sam2.file_errors import os_error, reason_of

SUFFIX = ".sam2"
"""Names of session files end in it."""

LONGEST_PATH_BYTES = 512 - len("-journal")
"""SQLite, as it is built by default, opens no file with a longer path, whatever the system does."""


def refusal(path: Path, error: Exception, task: str, is_read_only: bool = False) -> Exception:
    """Return the error to raise where something could not be done with a database.

    Parameters
    ----------
    path : Path
        The database.
    error : Exception
        The error of SQLite, or of Python where it reads what SQLite found.
    task : str
        Begins the sentence where the file itself is right, such as ``the session could not be saved to movie.sam2``.
    is_read_only : bool
        Nothing was to be written.

    Returns
    -------
    Exception
        To be raised: ``ValueError`` where the file is another, damaged, in use, or lies where it cannot; ``PermissionError`` where
        it may not be read or written; ``OSError`` where the disk is full or fails; ``MemoryError``.
    """
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ValueError(f"{path} is open in another program: close it there first")
    if kind == sqlite3.SQLITE_FULL:
        return os_error(f"{task}: {reason_of(os_error('', errno.ENOSPC))}", errno.ENOSPC)
    if kind == sqlite3.SQLITE_NOMEM:
        return MemoryError(f"{task}: there is not enough memory")
    found = obstacle(path, is_read_only)
    if found is not None:
        return found
    if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL):
        return os_error(f"{task}: {reason_of(os_error('', errno.EIO))}", errno.EIO)
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS):
        return ValueError(f"{task}: the file system of {path.parent} does not allow it; choose a folder on another disk")
    return ValueError(f"{path} is not a session file, or is damaged" if is_of_damage(error) else task)


def is_of_damage(error: Exception) -> bool:
    """Return whether the contents of a file are the cause, not the system or another program."""
    code = getattr(error, "sqlite_errorcode", None)
    kinds = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE)
    return code is None or code & 0xFF in kinds


def check_suffix(path: Path) -> None:
    """Check that a file has the suffix of session files.

    Raises
    ------
    ValueError
        If it has another one.
    """
    if path.suffix != SUFFIX:
        given = f"{path.name.removesuffix('.json').removesuffix(path.suffix).removesuffix(SUFFIX)}{SUFFIX}"
        raise ValueError(
            f"a session is saved to a file that ends in {SUFFIX}: give {given}, not {path.name}"
            + ("; JSON is the format of its log, which to_json() returns" if path.suffix == ".json" else "")
        )


def check_length(path: Path) -> None:
    """Check that SQLite opens a file with such a path.

    Raises
    ------
    ValueError
        If it is too long.
    """
    if len(os.fsencode(path.absolute())) > LONGEST_PATH_BYTES:
        raise _too_long(path)


def _too_long(path: Path) -> ValueError:
    return ValueError(
        f"the path of {path.name} is too long, {len(os.fsencode(path.absolute()))} bytes: a session file lies at one of at "
        f"most {LONGEST_PATH_BYTES}; choose a folder that is nearer to the root"
    )


def obstacle(path: Path, is_read_only: bool = False) -> Exception | None:
    """Look for what is in the way of a database in its folder; None where nothing is.

    Parameters
    ----------
    path : Path
        The database, which need not be there yet.
    is_read_only : bool
        Nothing is to be written.
    """
    folder = path.parent
    try:
        folder.stat()
        is_there, is_folder = path.exists(), path.is_dir()
        beside = [one for ending in ("", "-wal", "-shm") if (one := path.with_name(path.name + ending)).exists()]
    except OSError as error:
        return os_error(f"the session file {path} cannot be reached: {reason_of(error)}", error.errno)
    if is_folder:
        return ValueError(f"{path} is a folder, where a session file belongs: move it away, or choose another name")
    if len(os.fsencode(path.absolute())) > LONGEST_PATH_BYTES:
        return _too_long(path)
    for one in beside:
        if not os.access(one, os.R_OK):
            return PermissionError(
                f"the session file {one} may not be read by you: ask whose file it is to allow it, or for a copy"
            )
    if is_read_only:
        return None
    for one in beside:
        if not os.access(one, os.W_OK):
            return PermissionError(
                f"the session file {one} may be read by you but not written: copy the session to a folder of yours"
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        what = "copy the session to a folder of yours" if is_there else "choose another folder"
        return PermissionError(f"nothing may be written to the folder {folder} by you, where {path.name} lies: {what}")
    return None
