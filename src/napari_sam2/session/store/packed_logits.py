"""Logits of masks in a session file, without loss: neighbours are alike, and most logits are multiples of one step.

h, w size of a mask.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEP = 2.0**-14
"""A tracker rounds to multiples of it, see :data:`~napari_sam2.predictors.mask_postprocessing.LOGIT_STEP`."""
_STEPS, _ANY = 0, 1
"""First byte: all logits are multiples of the step, or some are not."""


def pack_logits(logits: npt.NDArray[np.float32]) -> bytes:
    """Pack logits (h, w)."""
    import imagecodecs

    with np.errstate(all="ignore"):  # what is no number, or too large, is no multiple
        steps = (logits / np.float32(STEP)).astype(np.int32)
    is_exact = np.array_equal(_logits(steps).view(np.int32), logits.view(np.int32))
    numbers = steps if is_exact else _ordered(logits.view(np.int32))
    # In a plane, each is the sum of its neighbours above and to the left without the one between; what is left is small.
    rest = np.diff(np.diff(numbers, axis=0, prepend=np.int32(0)), axis=1, prepend=np.int32(0))
    small = (rest << 1) ^ (rest >> 31)
    # An array, not bytes: the bits of its elements are shuffled.
    packed = imagecodecs.blosc_encode(small, level=1, compressor="lz4", shuffle=2, numthreads=1)  # type: ignore[arg-type]
    return bytes([_STEPS if is_exact else _ANY]) + packed


def unpack_logits(packed: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Unpack logits of a shape.

    Raises
    ------
    ValueError
        If they are damaged.
    """
    import imagecodecs

    if len(packed) < 17 or int.from_bytes(packed[13:17], "little") != len(packed) - 1:  # the size that Blosc wrote
        raise ValueError("a record is damaged")
    try:
        small = np.frombuffer(imagecodecs.blosc_decode(packed[1:], numthreads=1), np.int32).reshape(shape)
    except (imagecodecs.BloscError, ValueError) as error:
        raise ValueError("a record is damaged") from error
    rest = (small.view(np.uint32) >> 1).view(np.int32) ^ -(small & 1)
    numbers = rest.cumsum(axis=1, dtype=np.int32).cumsum(axis=0, dtype=np.int32)
    if packed[:1] == bytes([_STEPS]):
        return _logits(numbers)
    return _ordered(numbers).view(np.float32)


def _logits(steps: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    return steps.astype(np.float32) * np.float32(STEP)


def _ordered(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Bring the bits of floats into the order of the floats, and back."""
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)
