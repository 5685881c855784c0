"""Prompts of an object on a frame: points, a box, a mask. All in data pixels, row before column.

P points · H, W height and width of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import as_array, shown
from napari_sam2.session.state.packed_mask import PackedMask


@dataclass(frozen=True)
class FramePrompts:
    """All prompts of one object on one frame.

    Attributes
    ----------
    points_rc : tuple of tuple of float
        (P, 2), row and column in the order in which they were given; pixel centres lie on integers.
    labels : tuple of int
        (P,), 1 inside, 0 outside.
    box_rc : tuple of float or None
        Outer edges row0, col0, row1, col1: a box around the one pixel (0, 0) is 0, 0, 1, 1.
    packed_mask : PackedMask or None
        The mask prompt; points refine it.
    is_approved : bool
        The shown mask was approved; there are no other prompts then.
    """

    points_rc: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box_rc: tuple[float, float, float, float] | None = None
    packed_mask: PackedMask | None = None
    is_approved: bool = False

    @property
    def mask(self) -> npt.NDArray[np.bool_] | None:
        """The mask that was given, (H, W), bool."""
        return None if self.packed_mask is None else self.packed_mask.unpack()

    @property
    def is_empty(self) -> bool:
        """There is no prompt, and no approval."""
        return self == FramePrompts()

    @property
    def locates(self) -> bool:
        """There is a prompt inside the object: a box, a mask or a point, not only points outside."""
        return self.box_rc is not None or self.packed_mask is not None or 1 in self.labels

    def with_points(self, points_rc: tuple[tuple[float, float], ...], labels: tuple[int, ...]) -> FramePrompts:
        """Return the prompts with more points, and without an approval."""
        return replace(self, points_rc=self.points_rc + points_rc, labels=self.labels + labels, is_approved=False)

    def with_point(self, index: int, point_rc: tuple[float, float], label: int) -> FramePrompts:
        """Return the prompts with one point replaced, counted from 0."""
        points, labels = list(self.points_rc), list(self.labels)
        points[index], labels[index] = point_rc, label
        return replace(self, points_rc=tuple(points), labels=tuple(labels))

    def without_point(self, index: int) -> FramePrompts:
        """Return the prompts without one point, counted from 0."""
        points, labels = list(self.points_rc), list(self.labels)
        del points[index], labels[index]
        return replace(self, points_rc=tuple(points), labels=tuple(labels))


def _numbers(values: Any) -> npt.NDArray[np.float64] | None:
    """Return numbers of any shape as an array; None if there is anything else."""
    array = as_array(values)
    return array.astype(np.float64) if array is not None and array.dtype.kind in "uifb" else None


def check_points(points: Any, labels: Any, shape: tuple[int, int]) -> tuple[tuple[tuple[float, float], ...], tuple[int, ...]]:
    """Check points (P, 2) and labels (P,), or None for all inside.

    Raises
    ------
    ValueError
        If there is none, a number is not finite, a point is outside the frame, or a label is not 0 or 1.
    """
    array = _numbers(points)
    if array is None or array.ndim != 2 or array.shape[1] != 2 or len(array) == 0:
        raise ValueError(f"points must be (row, column) pairs, got {shown(points)}")
    chosen = np.ones(len(array)) if labels is None else _numbers(labels)
    if chosen is None or chosen.shape != (len(array),) or not np.isin(chosen, (0, 1)).all():
        raise ValueError(f"labels must be 1 (inside) or 0 (outside), one for each of the {len(array)} points, got {shown(labels)}")
    for row, col in array:
        if not (-0.5 <= row < shape[0] - 0.5 and -0.5 <= col < shape[1] - 0.5):
            point = f"(row {row:g}, column {col:g})"
            raise ValueError(f"the point {point} is outside the image of {shape[0]} rows and {shape[1]} columns")
    return tuple((float(row), float(col)) for row, col in array), tuple(int(label) for label in chosen)


def check_box(box: Any, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Check a box row0, col0, row1, col1.

    Raises
    ------
    ValueError
        If it is not four finite numbers in order, or a part of it is outside the frame.
    """
    values = _numbers(box)
    if values is None or values.shape != (4,) or not np.isfinite(values).all():
        raise ValueError(f"a box must be row0, col0, row1, col1, got {shown(box)}")
    row0, col0, row1, col1 = (float(value) for value in values)
    if row1 <= row0 or col1 <= col0:
        raise ValueError(f"a box must have row0 < row1 and col0 < col1, got {shown(box)}")
    if row0 < 0 or col0 < 0 or row1 > shape[0] or col1 > shape[1]:
        raise ValueError(f"the box {shown(box)} is not inside the image of {shape[0]} rows and {shape[1]} columns")
    return row0, col0, row1, col1


def check_mask(mask: Any, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Check a mask (H, W).

    Raises
    ------
    ValueError
        If its shape is another, it holds no numbers, or it is empty.
    """
    array = as_array(mask)
    if array is None or array.shape != shape:
        got = "lists of unequal length" if array is None else array.shape
        raise ValueError(f"a mask must have the shape of a frame, {shape}, got {got}")
    if array.dtype.kind not in "uifb":
        raise ValueError(f"a mask must hold booleans or numbers, got {array.dtype}")
    array = array.astype(bool)
    if not array.any():
        raise ValueError("the mask is empty: it has no pixel inside")
    return array
