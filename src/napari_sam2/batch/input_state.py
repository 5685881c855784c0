"""By what an input is known again: quickly by names, sizes and times of its files, else by their contents.

A file whose bytes changed has another time of change, which the system sets and no program can set back; only where a file was
changed just before it was looked at, a second change may have the same time, and then the contents are read again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.cluster.workers import file_sha256
from napari_sam2.file_errors import reading

COARSE_NS = 2 * 10**9
"""Times of files may be as coarse as this."""
SOON_READ_BYTES = 16 * 2**20
"""To read so much takes some hundredths of a second."""
NOT_IN_IMAGE = "labels"
"""The folder of label images in an OME-Zarr image, which is no part of the image."""


@dataclass(frozen=True)
class InputState:
    """A file, or all files of a folder, as they were.

    Attributes
    ----------
    path : str
        The file or folder.
    stamp : str
        SHA-256 of names, sizes and times.
    sha256 : str
        Of names and contents.
    is_settled : bool
        The latest change was long enough before it was looked at: with the same stamp, the contents are the same.
    """

    path: str
    stamp: str
    sha256: str
    is_settled: bool

    @classmethod
    def of(cls, path: Path) -> InputState:
        """Read an input.

        Raises
        ------
        OSError
            If it is not there, or cannot be read.
        """
        looked_ns = time.time_ns()
        stamp, changed_ns = _stamp(path)
        digest = hashlib.sha256()
        with reading(path):
            for name, file, _ in _files(path):
                digest.update(f"{name}\0{file_sha256(file)}\n".encode())
        return cls(str(path), stamp, digest.hexdigest(), changed_ns + COARSE_NS < looked_ns)

    def looked_at_again(self) -> InputState | None:
        """Return the state today if the input is as it was; None if it is not, or only reading a large input would tell."""
        path = Path(self.path)
        try:
            if self.is_settled and stamp_of(path) == self.stamp:
                return self
            if sum(status.st_size for _, _, status in _files(path)) <= SOON_READ_BYTES:
                again = InputState.of(path)
                return again if again.sha256 == self.sha256 else None
        except OSError:
            pass
        return None


def stamp_of(path: Path) -> str:
    """Return the hash of names, sizes and times of a file or of all files of a folder.

    Raises
    ------
    OSError
        If it is not there.
    """
    return _stamp(path)[0]


def _stamp(path: Path) -> tuple[str, int]:
    """Return the hash of names, sizes and times, and the time of the latest change in nanoseconds."""
    digest, changed_ns = hashlib.sha256(), 0
    with reading(path):
        for name, _, status in _files(path):
            digest.update(f"{name}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}\n".encode())
            changed_ns = max(changed_ns, status.st_mtime_ns, status.st_ctime_ns)
    return digest.hexdigest(), changed_ns


def _files(path: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    """List the files of an input by their names in it, in order."""
    if not path.is_dir():
        yield "", path, path.stat()
        return
    for folder, folders, names in os.walk(path, onerror=_raise):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if here != path or name != NOT_IN_IMAGE)
        for name in sorted(names):
            file = here / name
            yield file.relative_to(path).as_posix(), file, file.stat()


def _raise(error: OSError) -> None:
    raise error
