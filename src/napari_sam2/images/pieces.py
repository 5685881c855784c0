"""An array whose planes are read one by one, from pages or files of their own, indexed as an array."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


def read_pieces(
    key: Any,
    shape: tuple[int, ...],
    num_outer: int,
    read: Callable[[tuple[int, ...], tuple[Any, ...]], npt.NDArray[Any]],
) -> npt.NDArray[Any]:
    """Read what an index asks for.

    Parameters
    ----------
    key : int, slice, Ellipsis or tuple of int and slice
        The index; of the outer axes integers from 0 on and slices.
    shape : tuple of int
        Of the whole array.
    num_outer : int
        So many of its first axes count pieces.
    read : callable
        Is given where a piece is on the outer axes, and the index within it.

    Returns
    -------
    ndarray
        As NumPy would return it.
    """
    index = () if key is ... else key if isinstance(key, tuple) else (key,)
    index += (slice(None),) * (len(shape) - len(index))
    steps = [range(size)[step] for step, size in zip(index[:num_outer], shape, strict=False)]
    lists = [list(step) if isinstance(step, range) else [step] for step in steps]
    read_ones = [read(outer, index[num_outer:]) for outer in itertools.product(*lists)]
    return np.stack(read_ones).reshape([len(step) for step in steps if isinstance(step, range)] + list(read_ones[0].shape))
