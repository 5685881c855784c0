"""What is to be reviewed, and the questions that it asks: whether it divides, leaves, or is on the cell of another object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2.session.review.footprint import Footprint
from napari_sam2.session.review.overlapping import Box, overlaps
from napari_sam2.session.review.quality import qualities
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
    wanted, by_id = [item.object_id for item in items], {item.object_id: item for item in everyone}
    found: list[ReviewItem] = []
    boxes: dict[int, dict[int, Box]] = {}
    for object_id, item in by_id.items():
        measured, frames = TrackMeasurements(num_frames), qualities(item, frame_shape)
        for frame, quality in frames.items():
            footprint = _footprint(item, frame, frame_shape)
            if quality.area_px:
                boxes.setdefault(frame, {})[object_id] = footprint.box_rc
            if object_id in wanted:
                measured.set(
                    frame,
                    quality.object_score,
                    quality.predicted_iou,
                    quality.area_px,
                    quality.centroid_rc,
                    footprint.touches_border,
                    footprint.second_piece,
                    quality.is_anchor,
                )
        if object_id in wanted:
            reasons = measured.reasons()
            found += [
                ReviewItem(object_id, frame, quality.uncertainty, ReviewReason(int(reasons[frame])))
                for frame, quality in frames.items()
                if not quality.is_anchor
            ]
    doubles = set[tuple[int, int]]()
    for frame, there in boxes.items():

        def footprint_of(object_id: int, frame: int = frame) -> Footprint:
            return _footprint(by_id[object_id], frame, frame_shape)

        doubles |= {(overlap.object_id, frame) for overlap in overlaps(wanted, there, footprint_of)}
    found = [
        replace(one, reason=one.reason | ReviewReason.OVERLAP) if (one.object_id, one.frame) in doubles else one for one in found
    ]
    return sorted(found, key=lambda one: (-one.uncertainty, one.frame, one.object_id))


def _footprint(item: SessionObject, frame: int, frame_shape: tuple[int, int]) -> Footprint:
    record = item.shown(frame)
    assert record is not None
    return Footprint.of(record, frame_shape)
