"""Values of a session as rows of its file: text for what is small, bytes for tensors and label planes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import astuple, dataclass
from typing import Any

from napari_sam2.torch_threads import torch

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import RecordHeader, RecordLayout
from napari_sam2.predictors.zoom import View
from napari_sam2.session.state.calls import decode_mask, encode_mask
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import RECORD_KINDS, ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.structured import parse_json, to_json

NAMES = ("mask_logits", "pointer", "memory")
"""Tensors of a record."""


@dataclass(frozen=True)
class SavedPrompts:
    """Prompts of an object on a frame, as JSON holds them: a mask is packed."""

    points: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    labels: list[int] = dataclasses.field(default_factory=list)
    box: tuple[float, float, float, float] | None = None
    mask: dict[str, Any] | None = None
    is_approved: bool = False

    @classmethod
    def of(cls, prompts: FramePrompts) -> SavedPrompts:
        """Pack prompts."""
        mask = None if prompts.packed_mask is None else encode_mask(prompts.packed_mask)
        return cls(list(prompts.points_rc), list(prompts.labels), prompts.box_rc, mask, prompts.is_approved)

    def prompts(self) -> FramePrompts:
        """Unpack them.

        Raises
        ------
        ValueError
            If the mask is damaged.
        """
        if len(self.points) != len(self.labels):
            raise ValueError(f"there are {len(self.points)} points with {len(self.labels)} labels")
        mask = None if self.mask is None else decode_mask(self.mask)
        return FramePrompts(tuple(self.points), tuple(self.labels), self.box, mask, self.is_approved)


def pack(kind: str, value: Any) -> tuple[str, bytes | None]:
    """Make a row of a value that is not a record.

    Returns
    -------
    about : str
        JSON.
    data : bytes or None
        What is large.
    """
    if kind == "planes":
        return json.dumps([len(plane) for plane in value]), b"".join(value)
    return to_json(SavedPrompts.of(value) if kind == "prompts" else value), None


def unpack(kind: str, about: str, data: bytes | None, where: str) -> Any:
    """Make a value of a row; of a record, :func:`unpack_header`.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    if kind == "planes":
        lengths, packed, start = json.loads(about), data or b"", 0
        planes = []
        for length in lengths:
            planes.append(packed[start : start + length])
            start += length
        if start != len(packed):
            raise ValueError(f"{where} is damaged")
        return tuple(planes)
    if kind == "info":
        return parse_json(ObjectInfo, about, where)
    if kind == "model":
        return parse_json(ModelIdentity, about, where)
    if kind == "sample":
        return parse_json(ErrorSample, about, where)
    if kind == "prompts":
        saved: SavedPrompts = parse_json(SavedPrompts, about, where)
        return saved.prompts()
    if kind in RECORD_KINDS:
        return unpack_header(about, torch.device("cpu"))
    raise ValueError(f"{where} is of an unknown kind, {kind!r}")


def pack_record(record: FrameRecord) -> tuple[str, bytes]:
    """Make a row of a record: scores as JSON, tensors as safetensors."""
    from safetensors.torch import save  # it imports PyTorch, which is imported already

    tensors = {name: tensor for name in NAMES if (tensor := getattr(record, name)) is not None}
    about = {
        "object_score": record.object_score,
        "predicted_iou": record.predicted_iou,
        "view": None if record.view is None else astuple(record.view),
        "anchor_distance": record.anchor_distance,
        "tensors": [[str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for tensor in tensors.values()],
    }
    # Each tensor owns its memory here: safetensors refuses two that share it.
    owned = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    return json.dumps(about), save(owned)


def unpack_header(about: str, device: torch.device) -> RecordHeader:
    """Read all of a record but the contents of its tensors.

    Raises
    ------
    LookupError, TypeError, ValueError, AttributeError
        If it is damaged.
    """
    fields = json.loads(about)
    tensors = tuple((torch.Size(shape), getattr(torch, dtype), device) for dtype, shape in fields["tensors"])
    if len(tensors) not in (2, 3) or not all(isinstance(dtype, torch.dtype) for _, dtype, _ in tensors):
        raise ValueError("a record is damaged")
    view = None if fields["view"] is None else View(*fields["view"])
    layout = RecordLayout(tensors)
    return RecordHeader(layout, float(fields["object_score"]), float(fields["predicted_iou"]), view, int(fields["anchor_distance"]))


def unpack_record(header: RecordHeader, data: bytes) -> FrameRecord:
    """Read a record.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
    except SafetensorError as error:
        raise ValueError("a record is damaged") from error
    found = [tensors[name] for name in NAMES if name in tensors]
    if [(tensor.shape, tensor.dtype) for tensor in found] != [(shape, dtype) for shape, dtype, _ in header.layout.tensors]:
        raise ValueError("a record is damaged")
    return header.with_tensors([tensor.to(device) for tensor, (_, _, device) in zip(found, header.layout.tensors, strict=True)])
