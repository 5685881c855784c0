"""Where a frame looks like the objects that are known on it: what else is worth a look. H, W height and width of a frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

RADIUS_CELLS = 5.0
"""Frames are made coarser until an object has this radius."""
NUM_LEVELS = 10
LEAST_LIKELIHOOD = 0.35
"""Below it, nothing is looked for."""
SPACING = 1.2
"""Of two points nearer than so many radii only the more likely one is looked at."""


def likely_points(
    image: npt.NDArray[np.uint8], covered: npt.NDArray[np.bool_], radius_px: float, most: int
) -> list[tuple[float, float]]:
    """Find the points where a frame looks most like the objects that it is known to have, apart from these.

    Brightness, contrast to the surroundings and texture, each at the scale of the objects, are compared with how frequent they are
    inside and outside of the known objects.

    Parameters
    ----------
    image : ndarray
        (H, W) or (H, W, 3).
    covered : ndarray
        (H, W), bool: the known objects.
    radius_px : float
        Their typical radius.
    most : int
        At most so many points.

    Returns
    -------
    list of tuple of float
        Row and column, the most likely first; none where no object is known.
    """
    if not covered.any() or covered.all():
        return []
    step = max(1, int(radius_px / RADIUS_CELLS))
    grey = image.astype(np.float32) if image.ndim == 2 else image.astype(np.float32).mean(2)
    coarse, known = _coarser(grey, step), _coarser(covered.astype(np.float32), step) > 0.5
    if not known.any():
        return []
    radius = radius_px / step
    likelihood = _likelihood(coarse, known, radius)
    likelihood[ndi.binary_dilation(known, iterations=max(1, round(0.2 * radius)))] = 0
    is_peak = likelihood == ndi.maximum_filter(likelihood, size=max(3, int(SPACING * radius) | 1))
    peaks = np.argwhere(is_peak & (likelihood > LEAST_LIKELIHOOD))
    order = np.argsort(-likelihood[tuple(peaks.T)], kind="stable")[:most]
    limits = np.array(covered.shape) - 1
    return [(float(row), float(column)) for row, column in np.minimum((peaks[order] + 0.5) * step - 0.5, limits)]


def _coarser(plane: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    """Average blocks of pixels; what is left at the lower and right edge is a block too."""
    if step == 1:
        return plane
    edges = [np.arange(0, side, step) for side in plane.shape]
    sums = np.add.reduceat(np.add.reduceat(plane, edges[0], 0), edges[1], 1)
    sizes = [np.diff(np.append(edge, side)) for edge, side in zip(edges, plane.shape, strict=True)]
    return np.asarray(sums / np.multiply.outer(*sizes), np.float32)


def _likelihood(image: npt.NDArray[np.float32], known: npt.NDArray[np.bool_], radius: float) -> npt.NDArray[np.float32]:
    """Return the share of known objects among pixels that look alike, (H, W), 0 .. 1."""
    inner, outer = max(0.35 * radius, 0.7), 2 * radius
    bright = ndi.gaussian_filter(image, inner)
    around = ndi.gaussian_filter(image, outer)
    fine = max(0.5 * radius, 1.0)
    texture = np.sqrt(np.maximum(ndi.gaussian_filter(image**2, fine) - ndi.gaussian_filter(image, fine) ** 2, 0))
    cell = np.zeros(image.shape, np.int64)
    for feature in (bright, bright - around, texture):
        levels = np.quantile(feature, np.linspace(0, 1, NUM_LEVELS + 1)[1:-1])
        levels = np.union1d(levels, np.quantile(feature[known], (0.1, 0.3, 0.5, 0.7, 0.9)))
        cell = cell * (len(levels) + 1) + np.digitize(feature, levels)
    size = int(cell.max()) + 1
    inside, outside = (np.bincount(cell[part], minlength=size) for part in (known, ~known))
    share = inside / (inside + outside + 2)  # of a few pixels nothing is learnt
    return np.asarray(ndi.gaussian_filter(share[cell].astype(np.float32), max(0.3 * radius, 0.7)))
