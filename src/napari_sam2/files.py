"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, which takes its place at the end; if anything goes wrong, nothing is left behind.

    Raises
    ------
    ValueError
        If it cannot be written; see :func:`check_writable`.
    """
    check_writable(path)
    partial = path.with_name(f".{path.stem}-{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())  # else a file system may note the new name before the content, and then the power goes
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to write to, which takes its place at the end; else nothing is left behind.

    Parameters
    ----------
    path : Path
        A folder to make, or one to replace.
    is_ours : callable
        Tells of a folder that is there whether it is an earlier result, which may be replaced.

    Raises
    ------
    ValueError
        If it cannot be written; see :func:`check_folder_writable`.
    """
    check_folder_writable(path, is_ours)
    partial, earlier = (path.with_name(f".{path.stem}-{os.getpid()}.{state}{path.suffix}") for state in ("partial", "earlier"))
    try:
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


def check_writable(path: Path) -> None:
    """Say before long work what writing its result would say after it.

    Raises
    ------
    ValueError
        If there is no such folder, nothing can be written to it, or ``path`` is a folder itself, or a device.
    """
    _check_place(path, path.is_dir())
    if path.exists() and not path.is_file():
        # What takes its place would put an end to /dev/null.
        raise ValueError(f"{path} is not a file: give the name of one to write")


def check_folder_writable(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Say the same of a result that is a folder.

    Raises
    ------
    ValueError
        If there is no folder to make it in, nothing can be written there, or ``path`` is there and is something else.
    """
    _check_place(path, False)
    if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or is_ours(path))):
        raise ValueError(f"{path} is there already and is not an earlier result of this kind: give another name, or move it away")


def _check_place(path: Path, is_folder: bool) -> None:
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} to")
    if is_folder:
        raise ValueError(f"{path} is a folder: give the name of a file to write")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be written to the folder {path.parent}: {error.strerror}") from error
