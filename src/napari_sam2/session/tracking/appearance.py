"""What an object looks like beside what is around it, learnt on a frame on which its mask is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

NUM_BINS = 32
SMOOTHING_BINS = 1.0
LEAST_SHARE = 0.01
"""Added to the share of each bin, so that what was never seen tells little."""
MAX_LOG_RATIO = 2.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Appearance:
    """How much more frequent intensities are inside of an object than around it.

    Attributes
    ----------
    log_ratios : ndarray
        (NUM_BINS,), the logarithm of the ratio of both frequencies, for intensities from 0 to 1.
    difference : float
        The total variation distance of both distributions: 0 where an object looks like what is around it, 1 where it has no
        intensity in common with that.
    """

    log_ratios: Floats
    difference: float

    @classmethod
    def of(cls, image: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_]) -> Appearance | None:
        """Learn from a part of a frame.

        Parameters
        ----------
        image : ndarray
            (H, W), intensities from 0 to 1.
        mask : ndarray
            (H, W), bool, the object; the pixels next to it do not count as around it.

        Returns
        -------
        Appearance or None
            None where the object, or what is around it, is not in the part.
        """
        around = ~ndi.binary_dilation(mask)
        if not mask.any() or not around.any():
            return None
        inside, outside = (_shares(image[pixels]) for pixels in (mask, around))
        return cls(np.log((inside + LEAST_SHARE) / (outside + LEAST_SHARE)), float(np.abs(inside - outside).sum() / 2))

    def logits(self, image: npt.NDArray[np.floating]) -> Floats:
        """Return how much each pixel of an image (H, W) looks like the object: above 0 more than like what was around it."""
        middles = (np.arange(NUM_BINS) + 0.5) / NUM_BINS
        found: Floats = np.clip(np.interp(image, middles, self.log_ratios), -MAX_LOG_RATIO, MAX_LOG_RATIO)
        return self.difference * found


def _shares(values: npt.NDArray[np.floating]) -> Floats:
    """Return the share of each bin, smoothed."""
    counts = np.histogram(np.clip(values, 0, 1), NUM_BINS, (0.0, 1.0))[0].astype(np.float64)
    smooth: Floats = ndi.gaussian_filter1d(counts, SMOOTHING_BINS, mode="nearest")
    return smooth / smooth.sum()
