"""Files that are either whole or not there, JSON, and temporary files."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import platformdirs

from napari_sam2.file_errors import os_error, reading, reason_of
from napari_sam2.structured import json_content

NAME_LETTERS = 40
"""So much of a name is in that of its partial file, which must not be longer than a system allows."""

MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


def read_json(path: Path, what: str = "") -> Any:
    """Read a JSON file, in UTF-8.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not JSON; line and column are named.
    """
    with reading(path, what):
        content = path.read_bytes()
    return json_content(content, str(path))


def temporary_file(purpose: str) -> IO[bytes]:
    """Open a file that is gone when it is closed, and that is written without a buffer.

    It lies where the system has such files, unless that is in memory and nobody chose it: then in the user's cache folder.

    Parameters
    ----------
    purpose : str
        Begins the message, such as ``memories cannot be put into a temporary file``.

    Raises
    ------
    OSError
        If there is no folder for such files, or it is full.
    """
    try:
        # Without a buffer: what could not be written from it would be in the way of all that is read later.
        return tempfile.TemporaryFile(prefix="napari-sam2-", buffering=0, dir=_temporary_folder())
    except OSError as error:
        raise no_room(purpose, error) from error


def _temporary_folder() -> Path:
    """Return the folder of temporary files.

    Raises
    ------
    OSError
        If there is none.
    """
    folder = Path(tempfile.gettempdir())
    if any(name in os.environ for name in ("TMPDIR", "TEMP", "TMP")) or not is_in_memory(folder):
        return folder
    on_disk = platformdirs.user_cache_path("napari-sam2")
    with contextlib.suppress(OSError):
        on_disk.mkdir(parents=True, exist_ok=True)
        if os.access(on_disk, os.W_OK | os.X_OK) and not is_in_memory(on_disk):
            return on_disk
    return folder


def is_in_memory(folder: Path) -> bool:
    """Tell whether a folder lies in memory, as far as the system has a list of what is mounted."""
    existing = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    best, kind = "", ""
    with contextlib.suppress(OSError, IndexError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, mounted, file_system, *_ = line.split(" ")
            if existing.is_relative_to(mounted.replace("\\040", " ")) and len(mounted) >= len(best):
                best, kind = mounted, file_system
    return kind in MEMORY_FILE_SYSTEMS


def no_room(purpose: str, error: OSError) -> OSError:
    """Return why a temporary file cannot be made or written."""
    try:
        folder = _temporary_folder()
    except OSError:
        return os_error(f"{purpose}: no folder for such files can be written; set the variable TMPDIR to one", error.errno)
    return os_error(f"{purpose} in {folder}: {reason_of(error)}; make room, or set the variable TMPDIR to another", error.errno)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, which takes its place at the end; if anything goes wrong, nothing is left behind.

    Raises
    ------
    ValueError
        If it cannot be written; see :func:`check_writable`.
    OSError
        If the system refuses in the middle of it, as where the disk is full.
    """
    check_writable(path)
    partial = _beside(path, "partial")
    try:
        with _writing(path, partial):
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())  # else a file system may note the new name before the content, and then the power goes
            os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def remove_partial_files(path: Path, min_age_s: float) -> list[Path]:
    """Remove what :func:`atomic_path` left of a file when the program was ended in the middle of it; return what was removed.

    Parameters
    ----------
    path : Path
        The file that was to be written.
    min_age_s : float
        What was changed in the last so many seconds stays: another program may be writing it.
    """
    removed = list[Path]()
    for partial in path.parent.glob(f".{glob.escape(path.stem[:NAME_LETTERS])}-????????.partial{glob.escape(path.suffix)}"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime >= min_age_s:
                partial.unlink()
                removed.append(partial)
    return removed


@contextlib.contextmanager
def atomic_folder(path: Path, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to write to, which takes its place at the end; else nothing is left behind.

    Parameters
    ----------
    path : Path
        A folder to make, or one to replace.
    is_ours : callable
        Returns whether an existing folder is an earlier result, which may be replaced.

    Raises
    ------
    ValueError
        If it cannot be written; see :func:`check_folder_writable`.
    OSError
        If the system refuses in the middle of it, as where the disk is full.
    """
    check_folder_writable(path, is_ours)
    partial, earlier = (_beside(path, state) for state in ("partial", "earlier"))
    try:
        with _writing(path, partial):
            partial.mkdir()
            yield partial
            if path.exists():
                # A folder cannot take the place of one that is not empty.
                os.replace(path, earlier)
            try:
                os.replace(partial, path)
            except OSError:
                if earlier.exists():
                    os.replace(earlier, path)
                raise
    finally:
        for folder in (partial, earlier):
            shutil.rmtree(folder, ignore_errors=True)


def _beside(path: Path, state: str) -> Path:
    return path.with_name(f".{path.stem[:NAME_LETTERS]}-{secrets.token_hex(4)}.{state}{path.suffix}")


@contextlib.contextmanager
def _writing(path: Path, partial: Path) -> Iterator[None]:
    """Name what is written, not its partial file; whoever reads meanwhile names what is read."""
    try:
        yield
    except OSError as error:
        is_of_another = error.filename not in (None, str(path)) and partial.name not in str(error.filename)
        if error.errno is None or error.strerror is None or is_of_another:
            raise
        raise os_error(f"{path} cannot be written: {reason_of(error)}", error.errno) from error


def check_writable(path: Path) -> None:
    """Raise before long work the error that writing its result would raise after it.

    Raises
    ------
    ValueError
        If there is no such folder, nothing can be written to it, or ``path`` is a folder itself, or a device.
    """
    with _refusing(path):
        _check_place(path, path.is_dir())
        if path.exists() and not path.is_file():
            # What takes its place would put an end to /dev/null.
            raise ValueError(f"{path} is not a file: give the name of one to write")


def check_folder_writable(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Do the same for a result that is a folder.

    Raises
    ------
    ValueError
        If there is no folder to make it in, nothing can be written there, or ``path`` is there and is something else.
    """
    with _refusing(path):
        _check_place(path, False)
        if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or is_ours(path))):
            raise ValueError(
                f"{path} is there already and is not an earlier result of this kind: give another name, or move it away"
            )


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path.name} cannot be written to the folder {path.parent}: {reason_of(error)}") from error


def _check_place(path: Path, is_folder: bool) -> None:
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} to")
    if is_folder:
        raise ValueError(f"{path} is a folder: give the name of a file to write")
    tempfile.TemporaryFile(dir=path.parent).close()
