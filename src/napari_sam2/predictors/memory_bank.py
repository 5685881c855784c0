"""The memory of each object, and which frames of it a frame recalls. C channels · Cm of a memory · h, w mask size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_sam2.model.memory_recall import OfficialRecall, Recall, RecalledFrame
from napari_sam2.predictors.logits import rounded
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.zoom import View


class MaskOrigin(StrEnum):
    """How a mask was made, on which depends how its memory is encoded."""

    PROMPTED = "prompted"
    TRACKED = "tracked"
    OTHER = "other"
    """Of another model, or of two objects: such a record is shown, and never recalled."""


@dataclass(frozen=True)
class FrameRecord:
    """The record of one object on one frame: mask, pointer, scores and memory; on whatever device they are computed, it lies here.

    Attributes
    ----------
    mask_logits : ndarray
        (h, w), float32, a quarter of the model's input in size.
    pointer : PackedTensor
        (C,), the object pointer.
    object_score : float
        Logit, above 0 where the object is on the frame.
    predicted_iou : float
        The IoU of the mask with the true one as the model predicts it, 0 .. 1.
    memory : PackedTensor or None
        (Cm, H, W), bfloat16; None where it is not encoded, or not kept: then it can be encoded again from the frame and
        :attr:`remembered_logits`.
    view : View or None
        The window of the frame that mask and memory show; None for the whole frame.
    anchor_distance : int
        Distance in frames from the nearest anchor frame, if the caller sets it; 0 on anchor frames, below 0 where the mask was
        tracked backward, from a frame after it.
    origin : MaskOrigin
        How the mask was made.
    remembered : ndarray or None
        (h, w), the mask of which the memory is encoded where another one is shown: before its holes were filled, or a part was left
        out.
    """

    mask_logits: npt.NDArray[np.float32]
    pointer: PackedTensor
    object_score: float
    predicted_iou: float
    memory: PackedTensor | None = None
    view: View | None = None
    anchor_distance: int = 0
    origin: MaskOrigin = MaskOrigin.PROMPTED
    remembered: npt.NDArray[np.float32] | None = None

    @property
    def is_present(self) -> bool:
        """The object is on the frame."""
        return self.object_score > 0

    @property
    def remembered_logits(self) -> npt.NDArray[np.float32]:
        """The mask of which the memory is encoded, (h, w)."""
        return self.mask_logits if self.remembered is None else self.remembered

    def with_memory(self, memory: PackedTensor) -> FrameRecord:
        """Return the record with its memory."""
        return replace(self, memory=memory)

    def showing(self, mask_logits: npt.NDArray[np.float32]) -> FrameRecord:
        """Return the record with another mask, rounded, which is not the one that is remembered."""
        mask_logits = rounded(mask_logits)
        is_same = np.array_equal(mask_logits, self.remembered_logits)
        return replace(self, mask_logits=mask_logits, remembered=None if is_same else self.remembered_logits)

    def as_prompted(self, **changes: Any) -> FrameRecord:
        """Return the record as that of a prompted frame, whose memory is to be encoded from the mask that is shown."""
        return replace(self, memory=None, origin=MaskOrigin.PROMPTED, remembered=None, **changes)

    def to_be_shown(self, mask_logits: npt.NDArray[np.float32]) -> FrameRecord:
        """Return the record with a mask that is shown, and never recalled."""
        return replace(self, mask_logits=mask_logits, memory=None, origin=MaskOrigin.OTHER, remembered=None)


@dataclass
class ObjectMemory:
    """The records of one object that frames can recall.

    Attributes
    ----------
    conditioning : mapping
        Records of conditioning frames, which a session calls anchor frames: those with prompts, by frame.
    tracked : mapping
        Records of tracked frames, by frame; a ``RecordStore`` where there may be many.
    """

    conditioning: MutableMapping[int, FrameRecord] = field(default_factory=dict)
    tracked: MutableMapping[int, FrameRecord] = field(default_factory=dict)

    def get(self, frame: int) -> FrameRecord | None:
        """Return the record of a frame, that of a conditioning frame first; None where there is none."""
        return self.conditioning[frame] if frame in self.conditioning else self.tracked.get(frame)

    def recalled(self, frames: tuple[RecalledFrame, ...]) -> Iterator[FrameRecord]:
        """Yield the records of recalled frames."""
        for recalled in frames:
            yield (self.conditioning if recalled.is_conditioning else self.tracked)[recalled.frame]

    def frames(self) -> list[int]:
        """All frames with a record, in order."""
        return sorted({*self.conditioning, *self.tracked})


@dataclass(frozen=True)
class MemoryGate:
    """Keeps frames out of the memory on which the object is absent or its predicted IoU is low.

    The official memory takes every frame, so that after ten frames without the object it is empty, and a bad mask spreads.
    SAM2Long, SAMURAI and DAM4SAM have in common that they leave such frames out. Prompted frames are always in it.

    Attributes
    ----------
    min_object_score : float
        Logit above which the object is on a frame.
    min_predicted_iou : float
        Frames at or below it are left out, 0 .. 1.
    look_back : int
        Instead of frames left out, older ones are recalled, from up to so many frames ago.
    """

    min_object_score: float = 0.0
    min_predicted_iou: float = 0.3
    look_back: int = 32

    def __post_init__(self) -> None:
        if self.look_back < 1:
            raise ValueError(f"look_back is one frame or more, got {self.look_back}")
        if not 0 <= self.min_predicted_iou <= 1:
            raise ValueError(f"min_predicted_iou lies between 0 and 1, got {self.min_predicted_iou}")

    def admits(self, record: FrameRecord) -> bool:
        """Return whether a record of a tracked frame may be recalled."""
        return record.object_score > self.min_object_score and record.predicted_iou > self.min_predicted_iou

    def recall(
        self,
        recall: OfficialRecall,
        frame: int,
        conditioning: Collection[int],
        tracked: Mapping[int, FrameRecord],
        num_frames: int,
        reverse: bool,
        span: range,
    ) -> Recall:
        """Recall as the official choice does, of tracked frames only those that are admitted.

        Parameters
        ----------
        recall : OfficialRecall
            The official choice.
        frame : int
            The frame to be segmented.
        conditioning : collection of int
            Prompted frames.
        tracked : mapping of int to FrameRecord
            Tracked frames.
        num_frames : int
            Length of the video.
        reverse : bool
            Tracking runs towards frame 0.
        span : range
            Only tracked frames in it count.

        Returns
        -------
        Recall
            Prompted frames first, then the latest of the others, from the oldest to the newest: the newest has slot 1, whatever
            its distance.
        """
        back = 1 if reverse else -1
        behind = (frame + back * distance for distance in range(1, self.look_back + 1))
        admitted = [t for t in behind if t in span and t in tracked and self.admits(header(tracked, t))]
        official = recall(frame, conditioning, set(admitted), num_frames, reverse)
        prompted = tuple(slot for slot in official.memories if slot.is_conditioning)
        recent = [RecalledFrame(t, False, slot) for slot, t in enumerate(admitted[: recall.num_maskmem - 1], 1)]
        return replace(official, memories=(*prompted, *reversed(recent)))


def header(records: Mapping[int, FrameRecord], frame: int) -> FrameRecord:
    """Return a record for its scores only: where it lies on disk, its tensors are not read."""
    look_up = getattr(records, "header", None)
    record: FrameRecord = records[frame] if look_up is None else look_up(frame)
    return record


class MemoryPolicy(Protocol):
    """Chooses the frames of an object that a frame recalls, by the records' frames, scores and age, without the network."""

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:
        """Choose for ``frame`` of ``num_frames``, tracked towards the end or, in reverse, towards the start."""
        ...


@dataclass(frozen=True)
class OfficialMemoryPolicy:
    """The recall of the official implementation: all conditioning frames and the last few, whatever their scores, or by a gate."""

    recall: OfficialRecall
    gate: MemoryGate | None = None

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:
        """Choose for ``frame``; see :class:`MemoryPolicy`."""
        if self.gate is not None:
            span = range(num_frames)
            return self.gate.recall(self.recall, frame, memory.conditioning, memory.tracked, num_frames, reverse, span)
        return self.recall(frame, memory.conditioning, memory.tracked, num_frames, reverse)
