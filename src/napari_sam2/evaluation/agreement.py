"""How well two masks agree: in their regions (J) and in their boundaries (F). H, W height and width of a mask."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Mask = npt.NDArray[np.bool_]
BOUNDARY_TOLERANCE = 0.008
"""Share of the image diagonal within which boundaries match."""


def iou(a: Mask, b: Mask) -> float:
    """Return intersection over union of two masks (H, W), the J of DAVIS; 1 where both are empty."""
    union = int((a | b).sum())
    return 1.0 if union == 0 else int((a & b).sum()) / union


def boundary_f(a: Mask, b: Mask) -> float:
    """Return how well two boundaries lie on each other, the F of DAVIS.

    Parameters
    ----------
    a, b : ndarray
        (H, W), bool. Their roles are the same.

    Returns
    -------
    float
        0 .. 1: the harmonic mean of the share of the boundary of ``a`` that has a boundary pixel of ``b`` within the tolerance, and
        the other way round; 1 where neither has a boundary, 0 where one has none. The tolerance is 0.008 of the image diagonal,
        rounded up to whole pixels.

    Notes
    -----
    Perazzi et al. 2016, section 4.1; equal to ``f_measure`` and ``_seg2bmap`` of davis2017-evaluation
    (``davis2017/metrics.py``), which dilates with a disk: a pixel in it is one not farther away than its radius.
    """
    tolerance_px = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*a.shape))
    boundaries = boundary(a), boundary(b)
    if not all(line.any() for line in boundaries):
        return float(not any(line.any() for line in boundaries))
    around = _bounding_slices(boundaries[0] | boundaries[1])
    line_a, line_b = (line[around] for line in boundaries)
    share_a = (ndi.distance_transform_edt(~line_b)[line_a] <= tolerance_px).mean()
    share_b = (ndi.distance_transform_edt(~line_a)[line_b] <= tolerance_px).mean()
    return float(2 * share_a * share_b / (share_a + share_b)) if share_a + share_b else 0.0


def boundary(mask: Mask) -> Mask:
    """Mark the boundary of a mask (H, W): pixels that differ from the one to the right, below, or diagonally below."""
    # Repeating the last row and column makes a mask end without a boundary at the image border, as _seg2bmap does.
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask ^ padded[:-1, 1:]) | (mask ^ padded[1:, :-1]) | (mask ^ padded[1:, 1:])


def _bounding_slices(mask: Mask) -> tuple[slice, slice]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
