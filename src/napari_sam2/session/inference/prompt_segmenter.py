"""Segments objects on the frames on which they are prompted.

H, W height and width of a frame · h, w mask size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.logits import enlarge_found
from napari_sam2.predictors.memory_bank import FrameRecord, ObjectMemory
from napari_sam2.predictors.record_store import StoredRecord
from napari_sam2.predictors.zoom import View, resample_logits
from napari_sam2.session.inference.model_in_use import ModelInUse
from napari_sam2.session.inference.prompt_window import search, view_of_prompts
from napari_sam2.session.inference.prompts_to_model import to_model
from napari_sam2.session.inference.refinement import is_elsewhere, refined
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts


class PromptSegmenter:
    """Segments objects as they are prompted.

    Parameters
    ----------
    in_use : ModelInUse
        The model of the session.
    """

    def __init__(self, in_use: ModelInUse) -> None:
        self._in_use = in_use

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return self._in_use.frame_shape

    def segment(self, item: SessionObject, frame: int, prompts: FramePrompts, previous: FrameRecord | None) -> FrameRecord:
        """Segment an object by its prompts, the memory of its other anchor frames, and an earlier mask of the frame.

        With windows, points on an earlier mask change it only near them, unless they mark the object at another place, and always
        hold, see :mod:`~napari_sam2.session.inference.refinement`; and where a box says where the object is, no memory is used: far
        from the other anchors it misleads more than it helps. With whole frames, the default of released models, the prediction is
        used as it is: that of the official predictor.
        """
        in_use, zoom = self._in_use, self._in_use.zoom
        others = [] if in_use.stack.is_collection else [anchor for anchor in item.memory.conditioning if anchor != frame]
        recalls = bool(others) and (zoom is None or prompts.box_rc is None)
        memory = item.memory_around(frame, in_use.reach)
        if zoom is not None and previous is not None and is_elsewhere(previous, prompts, in_use.whole):
            previous = None

        def segment(views: Sequence[View | None]) -> list[FrameRecord]:
            given = [self._prompt(prompts, view, previous) for view in views]
            return in_use.tracker.segment(frame, given, [memory] * len(given) if recalls else None, views=views)

        with in_use.inference():
            if recalls:
                self.remember(frame, [item], [memory])
                memory = item.memory_around(frame, in_use.reach)
            if zoom is None:
                return segment([None])[0]
            nearest = min(others, key=lambda anchor: abs(anchor - frame), default=None)
            known = None if nearest is None else item.memory.conditioning[nearest]
            view = view_of_prompts(zoom, prompts, previous, known)
            found = search(zoom, prompts, segment) if view is None else segment([view])[0]
            record = refined(found, previous or found, prompts, in_use.whole)
            return self._absent(found) if record is None else record

    def segment_shown(self, frame: int, record: FrameRecord, mask: npt.NDArray[np.bool_]) -> FrameRecord:
        """Make a record of this model from the mask of another model.

        Parameters
        ----------
        frame : int
            The frame.
        record : FrameRecord
            The record of the other model.
        mask : ndarray
            (H, W), bool, its mask; empty where the object is absent.
        """
        if mask.any():
            (found,) = self.segment_new(frame, [FramePrompts(packed_mask=PackedMask.pack(mask))])
        else:
            point = tuple(side / 2 for side in self.frame_shape)
            with self._in_use.inference():
                prompt = self._prompt(FramePrompts(((point[0], point[1]),), (1,)), None, None)
                found = self._absent(self._in_use.tracker.segment(frame, [prompt], None, views=[None])[0])
        return replace(found, anchor_distance=record.anchor_distance)

    def _absent(self, found: FrameRecord) -> FrameRecord:
        """Return a record of an absent object, as the network makes it."""
        return found if found.object_score <= 0 else self._in_use.tracker.absent(found)

    def segment_new(self, frame: int, masks: Sequence[FramePrompts]) -> list[FrameRecord]:
        """Segment new objects by mask prompts, all in one batch."""
        in_use, zoom = self._in_use, self._in_use.zoom
        views = [None if zoom is None else view_of_prompts(zoom, prompts, None, None) for prompts in masks]
        with in_use.inference():
            given = [self._prompt(prompts, view, None) for prompts, view in zip(masks, views, strict=True)]
            return in_use.tracker.segment(frame, given, None, views=views)

    def _prompt(self, prompts: FramePrompts, view: View | None, previous: FrameRecord | None) -> Prompt:
        """Convert prompts to the model's coordinates, for a view."""
        size, whole = self._in_use.model.image_size, self._in_use.whole
        seen = view or whole
        prompt = to_model(prompts, seen, size)
        if prompt.mask is not None:
            return prompt
        if previous is not None:
            return prompt.refining(resample_logits(previous.mask_logits, previous.view or whole, seen))
        # Points that refine a mask need it as an earlier prediction.
        mask = prompts.mask
        return prompt if mask is None else replace(prompt, previous_mask=mask[seen.window])

    def remember(self, frame: int, items: Sequence[SessionObject], memories: Sequence[ObjectMemory], reverse: bool = False) -> None:
        """Encode the memories that a frame recalls of objects, as far as they are not in memory.

        Those of prompted frames are encoded when they are recalled first. Those of tracked frames are encoded when these are, and
        again where they are recalled later, as for a correction, from the same frame and the same mask: they are the same.

        Raises
        ------
        OSError
            If a frame cannot be read.
        """
        recalled = [
            (slot.frame, item.recalled(slot))
            for item, memory in zip(items, memories, strict=True)
            for slot in self._in_use.policy(frame, memory, len(self._in_use.stack), reverse).memories
        ]
        for _, stored in recalled[:1]:
            stored.budget.keep([one for _, one in recalled])
        missing: dict[int, list[StoredRecord]] = {}
        for at, stored in recalled:
            if stored.get().memory is None:
                missing.setdefault(at, []).append(stored)
        for at, chosen in missing.items():
            records = self._in_use.tracker.remember(at, [stored.get() for stored in chosen])
            for stored, record in zip(chosen, records, strict=True):
                assert record.memory is not None
                stored.remember(record.memory)

    def mask(self, record: FrameRecord | None) -> npt.NDArray[np.bool_]:
        """Return a record's mask at the resolution of the data, (H, W)."""
        mask = np.zeros(self.frame_shape, bool)
        if record is not None:
            view = record.view or self._in_use.whole
            found = enlarge_found(record.mask_logits, (view.height, view.width))
            if found is not None:
                logits, row, column = found
                part = View(view.row + row, view.column + column, *logits.shape)
                mask[part.window] = logits > 0
        return mask
