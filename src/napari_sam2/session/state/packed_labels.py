"""Label planes in little memory: where there are few objects, hundreds of times less. H, W height and width of a plane."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt


def pack_plane(plane: npt.NDArray[np.uint16]) -> bytes:
    """Pack a label plane (H, W); an empty one takes nothing."""
    return zlib.compress(np.ascontiguousarray(plane, "<u2").tobytes(), 1) if plane.any() else b""


def replace_label(packed: bytes, label: int, by: int) -> bytes:
    """Replace a label on a packed plane by another, or by 0; the same plane is returned if it does not have the label."""
    if not packed:
        return packed
    values = np.frombuffer(zlib.decompress(packed), "<u2")
    is_label = values == label
    return pack_plane(np.where(is_label, np.uint16(by), values)) if is_label.any() else packed


def unpack_plane(packed: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Return a label plane, (H, W).

    Raises
    ------
    ValueError
        If the bytes are not those of such a plane.
    """
    if not packed:
        return np.zeros(shape, np.uint16)
    try:
        plane: npt.NDArray[np.uint16] = np.frombuffer(zlib.decompress(packed), "<u2").reshape(shape).astype(np.uint16)
    except (zlib.error, ValueError) as error:
        raise ValueError("a packed label plane is damaged") from error
    return plane
