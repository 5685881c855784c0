"""Pixels of frames as they travel: exact, compressed, and where objects are seen in windows only these; none travels twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.zoom import View

MARGIN = 0.1
"""A window is sent with so much more at each edge, in shares of its sides: after a correction it lies elsewhere by less."""
MAX_SHARE = 0.7
"""Of a frame of which windows would be more than this, the whole is sent."""


@dataclass(frozen=True)
class PackedPixels:
    """A window of a frame, compressed.

    Attributes
    ----------
    view : View
        The window.
    shape : tuple of int
        (height, width), or with 3 colours.
    dtype : str
        As NumPy writes it, with the order of bytes.
    content : bytes
        Compressed.
    """

    view: View
    shape: tuple[int, ...]
    dtype: str
    content: bytes

    @classmethod
    def pack(cls, plane: npt.NDArray[Any], view: View) -> PackedPixels:
        """Pack a window of a plane, (H, W) or (H, W, 3)."""
        window = plane[view.window]
        size = window.dtype.itemsize
        content = imagecodecs.blosc_encode(
            window.tobytes(), level=1, compressor="lz4", shuffle="bitshuffle", typesize=size, numthreads=1
        )
        return cls(view, window.shape, window.dtype.str, bytes(content))

    def unpack(self) -> npt.NDArray[Any]:
        """Return the pixels, number for number."""
        content = imagecodecs.blosc_decode(self.content, numthreads=1)
        return np.frombuffer(content, np.dtype(self.dtype)).reshape(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes that travel."""
        return len(self.content)


def holds(outer: View, inner: View) -> bool:
    """Return whether a view lies in another."""
    return outer.union(inner) == outer


def uncovered(needed: Iterable[View], held: Sequence[View]) -> list[View]:
    """Return the needed views that lie in none of those that are held, each once."""
    return [view for view in dict.fromkeys(needed) if not any(holds(one, view) for one in held)]


def windows_to_send(needed: Iterable[View], held: Sequence[View], whole: View) -> list[View]:
    """Choose what of a frame is sent, so that a worker has the pixels of all views that it needs.

    Parameters
    ----------
    needed, held : views
        What it needs, and what it has.
    whole : View
        The whole frame.

    Returns
    -------
    list of View
        Windows with a margin, none in another; the whole frame where they are most of it.
    """
    wanted = list[View]()
    for view in sorted((_widened(one, whole) for one in uncovered(needed, held)), key=_area, reverse=True):
        if not any(holds(one, view) for one in wanted):
            wanted.append(view)
    return [whole] if sum(map(_area, wanted)) > MAX_SHARE * _area(whole) else wanted


def _widened(view: View, whole: View) -> View:
    rows, columns = round(MARGIN * view.height), round(MARGIN * view.width)
    return View(view.row - rows, view.column - columns, view.height + 2 * rows, view.width + 2 * columns).intersection(whole)


def _area(view: View) -> int:
    return view.height * view.width
