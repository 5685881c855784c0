"""What is remembered of each object, and which of it a frame recalls. C channels · Cm of a memory · h, w mask size."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor

from napari_sam2.model.memory_recall import OfficialRecall, Recall, RecalledFrame
from napari_sam2.predictors.views import View


@dataclass(frozen=True)
class FrameRecord:
    """What is known of one object on one frame.

    Attributes
    ----------
    mask_logits : Tensor
        (h, w), float32, a quarter of the model's input in size.
    pointer : Tensor
        (C,), the object pointer.
    object_score : float
        Logit, above 0 where the object is on the frame.
    predicted_iou : float
        How good the model believes the mask to be, 0 .. 1.
    memory : Tensor or None
        (Cm, H, W), bfloat16; None until it is encoded.
    view : View or None
        The window of the frame that mask and memory show; None for the whole frame.
    """

    mask_logits: Tensor
    pointer: Tensor
    object_score: float
    predicted_iou: float
    memory: Tensor | None = None
    view: View | None = None

    def with_memory(self, memory: Tensor) -> FrameRecord:
        """Return the record with its memory."""
        return replace(self, memory=memory)


@dataclass
class ObjectMemory:
    """All frames remembered of one object.

    Attributes
    ----------
    conditioning : mapping
        Records of frames a person decided on, by frame.
    tracked : mapping
        Records of frames the model decided on; a ``RecordStore`` where there may be many.
    """

    conditioning: MutableMapping[int, FrameRecord] = field(default_factory=dict)
    tracked: MutableMapping[int, FrameRecord] = field(default_factory=dict)

    def get(self, frame: int) -> FrameRecord | None:
        """Return what is known of a frame; what a person decided comes first."""
        return self.conditioning[frame] if frame in self.conditioning else self.tracked.get(frame)

    def recalled(self, frames: tuple[RecalledFrame, ...]) -> Iterator[FrameRecord]:
        """Look up recalled frames."""
        for recalled in frames:
            yield (self.conditioning if recalled.is_conditioning else self.tracked)[recalled.frame]

    def frames(self) -> list[int]:
        """All frames of which something is known, in order."""
        return sorted({*self.conditioning, *self.tracked})


class MemoryPolicy(Protocol):
    """Chooses what a frame recalls of an object: it sees every record's frame, scores and age, and no network."""

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:
        """Choose for ``frame`` of ``num_frames``, tracked towards the end or, in reverse, towards the start."""
        ...


@dataclass(frozen=True)
class OfficialMemoryPolicy:
    """What the official implementation recalls: all conditioning frames and the last few, whatever their scores."""

    recall: OfficialRecall

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:
        """Choose for ``frame``; see :class:`MemoryPolicy`."""
        return self.recall(frame, memory.conditioning, memory.tracked, num_frames, reverse)
