"""Finds masks on a frame by points, one each, in windows in which an object is not too small for the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from napari_sam2.predictors.zoom import View
from napari_sam2.session.editing.everything import MAX_OVERLAP, SMALL_MODEL_OPTIONS, stop_if_asked
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompts_to_model import to_model
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.tracking.regions import Region

LEAST_RADIUS_INPUT_PX = 6.0
"""An object should have this radius in the input of the model, or more; else the frame is looked at in windows."""
WINDOW_OVERLAP_RADII = 4.0
LEAST_IOU, LEAST_STABILITY = SMALL_MODEL_OPTIONS["pred_iou_thresh"], SMALL_MODEL_OPTIONS["stability_score_thresh"]
BATCH = 64


class Found(NamedTuple):
    """A mask that was found, and the IoU that is predicted for it."""

    region: Region
    predicted_iou: float


def search(in_use: ModelInUse, frame: int, points_rc: Sequence[tuple[float, float]], radius_px: float) -> list[Found]:
    """Find the object at each of several points, without memories.

    Parameters
    ----------
    in_use : ModelInUse
        The model.
    frame : int
        The frame.
    points_rc : sequence of tuple of float
        Row and column in data pixels.
    radius_px : float
        Typical radius of an object.

    Returns
    -------
    list of Found
        The highest predicted IoU first; none shares more than :data:`MAX_OVERLAP` of the smaller one with one before it.

    Raises
    ------
    FindingStopped
        Before any batch of points, if whoever watches asks to stop, see :func:`~napari_sam2.session.editing.everything.watched`.
    """
    windows = _windows(in_use, radius_px)
    groups: dict[View, list[tuple[float, float]]] = {}
    for point in points_rc:
        near = min(windows, key=lambda view: math.dist(point, (view.row + view.height / 2, view.column + view.width / 2)))
        groups.setdefault(near, []).append(point)
    found = [one for view, points in groups.items() for one in _in_window(in_use, frame, points, view)]
    return without_overlaps(found)


def without_overlaps(found: Iterable[Found]) -> list[Found]:
    """Keep of masks that overlap the one with the highest predicted IoU."""
    kept = list[Found]()
    for one in sorted(found, key=lambda one: -one.predicted_iou):
        area = one.region.area_px
        if area and all(one.region.shared_px(other.region) <= MAX_OVERLAP * min(area, other.region.area_px) for other in kept):
            kept.append(one)
    return kept


def _windows(in_use: ModelInUse, radius_px: float) -> list[View]:
    """Divide a frame into overlapping windows in which objects are large enough; the whole frame where they are there."""
    size, shape = in_use.model.image_size, in_use.frame_shape
    side = max(round(size * radius_px / LEAST_RADIUS_INPUT_PX), 16)
    if side >= max(shape):
        return [in_use.whole]
    starts = []
    for length in shape:
        window = min(side, length)
        count = max(1, math.ceil((length - window) / max(1, window - WINDOW_OVERLAP_RADII * radius_px)) + 1)
        starts.append([(int(start), window) for start in np.linspace(0, length - window, count).round()])
    return [View(row, column, height, width) for row, height in starts[0] for column, width in starts[1]]


def _in_window(in_use: ModelInUse, frame: int, points_rc: Sequence[tuple[float, float]], view: View) -> list[Found]:
    tracker, size = in_use.tracker, in_use.model.image_size
    seen = None if view == in_use.whole else view
    found = []
    for start in range(0, len(points_rc), BATCH):
        stop_if_asked()
        prompts = [to_model(FramePrompts((point,), (1,)), view, size) for point in points_rc[start : start + BATCH]]
        with in_use.inference():
            records = tracker.segment(frame, prompts, None, views=[seen] * len(prompts))
        for record in records:
            inner, outer = (int((record.mask_logits > threshold).sum()) for threshold in (1, -1))
            if record.predicted_iou >= LEAST_IOU and inner >= LEAST_STABILITY * outer and inner:
                found.append(Found(Region.of_record(record, in_use.frame_shape), record.predicted_iou))
    return found
