"""A double with meaning for the tracker: an object is the bright blob under the click, so that labels can be told exactly.

H, W height and width of a frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage as ndi

from napari_sam2.images.intensity import map_intensity
from napari_sam2.model.sam2_base import NO_OBJ_SCORE
from napari_sam2.predictors import tracker as tracker_module
from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.frame_features import FrameFeatures
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryPolicy, ObjectMemory
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.predictors.zoom import View, Zoom
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor

SURE_OF_MASK, SURE_OF_BOX, SURE_OF_CLICK = 8.0, 4.0, 2.0
"""Logits inside a prompted object: of two that overlap, the one said with more care wins. A tracked one is half as sure as that
by which it was found."""

tiny_model = cache(tiny_predictor)
Square = tuple[int, int, int]


class BlobTracker:
    """What :class:`~napari_sam2.predictors.tracker.Tracker` offers a session, without a network.

    A blob is a connected region brighter than half of the session's intensity range. Logits have the resolution of the data.
    The pointer of a record tells where it comes from: it is equal for two records only if they were made from the same masks by the
    same frames being recalled in the same slots. A record made by a person tells its mask alone.
    """

    def __init__(
        self,
        model: SAM2VideoPredictor,
        features: FrameFeatures,
        policy: MemoryPolicy,
        fill_hole_area: float = 0,
        storage_device: torch.device | None = None,
        max_batch: int = 16,
        zoom: Zoom | None = None,
        is_repeatable: bool = False,
    ) -> None:
        assert zoom is None, "the double sees whole frames"
        self.size = model.image_size
        self.features = features
        self.frames: Any = features.frames
        self.policy = policy

    def blobs(self, frame: int) -> npt.NDArray[np.int32]:
        """Number the blobs of a frame, (H, W)."""
        plane = np.asarray(self.frames.array[frame])
        bright = plane / 255 if self.frames.as_is else map_intensity(plane, self.frames.low, self.frames.high)
        labels: npt.NDArray[np.int32] = ndi.label((bright.max(axis=-1) if bright.ndim == 3 else bright) > 0.5)[0]
        return labels

    def segment(
        self,
        frame: int,
        prompts: Sequence[Prompt],
        memories: Sequence[ObjectMemory] | None = None,
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        assert memories is None or all(memory.frames() for memory in memories)
        return [self._segment(frame, prompt) for prompt in prompts]

    def _segment(self, frame: int, prompt: Prompt) -> FrameRecord:
        blobs = self.blobs(frame)
        if prompt.mask is not None:
            return blob_record(prompt.mask, SURE_OF_MASK)
        assert prompt.points_xy is not None
        assert prompt.labels is not None
        scale = np.array(blobs.shape) / self.size
        at = np.rint((prompt.points_xy[:, ::-1] + 0.5) * scale - 0.5).astype(int)
        labels = prompt.labels
        inside = [blobs[row, col] for row, col in at[labels == 1]]
        sure = SURE_OF_CLICK
        if 2 in labels:
            (top, left), (bottom, right) = at[labels == 2][0], at[labels == 3][0]
            centres = {i: ndi.center_of_mass(blobs == i) for i in range(1, blobs.max() + 1)}
            inside += [i for i, (row, col) in centres.items() if top <= row <= bottom and left <= col <= right]
            sure = SURE_OF_BOX
        mask = np.isin(blobs, inside) & (blobs > 0)
        if not inside and prompt.previous_logits is not None:
            mask = prompt.previous_logits > 0
        outside = [blobs[row, col] for row, col in at[labels == 0]]
        return blob_record(mask & ~(np.isin(blobs, outside) & (blobs > 0)), sure)

    def release_features(self) -> None:
        self.features.clear()

    def absent(self, record: FrameRecord) -> FrameRecord:
        return replace(record, mask_logits=np.full_like(record.mask_logits, NO_OBJ_SCORE), object_score=NO_OBJ_SCORE)

    def remember(self, frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        return [_remembered(record) for record in records]

    def track(self, frame: int, memories: Sequence[ObjectMemory], reverse: bool = False) -> list[FrameRecord]:
        assert torch.is_inference_mode_enabled()
        return [self._track(frame, memory, reverse) for memory in memories]

    def _track(self, frame: int, memory: ObjectMemory, reverse: bool) -> FrameRecord:
        """The blob that overlaps most with the object where it was last seen, coming from where tracking comes from."""
        recall = self.policy(frame, memory, len(self.frames), reverse)
        recalled = {slot.frame: record for slot, record in zip(recall.memories, memory.recalled(recall.memories), strict=True)}
        assert all(record.memory is not None for record in recalled.values()), "a memory that was not encoded is recalled"
        slots = tuple((slot.frame, slot.is_conditioning, slot.offset) for slot in (*recall.memories, *recall.pointers))
        origin = (frame, slots, tuple(int(record.pointer.array[0]) for record in recalled.values()))
        behind = [t for t in recalled if (t > frame if reverse else t < frame)]
        blobs = self.blobs(frame)
        for t in sorted(behind, reverse=not reverse):
            logits = recalled[t].mask_logits
            if (logits > 0).any():
                overlaps = np.bincount(blobs[logits > 0], minlength=2)[1:]
                mask = (blobs == overlaps.argmax() + 1) & bool(overlaps.any())
                return _remembered(blob_record(mask, logits.max() / 2, origin))
        return _remembered(blob_record(np.zeros(blobs.shape, bool), 0, origin))


def blob_record(mask: npt.NDArray[np.bool_], sure: float, origin: tuple[Any, ...] = ()) -> FrameRecord:
    logits = np.where(mask, sure, -sure) if mask.any() else np.full(mask.shape, NO_OBJ_SCORE)
    fingerprint = zlib.crc32(mask.tobytes() + repr(origin).encode())
    score = 10.0 if mask.any() else -10.0
    pointer = PackedTensor(np.array([fingerprint]), "int64")
    return FrameRecord(logits.astype(np.float32), pointer, score, float(mask.mean()))


def _remembered(record: FrameRecord) -> FrameRecord:
    return record.with_memory(PackedTensor.pack(torch.from_numpy(record.mask_logits).to(torch.bfloat16)))


def squares(num_frames: int, shape: tuple[int, int], tracks: dict[int, list[Square | None]]) -> npt.NDArray[np.uint16]:
    """Labels of objects that are squares: upper row, left column and side on each frame, None where absent."""
    labels = np.zeros((num_frames, *shape), np.uint16)
    for object_id, places in tracks.items():
        for plane, place in zip(labels, places, strict=True):
            if place is not None:
                row, col, side = place
                assert not plane[row : row + side, col : col + side].any()
                plane[row : row + side, col : col + side] = object_id
    return labels


def blob_session(image: Any, axes: str | None = None, **arguments: Any) -> Session:
    """Open a session whose tracker is the double."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker_module, "Tracker", BlobTracker)
        return Session(image, axes, model=tiny_model(), **arguments)
