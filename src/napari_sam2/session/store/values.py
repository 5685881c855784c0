"""Values of a session as rows of its file: text for what is small, bytes for tensors and label planes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from napari_sam2.predictors.logits import Logits
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.packed_tensor import PackedTensor, array_dtype
from napari_sam2.predictors.record_store import RecordHeader, RecordLayout
from napari_sam2.predictors.zoom import View
from napari_sam2.session.state.calls import decode_mask, encode_mask
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import RECORD_KINDS, ObjectInfo
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.store.packed_logits import pack_logits, unpack_logits
from napari_sam2.structured import parse_json, to_json

_SAFETENSORS_NAMES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32", "uint8": "U8",
}  # fmt: skip
"""The types of tensors of a record, as safetensors has them."""


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
        return unpack_header(about)
    raise ValueError(f"{where} is of an unknown kind, {kind!r}")


def pack_record(record: FrameRecord) -> tuple[str, bytes]:
    """Make a row of a record: scores as JSON, tensors as safetensors; the memory is not among them, see :class:`FrameRecord`."""
    tensors = {"mask_logits": _packed(record.mask_logits), "pointer": record.pointer}
    if record.remembered is not None:
        whole, others = _packed(record.remembered), _others(record.mask_logits, record.remembered)
        tensors.update({"others": others} if others.num_bytes < whole.num_bytes else {"remembered": whole})
    about = {
        "object_score": record.object_score,
        "predicted_iou": record.predicted_iou,
        "view": None if record.view is None else astuple(record.view),
        "anchor_distance": record.anchor_distance,
        "origin": record.origin,
        "tensors": [["float32", list(record.mask_logits.shape)], [record.pointer.dtype, list(record.pointer.shape)]],
    }
    return json.dumps(about), _as_safetensors(tensors)


def _other(logits: Logits) -> np.dtype[np.void]:
    return np.dtype([("place", "<u2" if logits.size <= 2**16 else "<u4"), ("logit", "<f4")])


def _others(logits: Logits, remembered: Logits) -> PackedTensor:
    """Pack the few pixels whose remembered logit is not the one that is shown, each with its place in (h, w)."""
    places = np.flatnonzero(logits.view(np.int32) != remembered.view(np.int32))
    others = np.empty(len(places), _other(logits))
    others["place"], others["logit"] = places, remembered.ravel()[places]
    return PackedTensor(others.view(np.uint8), "uint8")


def _with_others(logits: Logits, packed: bytes) -> Logits:
    try:
        others = np.frombuffer(packed, _other(logits))
        remembered = logits.copy()
        remembered.reshape(-1)[others["place"]] = others["logit"]
    except (IndexError, ValueError) as error:
        raise ValueError("a record is damaged") from error
    return remembered


def _packed(logits: Logits) -> PackedTensor:
    return PackedTensor(np.frombuffer(pack_logits(np.ascontiguousarray(logits, np.float32)), np.uint8), "uint8")


def _as_safetensors(tensors: Mapping[str, PackedTensor]) -> bytes:
    """Write tensors in the format of safetensors, whose own functions for NumPy have no bfloat16."""
    header, end = dict[str, Any](), 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": _SAFETENSORS_NAMES[tensor.dtype],
            "shape": tensor.shape,
            "data_offsets": [end, end + tensor.num_bytes],
        }
        end += tensor.num_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(tensor.array.tobytes() for tensor in tensors.values())])


def unpack_header(about: str) -> RecordHeader:
    """Read all of a record but the contents of its tensors.

    Raises
    ------
    LookupError, TypeError, ValueError, AttributeError
        If it is damaged.
    """
    fields = json.loads(about)
    tensors = tuple((tuple(shape), dtype) for dtype, shape in fields["tensors"])
    if len(tensors) != 2 or not all(dtype in _SAFETENSORS_NAMES for _, dtype in tensors):
        raise ValueError("a record is damaged")
    view = None if fields["view"] is None else View(*fields["view"])
    scores = float(fields["object_score"]), float(fields["predicted_iou"])
    return RecordHeader(RecordLayout(tensors), *scores, view, int(fields["anchor_distance"]), MaskOrigin(fields["origin"]))


def unpack_record(header: RecordHeader, data: bytes) -> FrameRecord:
    """Read a record.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    from safetensors import SafetensorError, deserialize

    try:
        read = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError("a record is damaged") from error
    (shape, _), (pointer_shape, pointer_dtype) = header.layout.tensors
    if not {"mask_logits", "pointer"} <= set(read):
        raise ValueError("a record is damaged")
    if (tuple(read["pointer"]["shape"]), read["pointer"]["dtype"]) != (pointer_shape, _SAFETENSORS_NAMES[pointer_dtype]):
        raise ValueError("a record is damaged")
    logits = unpack_logits(bytes(read["mask_logits"]["data"]), shape)
    remembered = unpack_logits(bytes(read["remembered"]["data"]), shape) if "remembered" in read else None
    if "others" in read:
        remembered = _with_others(logits, bytes(read["others"]["data"]))
    pointer = np.frombuffer(read["pointer"]["data"], array_dtype(pointer_dtype)).reshape(pointer_shape)
    tensors = [PackedTensor(logits, "float32"), PackedTensor(pointer, pointer_dtype)]
    return header.with_tensors(tensors, remembered)
