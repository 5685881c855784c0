"""Where a session lies that nobody saved yet: in the data folder of the user, so that it outlives a crash."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from pathlib import Path

import platformdirs

from napari_sam2.files import NAME_LETTERS
from napari_sam2.session.store.file_lock import is_locked

SUFFIX = ".sam2"
MAX_AGE_S = 30 * 24 * 3600
"""A session that was not saved and whose program ended long ago is removed."""
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


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
    for folder in sorted(folders, key=_is_in_memory):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
        except OSError as error:
            refused = refused or error
    with contextlib.suppress(OSError):
        return Path(tempfile.gettempdir())
    raise refused or OSError(f"nothing can be written to {folders[0]}")


def new_unsaved_path() -> Path:
    """Return a name for a session that is not saved; sessions that were left behind long ago are removed.

    Raises
    ------
    OSError
        If there is no folder for it.
    """
    folder = unsaved_folder()
    for path in unsaved_sessions(folder):
        with contextlib.suppress(OSError):
            beside = [one for ending in ("", "-wal") if (one := path.with_name(path.name + ending)).exists()]
            if time.time() - max(one.stat().st_mtime for one in beside) > MAX_AGE_S:
                remove(path)
    return folder / f"{time.strftime('%Y-%m-%d %H%M%S')} {secrets.token_hex(3)}{SUFFIX}"


def unsaved_sessions(folder: Path | None = None) -> list[Path]:
    """List sessions that were not saved and whose program has ended, the latest first.

    Parameters
    ----------
    folder : Path, optional
        Where; by default :func:`unsaved_folder`.
    """
    found = list((unsaved_folder() if folder is None else folder).glob(f"????-??-?? *{SUFFIX}"))
    return sorted((path for path in found if not is_locked(path)), key=lambda path: path.name, reverse=True)


def partial_of(path: Path) -> Path:
    """Return a name beside a file for one that takes its place when it is whole."""
    ending = f"-{secrets.token_hex(4)}.partial{path.suffix}"
    letters = min(NAME_LETTERS, len(path.name) - len(ending) - 1)  # no longer than the name itself: a system may allow no more
    return path.with_name(f".{path.stem[: max(letters, 0)]}{ending}")


def remove(path: Path) -> None:
    """Remove a session file and what SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + ending).unlink()


def _is_in_memory(folder: Path) -> bool:
    """Tell whether a folder lies in memory, as far as the system has a list of what is mounted."""
    existing = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    best, kind = "", ""
    with contextlib.suppress(OSError, IndexError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, mounted, file_system, *_ = line.split(" ")
            if existing.is_relative_to(mounted.replace("\\040", " ")) and len(mounted) >= len(best):
                best, kind = mounted, file_system
    return kind in MEMORY_FILE_SYSTEMS
