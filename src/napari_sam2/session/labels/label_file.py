"""Labels that are too large for memory, in a temporary file that takes room only where there are objects.

H, W height and width of a frame.
"""

from __future__ import annotations

import math
import mmap
import weakref
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from napari_sam2.files import no_room, temporary_file

if TYPE_CHECKING:
    _Map = np.memmap[Any, np.dtype[np.uint16]]
else:
    _Map = np.memmap

PURPOSE = "labels cannot be put into a temporary file"
BYTES_BETWEEN_RELEASES = 64 * 2**20
"""After so much was compared and written, the process gives up its pages of the file, which the system may keep."""


class LabelFile(_Map):
    """Labels in a sparse temporary file, which is removed when nobody has them any more: read as an array, written by plane.

    Parameters
    ----------
    shape : tuple of int
        Of the labels, which are uint16 and 0 at first.

    Raises
    ------
    OSError
        If there is no folder for such files, or it is full.

    Notes
    -----
    Planes are not written through the memory map: there, a disk that is full ends the process, and here it raises an error. Rows
    that are the same already are not written, so that no room is taken where there is no object. A view has the same file.
    """

    _file: _File | None

    def __new__(cls, shape: tuple[int, ...]) -> Self:
        """Make the file."""
        file = _File()
        try:
            labels: Self = super().__new__(cls, file.raw, np.uint16, "w+", shape=shape)  # type: ignore[assignment]
        except OSError as error:
            size_mb = 2 * math.prod(shape) / 1e6
            raise no_room(f"labels of {size_mb:.0f} MB cannot be put into a temporary file", error) from error
        labels._file = file
        file.address, file.mapped = labels.ctypes.data, labels._mmap  # type: ignore[attr-defined]
        return labels

    def __array_finalize__(self, labels: Any) -> None:
        super().__array_finalize__(labels)
        # a copy, or what was computed from it, lies in no file
        self._file = getattr(labels, "_file", None) if self._mmap is not None else None  # type: ignore[attr-defined]

    @property
    def is_in_file(self) -> bool:
        """They are a view of the file, and no copy."""
        return self._file is not None

    def write(self, part: npt.NDArray[np.uint16], plane: npt.NDArray[np.uint16]) -> None:
        """Write a plane.

        Parameters
        ----------
        part : ndarray
            (H, W), uint16, view of these labels, which are replaced.
        plane : ndarray
            (H, W), uint16.

        Raises
        ------
        OSError
            If the disk is full.
        """
        assert self._file is not None
        self._file.write(part, plane)


class _File:
    """The file: where it lies in memory, and how much was read and written since its pages were given up."""

    def __init__(self) -> None:
        self.raw: IO[bytes] = temporary_file(PURPOSE)
        self.address = 0
        self.mapped: mmap.mmap | None = None
        self._num_bytes = 0
        weakref.finalize(self, self.raw.close)

    def write(self, part: npt.NDArray[np.uint16], plane: npt.NDArray[np.uint16]) -> None:
        if part.strides[0] < part.strides[1]:
            part, plane = part.T, plane.T
        rows = np.flatnonzero((part != plane).any(1))
        if part.strides[1] != part.itemsize:  # of frames across the rows; each pixel lies elsewhere
            part[rows] = plane[rows]
        else:
            is_next = (np.diff(rows) == 1) & (part.strides[0] == part.shape[1] * part.itemsize)
            for run in np.split(rows, np.flatnonzero(~is_next) + 1):
                if len(run):
                    self._write_at(part[run[0] :].ctypes.data - self.address, plane[run[0] : run[-1] + 1].tobytes())
        self._release(2 * plane.nbytes)

    def _write_at(self, offset: int, content: bytes) -> None:
        try:
            self.raw.seek(offset)
            left = memoryview(content)
            while left:
                left = left[self.raw.write(left) :]
        except OSError as error:
            raise no_room(PURPOSE, error) from error

    def _release(self, num_bytes: int) -> None:
        """Give up pages of the file now and then: they count as memory of the process, and stay in that of the system."""
        self._num_bytes += num_bytes
        if self._num_bytes >= BYTES_BETWEEN_RELEASES and self.mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._num_bytes = 0
            self.mapped.madvise(mmap.MADV_DONTNEED)
