"""Masks as logits, as a session has them: enlarged, moved to other windows, reduced, drawn. In NumPy: no network is needed.

h, w low resolution · H, W resolution of the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Logits = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
LOGIT_STEP = 2.0**-14
"""Largest power of two of which all logits down to that of an absent object are multiples in float32."""


def rounded(logits: Logits) -> Logits:
    """Round logits to multiples of :data:`LOGIT_STEP`."""
    step = np.float32(LOGIT_STEP)
    # 0 is added so that none is -0, which is no whole number of steps.
    return np.round(logits / step) * step + np.float32(0)


def _along(values: Logits, axis: int, positions: npt.NDArray[np.floating]) -> Logits:
    """Interpolate linearly along an axis of (h, w), at positions from 0 to its last index.

    The result is rounded once, as processors round ``a * b + c`` and as ``torch.lerp`` computes: the product is exact in float64.
    """
    before = positions.astype(np.intp)
    weights = (positions - before).astype(np.float32)
    is_nearer = weights < 0.5
    base = values.take(np.where(is_nearer, before, np.minimum(before + 1, values.shape[axis] - 1)), axis)
    rise = np.diff(values, axis=axis, append=values.take([-1], axis)).take(before, axis)
    factor = np.where(is_nearer, weights, weights - np.float32(1)).astype(np.float64)
    mixed = (factor[:, None] if axis == 0 else factor) * rise
    mixed += base
    return mixed.astype(np.float32)


def interpolate(logits: Logits, rows: npt.NDArray[np.floating], columns: npt.NDArray[np.floating]) -> Logits:
    """Interpolate bilinearly between the middles of cells (h, w), at rows and columns from 0 to the last index."""
    return _along(_along(logits, 0, rows), 1, columns)


def _positions(length: int, num_cells: int) -> npt.NDArray[np.float32]:
    """Return where the pixels of an axis lie among its cells; those beyond the middle of the first one lie there."""
    positions = (np.arange(length, dtype=np.float32) + np.float32(0.5)) * np.float32(num_cells / length) - np.float32(0.5)
    return np.clip(positions, np.float32(0), np.float32(num_cells - 1))


def enlarge(logits: Logits, size: tuple[int, int]) -> Logits:
    """Resize logits (h, w) to ``size`` (H, W), bilinearly between the middles of cells."""
    rows, columns = (_positions(length, cells) for length, cells in zip(size, logits.shape, strict=True))
    return interpolate(logits, rows, columns)


def logit_at(logits: Logits, size: tuple[int, int], pixel: tuple[int, int]) -> float:
    """Return one pixel of :func:`enlarge`."""
    at = [_positions(*lengths)[[index]] for *lengths, index in zip(size, logits.shape, pixel, strict=True)]
    return float(interpolate(logits, *at)[0, 0])


def _near(length: int, found: npt.NDArray[np.bool_]) -> tuple[Indices, npt.NDArray[np.float32]]:
    """Along an axis, list the pixels next to cells in which something was found, and where they lie among the cells."""
    positions = _positions(length, len(found))
    before, cells = positions.astype(np.intp), np.flatnonzero(found)
    pixels = np.flatnonzero((before + 1 >= cells[0]) & (before <= cells[-1]))
    return pixels, positions[pixels]


def enlarge_found(logits: Logits, size: tuple[int, int]) -> tuple[Logits, int, int] | None:
    """Resize logits as :func:`enlarge` does, but only what is around something above 0.

    Parameters
    ----------
    logits : ndarray
        (h, w), logits.
    size : tuple of int
        (H, W).

    Returns
    -------
    tuple or None
        The resized logits around what was found, and the row and column of (H, W) where they begin; None if nothing is.
    """
    inside: npt.NDArray[np.bool_] = logits > 0
    if not inside.any():
        return None
    (rows, at_rows), (columns, at_columns) = _near(size[0], np.asarray(inside.any(1))), _near(size[1], np.asarray(inside.any(0)))
    if not (rows.size and columns.size):
        return None
    return interpolate(logits, at_rows, at_columns), int(rows[0]), int(columns[0])


def reduce(logits: Logits, size: tuple[int, int]) -> Logits:
    """Resize logits (H, W) to ``size`` (h, w), as the mean of what a cell covers, weighted towards its middle."""
    rows, columns = (_cell_weights(length, cells) for length, cells in zip(logits.shape, size, strict=True))
    return (rows @ logits @ columns.T).astype(np.float32)


def _cell_weights(length: int, num_cells: int) -> npt.NDArray[np.float64]:
    """Return the weight of each pixel in each cell, (h, H): bilinear with antialiasing."""
    scale = length / num_cells
    middles = (np.arange(num_cells) + 0.5) * scale
    weights = np.clip(1 - np.abs(np.arange(length) + 0.5 - middles[:, None]) / max(scale, 1), 0, None)
    normalised: npt.NDArray[np.float64] = weights / weights.sum(1, keepdims=True)
    return normalised


def label_image(
    logits: Sequence[Logits],
    windows: Sequence[tuple[slice, slice]],
    object_ids: Sequence[int],
    size: tuple[int, int],
    weights: Sequence[float] | None = None,
) -> npt.NDArray[np.uint16]:
    """Give each pixel to the object with the highest weighted logit above 0.

    Parameters
    ----------
    logits : sequence of ndarray
        Of each object, at the resolution of the data.
    windows : sequence of tuple of slice
        Rows and columns of the frame that each of them shows; nothing is outside.
    object_ids : sequence of int
        Label value of each object, 1 to 65535.
    size : tuple of int
        Height and width of the data.
    weights : sequence of float, optional
        Factor for the logits of each object.

    Returns
    -------
    ndarray
        (H, W), uint16; 0 is background. Of equal logits the first object wins.
    """
    best, labels = np.zeros(size, np.float32), np.zeros(size, np.uint16)
    factors = [1.0] * len(object_ids) if weights is None else weights
    for mask, window, object_id, factor in zip(logits, windows, object_ids, factors, strict=True):
        before, weighted = best[window], np.float32(factor) * mask
        wins = weighted > before
        np.copyto(before, weighted, where=wins)
        np.copyto(labels[window], np.uint16(object_id), where=wins)
    return labels
