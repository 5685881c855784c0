"""Where the mask of an object in a volume is as dark as what is around it: there the object has faded. H, W size of a slice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.session.tracking.regions import Region

RING_PX = (2, 6)
"""What is around an object is so many pixels from it, at least and at most."""
SMOOTHING_PX = 1.0


class Brightness(NamedTuple):
    """The median intensity inside of an object and around it."""

    inside: float
    around: float

    @property
    def contrast(self) -> float:
        """How much brighter it is than what is around it; below 0 where it is darker."""
        return self.inside - self.around


def smoothed(image: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return a slice (H, W) with less noise."""
    return np.asarray(ndi.gaussian_filter(image, SMOOTHING_PX))


def brightness_of(region: Region, image: npt.NDArray[np.floating], others: npt.NDArray[np.bool_]) -> Brightness | None:
    """Measure an object on a slice.

    Parameters
    ----------
    region : Region
        Its mask.
    image : ndarray
        (H, W), the slice, smoothed.
    others : ndarray
        (H, W), bool, the masks of other objects, which are not around it.

    Returns
    -------
    Brightness or None
        None where nothing is around it.
    """
    rows, columns = (
        slice(max(0, part.start - RING_PX[1]), min(side, part.stop + RING_PX[1]))
        for part, side in zip(region.window, image.shape, strict=True)
    )
    mask = region.plane((image.shape[0], image.shape[1]))[rows, columns]
    near, far = (ndi.binary_dilation(mask, iterations=count) for count in RING_PX)
    ring = far & ~near & ~others[rows, columns]
    if not mask.any() or not ring.any():
        return None
    window = image[rows, columns]
    return Brightness(float(np.median(window[mask])), float(np.median(window[ring])))


def without_faded(region: Region, image: npt.NDArray[np.floating], around: float, least_contrast: float) -> Region:
    """Return the pixels of a mask that differ from what is around it.

    Parameters
    ----------
    region : Region
        The mask on a slice.
    image : ndarray
        (H, W), the slice, smoothed.
    around : float
        The intensity around it there.
    least_contrast : float
        By how much a pixel is brighter than that, at least; below 0 by how much it is darker.
    """
    difference = image[region.window] - around
    is_left = difference >= least_contrast if least_contrast >= 0 else difference <= least_contrast
    return Region(region.row, region.column, region.pixels & is_left)
