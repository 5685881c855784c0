"""Frames of an image as planes (T, H, W), whatever the order of its axes, one in memory at a time; and its labels the same way.

T frames · H, W height and width of a frame.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.file_errors import reason_of
from napari_sam2.images.axes import Layout
from napari_sam2.images.errors import FrameReadError, ImageFileError

BLOCK_BYTES = 64 * 2**20
"""Frames that share chunks are read together, at most so much at a time."""
THREAD_SAFE = ("dask.", "zarr.", "napari_sam2.images.")
"""Packages whose arrays may be read in any thread."""


class FramePlanes:
    """Frames of an image, read when they are asked for.

    Parameters
    ----------
    image : array-like
        NumPy, dask, zarr, xarray, or anything that takes an index of numbers and slices.
    layout : Layout
        Of its axes.

    Attributes
    ----------
    shape : tuple of int
        (T, H, W), or (T, H, W, 3) for colour.
    is_thread_safe : bool
        Frames may be read in any thread, also in several at a time: those of dask, of zarr and of our own readers. An array
        in memory has nothing to be read, and of others it is not known.

    Notes
    -----
    Of an image that is stored in chunks as long as several frames, such a block of frames is read at once and kept until a frame of
    another is asked for: a chunk is decoded once, not once for each of its frames.
    """

    def __init__(self, image: Any, layout: Layout) -> None:
        self._image, self._layout = image, layout
        size = dict(zip(layout.axes, map(int, image.shape), strict=True))
        self.dtype = np.dtype(image.dtype)
        num_colours = 3 if layout.is_rgb else len(layout.channels or ())
        planes = size.get(layout.along, 1), size[layout.rows], size[layout.columns]
        self.shape: tuple[int, ...] = (*planes, 3) if num_colours == 3 else planes
        self.ndim = len(self.shape)
        self.is_thread_safe = type(image).__module__.startswith(THREAD_SAFE)
        self._boundaries = np.array(_block_boundaries(image, layout, self.shape, self.dtype.itemsize))
        self._block: tuple[int, npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if not isinstance(first, slice):
            return self._frame(operator.index(first))[rest]
        picked = range(len(self))[first]
        frames = np.empty((len(picked), *self.shape[1:]), self.dtype)
        for number, frame in enumerate(picked):
            frames[number] = self._frame(frame)
        return frames[(slice(None), *rest)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _frame(self, frame: int) -> npt.NDArray[Any]:
        """Read a frame, with its block if it has one.

        Raises
        ------
        IndexError
            If there is no such frame.
        FrameReadError
            If it cannot be read.
        """
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} does not exist: there are {len(self)}")
        kept = self._block
        if kept is not None and 0 <= frame - kept[0] < len(kept[1]):
            return kept[1][frame - kept[0]]
        after = int(np.searchsorted(self._boundaries, frame, side="right"))
        start, stop = (int(end) for end in self._boundaries[after - 1 : after + 1])
        # The last block is given up before the next one is read, lest there be two.
        self._block = kept = None
        try:
            block = self._read(start, stop)
        except Exception as error:  # Each kind of array fails to read with errors of its own.
            reason = str(error) if isinstance(error, ImageFileError) else _reason(error)
            raise FrameReadError(f"{self._name(frame)} cannot be read: {reason}") from error
        if stop - start > 1:
            # Frames across the chunks are scattered through the block.
            block = np.ascontiguousarray(block)
            self._block = start, block
        return block[frame - start]

    def _name(self, frame: int) -> str:
        along = f" along {self._layout.along}" if self._layout.along else ""
        positions = [f"{axis} {index}" for axis, index in self._layout.at.items()]
        return f"frame {frame}{along}{' at ' if positions else ''}{', '.join(positions)}"

    def _read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Read frames start .. stop, (stop - start, H, W) or (stop - start, H, W, 3)."""
        layout = self._layout
        if layout.is_rgb:
            # Alpha is for display only.
            return self._read_planes(start, stop, {"C": (layout.channels or (0,))[0], layout.colour_axis: slice(0, 3)})
        if layout.channels is None:
            return self._read_planes(start, stop, {})
        axis = layout.colour_axis or "S"
        # One by one: not every array takes a list, and channels are rarely in one chunk.
        read = {one: self._read_planes(start, stop, {axis: one}) for one in dict.fromkeys(layout.channels)}
        if len(layout.channels) == 1:
            return read[layout.channels[0]]
        return np.stack([read[one] for one in layout.channels], axis=-1)

    def _read_planes(self, start: int, stop: int, colours: dict[str, int | slice]) -> npt.NDArray[Any]:
        layout = self._layout
        along = start if stop - start == 1 else slice(start, stop)
        kept: dict[str, int | slice] = {layout.along: along, layout.rows: slice(None), layout.columns: slice(None)}
        index = {**dict.fromkeys(layout.axes, 0), **layout.at, **colours, **kept}
        read = np.asarray(self._image[_shortest([index[axis] for axis in layout.axes])])
        order = [axis for axis in layout.axes if isinstance(index[axis], slice)]
        wanted = [*kept, *(axis for axis in order if axis not in kept)]
        planes = read.transpose([order.index(axis) for axis in wanted if axis in order])
        return planes[None] if stop - start == 1 else planes


