"""Replaces the model of a session: everything that is not a mask stays, and anchor frames are segmented again."""

from __future__ import annotations

from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.session_state import SessionState


def segment_again(state: SessionState, in_use: ModelInUse, segmenter: PromptSegmenter, image_size_before: int) -> None:
    """Segment all anchor frames with a new model.

    Frames with prompts are segmented as prompted. Approved frames, and those of locked objects, keep their masks, which are mask
    prompts for the new model. Tracked records are stale: they are shown until the next propagation.

    Parameters
    ----------
    state : SessionState
        The state that is changed.
    in_use : ModelInUse
        The new model.
    segmenter : PromptSegmenter
        Segments objects with it.
    image_size_before : int
        Side of the input of the previous model.

    Raises
    ------
    ValueError
        If a frame has only points outside an object, and no tracked mask that they could refine.
    OSError
        If a frame cannot be read.
    """
    for item in state.objects.values():
        _make_stale(item, in_use, image_size_before)
        shown = {frame: item.conditioning[frame] for frame in item.anchors}
        item.conditioning.clear()
        # Corrections of tracked frames come last, as they did when they were made.
        for frame, record in sorted(shown.items(), key=lambda pair: (pair[0] in item.corrected, pair[0])):
            prompts = item.prompts.get(frame)
            if item.info.is_locked or prompts is None or prompts.is_approved:
                item.conditioning[frame] = segmenter.segment_shown(frame, record, segmenter.mask(record))
                continue
            previous = None if prompts.packed_mask is not None else item.corrected.get(frame)
            if previous is None and not prompts.locates:
                raise ValueError(
                    f"frame {frame} has only points outside object {item.object_id}: add a point inside, a box or a mask before "
                    "the model is changed"
                )
            item.conditioning[frame] = segmenter.segment(item, frame, prompts, previous)


def _make_stale(item: SessionObject, in_use: ModelInUse, image_size_before: int) -> None:
    for frame in sorted(item.shown_frames() - set(item.conditioning)):
        record = item.shown(frame)
        assert record is not None
        for mapping in (item.tracked, item.fused):
            mapping.discard(frame)
        item.stale[frame] = in_use.foreign(record, image_size_before)
    for frame in item.corrected:
        item.corrected[frame] = in_use.foreign(item.corrected[frame], image_size_before)
