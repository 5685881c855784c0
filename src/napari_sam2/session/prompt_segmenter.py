"""Finds objects on frames on which something was said about them.

H, W height and width of a frame · h, w mask size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt

from napari_sam2.model.sam2_base import NO_OBJ_SCORE
from napari_sam2.predictors.device import inference
from napari_sam2.predictors.mask_postprocessing import resize_logits
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.tracker import Prompt, Tracker
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.predictors.zoom import View, Zoom, resample_logits, whole_view
from napari_sam2.session.objects import SessionObject
from napari_sam2.session.prompt_window import search, view_of_prompts
from napari_sam2.session.prompts import FramePrompts, mask_as_logits
from napari_sam2.session.refinement import is_elsewhere, refined


class PromptSegmenter:
    """Answers prompts.

    Parameters
    ----------
    model : SAM2VideoPredictor
        The network.
    tracker : Tracker
        Segments.
    zoom : Zoom or None
        Chooses the window in which an object is looked at.
    frame_shape : tuple of int
        Height and width of a frame.
    precision : str
        In which the network computes.
    reach : int
        Memories of frames farther away are never recalled.
    frames_are_separate : bool
        What is known of an object on one frame says nothing about another.
    """

    def __init__(
        self,
        model: SAM2VideoPredictor,
        tracker: Tracker,
        zoom: Zoom | None,
        frame_shape: tuple[int, int],
        precision: str,
        reach: int,
        frames_are_separate: bool = False,
    ) -> None:
        self.model = model
        self.tracker = tracker
        self.zoom = zoom
        self.precision = precision
        self.reach = reach
        self.frames_are_separate = frames_are_separate
        self.frame_shape = frame_shape
        self._whole = whole_view(frame_shape)

    def segment(self, item: SessionObject, frame: int, prompts: FramePrompts, previous: FrameRecord | None) -> FrameRecord:
        """Find an object as prompted: by what is remembered from other anchors, and refining an earlier mask of the frame.

        Seen through windows, clicks on an earlier mask change it only where they are, unless they say that the object is elsewhere,
        see :mod:`~napari_sam2.session.refinement`, and what they say holds whatever the model answers. Seen in whole frames, as
        released models look unless they are told to zoom, the answer counts as it is: it is the official predictor's.
        """
        others = [] if self.frames_are_separate else [anchor for anchor in item.memory.conditioning if anchor != frame]
        memory = item.memory_around(frame, self.reach)
        if self.zoom is not None and previous is not None and is_elsewhere(previous, prompts, self._whole):
            previous = None

        def answer(views: Sequence[View | None]) -> list[FrameRecord]:
            told = [self._prompt(prompts, view, previous) for view in views]
            return self.tracker.segment(frame, told, [memory] * len(told) if others else None, views=views)

        with inference(self.model.device, self.precision):
            if others:
                self.remember([item], but=frame)  # nothing recalls the frame that is asked about
            if self.zoom is None:
                return answer([None])[0]
            nearest = min(others, key=lambda anchor: abs(anchor - frame), default=None)
            known = None if nearest is None else item.memory.conditioning[nearest]
            view = view_of_prompts(self.zoom, prompts, previous, known)
            found = search(self.zoom, prompts, answer) if view is None else answer([view])[0]
            record = refined(found, previous or found, prompts, self._whole)
            return self._absent(found) if record is None else record

    def _absent(self, answer: FrameRecord) -> FrameRecord:
        """Say of an object that it is not there, as the network does."""
        if answer.object_score <= 0:
            return answer
        score = torch.tensor([[NO_OBJ_SCORE]], dtype=torch.float32, device=answer.pointer.device)
        return replace(
            answer,
            mask_logits=torch.full_like(answer.mask_logits, NO_OBJ_SCORE),
            pointer=self.model._mix_absent_pointer(answer.pointer[None], score)[0],
            object_score=NO_OBJ_SCORE,
        )

    def segment_new(self, frame: int, masks: Sequence[FramePrompts]) -> list[FrameRecord]:
        """Take masks for objects of which nothing else is known, all at a time."""
        views = [None if self.zoom is None else view_of_prompts(self.zoom, prompts, None, None) for prompts in masks]
        with inference(self.model.device, self.precision):
            told = [self._prompt(prompts, view, None) for prompts, view in zip(masks, views, strict=True)]
            return self.tracker.segment(frame, told, None, views=views)

    def _prompt(self, prompts: FramePrompts, view: View | None, previous: FrameRecord | None) -> Prompt:
        """Translate what was said to the model's terms, as it looks at a view."""
        size = self.model.image_size
        seen = view or self._whole
        prompt = prompts.to_model(seen, size)
        if prompt.mask is not None:
            return prompt
        if previous is not None:
            return prompt.refining(resample_logits(previous.mask_logits, previous.view or self._whole, seen))
        # Points that refine a mask need it as an earlier prediction.
        mask = prompts.mask
        return prompt if mask is None else prompt.refining(mask_as_logits(mask[seen.window], size // 4))

    def remember(self, items: Sequence[SessionObject], but: int | None = None) -> None:
        """Encode the memories of anchors that have none yet, but for one frame."""
        fresh: dict[int, list[SessionObject]] = {}
        for item in items:
            for frame in item.conditioning:
                if frame != but and item.conditioning.header(frame).memory is None:
                    fresh.setdefault(frame, []).append(item)
        for frame, owners in fresh.items():
            records = self.tracker.remember(frame, [item.memory.conditioning[frame] for item in owners])
            for item, record in zip(owners, records, strict=True):
                item.conditioning.refresh(frame, record)

    def mask(self, record: FrameRecord | None) -> npt.NDArray[np.bool_]:
        """Return a record's mask at the resolution of the data, (H, W)."""
        mask = np.zeros((self._whole.height, self._whole.width), bool)
        if record is not None:
            view = record.view or self._whole
            logits = resize_logits(record.mask_logits[None, None], (view.height, view.width))[0, 0]
            mask[view.window] = (logits > 0).cpu().numpy()
        return mask
