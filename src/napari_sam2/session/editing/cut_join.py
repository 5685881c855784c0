"""Objects cut in time, joined and approved: changes of their anchor frames, and of the records tracked from these.

A change of an object's anchors makes the records tracked around them stale: they are shown until they are tracked again, so that
the masks after a propagation depend on the anchors alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.zoom import resample_logits, whole_view
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.inference.recall_policy import neighbouring_anchors, span_between
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts


def mark_stale_around(item: SessionObject, frame: int, num_frames: int) -> None:
    """Mark all records stale that were tracked between the anchors next to a frame."""
    before, after = neighbouring_anchors(frame, item.memory.conditioning)
    for t in span_between(before, after, num_frames):
        item.tracked.move(t, item.stale)


def approve(item: SessionObject, frame: int, num_frames: int) -> None:
    """Turn the shown record of a frame into an anchor.

    Raises
    ------
    ValueError
        If there is none.
    """
    record = item.shown(frame)
    if record is None:
        raise ValueError(f"object {item.object_id} has no mask on frame {frame}: there is nothing to approve")
    if frame in item.memory.conditioning:
        return
    item.forget(frame)
    item.corrected[frame] = record
    item.prompts[frame] = FramePrompts(is_approved=True)
    item.conditioning[frame] = record.as_prompted(anchor_distance=0)
    mark_stale_around(item, frame, num_frames)


def cut(item: SessionObject, frame: int, num_frames: int, later: SessionObject | None = None) -> None:
    """Remove the records and prompts of an object from a frame on, or move them to a later object.

    A part without an anchor gets one: the shown record nearest to the cut on which the object is present.

    Raises
    ------
    ValueError
        If there is nothing of the object before the frame, or nothing for the later one.
    """
    shown = sorted(item.shown_frames())
    parts = {"before": [t for t in shown if t < frame], "from": [t for t in shown if t >= frame]}
    for where, frames in parts.items():
        if (where == "before" or later is not None) and not any(_is_present(item, t) for t in frames):
            raise ValueError(f"object {item.object_id} has no mask {where} frame {frame}{' on' if where == 'from' else ''}")
    loses_anchor = any(anchor >= frame for anchor in item.memory.conditioning)
    for t in parts["from"]:
        if later is not None:
            _hand_over(item, later, t)
        item.forget(t)
    if not item.anchors:
        approve(item, _nearest_present(item, frame), num_frames)
    elif loses_anchor:
        mark_stale_around(item, frame, num_frames)
    if later is not None and not later.anchors:
        approve(later, _nearest_present(later, frame), num_frames)


def cut_before(item: SessionObject, frame: int, num_frames: int) -> None:
    """Remove the records and prompts of an object before a frame.

    What is left without an anchor gets one: the shown record nearest to the cut on which the object is present.

    Raises
    ------
    ValueError
        If there is nothing of the object from the frame on.
    """
    shown = sorted(item.shown_frames())
    if not any(_is_present(item, t) for t in shown if t >= frame):
        raise ValueError(f"object {item.object_id} has no mask from frame {frame} on")
    loses_anchor = any(anchor < frame for anchor in item.memory.conditioning)
    for t in shown:
        if t < frame:
            item.forget(t)
    if not item.anchors:
        approve(item, _nearest_present(item, frame), num_frames)
    elif loses_anchor:
        mark_stale_around(item, frame - 1, num_frames)


def join(kept: SessionObject, other: SessionObject, segmenter: PromptSegmenter) -> None:
    """Move the records and prompts of one object to another; where both have masks, unite them."""
    for item in (kept, other):
        for mapping in (item.tracked, item.fused):
            for frame in mapping:
                mapping.move(frame, item.stale)
    anchors = {*kept.anchors, *other.anchors}
    for frame in sorted(other.shown_frames()):
        if kept.shown(frame) is None:
            _hand_over(other, kept, frame)
        elif frame in anchors:
            _join_masks(kept, other, frame, segmenter)
        else:
            kept.stale[frame] = _united(kept.stale[frame], _record(other, frame), segmenter.frame_shape)
        other.forget(frame)


def _join_masks(kept: SessionObject, other: SessionObject, frame: int, segmenter: PromptSegmenter) -> None:
    shown = _record(kept, frame)
    mask = segmenter.mask(shown) | segmenter.mask(_record(other, frame))
    if not mask.any():
        if frame not in kept.memory.conditioning:
            kept.forget(frame)
            _hand_over(other, kept, frame)
        return
    prompts = FramePrompts(packed_mask=PackedMask.pack(mask))
    (record,) = segmenter.segment_new(frame, [prompts])
    if frame not in kept.prompts:
        kept.corrected[frame] = shown
    kept.stale.discard(frame)
    kept.prompts[frame] = prompts
    kept.memory.conditioning[frame] = record


def _hand_over(item: SessionObject, to: SessionObject, frame: int) -> None:
    """Move the records and prompts of a frame to another object, which has none there."""
    if frame not in item.conditioning:
        for mapping in (item.tracked, item.stale, item.fused):
            mapping.move(frame, to.stale)
        return
    for mine, theirs in ((item.conditioning, to.conditioning), (item.corrected, to.corrected)):
        mine.move(frame, theirs)
    to.prompts[frame] = item.prompts.pop(frame)


def _united(one: FrameRecord, other: FrameRecord, frame_shape: tuple[int, int]) -> FrameRecord:
    """Unite two records in one, which has no memory: none was encoded for both."""
    views = [record.view or whole_view(frame_shape) for record in (one, other)]
    view = views[0].union(views[1])
    logits = [resample_logits(record.mask_logits, seen, view) for record, seen in zip((one, other), views, strict=True)]
    return FrameRecord(
        mask_logits=np.maximum(*logits),
        pointer=one.pointer,
        object_score=max(one.object_score, other.object_score),
        predicted_iou=min(one.predicted_iou, other.predicted_iou),
        view=None if view == whole_view(frame_shape) else view,
        anchor_distance=min(one.anchor_distance, other.anchor_distance, key=abs),
        origin=MaskOrigin.OTHER,
    )


def _record(item: SessionObject, frame: int) -> FrameRecord:
    record = item.shown(frame)
    assert record is not None
    return record


def _is_present(item: SessionObject, frame: int) -> bool:
    return bool((_record(item, frame).mask_logits > 0).any())


def _nearest_present(item: SessionObject, frame: int) -> int:
    """The frame nearest to another on which the object is present."""
    frames: Iterable[int] = sorted(item.shown_frames(), key=lambda t: abs(t - frame))
    return next(t for t in frames if _is_present(item, t))
