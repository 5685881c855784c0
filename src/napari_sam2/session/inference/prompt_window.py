"""Chooses the window in which a prompted object is segmented.

H, W height and width of a frame · h, w size of a low-resolution mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from napari_sam2.predictors.mask_box import bounding_box
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View, Zoom, whole_view
from napari_sam2.session.state.prompts import FramePrompts

Segment = Callable[[Sequence[View]], list[FrameRecord]]
"""Segments a prompted object in each of several views; one record per view."""

SCALE_PENALTY = 0.1
"""Predicted IoU that outweighs a factor of two between the side of a view and the side that fits the object."""
HIGH_IOU = 0.9
"""A view is not segmented in where even so high a predicted IoU could not make up for its side."""


def view_of_prompts(zoom: Zoom, prompts: FramePrompts, shown: FrameRecord | None, nearest: FrameRecord | None) -> View | None:
    """Choose the view for prompts by the known size of the object.

    Parameters
    ----------
    zoom : Zoom
        Sizes of windows.
    prompts : FramePrompts
        The prompts of the frame.
    shown : FrameRecord, optional
        The object's record of the frame.
    nearest : FrameRecord, optional
        Its record of the nearest anchor frame.

    Returns
    -------
    View or None
        None if the size is not known: then :func:`search` finds it.
    """
    mask = prompts.mask
    if mask is not None:
        box = bounding_box(mask)
        assert box is not None
        return _reaching(zoom, zoom.of_box(box, float(mask.sum())), prompts)
    if prompts.box_rc is not None:
        return _reaching(zoom, zoom.of_box(prompts.box_rc), prompts)
    for known in (shown, nearest):
        if known is None:
            continue
        view = known.view or whole_view(zoom.frame_shape)
        if known is shown:
            return _reaching(zoom, view, prompts)
        inside = np.array([point for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if label])
        if len(inside):
            row, column = inside.mean(0)
            return _reaching(zoom, zoom.around((row, column), view.side), prompts)
    return None


def search(zoom: Zoom, prompts: FramePrompts, segment: Segment) -> FrameRecord:
    """Segment an object of unknown size by points: in views of several sides, then in the view that fits the best mask.

    First in the whole frame, whose features all objects share, and in the view of the middle side. Then, one after another, in the
    view whose side is the nearest to what fits the best mask, until a predicted IoU of :data:`HIGH_IOU` would not be better there.
    """
    inside = np.array([point for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if label])
    row, column = (inside.min(0) + inside.max(0)) / 2
    waiting = list(dict.fromkeys(_reaching(zoom, zoom.around((row, column), side), prompts) for side in zoom.ladder()))
    chosen, fits = list(dict.fromkeys((waiting[0], waiting[len(waiting) // 2]))), list[_Fit]()
    while True:
        fits += [_Fit.of(zoom, record) for record in segment(chosen)]
        best = min(fits, key=lambda fit: fit.cost)
        waiting = [view for view in waiting if view not in chosen]
        chosen = sorted(waiting, key=lambda view: _misfit(view, best.side))[:1]
        if not chosen or best.cost < _misfit(chosen[0], best.side) - HIGH_IOU:
            break
    view = _reaching(zoom, zoom.fitting(best.view, best.record.mask_logits), prompts)
    return best.record if view == best.view else segment([view])[0]


class _Fit(NamedTuple):
    """A record in a view, the side of the view that fits its mask, and how bad both are."""

    record: FrameRecord
    view: View
    side: float
    cost: float

    @classmethod
    def of(cls, zoom: Zoom, record: FrameRecord) -> _Fit:
        view = record.view
        assert view is not None
        side = zoom.side_for(view, record.mask_logits)
        is_empty = not (record.mask_logits > 0).any()
        return cls(record, view, side, math.inf if is_empty else _misfit(view, side) - record.predicted_iou)


def _misfit(view: View, side: float) -> float:
    """What the difference between the side of a view and the one that fits costs, in predicted IoU."""
    return SCALE_PENALTY * abs(math.log2(side / view.side))


def _reaching(zoom: Zoom, view: View, prompts: FramePrompts) -> View:
    """Widen a view until it holds every point inside the object, and box and mask, with a margin."""
    corners = [point for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if label]
    if prompts.box_rc is not None:
        row0, col0, row1, col1 = prompts.box_rc
        corners += [(row0, col0), (row1 - 1, col1 - 1)]
    if all(view.contains(*corner) for corner in corners):
        return view
    rows, columns = zip(*corners, strict=True)
    low = min(*rows, view.row), min(*columns, view.column)
    high = max(*rows, view.row + view.height - 1), max(*columns, view.column + view.width - 1)
    centre = (low[0] + high[0]) / 2, (low[1] + high[1]) / 2
    return zoom.around(centre, 1.1 * max(high[0] - low[0], high[1] - low[1]) + 2)
