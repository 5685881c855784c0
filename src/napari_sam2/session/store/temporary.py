"""Where a session lies that nobody saved yet: in the data folder of the user, so that it outlives a crash."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import tempfile
import time
from pathlib import Path

import platformdirs

from napari_sam2.file_errors import os_error, reason_of
from napari_sam2.files import NAME_LETTERS, is_in_memory
from napari_sam2.session.store.database import is_session_file, open_to_read
from napari_sam2.session.store.file_lock import is_locked
from napari_sam2.session.store.refusals import SUFFIX

MAX_AGE_S = 30 * 24 * 3600
"""A session that was not saved and whose program ended long ago is removed."""
MAX_PARTIAL_AGE_S = 24 * 3600
"""No session takes as long to write."""


def unsaved_folder() -> Path:
    """Return the folder of unsaved sessions: where the user's data are, unless those are in memory.

    Raises
    ------
    OSError
        If it can be made nowhere.
    """
    folders = [platformdirs.user_data_path("napari-sam2"), platformdirs.user_cache_path("napari-sam2")]
    folders = [folder / "unsaved sessions" for folder in folders]
    refused: OSError | None = None
    for folder in sorted(folders, key=is_in_memory):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
        except OSError as error:
            refused = refused or error
    with contextlib.suppress(OSError):
        return Path(tempfile.gettempdir())
    reason = "nothing may be written there" if refused is None else reason_of(refused)
    raise os_error(f"a session that is not saved cannot be written to {folders[0]}: {reason}", getattr(refused, "errno", None))


def new_unsaved_path() -> Path:
    """Return a name for a session that is not saved; sessions that were left behind long ago are removed.

    Raises
    ------
    OSError
        If there is no folder for it.
    """
    folder = unsaved_folder()
    for path in _left_in(folder):
        with contextlib.suppress(OSError):
            beside = [one for ending in ("", "-wal") if (one := path.with_name(path.name + ending)).exists()]
            now = time.time()
            if now - max((one.stat().st_mtime for one in beside), default=now) > MAX_AGE_S:  # none: it was just closed
                remove(path)
    return folder / f"{time.strftime('%Y-%m-%d %H%M%S')} {secrets.token_hex(3)}{SUFFIX}"


def unsaved_sessions(folder: Path | None = None) -> list[Path]:
    """List sessions that were not saved and whose program has ended, the latest first; not those in which nothing was done.

    Parameters
    ----------
    folder : Path, optional
        Where; by default :func:`unsaved_folder`.
    """
    found = _left_in(unsaved_folder() if folder is None else folder)
    return sorted(filter(_is_begun, found), key=lambda path: path.name, reverse=True)


def _left_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"????-??-?? *{SUFFIX}") if not is_locked(path)]


def _is_begun(path: Path) -> bool:
    """Return whether something was written; a file that cannot be read counts as written."""
    try:
        if not is_session_file(path):
            return False
        with contextlib.closing(open_to_read(path)) as database, database.reading():
            return database.execute("SELECT 1 FROM header").fetchone() is not None
    except (OSError, ValueError):
        return True


def new_partial(path: Path) -> Path:
    """Return a name beside a file for one that takes its place when it is whole; what a crash left of such long ago is removed."""
    token = secrets.token_hex(4)
    ending = f"-{token}.partial{path.suffix}"
    letters = min(NAME_LETTERS, len(path.name) - len(ending) - 1)  # no longer than the name itself: a system may allow no more
    beginning = f".{path.stem[: max(letters, 0)]}"
    with contextlib.suppress(OSError):
        for left in path.parent.glob(f"{glob.escape(beginning)}-{'?' * len(token)}.partial{path.suffix}"):
            if time.time() - left.stat().st_mtime > MAX_PARTIAL_AGE_S:
                remove(left)
    return path.with_name(f"{beginning}{ending}")


def remove(path: Path) -> None:
    """Remove a session file and what SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + ending).unlink()