def _reason(error: Exception) -> str:
    """Return why reading failed, in the words of the system, but not in those of a library."""
    if isinstance(error, OSError) and error.strerror:
        return reason_of(error) if error.filename is None else f"{error.filename}: {reason_of(error)}"
    return reason_of(error, "its data are damaged or missing")


def _shortest(index: list[int | slice]) -> Any:
    """Leave out what is taken whole at the end: of a stack of frames a number is left, which the simplest of sources understand."""
    while index and index[-1] == slice(None):
        index = index[:-1]
    return index[0] if len(index) == 1 else tuple(index) or ...


def _block_boundaries(image: Any, layout: Layout, shape: Sequence[int], itemsize: int) -> list[int]:
    """Find where blocks of frames begin and end: with the chunks, or earlier where these are too large."""
    chunks = getattr(image, "chunks", None)
    if not chunks or not layout.along:
        return list(range(shape[0] + 1))
    along = chunks[layout.axes.index(layout.along)]
    # dask has the length of each chunk, zarr and h5py one for all
    ends = np.cumsum(along).tolist() if isinstance(along, Sequence) else [*range(int(along), shape[0], int(along)), shape[0]]
    most = max(1, BLOCK_BYTES // (int(np.prod(shape[1:])) * itemsize))
    starts = [0, *ends[:-1]]
    return sorted({*ends, *(frame for start, end in zip(starts, ends, strict=True) for frame in range(start, end, most))})


class NoLabels:
    """A label image that keeps nothing, for a session whose labels are not wanted."""

    dtype = np.dtype(np.uint16)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.ndim = shape, len(shape)

    def __setitem__(self, key: Any, plane: Any) -> None:
        pass


class LabelPlanes:
    """A label image in the order of axes of its image, read and written as planes (T, H, W) where the frames are.

    Parameters
    ----------
    labels : array-like
        In the shape of the image without colour.
    layout : Layout
        Of the image's axes.
    """

    def __init__(self, labels: Any, layout: Layout) -> None:
        self._labels, self._layout = labels, layout
        size = dict(zip(layout.label_axes, map(int, labels.shape), strict=True))
        self.shape = size.get(layout.along, 1), size[layout.rows], size[layout.columns]
        self.ndim, self.dtype, self.size = 3, np.dtype(labels.dtype), int(np.prod(self.shape))
        self._is_transposed = layout.label_axes.index(layout.rows) > layout.label_axes.index(layout.columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frame: int) -> npt.NDArray[Any]:
        plane = np.asarray(self._labels[self._index(frame)])
        return plane.T if self._is_transposed else plane

    def __setitem__(self, frame: int, plane: npt.NDArray[Any]) -> None:
        index = self._index(frame)
        try:
            self._labels[index] = plane.T if self._is_transposed else plane
        except Exception as error:  # Each kind of array fails to write with errors of its own.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OSError(f"the labels of frame {frame} cannot be written: {reason}") from error

    def _index(self, frame: int) -> tuple[Any, ...]:
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} does not exist: there are {len(self)}")
        layout = self._layout
        index = {**layout.at, layout.along: operator.index(frame), layout.rows: slice(None), layout.columns: slice(None)}
        return tuple(index[axis] for axis in layout.label_axes)
