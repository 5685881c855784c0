"""How uncertain a mask is: a bad mask, an unknown presence, a jump from frame to frame. N frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def parts_of(object_scores: Floats, predicted_ious: Floats, areas_px: Floats, jumps: Floats) -> tuple[Floats, Floats, Floats]:
    """Return of what the uncertainty of masks is the sum.

    Parameters
    ----------
    object_scores, predicted_ious, areas_px, jumps : ndarray
        (N,), see :class:`~napari_sam2.session.review.quality.FrameQuality`.

    Returns
    -------
    bad_mask : ndarray
        (N,), ``1 - predicted_iou`` where the object is present, else 0.
    unknown_presence : ndarray
        (N,), ``2 / (1 + exp(|object_score|))``, which is 1 where present and absent are equally likely.
    jump : ndarray
        (N,), ``1 - exp(-jump)``.
    """
    bad_mask = np.where(areas_px > 0, 1 - predicted_ious.clip(0, 1), 0)
    unknown_presence = 2 / (1 + np.exp(np.abs(object_scores).clip(max=700)))
    return bad_mask, unknown_presence, 1 - np.exp(-jumps)


def uncertainties(
    object_scores: Floats, predicted_ious: Floats, areas_px: Floats, jumps: Floats, is_anchor: npt.NDArray[np.bool_]
) -> Floats:
    """Return how uncertain masks are, (N,), 0 .. 3: the sum of :func:`parts_of`; 0 on anchors."""
    bad_mask, unknown_presence, jump = parts_of(object_scores, predicted_ious, areas_px, jumps)
    return np.where(is_anchor, 0, bad_mask + unknown_presence + jump)


def steps_between(before: Floats, after: Floats) -> tuple[Floats, Floats, Floats]:
    """Compare an object on frames with the frames after them.

    Parameters
    ----------
    before, after : ndarray
        (N, 3), on each of N frames and on the frame after each: area in pixels, row and column of the centroid. Where the object is
        absent, the area is 0, and the others are of no account.

    Returns
    -------
    growth : ndarray
        (N,), the absolute logarithm of the ratio of areas; 0 where it is absent on one of the two, as the next.
    distance : ndarray
        (N,), of the centroids, in diameters of the object.
    turn : ndarray
        (N,), 1 where it appears or disappears, else 0.
    """
    areas, areas_after = before[:, 0], after[:, 0]
    is_on_both = (areas > 0) & (areas_after > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.abs(np.log(areas / areas_after))
        diameters = 2 * np.sqrt((areas + areas_after) / 2 / np.pi)
        distance = np.hypot(*(before[:, 1:] - after[:, 1:]).T) / diameters
    turn = ((areas > 0) != (areas_after > 0)).astype(np.float64)
    return np.where(is_on_both, growth, 0), np.where(is_on_both, distance, 0), turn


def jumps_between(before: Floats, after: Floats) -> Floats:
    """Return how much an object changes from frames to the frames after them, (N,): the sum of :func:`steps_between`."""
    growth, distance, turn = steps_between(before, after)
    return growth + distance + turn
