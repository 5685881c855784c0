"""The one engine: segments prompted frames and tracks all objects of a frame in one batch, with typed state and no video around it.

B objects · P points · C channels of the features, Cm of a memory · S side of the input · H, W coarsest level · h, w mask size
M memories · Q object pointers.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from napari_sam2.torch_threads import torch

from torch import Tensor

from napari_sam2.model.memory_recall import Recall
from napari_sam2.model.sam2_base import PredictedMasks, RecalledMemory, SAM2Base, SamHeadOutputs
from napari_sam2.predictors.frame_features import EncodedFrame, FrameFeatures
from napari_sam2.predictors.mask_postprocessing import fill_holes_in_mask_scores
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryPolicy, ObjectMemory, OfficialMemoryPolicy
from napari_sam2.predictors.zoom import View, Zoom, whole_view

PREVIOUS_LOGIT_BOUND = 32.0
"""A refined prediction comes in within plus and minus this (official ``sam2_video_predictor.py`` L257)."""

logger = logging.getLogger(__name__)

MAX_BATCH = 16
POSITIONS_IN_CACHE = 8192
"""Positions of feature maps, of all objects of a batch together, that a CPU works on at a time."""

T = TypeVar("T")
Predicted: TypeAlias = PredictedMasks | SamHeadOutputs


@dataclass(frozen=True)
class Prompt:
    """The prompts of one object on one frame, in the coordinates of the model.

    Attributes
    ----------
    points_xy : Tensor or None
        (P, 2), float32, pixels of the S x S input; the two corners of a box come first.
    labels : Tensor or None
        (P,), int32: 1 inside, 0 outside, 2 and 3 the corners of a box.
    mask : Tensor or None
        (S, S), bool; it excludes points.
    previous_logits : Tensor or None
        (h, w), the prediction that further points refine.
    """

    points_xy: Tensor | None = None
    labels: Tensor | None = None
    mask: Tensor | None = None
    previous_logits: Tensor | None = None

    def refining(self, previous_logits: Tensor) -> Prompt:
        """Return the prompt as a refinement of an earlier prediction."""
        return replace(self, previous_logits=previous_logits)

    @property
    def signature(self) -> Hashable:
        """Prompts with equal signatures fit into one batch."""
        points = None if self.points_xy is None else self.points_xy.shape[0]
        return points, self.mask is None, self.previous_logits is None


class Tracker:
    """Segments and tracks objects of one video.

    Parameters
    ----------
    model : SAM2Base
        The network, in evaluation mode.
    features : FrameFeatures
        The video's frames.
    policy : MemoryPolicy, optional
        What a frame recalls; the model's own by default.
    fill_hole_area : float
        Holes of masks up to this many low-resolution pixels are filled.
    storage_device : torch.device, optional
        Where memories and masks are kept; the model's device by default.
    max_batch : int, optional
        At most so many objects at a time; by default 16, and fewer on a CPU where so many fall out of its cache.
    zoom : Zoom, optional
        Chooses a window for each tracked object; the whole frame by default.
    """

    def __init__(
        self,
        model: SAM2Base,
        features: FrameFeatures,
        policy: MemoryPolicy | None = None,
        fill_hole_area: float = 0,
        storage_device: torch.device | None = None,
        max_batch: int | None = None,
        zoom: Zoom | None = None,
    ) -> None:
        self.model = model
        self.features = features
        self.policy = policy
        self.fill_hole_area = fill_hole_area
        self.storage_device = storage_device or model.device
        self.zoom = zoom
        # The official predictor tracks objects one by one, where this option has nothing to do: so it must be here.
        self.max_batch = 1 if model.non_overlap_masks_for_mem_enc else max_batch or best_batch(model, model.device.type)

    @property
    def num_frames(self) -> int:
        """Length of the video."""
        return len(self.features)

    # --- prompted frames -------------------------------------------------------------------------------------------

    def segment(
        self,
        frame: int,
        prompts: Sequence[Prompt],
        memories: Sequence[ObjectMemory] | None = None,
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """Segment a frame as prompted.

        Parameters
        ----------
        frame : int
            The frame.
        prompts : sequence of Prompt
            One per object.
        memories : sequence of ObjectMemory, optional
            What is remembered of each object; without it the frame starts their tracks.
        reverse : bool
            The direction in which the frame was tracked before.
        views : sequence of View or None, optional
            The window in which each object is segmented, and in which its prompt is given; the whole frame by default.

        Returns
        -------
        list of FrameRecord
            One per object, without memories: those are encoded by :meth:`remember`.
        """
        chosen_views = [None] * len(prompts) if views is None else list(views)

        def segment_batch(batch: list[int]) -> list[FrameRecord]:
            recalled = None if memories is None else self._recall(frame, [memories[i] for i in batch], reverse)
            batch_views = [chosen_views[i] for i in batch]
            encoded = self.features.get_batch(frame, batch_views)
            heads = self._segment_batch(encoded, [prompts[i] for i in batch], recalled)
            return self._records(heads, batch_views)

        signatures: list[Hashable] = [prompt.signature for prompt in prompts]
        if memories is not None:
            recalls = [self._signature(frame, memory, reverse) for memory in memories]
            signatures = list(zip(signatures, recalls, strict=True))
        return self._in_batches(signatures, segment_batch)

    def _segment_batch(self, encoded: EncodedFrame, prompts: list[Prompt], recalled: RecalledMemory | None) -> Predicted:
        device, high_res = self.model.device, encoded.high_res_maps
        mask = _stack([prompt.mask for prompt in prompts], device)
        if mask is not None and self.model.use_mask_input_as_output_without_sam:
            coarsest = encoded.vision_feats[-1].permute(1, 2, 0).unflatten(2, encoded.feat_sizes[-1])
            return self.model._use_mask_as_output(coarsest, high_res, mask[:, None])
        features = self._condition(encoded, recalled)
        points, labels = (_stack([getattr(prompt, name) for prompt in prompts], device) for name in ("points_xy", "labels"))
        point_inputs = None if points is None or labels is None else {"point_coords": points, "point_labels": labels}
        previous = _stack([prompt.previous_logits for prompt in prompts], device)
        if previous is not None:
            previous = previous.clamp(-PREVIOUS_LOGIT_BOUND, PREVIOUS_LOGIT_BOUND)[:, None]
        return self.model._predict_masks(
            backbone_features=features,
            point_inputs=point_inputs,
            mask_inputs=previous if mask is None else mask[:, None].float(),
            high_res_features=high_res,
            multimask_output=self.model._use_multimask(recalled is None, point_inputs),
        )

    def remember(self, frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        """Encode the memories of prompted objects from their masks, and return the records with them (official L502-521)."""

        def remember_batch(batch: list[int]) -> list[FrameRecord]:
            chosen = [records[i] for i in batch]
            encoded = self.features.get_batch(frame, [record.view for record in chosen])
            logits = torch.stack([record.mask_logits for record in chosen]).to(self.model.device)[:, None]
            scores = torch.tensor([[record.object_score] for record in chosen], dtype=torch.float32, device=self.model.device)
            memory = self._encode_memory(encoded, logits, scores, prompted=True)
            return [record.with_memory(memory[i].clone()) for i, record in enumerate(chosen)]

        return self._in_batches([None] * len(records), remember_batch)

    # --- tracked frames --------------------------------------------------------------------------------------------

    def track(
        self,
        frame: int,
        memories: Sequence[ObjectMemory],
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """Find objects on a frame by what is remembered of them.

        Parameters
        ----------
        frame : int
            The frame.
        memories : sequence of ObjectMemory
            One per object, each with at least one conditioning frame; they are not changed.
        reverse : bool
            Tracking runs towards frame 0.
        views : sequence of View or None, optional
            The window in which each object is looked for; by default as :attr:`zoom` chooses it.

        Returns
        -------
        list of FrameRecord
            One per object, with memories.
        """
        chosen_views = self.follow(frame, memories, reverse) if views is None else list(views)

        def track_batch(batch: list[int]) -> list[FrameRecord]:
            encoded = self.features.get_batch(frame, [chosen_views[i] for i in batch])
            features = self._condition(encoded, self._recall(frame, [memories[i] for i in batch], reverse))
            predicted = self.model._predict_masks(
                backbone_features=features,
                high_res_features=encoded.high_res_maps,
                multimask_output=self.model._use_multimask(False, None),
            )
            memory = self._encode_memory(encoded, predicted.low_res_masks, predicted.object_score_logits, prompted=False)
            return self._records(predicted, [chosen_views[i] for i in batch], memory)

        return self._in_batches([self._signature(frame, memory, reverse) for memory in memories], track_batch)

    def follow(self, frame: int, memories: Sequence[ObjectMemory], reverse: bool) -> list[View | None]:
        """Choose the windows in which objects are looked for, by where they were on the nearest frame that is recalled."""
        return [self._follow(frame, memory, reverse) for memory in memories]

    def choose(self, frame: int, memory: ObjectMemory, reverse: bool) -> Recall:
        """Choose what a frame recalls of an object."""
        policy = self.policy or OfficialMemoryPolicy(self.model.recall)
        return policy(frame, memory, self.num_frames, reverse)

    # --- pieces ----------------------------------------------------------------------------------------------------

    def _follow(self, frame: int, memory: ObjectMemory, reverse: bool) -> View | None:
        """Choose the window of an object by where it was on the nearest frame that is recalled."""
        if self.zoom is None:
            return None
        # Of two as near, the one that tracking comes from.
        recall = self.choose(frame, memory, reverse)
        nearest = min(recall.memories, key=lambda slot: (abs(slot.frame - frame), (slot.frame < frame) == reverse))
        (record,) = memory.recalled((nearest,))
        return self.zoom.next_view(record.view or whole_view(self.zoom.frame_shape), record.mask_logits)

    def _signature(self, frame: int, memory: ObjectMemory, reverse: bool) -> Hashable:
        """Objects that recall as many memories and pointers fit into one batch."""
        recall = self.choose(frame, memory, reverse)
        return len(recall.memories), len(recall.pointers)

    def _recall(self, frame: int, memories: list[ObjectMemory], reverse: bool) -> RecalledMemory:
        """Gather what B objects recall; they have one signature."""
        device = self.model.device
        recalls = [self.choose(frame, memory, reverse) for memory in memories]
        longest = max(recalls[0].longest_pointer_offset, 1)
        nothing = torch.empty(0, dtype=torch.float32, device=device)
        features, pointers = [], []
        for memory, recall in zip(memories, recalls, strict=True):
            remembered = [record.memory for record in memory.recalled(recall.memories)]
            features.append(torch.stack([x.to(device) for x in remembered if x is not None]))
            recalled_pointers = [record.pointer.to(device) for record in memory.recalled(recall.pointers)]
            pointers.append(torch.stack(recalled_pointers) if recalled_pointers else nothing)
        slots = [[recalled.offset for recalled in recall.memories] for recall in recalls]
        offsets = [[recalled.offset / longest for recalled in recall.pointers] for recall in recalls]
        return RecalledMemory(
            features=torch.stack(features, dim=1),
            slots=torch.tensor(slots, dtype=torch.int64, device=device).T,
            pointers=torch.stack(pointers, dim=1) if offsets[0] else nothing,
            pointer_offsets=torch.tensor(offsets, device=device, dtype=torch.float32).T,
        )

    def _condition(self, encoded: EncodedFrame, recalled: RecalledMemory | None) -> Tensor:
        """Features (B, C, H, W) of a frame, by memory or, where a track starts, without."""
        feats, size = encoded.vision_feats[-1], encoded.feat_sizes[-1]
        if recalled is None:
            return self.model._features_without_memory(feats, encoded.vision_pos.expand(-1, feats.shape[1], -1), size)
        if encoded.is_shared:
            feats = feats[:, :1]
        pos = encoded.vision_pos.expand(-1, feats.shape[1], -1)
        return self.model._condition_on_memory(feats, pos, size, recalled)

    def _encode_memory(self, encoded: EncodedFrame, low_res_masks: Tensor, scores: Tensor, prompted: bool) -> Tensor:
        """Encode memories (B, Cm, H, W), rounded to bfloat16 as the official predictor keeps them (L781)."""
        masks = self.model._upscale_to_image(low_res_masks)
        memory, _ = self.model._encode_new_memory(
            encoded.vision_feats[-1:], encoded.feat_sizes[-1:], masks, scores, is_mask_from_pts=prompted
        )
        return memory.to(torch.bfloat16).to(self.storage_device)

    def _records(self, heads: Predicted, views: Sequence[View | None], memory: Tensor | None = None) -> list[FrameRecord]:
        """One record per object; each owns its tensors, so that forgetting one frees it."""
        logits = fill_holes_in_mask_scores(heads.low_res_masks, self.fill_hole_area)[:, 0].to(self.storage_device)
        scores, ious = heads.object_score_logits[:, 0].tolist(), heads.ious.amax(dim=1).tolist()
        return [
            FrameRecord(
                mask_logits=logits[i].clone(),
                pointer=heads.obj_ptr[i].clone(),
                object_score=scores[i],
                predicted_iou=ious[i],
                memory=None if memory is None else memory[i].clone(),
                view=views[i],
            )
            for i in range(len(logits))
        ]

    def _in_batches(self, signatures: Sequence[Hashable], run: Callable[[list[int]], list[T]]) -> list[T]:
        """Run a function on indices of equal signature, a batch at a time, and put its results back in order.

        Where the memory of a device is full, it is tried again with less. Nothing of what was tracked before changes.

        Raises
        ------
        torch.OutOfMemoryError
            If there is nothing left that could be given up.
        """
        results: dict[int, T] = {}
        waiting = deque(self._batches(signatures))
        while waiting:
            batch = waiting.popleft()
            try:
                found = run(batch)
            except torch.OutOfMemoryError:
                if not self._free_memory(len(batch)):
                    raise
                waiting.extendleft(reversed([batch[i : i + self.max_batch] for i in range(0, len(batch), self.max_batch)]))
            else:
                results.update(zip(batch, found, strict=True))
        return [results[i] for i in range(len(signatures))]

    def _free_memory(self, num_objects: int) -> bool:
        """Need less memory than a batch did: fewer objects at a time, else memories on the CPU, else the model, too."""
        self.features.clear()
        device, cpu = self.model.device, torch.device("cpu")
        if num_objects > 1:
            self.max_batch = num_objects // 2
            logger.warning("the memory of %s is full: at most %d objects are tracked at a time from now on", device, self.max_batch)
        elif self.storage_device != cpu:
            self.storage_device = cpu
            logger.warning("the memory of %s is full: what is remembered of new frames is kept in that of the CPU", device)
        elif device != cpu:
            self.model.to(cpu)
            logger.warning("the memory of %s is full, even for one object: from now on the CPU computes", device)
        else:
            return False
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def _batches(self, signatures: Sequence[Hashable]) -> Iterator[list[int]]:
        groups: dict[Hashable, list[int]] = {}
        for i, signature in enumerate(signatures):
            groups.setdefault(signature, []).append(i)
        for group in groups.values():
            for start in range(0, len(group), self.max_batch):
                batch = group[start : start + self.max_batch]
                num_slots = min(1 << (len(batch) - 1).bit_length(), self.max_batch) if self.model.fills_batches else len(batch)
                yield batch + batch[-1:] * (num_slots - len(batch))


def best_batch(model: SAM2Base, device_kind: str) -> int:
    """Choose how many objects are tracked at a time by a model that computes on a kind of device.

    Measured on a CPU at 1024 pixels, 4096 positions: two objects took 2 % less time each than one, four 5 % more; at 320 pixels,
    400 positions, sixteen 6 % more than four. On a GPU a batch is what fills it.
    """
    if device_kind != "cpu":
        return MAX_BATCH
    positions = (model.image_size // model.backbone_stride) ** 2
    return min(MAX_BATCH, max(1, POSITIONS_IN_CACHE // positions))


def _stack(tensors: list[Tensor | None], device: torch.device) -> Tensor | None:
    """Stack tensors of a batch, in which either all or none are given."""
    given = [tensor.to(device) for tensor in tensors if tensor is not None]
    return torch.stack(given) if given else None
