"""The one engine: segments prompted frames and tracks all objects of a frame in one batch, with typed state and no video around it.

B objects · P points · C channels of the features, Cm of a memory · S side of the input · H, W coarsest level · h, w mask size
M memories · Q object pointers.
"""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.sam2_base import NO_OBJ_SCORE, PredictedMasks, RecalledMemory, SAM2Base, SamHeadOutputs
from napari_sam2.predictors.any_tracker import AnyTracker, Prompt, best_batch
from napari_sam2.predictors.frame_features import EncodedFrame, FrameFeatures
from napari_sam2.predictors.logits import rounded as rounded_numbers
from napari_sam2.predictors.mask_postprocessing import fill_holes_in_mask_scores, resize_mask, rounded
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin, MemoryPolicy, ObjectMemory, OfficialMemoryPolicy
from napari_sam2.predictors.packed_tensor import PackedTensor, as_tensor
from napari_sam2.predictors.zoom import View, Zoom

PREVIOUS_LOGIT_BOUND = 32.0
"""A refined prediction comes in within plus and minus this (official ``sam2_video_predictor.py`` L257)."""

logger = logging.getLogger(__name__)

T = TypeVar("T")
Predicted: TypeAlias = PredictedMasks | SamHeadOutputs


class Tracker(AnyTracker):
    """Segments and tracks objects of one video with a model that is here; see :class:`AnyTracker`.

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
        Where memories of records in use are kept beside those records; the model's device by default, the CPU for none.
    max_batch : int, optional
        At most so many objects at a time; by default 16, and fewer on a CPU where so many fall out of its cache.
    zoom : Zoom, optional
        Chooses a window for each tracked object; the whole frame by default.
    is_repeatable : bool
        Records have what their memory is encoded from, exactly, so that it can be encoded again by :meth:`remember`, and need
        not be kept. Logits are rounded (:func:`~napari_sam2.predictors.mask_postprocessing.rounded`), and take half as much room.
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
        is_repeatable: bool = False,
    ) -> None:
        super().__init__(len(features), policy or _policy_of(model), zoom)
        self.model = model
        self.features = features
        self.fill_hole_area = fill_hole_area
        self.storage_device = storage_device or model.device
        self._on_device: weakref.WeakKeyDictionary[PackedTensor, Tensor] = weakref.WeakKeyDictionary()
        self.is_repeatable = is_repeatable
        # The official predictor tracks objects one by one, where this option has nothing to do: so it must be here.
        self.max_batch = 1 if model.non_overlap_masks_for_mem_enc else max_batch or best_batch(model.image_size, model.device.type)

    # --- prompted frames -------------------------------------------------------------------------------------------

    def segment(
        self,
        frame: int,
        prompts: Sequence[Prompt],
        memories: Sequence[ObjectMemory] | None = None,
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """See :meth:`AnyTracker.segment`."""
        chosen_views = [None] * len(prompts) if views is None else list(views)

        def segment_batch(batch: list[int]) -> list[FrameRecord]:
            recalled = None if memories is None else self._recall(frame, [memories[i] for i in batch], reverse)
            batch_views = [chosen_views[i] for i in batch]
            encoded = self.features.get_batch(frame, batch_views)
            heads = self._segment_batch(encoded, [prompts[i] for i in batch], recalled)
            return self._records(heads, self._masks(heads), batch_views, MaskOrigin.PROMPTED)

        signatures: list[Hashable] = [prompt.signature for prompt in prompts]
        if memories is not None:
            recalls = [self._signature(frame, memory, reverse) for memory in memories]
            signatures = list(zip(signatures, recalls, strict=True))
        return self._in_batches(signatures, segment_batch)

    def _segment_batch(self, encoded: EncodedFrame, prompts: list[Prompt], recalled: RecalledMemory | None) -> Predicted:
        device, high_res = self.model.device, encoded.high_res_maps
        mask = _stack([self._resized(prompt.mask) for prompt in prompts], device)
        if mask is not None and self.model.use_mask_input_as_output_without_sam:
            coarsest = encoded.vision_feats[-1].permute(1, 2, 0).unflatten(2, encoded.feat_sizes[-1])
            return self.model._use_mask_as_output(coarsest, high_res, mask[:, None])
        features = self._condition(encoded, recalled)
        points, labels = (
            _stack([None if one is None else as_tensor(one) for one in given], device)
            for given in ([prompt.points_xy for prompt in prompts], [prompt.labels for prompt in prompts])
        )
        point_inputs = None if points is None or labels is None else {"point_coords": points, "point_labels": labels}
        previous = _stack([self._previous(prompt) for prompt in prompts], device)
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
        """See :meth:`AnyTracker.remember`."""

        def remember_batch(batch: list[int]) -> list[FrameRecord]:
            chosen = [records[i] for i in batch]
            encoded = self.features.get_batch(frame, [record.view for record in chosen])
            logits = torch.from_numpy(np.stack([record.remembered_logits for record in chosen])).to(self.model.device)[:, None]
            scores = torch.tensor([[record.object_score] for record in chosen], dtype=torch.float32, device=self.model.device)
            is_prompted = chosen[0].origin is MaskOrigin.PROMPTED
            memory = self._encode_memory(encoded, logits, scores, is_prompted)
            return [record.with_memory(one) for record, one in zip(chosen, self._packed(memory), strict=True)]

        return self._in_batches([record.origin for record in records], remember_batch)

    def absent(self, record: FrameRecord) -> FrameRecord:
        """See :meth:`AnyTracker.absent`."""
        device = self.model.device
        score = torch.tensor([[NO_OBJ_SCORE]], dtype=torch.float32, device=device)
        (pointer,) = self._packed(self.model._mix_absent_pointer(self._unpacked(record.pointer)[None], score))
        logits = np.full_like(record.mask_logits, NO_OBJ_SCORE)
        return replace(record, mask_logits=logits, pointer=pointer, object_score=NO_OBJ_SCORE, memory=None)

    def release_features(self) -> None:
        """See :meth:`AnyTracker.release_features`."""
        self.features.clear()

    # --- tracked frames --------------------------------------------------------------------------------------------

    def track(
        self,
        frame: int,
        memories: Sequence[ObjectMemory],
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """See :meth:`AnyTracker.track`."""
        chosen_views = self.follow(frame, memories, reverse) if views is None else list(views)

        def track_batch(batch: list[int]) -> list[FrameRecord]:
            encoded = self.features.get_batch(frame, [chosen_views[i] for i in batch])
            features = self._condition(encoded, self._recall(frame, [memories[i] for i in batch], reverse))
            predicted = self.model._predict_masks(
                backbone_features=features,
                high_res_features=encoded.high_res_maps,
                multimask_output=self.model._use_multimask(False, None),
            )
            masks = self._masks(predicted)
            memory = self._encode_memory(encoded, masks, predicted.object_score_logits, prompted=False)
            return self._records(predicted, masks, [chosen_views[i] for i in batch], MaskOrigin.TRACKED, memory)

        return self._in_batches([self._signature(frame, memory, reverse) for memory in memories], track_batch)

    # --- pieces ----------------------------------------------------------------------------------------------------

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
            remembered = []
            for record in memory.recalled(recall.memories):
                assert record.memory is not None, "encoded by remember() before it is recalled"
                remembered.append(self._unpacked(record.memory))
            features.append(torch.stack(remembered))
            recalled_pointers = [self._unpacked(record.pointer) for record in memory.recalled(recall.pointers)]
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
        masks, feats = self.model._upscale_to_image(low_res_masks), encoded.vision_feats[-1]

        def encode(feats: Tensor, masks: Tensor, scores: Tensor) -> Tensor:
            return self.model._encode_new_memory([feats], encoded.feat_sizes[-1:], masks, scores, is_mask_from_pts=prompted)[0]

        if self.is_repeatable and feats.device.type == "cpu":
            # In a batch of another size, the last bits may be others. It takes as long: a CPU is busy with one object.
            alone = [_as_encoded(feats[:, i : i + 1] if feats.shape[1] > 1 else feats) for i in range(len(scores))]
            memory = torch.cat([encode(one, masks[i : i + 1], scores[i : i + 1]) for i, one in enumerate(alone)])
        else:
            memory = encode(feats, masks, scores)
        return memory.to(torch.bfloat16)

    def _masks(self, heads: Predicted) -> Tensor:
        """Return the chosen masks, (B, 1, h, w), rounded before anything is made of them, so that it can be made again."""
        return rounded(heads.low_res_masks) if self.is_repeatable else heads.low_res_masks

    def _records(
        self,
        heads: Predicted,
        masks: Tensor,
        views: Sequence[View | None],
        origin: MaskOrigin,
        memory: Tensor | None = None,
    ) -> list[FrameRecord]:
        """One record per object; each owns its arrays, so that forgetting one frees it."""
        filled = fill_holes_in_mask_scores(masks, self.fill_hole_area)
        logits = filled[:, 0].float().cpu().numpy()
        best_ious = heads.ious.float().amax(dim=1, keepdim=True)
        numbers = torch.cat([heads.object_score_logits.float(), best_ious], dim=1).tolist()  # a host waits once, not for each
        pointers = self._packed(heads.obj_ptr)
        memories: Sequence[PackedTensor | None] = [None] * len(logits) if memory is None else self._packed(memory)
        records = [
            FrameRecord(
                mask_logits=logits[i].copy(),
                pointer=pointers[i],
                object_score=numbers[i][0],
                predicted_iou=numbers[i][1],
                memory=memories[i],
                view=views[i],
                origin=origin,
            )
            for i in range(len(logits))
        ]
        if not self.is_repeatable:
            return records
        shown = [replace(record, mask_logits=rounded_numbers(record.mask_logits)) for record in records]
        if memory is None or filled is masks:
            return shown
        # The memory is encoded before holes are filled.
        remembered = zip(shown, masks[:, 0].cpu().numpy(), strict=True)
        return [replace(one, mask_logits=before.copy()).showing(one.mask_logits) for one, before in remembered]

    def _packed(self, batch: Tensor) -> list[PackedTensor]:
        """Pack a tensor of each object; on a GPU it stays for as long as the packed one is in use, lest it travel there again."""
        packed = PackedTensor.pack_each(batch)
        if self.storage_device.type != "cpu":
            self._on_device.update(zip(packed, [one.clone() for one in batch], strict=True))
        return packed

    def _unpacked(self, packed: PackedTensor) -> Tensor:
        device = self.model.device
        if self.storage_device.type == "cpu":
            return packed.unpack(device)
        if packed not in self._on_device:
            self._on_device[packed] = packed.unpack(device)
        return self._on_device[packed]

    def _resized(self, mask: npt.NDArray[np.bool_] | None) -> Tensor | None:
        """Bring the mask of a prompt to the size of the input."""
        size = self.model.image_size
        return None if mask is None else resize_mask(as_tensor(mask), (size, size))

    def _previous(self, prompt: Prompt) -> Tensor | None:
        """Take the prediction that a prompt refines."""
        if prompt.previous_logits is not None:
            return as_tensor(prompt.previous_logits)
        return None if prompt.previous_mask is None else mask_as_logits(prompt.previous_mask, self.model.image_size // 4)

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
            self._on_device.clear()
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


def _policy_of(model: SAM2Base) -> MemoryPolicy:
    """Return the recall of a model, as it is configured whenever a frame is segmented."""
    return lambda *asked: OfficialMemoryPolicy(model.recall)(*asked)


def _as_encoded(feats: Tensor) -> Tensor:
    """Return features of one object, (N, 1, C), in the memory layout in which a frame is encoded."""
    return feats.permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _stack(tensors: list[Tensor | None], device: torch.device) -> Tensor | None:
    """Stack tensors of a batch, in which either all or none are given."""
    given = [tensor.to(device) for tensor in tensors if tensor is not None]
    return torch.stack(given) if given else None


def mask_as_logits(mask: npt.NDArray[np.bool_], size: int) -> Tensor:
    """Convert a mask (H, W) to logits of a certain prediction, (size, size), float32, as the model does with a mask prompt."""
    full = resize_mask(as_tensor(mask), (4 * size, 4 * size)).float()[None, None] * 20.0 - 10.0
    return F.interpolate(full, (size, size), mode="bilinear", align_corners=False, antialias=True)[0, 0]
