"""What is to be reviewed, and the questions that it asks: whether it divides, leaves, or is on the cell of another object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.review.footprint import Footprint
from napari_sam2.session.review.overlapping import Box, overlaps
from napari_sam2.session.review.quality import FrameQuality, MaskOnFrame, masks_of, qualities
from napari_sam2.session.review.track_measurements import ReviewReason, TrackMeasurements

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import SessionObject


NO_REASON = ReviewReason(0)


@dataclass(frozen=True)
class ReviewItem:
    """An object on a frame.

    Attributes
    ----------
    object_id, frame : int
        Which.
    uncertainty : float
        0 .. 3; see :attr:`~napari_sam2.session.review.quality.FrameQuality.uncertainty`.
    reason : ReviewReason
        The questions that it asks, such as ``ReviewReason.DIVISION``; none where it is certain. ``reason.description`` has them in
        plain words.
    """

    object_id: int
    frame: int
    uncertainty: float
    reason: ReviewReason = NO_REASON


def review_items(
    items: Iterable[SessionObject], everyone: Iterable[SessionObject], frame_shape: tuple[int, int], num_frames: int
) -> list[ReviewItem]:
    """List what is to be reviewed, the most uncertain first.

    Parameters
    ----------
    items : iterable of SessionObject
        The objects.
    everyone : iterable of SessionObject
        All objects, which may lie on these.
    frame_shape : tuple of int
        Height and width of a frame.
    num_frames : int
        Of the stack.

    Returns
    -------
    list of ReviewItem
        Without anchor frames. Of equal uncertainty, the earlier frame and the lower id come first.
    """
    wanted, by_id = list(items), {item.object_id: item for item in everyone}
    found: list[ReviewItem] = []
    boxes: dict[int, dict[int, Box]] = {}
    for item in wanted:
        masks = masks_of(item, frame_shape)
        quality = qualities(item, masks)
        reasons = _reasons(masks, quality, num_frames)
        for frame, one in quality.items():
            if one.area_px:
                boxes.setdefault(frame, {})[item.object_id] = masks[frame].footprint.box_rc
            if not one.is_anchor:
                found.append(ReviewItem(item.object_id, frame, one.uncertainty, ReviewReason(int(reasons[frame]))))
    doubles = _doubles([item.object_id for item in wanted], by_id, boxes, frame_shape)
    found = [
        replace(one, reason=one.reason | ReviewReason.OVERLAP) if (one.object_id, one.frame) in doubles else one for one in found
    ]
    return sorted(found, key=lambda one: (-one.uncertainty, one.frame, one.object_id))


def _reasons(masks: Mapping[int, MaskOnFrame], quality: Mapping[int, FrameQuality], num_frames: int) -> npt.NDArray[np.uint16]:
    """Return why an object is to be reviewed on each frame, apart from other objects; (F,), of :class:`ReviewReason`."""
    measured = TrackMeasurements(num_frames)
    for frame, one in quality.items():
        footprint = masks[frame].footprint
        measured.set(
            frame,
            one.object_score,
            one.predicted_iou,
            one.area_px,
            one.centroid_rc,
            footprint.touches_border,
            footprint.second_piece,
            one.is_anchor,
        )
    return measured.reasons()


def _doubles(
    wanted: list[int], by_id: Mapping[int, SessionObject], boxes: dict[int, dict[int, Box]], frame_shape: tuple[int, int]
) -> set[tuple[int, int]]:
    """Find the objects and frames on which an object is on the cell of another one; ``boxes`` are those of the wanted ones."""
    found = set[tuple[int, int]]()
    for frame, there in boxes.items():

        def footprint_of(object_id: int, frame: int = frame) -> Footprint:
            record = by_id[object_id].shown(frame)
            assert record is not None
            return Footprint.of(record, frame_shape)

        others = (item for object_id, item in by_id.items() if object_id not in wanted)
        there |= {
            item.object_id: footprint.box_rc
            for item in others
            if item.shown(frame) is not None and (footprint := footprint_of(item.object_id)).area_px
        }
        found |= {(overlap.object_id, frame) for overlap in overlaps(wanted, there, footprint_of)}
    return found
