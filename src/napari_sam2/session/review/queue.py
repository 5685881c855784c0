"""What is to be reviewed, and the questions that it asks: whether it divides, leaves, or has to do with another object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.session.review.footprint import Footprint
from napari_sam2.session.review.meetings import Seen, fusions, swaps
from napari_sam2.session.review.overlapping import overlaps
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
    seen: dict[int, dict[int, Seen]] = {}
    for item in wanted:
        masks = masks_of(item, frame_shape)
        quality = qualities(item, masks)
        reasons = _reasons(masks, quality, num_frames)
        for frame, one in quality.items():
            if one.centroid_rc is not None:
                box = masks[frame].footprint.box_rc
                seen.setdefault(frame, {})[item.object_id] = Seen(one.area_px, one.centroid_rc, box)
            if not one.is_anchor:
                found.append(ReviewItem(item.object_id, frame, one.uncertainty, ReviewReason(int(reasons[frame]))))
    others = _with_others([item.object_id for item in wanted], by_id, seen, frame_shape)
    found = [replace(one, reason=one.reason | others.get((one.object_id, one.frame), NO_REASON)) for one in found]
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


def _with_others(
    wanted: list[int], by_id: Mapping[int, SessionObject], seen: dict[int, dict[int, Seen]], frame_shape: tuple[int, int]
) -> dict[tuple[int, int], ReviewReason]:
    """Find the questions that objects ask with others, by object and frame; ``seen`` has the wanted ones by frame."""
    found: dict[tuple[int, int], ReviewReason] = {}
    others = [item for object_id, item in by_id.items() if object_id not in wanted]
    for frame in {*seen, *(t - 1 for t in seen if t)} if others else ():
        seen[frame] = seen.get(frame, {}) | _seen_there(others, frame, frame_shape)
    for frame, there in seen.items():

        def footprint_of(object_id: int, frame: int = frame) -> Footprint:
            record = by_id[object_id].shown(frame)
            assert record is not None
            return Footprint.of(record, frame_shape)

        before = seen.get(frame - 1, {})
        for reason, ids in (
            (
                ReviewReason.OVERLAP,
                [one.object_id for one in overlaps(wanted, {i: one.box_rc for i, one in there.items()}, footprint_of)],
            ),
            (ReviewReason.FUSION, fusions(before, there)),
            (ReviewReason.SWAP, swaps(before, there)),
        ):
            for object_id in ids:
                found[object_id, frame] = found.get((object_id, frame), NO_REASON) | reason
    return found


def _seen_there(items: Iterable[SessionObject], frame: int, frame_shape: tuple[int, int]) -> dict[int, Seen]:
    """Measure objects on a frame, without those that are absent."""
    there = {}
    for item in items:
        record = item.shown(frame)
        footprint = None if record is None else Footprint.of(record, frame_shape)
        if footprint is not None and (centroid := footprint.centroid_rc) is not None:
            there[item.object_id] = Seen(footprint.area_px, centroid, footprint.box_rc)
    return there
