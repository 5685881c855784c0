"""Records made of tensors, and what is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.zoom import View


def record_of(
    logits: torch.Tensor | npt.NDArray[np.float32],
    pointer: torch.Tensor | list[float],
    object_score: float,
    predicted_iou: float,
    memory: torch.Tensor | None = None,
    view: View | None = None,
    anchor_distance: int = 0,
) -> FrameRecord:
    """Make a record of tensors."""
    packed = None if memory is None else PackedTensor.pack(memory)
    pointers = PackedTensor.pack(torch.as_tensor(pointer))
    return FrameRecord(np.asarray(logits), pointers, object_score, predicted_iou, packed, view, anchor_distance)


def bits(packed: PackedTensor | None) -> Any:
    """Return type, shape and bytes of a tensor."""
    return None if packed is None else (packed.dtype, packed.shape, packed.array.tobytes())


def contents(record: FrameRecord) -> Any:
    """Return all that is in a record, to the bit."""
    logits = PackedTensor(record.mask_logits, record.mask_logits.dtype.name)
    rest = record.object_score, record.predicted_iou, record.view, record.anchor_distance
    return bits(logits), bits(record.pointer), bits(record.memory), *rest
