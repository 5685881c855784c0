"""Pixels of a frame that somebody drew, as a value that passes between the threads. H, W height and width of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class DrawnPixels:
    """Pixels of a frame: the part of a mask that is not empty.

    Attributes
    ----------
    row0, col0 : int
        Its first row and column.
    pixels : ndarray
        (h, w), bool, read-only.
    """

    row0: int
    col0: int
    pixels: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> DrawnPixels:
        """Cut a mask (H, W) to what is not empty.

        Raises
        ------
        ValueError
            If all of it is.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            raise ValueError("Nothing was drawn on the image.")
        pixels = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
        pixels.flags.writeable = False
        return cls(int(rows[0]), int(columns[0]), pixels)

    def mask(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return it as a mask (H, W)."""
        mask = np.zeros(shape, bool)
        height, width = self.pixels.shape
        mask[self.row0 : self.row0 + height, self.col0 : self.col0 + width] = self.pixels
        return mask
