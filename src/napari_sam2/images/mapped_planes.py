"""Frames of an array with the intensities that a model sees. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.intensity import IntensityRange, bounds, map_intensity, sampled_range
from napari_sam2.images.read_ahead import ReadAhead


class MappedPlanes:
    """Frames of an array, with one intensity mapping for all of them.

    Parameters
    ----------
    array : array-like
        (T, H, W) or (T, H, W, 3), any integer, float or bool dtype; sliced one frame at a time.
    intensity_ranges : sequence of tuple of float, optional
        What becomes black and white: one for all, or one for each of three colours; by default 0 and 255 for uint8, else robust
        extremes over a sample of frames.

    Attributes
    ----------
    as_is : bool
        Intensities are used unchanged, as uint8.
    reading : ReadAhead
        Reads frames, and the one that it is told to expect while the present one is worked on.

    Raises
    ------
    ValueError
        If the shape or dtype is another, there is no frame, or ranges are neither one nor three.
    """

    def __init__(self, array: Any, intensity_ranges: Sequence[IntensityRange] | None = None) -> None:
        is_rgb = array.ndim == 4 and array.shape[-1] == 3
        if not (array.ndim == 3 or is_rgb):
            raise ValueError(f"frames must have shape (T, H, W) or (T, H, W, 3), got {tuple(array.shape)}")
        if np.dtype(array.dtype).kind not in "uifb":
            raise ValueError(f"frames must be integers, floats or booleans, got {array.dtype}")
        if 0 in array.shape:
            raise ValueError(f"there is no frame in an array of shape {tuple(array.shape)}")
        self.array = array
        self.height, self.width = int(array.shape[1]), int(array.shape[2])
        self.as_is = array.dtype == np.uint8 and intensity_ranges is None
        ranges = [(0.0, 1.0)] if self.as_is else intensity_ranges or [sampled_range(array)]
        if len(ranges) not in (1, 3 if is_rgb else 1):
            raise ValueError(f"{len(ranges)} intensity ranges do not fit frames of {3 if is_rgb else 1} colours")
        self.low, self.high = bounds(ranges)
        self.reading = ReadAhead(array)
        self._latest: tuple[int, npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def unmapped(self, frame: int) -> npt.NDArray[Any]:
        """Read a frame of the array; the last one that was read is kept, lest it be read again for each window of it."""
        if self._latest is None or self._latest[0] != frame:
            # It may hold a block of frames: it goes first.
            self._latest = None
            self._latest = frame, self.reading.read(frame)
        return self._latest[1]

    def plane(self, frame: int, window: tuple[slice, slice] = np.s_[:, :]) -> npt.NDArray[Any]:
        """Read a window of a frame, (H, W) or (H, W, 3): uint8 where it is used unchanged, else float32 in 0 .. 1."""
        return self.mapped(self.unmapped(frame)[window])

    def mapped(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Map intensities of a part of a frame."""
        return plane if self.as_is else map_intensity(plane, self.low, self.high)
