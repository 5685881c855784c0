"""Arguments as people give them: what cannot be is one sentence that names the argument and what it got."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_SHOWN = 60


def shown(value: Any) -> str:
    """Write a value in one short line, whatever it is; of an array type and shape."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def as_array(value: Any) -> npt.NDArray[Any] | None:
    """Read an array; None where NumPy cannot, as of lists of unequal length."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError):  # each kind of array refuses with errors of its own
        return None


def dtype_of(array: Any) -> np.dtype[Any]:
    """Read the type of an array's numbers.

    Raises
    ------
    ValueError
        If NumPy does not know it, as those of PyTorch.
    """
    try:
        return np.dtype(array.dtype)
    except TypeError as error:
        raise ValueError(f"{type(array).__name__} holds {array.dtype}, which is no type of NumPy: give a NumPy array") from error


def check_pixels(pixels: Any) -> None:
    """Check that the pixels of an image are numbers that can be shown.

    Raises
    ------
    ValueError
        If they are complex, colours in one number, or no numbers.
    """
    if dtype_of(pixels).kind not in "uifb":
        raise ValueError(f"an image must hold integers, floats or booleans, got {dtype_of(pixels)}")


def check_whole(name: str, value: Any) -> int:
    """Check a whole number; True and False are none.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        if not isinstance(value, bool | np.bool_):
            return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise ValueError(f"{name} is a whole number, got {shown(value)}")


def check_wholes(name: str, values: Any) -> list[int]:
    """Check several whole numbers.

    Raises
    ------
    ValueError
        If they are not several, or one is none.
    """
    try:
        if not isinstance(values, str | bytes):
            return [check_whole(name, value) for value in values]
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} are whole numbers in a list, as [1, 2], got {shown(values)}")


def check_flag(name: str, value: Any) -> bool:
    """Check a yes or no.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} is True or False, got {shown(value)}")
    return bool(value)


def check_text(name: str, value: Any) -> str:
    """Check a text.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} is a text, got {shown(value)}")
    return value


def check_path(name: str, value: Any) -> Path:
    """Check the path of a file.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, str | Path):
        raise ValueError(f"{name} is the path of a file, got {shown(value)}")
    return Path(value)


def check_bounds(name: str, value: Any) -> tuple[float, float]:
    """Check a lower and an upper bound, at least 0 and in order.

    Raises
    ------
    ValueError
        If they are not.
    """
    bounds = as_array(value)
    if bounds is None or bounds.shape != (2,) or bounds.dtype.kind not in "uif" or not 0 <= bounds[0] < bounds[1]:
        raise ValueError(f"{name} are two numbers in order, at least 0, got {shown(value)}")
    return float(bounds[0]), float(bounds[1])


def check_sizes(name: str, value: Any, most: int = 1) -> list[float]:
    """Check a number above 0, or up to so many in a list.

    Raises
    ------
    ValueError
        If it is something else.
    """
    sizes = as_array(value)
    is_shaped = sizes is not None and (sizes.shape == () or (sizes.ndim == 1 and most > 1 and 1 <= len(sizes) <= most))
    if sizes is None or not is_shaped or sizes.dtype.kind not in "uif" or not (np.isfinite(sizes) & (sizes > 0)).all():
        what = "a number above 0" if most == 1 else f"a number above 0, or a list of up to {most}"
        raise ValueError(f"{name} is {what}, got {shown(value)}")
    return [float(size) for size in np.atleast_1d(sizes)]


def check_places(name: str, value: Any) -> Mapping[str, Any]:
    """Check places by axis.

    Raises
    ------
    ValueError
        If it is no mapping.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is a place by axis, as {{'T': 3}}, got {shown(value)}")
    return value
