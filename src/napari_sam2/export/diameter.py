"""The largest diameter of a mask, as radiologists measure it on a plane. H, W height and width."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist


def largest_diameter(mask: npt.NDArray[np.bool_], height: float, width: float) -> float:
    """Find the largest distance between two points on the outline of a mask.

    Parameters
    ----------
    mask : ndarray
        (H, W), not empty.
    height, width : float
        Of a pixel.

    Returns
    -------
    float
        The outline goes through the middles of the outer edges of pixels: a row of ten is ten pixels long.
    """
    points = np.vstack([_row_ends(mask), _row_ends(mask.T)[:, ::-1]]) * [height, width]
    if len(points) > 8:
        points = points[ConvexHull(points).vertices]
    return float(pdist(points).max())


def _row_ends(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Middles of the left edge of the first and of the right edge of the last pixel of each row, (n, 2)."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    return np.vstack([np.column_stack([rows, first - 0.5]), np.column_stack([rows, last + 0.5])])
