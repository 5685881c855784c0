"""The shape of an object between two anchor slices of a volume, and how it corrects what was tracked there.

From slice to slice an organ changes less than the mask of a small model does. Between two slices on which a person has prompted it
its outline is known roughly: it lies between the two. h, w mask size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.logits import rounded
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import OUTSIDE_LOGIT, View

MAX_LOGIT = 4.0
"""Either side counts up to plus and minus this, a probability of 98 %: where one is sure and the other is not, that one decides."""

Floats = npt.NDArray[np.float64]


def with_interpolated_shape(
    tracked: FrameRecord, before: FrameRecord, after: FrameRecord, share: float, whole: View
) -> FrameRecord:
    """Correct a tracked mask by the shape that is interpolated between the masks of the neighbouring anchors.

    Parameters
    ----------
    tracked : FrameRecord
        Of the slice between them.
    before, after : FrameRecord
        Of the anchors.
    share : float
        Position of the slice between them, 0 at the one before, 1 at the one after.
    whole : View
        The view of the whole frame.

    Returns
    -------
    FrameRecord
        With the sum of both logits; the same record where the object is absent from one of the three.

    Notes
    -----
    Raya and Udupa 1990, shape-based interpolation: the mean of the signed distances from both outlines, each moved to the
    interpolated centre. Sections of round bodies do not change their radius evenly but rather their area, so the outline is moved
    to the interpolated area. The logit of the shape is the distance in pixels of the data, or in cells of the mask where these are
    larger. It is weighted by the ratio of the radii of both sections: the tip of an organ tells little of its middle.
    """
    view, shape = tracked.view or whole, (tracked.mask_logits.shape[0], tracked.mask_logits.shape[1])
    anchors = [(record, record.view or whole, record.mask_logits) for record in (before, after)]
    if not (tracked.mask_logits > 0).any() or not all((logits > 0).any() for _, _, logits in anchors):
        return tracked
    centres = [_centre(logits > 0, seen) for _, seen, logits in anchors]
    centre = (1 - share) * centres[0] + share * centres[1]
    moved = [_moved(logits, seen, view, shape, own - centre) > 0 for (_, seen, logits), own in zip(anchors, centres, strict=True)]
    if not all(mask.any() for mask in moved):
        return tracked
    cell_px = view.side / max(shape)
    radii = [_radius(logits > 0, seen) for _, seen, logits in anchors]
    mean = (1 - share) * radii[0] + share * radii[1]
    of_mean_area = float(np.hypot(np.sqrt(1 - share) * radii[0], np.sqrt(share) * radii[1]))
    distance = (1 - share) * _signed_distance(moved[0]) + share * _signed_distance(moved[1])
    distance = min(1.0, cell_px) * distance + (of_mean_area - mean) / max(1.0, cell_px)
    weight = min(radii) / max(radii)
    by_tracking, by_shape = (np.clip(logits, -MAX_LOGIT, MAX_LOGIT) for logits in (tracked.mask_logits, distance))
    return tracked.showing((by_tracking + weight * by_shape).astype(np.float32))


def with_shape_of(before: FrameRecord, tracked: FrameRecord, weight: float, whole: View) -> FrameRecord:
    """Correct a tracked mask by the shape on the slice before, moved to its centre.

    Parameters
    ----------
    before : FrameRecord
        Of the slice before.
    tracked : FrameRecord
        Of the slice to which the object was tracked.
    weight : float
        Of the shape, whose logit is the distance from its outline as in :func:`with_interpolated_shape`.
    whole : View
        The view of the whole frame.

    Returns
    -------
    FrameRecord
        With the weighted sum of both logits, which is what is to be remembered; the same record where the object is absent from
        one of both slices.
    """
    view, shape = tracked.view or whole, (tracked.mask_logits.shape[0], tracked.mask_logits.shape[1])
    seen, mask = before.view or whole, tracked.mask_logits > 0
    if not mask.any() or not (before.mask_logits > 0).any():
        return tracked
    moved = _moved(before.mask_logits, seen, view, shape, _centre(before.mask_logits > 0, seen) - _centre(mask, view)) > 0
    if not moved.any():
        return tracked
    distance = min(1.0, view.side / max(shape)) * _signed_distance(moved)
    by_tracking, by_shape = (np.clip(logits, -MAX_LOGIT, MAX_LOGIT) for logits in (tracked.mask_logits, distance))
    logits = rounded((by_tracking + weight * by_shape).astype(np.float32))
    return replace(tracked, mask_logits=logits, memory=None, remembered=None)


def _centre(mask: npt.NDArray[np.bool_], view: View) -> Floats:
    """Centre of a mask (h, w) of a view, row and column from the corner of the frame."""
    cells = np.argwhere(mask).mean(0) + 0.5
    return np.array([view.row, view.column]) + cells * [view.height / mask.shape[0], view.width / mask.shape[1]]


def _radius(mask: npt.NDArray[np.bool_], view: View) -> float:
    """Radius, in pixels, of the disc that is as large as a mask (h, w) of a view."""
    return float(np.sqrt(view.area_px(mask) / np.pi))


def _moved(
    logits: npt.NDArray[np.float32], seen: View, view: View, shape: tuple[int, int], offset: Floats
) -> npt.NDArray[np.float32]:
    """Show logits of one view in another, (h, w), moved by minus an offset in pixels."""
    starts, lengths = ((view.row, view.column), (view.height, view.width))
    sources = ((seen.row, seen.height), (seen.column, seen.width))
    positions = [
        (start + (np.arange(count) + 0.5) * length / count + shift - first) * cells / size - 0.5
        for start, length, count, shift, (first, size), cells in zip(
            starts, lengths, shape, offset, sources, logits.shape, strict=True
        )
    ]
    grid = np.meshgrid(*positions, indexing="ij")
    moved: npt.NDArray[np.float32] = ndi.map_coordinates(logits, grid, order=1, mode="constant", cval=OUTSIDE_LOGIT)
    return moved


def _signed_distance(mask: npt.NDArray[np.bool_]) -> Floats:
    """Distance of each cell from the outline of a mask, below 0 outside."""
    inside: Floats = ndi.distance_transform_edt(mask) - ndi.distance_transform_edt(~mask)
    return inside
