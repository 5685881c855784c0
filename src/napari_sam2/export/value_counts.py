"""How often each value occurs in the pixels of an object: what a median of many planes is found from. N pixels · V values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """Values, each with the number of its pixels; of CT some hundred, of an image of floats as many as there are pixels.

    Attributes
    ----------
    values : ndarray
        (V,), in order, in the type of the image.
    counts : ndarray
        (V,), int64.
    """

    values: npt.NDArray[Any]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, pixels: npt.NDArray[Any]) -> ValueCounts:
        """Count the values of pixels (N,)."""
        values, counts = np.unique(pixels, return_counts=True)
        return cls(values, counts.astype(np.int64))

    @classmethod
    def joined(cls, parts: Sequence[ValueCounts]) -> ValueCounts:
        """Put counts together that are of different pixels."""
        values, where = np.unique(np.concatenate([part.values for part in parts]), return_inverse=True)
        counts = np.zeros(len(values), np.int64)
        np.add.at(counts, where, np.concatenate([part.counts for part in parts]))
        return cls(values, counts)

    @property
    def median(self) -> float:
        """Of all pixels, of an even number the mean of both in the middle; NaN where a pixel is none, or there are no pixels."""
        if not len(self.values) or np.isnan(self.values).any():
            return float("nan")
        ends = np.cumsum(self.counts)
        middle = (int(ends[-1]) - 1) // 2, int(ends[-1]) // 2
        low, high = (float(self.values[np.searchsorted(ends, number, side="right")]) for number in middle)
        return low if low == high else low + (high - low) / 2
