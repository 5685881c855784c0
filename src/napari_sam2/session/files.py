"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
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
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Say before long work what writing its result would say after it.

    Raises
    ------
    ValueError
        If there is no such folder, nothing can be written to it, or ``path`` is a folder itself.
    """
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} to")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the name of a file to write")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be written to the folder {path.parent}: {error.strerror}") from error
