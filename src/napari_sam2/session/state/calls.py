"""The calls of a log: methods of a session and their arguments, which can be stored and replayed.

Arguments are what JSON holds: numbers, texts, lists. Masks are packed, other arrays compressed.
"""

from __future__ import annotations

import base64
import inspect
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.stop_rules import StopRules


@dataclass(frozen=True)
class LoggedCall:
    """A call of a method of a session.

    Attributes
    ----------
    method : str
        Its name.
    arguments : dict
        By name, as JSON holds them. A propagation has ``steps``, how many frames were done before it was stopped; None where it
        came to its end.
    """

    method: str
    arguments: dict[str, Any]

    @classmethod
    def of(cls, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> LoggedCall:
        """Make a logged call from the arguments of a method."""
        bound = inspect.signature(method).bind(*args, **kwargs).arguments
        arguments = {name: value for name, value in bound.items() if name != "self"}
        arguments |= arguments.pop("options", {})
        return cls(method.__name__.lstrip("_"), {name: encode(value) for name, value in arguments.items()})


def encode(value: Any) -> Any:
    """Encode an argument for JSON.

    Raises
    ------
    TypeError
        If no action takes arguments of this kind.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, StopRules):
        return {"stop_rules": encode(asdict(value))}
    if isinstance(value, dict):
        return {str(key): encode(one) for key, one in value.items()}
    if isinstance(value, list | tuple | range | set | frozenset):
        return [encode(one) for one in value]
    if not hasattr(value, "shape"):
        raise TypeError(f"an action takes numbers, texts, lists and arrays, got {type(value).__name__}")
    array = np.asarray(value)
    if array.ndim == 2 and array.dtype == np.bool_:
        return {"mask": encode_mask(PackedMask.pack(array))}
    if array.ndim < 2 or array.shape[1] == 2:
        return array.tolist()
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 1)).decode()
    return {"array": {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}}


def decode(value: Any) -> Any:
    """Decode an argument.

    Raises
    ------
    ValueError
        If a mask, an array or stop rules in it are damaged.
    """
    if isinstance(value, list):
        return [decode(one) for one in value]
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, content),) = value.items()
    if kind == "mask":
        return decode_mask(content).unpack()
    try:
        if kind == "stop_rules":
            area = content["area_px"]
            return StopRules(content["max_absent_frames"], None if area is None else tuple(area), content["at_border"])
        if kind == "array":
            data = zlib.decompress(base64.b64decode(content["data"], validate=True))
            return np.frombuffer(data, np.dtype(content["dtype"])).reshape(content["shape"])
    except (LookupError, TypeError, AttributeError, ValueError, zlib.error) as error:
        raise ValueError(f"an argument of an action is damaged: {kind}") from error
    return value


def encode_mask(packed: PackedMask) -> dict[str, Any]:
    """Encode a packed mask for JSON."""
    return {"shape": list(packed.shape), "box": list(packed.box), "bits": base64.b64encode(packed.bits).decode()}


def decode_mask(content: Any) -> PackedMask:
    """Decode a packed mask.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        (height, width), (row0, col0, row1, col1) = content["shape"], content["box"]
        bits = base64.b64decode(content["bits"], validate=True)
        packed = PackedMask((int(height), int(width)), (int(row0), int(col0), int(row1), int(col1)), bits)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError("a mask is damaged: it is a shape, a box and bits, see docs/session.md") from error
    packed.unpack()
    return packed
