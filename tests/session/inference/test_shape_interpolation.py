"""Discs that lie between two anchors: where their outline is known, and what that changes of a tracked mask."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View, whole_view
from napari_sam2.session.inference.shape_interpolation import MAX_LOGIT, with_interpolated_shape, with_shape_of
from packed_records import record_of

WHOLE = whole_view((64, 64))


def disc(row: float, column: float, radius: float, view: View = WHOLE, cells: int = 64, logit: float = 9.0) -> FrameRecord:
    """A disc, in pixels of the frame from its corner, as the mask of a view."""
    rows, columns = np.ogrid[:cells, :cells]
    y, x = view.row + (rows + 0.5) * view.height / cells, view.column + (columns + 0.5) * view.width / cells
    logits = np.where(np.hypot(y - row, x - column) < radius, logit, -logit).astype(np.float32)
    seen = None if view == WHOLE else view
    return record_of(logits, [0.0], 5.0, 0.5, view=seen)


def iou(a: FrameRecord, b: FrameRecord) -> float:
    first, second = a.mask_logits > 0, b.mask_logits > 0
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize("view", [WHOLE, View(8, 4, 40, 40)])
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_where_tracking_knows_nothing_the_shape_lies_between_the_anchors(view: View, share: float) -> None:
    """Centre and area are those in between, in windows of any scale."""
    unknown = disc(0, 0, 99, view, logit=0.01)
    before, after = disc(20, 16, 4, View(5, 5, 32, 32)), disc(36, 32, 12)
    found = with_interpolated_shape(unknown, before, after, share, WHOLE)
    true = disc(20 + 16 * share, 16 + 16 * share, np.sqrt(16 + (144 - 16) * share), view)
    assert iou(found, true) > 0.93
    assert (found.view, found.object_score, found.pointer) == (unknown.view, unknown.object_score, unknown.pointer)


def test_what_tracking_is_sure_of_stays_near_the_outline() -> None:
    """A sure mask wins up to four pixels from the interpolated outline; far from it neither does, and the pixel is left out."""
    anchor = disc(32, 32, 10)
    assert iou(with_interpolated_shape(disc(32, 32, 13), anchor, anchor, 0.5, WHOLE), disc(32, 32, 13)) == 1
    leaked = disc(32, 32, 24)
    found = with_interpolated_shape(leaked, anchor, anchor, 0.5, WHOLE)
    assert iou(found, anchor) > 0.5 > iou(leaked, anchor)
    assert float(np.abs(found.mask_logits).max()) <= 2 * MAX_LOGIT


def test_a_tip_tells_little_of_the_middle() -> None:
    """Of what tracking is not sure of, a tip corrects less than a section of the same size does."""
    leaked, middle = disc(32, 32, 14, logit=1.0), disc(32, 32, 10)
    by_middle = with_interpolated_shape(leaked, middle, middle, 0.5, WHOLE)
    by_tip = with_interpolated_shape(leaked, middle, disc(32, 32, 1.2), 0.1, WHOLE)
    assert iou(by_middle, middle) > 0.8 > iou(leaked, middle)
    assert iou(by_tip, leaked) == 1


def test_where_the_object_is_absent_nothing_changes() -> None:
    shown, absent = disc(32, 32, 10), disc(32, 32, 0)
    for records in ((absent, shown, shown), (shown, absent, shown), (shown, shown, absent)):
        assert with_interpolated_shape(*records, 0.5, WHOLE) is records[0]
    outside = disc(32, 32, 3, View(0, 0, 8, 8), cells=16, logit=9.0)
    outside = record_of(np.full((16, 16), 1, np.float32), [0.0], 5.0, 0.5, view=View(0, 0, 8, 8))
    assert with_interpolated_shape(outside, shown, shown, 0.5, WHOLE) is outside, "its window is elsewhere"


@pytest.mark.parametrize("view", [WHOLE, View(8, 4, 40, 40)])
def test_the_shape_before_is_moved_to_the_centre_of_the_tracked_mask(view: View) -> None:
    """Where tracking is unsure, the disc of the slice before is where the tracked mask is, also in another window."""
    before, tracked = disc(20, 20, 7, View(5, 5, 32, 32)), disc(28, 26, 11, view, logit=0.5)
    found = with_shape_of(before, tracked, 1.0, WHOLE)
    assert iou(found, disc(28, 26, 7, view)) > 0.8 > iou(tracked, disc(28, 26, 7, view))
    assert (found.view, found.object_score, found.pointer) == (tracked.view, tracked.object_score, tracked.pointer)
    assert iou(with_shape_of(before, tracked, 0.0, WHOLE), tracked) == 1


def test_an_absent_object_has_no_shape() -> None:
    shown, absent = disc(32, 32, 10), disc(32, 32, 0)
    assert with_shape_of(absent, shown, 1.0, WHOLE) is shown
    assert with_shape_of(shown, absent, 1.0, WHOLE) is absent
