"""Drawn polygons, strokes and label images as mask and point prompts. All in data pixels, row before column.

V vertices · N vertices of a stroke · P points · H, W height and width of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from napari_sam2.session.state.prompts import check_points

MAX_SCRIBBLE_POINTS = 8
"""The number of clicks of an object in training."""
SCRIBBLE_SPACING_PX = 4.0
"""Points of a stroke are not closer than that."""


def polygon_mask(vertices: Any, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Fill a polygon or a lasso.

    Parameters
    ----------
    vertices : array-like
        (V, 2), row and column, pixel centres at integers; the last is joined to the first.
    shape : tuple of int
        Height and width of the frame.

    Returns
    -------
    ndarray
        (H, W), bool: pixels whose centre lies inside.

    Raises
    ------
    ValueError
        If there are fewer than three vertices, one is outside the frame, or no pixel centre is inside.
    """
    vertices_rc, _ = check_points(vertices, None, shape)
    if len(vertices_rc) < 3:
        raise ValueError(f"a polygon has at least three vertices, got {len(vertices_rc)}")
    mask: npt.NDArray[np.bool_] = polygon2mask(shape, np.array(vertices_rc))
    if not mask.any():
        raise ValueError("the polygon is empty: it holds the centre of no pixel")
    return mask


def scribble_points(stroke: Any, shape: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """Choose points along a stroke.

    The stroke is cut into pieces of equal length, at least 4 pixels each and at most 8 of them, and the middle of each piece is a
    point; a stroke shorter than 8 pixels is one point, its middle.

    Parameters
    ----------
    stroke : array-like
        (N, 2), row and column of the vertices of the stroke, in order.
    shape : tuple of int
        Height and width of the frame.

    Returns
    -------
    tuple of tuple of float
        (P, 2), at most 8.

    Raises
    ------
    ValueError
        If there is no vertex, or one is outside the frame.
    """
    vertices = np.array(check_points(stroke, None, shape)[0])
    along = np.concatenate([[0.0], np.linalg.norm(np.diff(vertices, axis=0), axis=1).cumsum()])
    pieces = int(np.clip(along[-1] // SCRIBBLE_SPACING_PX, 1, MAX_SCRIBBLE_POINTS))
    middles = (np.arange(pieces) + 0.5) / pieces * along[-1]
    rows, columns = (np.interp(middles, along, vertices[:, axis]).tolist() for axis in (0, 1))
    return tuple(zip(rows, columns, strict=True))


def masks_of_labels(labels: Any, ids: int | Iterable[int] | None, shape: tuple[int, int]) -> dict[int, npt.NDArray[np.bool_]]:
    """Separate a label image into one mask for each label.

    Parameters
    ----------
    labels : array-like
        (H, W), integers or booleans; 0 is background.
    ids : int or iterable of int, optional
        Label values to take; all by default.
    shape : tuple of int
        Height and width of the frame.

    Returns
    -------
    dict of int to ndarray
        (H, W), bool, by label value, in the order of ``ids``.

    Raises
    ------
    ValueError
        If the shape is another, the values are no integers, there is no label, or one of those asked for is not there.
    """
    plane = np.asarray(labels)
    if plane.shape != shape:
        raise ValueError(f"a label image must have the shape of a frame, {shape}, got {plane.shape}")
    if plane.dtype.kind not in "uib":
        raise ValueError(f"a label image must hold whole numbers, got {plane.dtype}")
    there = [int(value) for value in np.unique(plane) if value != 0]
    if not there:
        raise ValueError("the label image is empty: it has no label on this frame")
    wanted = there if ids is None else [ids] if isinstance(ids, int | np.integer) else list(dict.fromkeys(ids))
    missing = [value for value in wanted if value not in there]
    if missing:
        raise ValueError(f"the label image has no label {missing[0]} on this frame")
    if not wanted:
        raise ValueError("no label of the image was asked for")
    return {int(value): plane == value for value in wanted}
