"""Zoom: windows of a frame in which small objects are segmented, enlarged.

Released models get every frame whole, resized to a square of S x S. A nucleus of ten pixels is then lost in a frame of two
thousand. With zoom each object has a window of a few times its own size that moves with it, and the window is the input.

H, W height and width of a frame · h, w size of a low-resolution mask · S side of the model's input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.logits import Logits, interpolate
from napari_sam2.predictors.mask_box import bounding_box

OUTSIDE_LOGIT = -10.0
"""The logit of a mask for pixels outside its view: certainly absent (official L257 allows 32)."""


@dataclass(frozen=True)
class View:
    """A window that lies inside a frame: first row and column, height and width, in pixels of the data."""

    row: int
    column: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The window as an index of a frame."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.height, self.width)

    def area_px(self, mask: npt.NDArray[np.bool_]) -> float:
        """Return the area of a mask of cells (h, w) that shows the window, in pixels of the data."""
        return float(mask.mean()) * self.height * self.width

    def contains(self, row: float, column: float) -> bool:
        """Return whether a point, pixel centres at integers, lies inside."""
        return self.row - 0.5 <= row < self.row + self.height - 0.5 and self.column - 0.5 <= column < self.column + self.width - 0.5

    def union(self, other: View) -> View:
        """Return the smallest view that holds this one and another."""
        return self.expand_to((other.row, other.column, other.row + other.height, other.column + other.width))

    def expand_to(self, box: tuple[int, int, int, int]) -> View:
        """Return the smallest view that holds this one and a box row0, col0, row1, col1, the last row and column excluded."""
        row, column = min(self.row, box[0]), min(self.column, box[1])
        bottom, right = max(self.row + self.height, box[2]), max(self.column + self.width, box[3])
        return View(row, column, bottom - row, right - column)

    def intersection(self, other: View) -> View:
        """Return the view of the pixels that lie in this one and in another.

        Raises
        ------
        ValueError
            If there are none.
        """
        row, column = max(self.row, other.row), max(self.column, other.column)
        bottom = min(self.row + self.height, other.row + other.height)
        right = min(self.column + self.width, other.column + other.width)
        if bottom <= row or right <= column:
            raise ValueError(f"{self} and {other} have no pixel in common")
        return View(row, column, bottom - row, right - column)


def whole_view(frame_shape: tuple[int, int]) -> View:
    """Return the view of a whole frame."""
    return View(0, 0, *frame_shape)


def resample_logits(logits: Logits, source: View, target: View) -> Logits:
    """Show a mask (h, w) of one view in another, (h, w); :data:`OUTSIDE_LOGIT` where the first view did not reach."""
    if source == target:
        return logits
    h, w = logits.shape
    rows, is_row_seen = _positions(h, target.row, target.height, source.row, source.height)
    columns, is_column_seen = _positions(w, target.column, target.width, source.column, source.width)
    moved = interpolate(logits, rows, columns)
    moved[~(is_row_seen[:, None] & is_column_seen)] = OUTSIDE_LOGIT
    return moved


def _positions(
    num_cells: int, start: int, length: int, source_start: int, source_length: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Where the middles of a view's cells lie among those of another one, along an axis, and which of them it shows."""
    middles = start + (np.arange(num_cells) + 0.5) * length / num_cells - source_start
    return np.clip(middles * num_cells / source_length - 0.5, 0, num_cells - 1), (middles >= 0) & (middles <= source_length)


@dataclass(frozen=True)
class Zoom:
    """Chooses views of a few times an object's size.

    Attributes
    ----------
    frame_shape : tuple of int
        Height and width of the frames.
    object_sizes : float
        Side of a view in object sizes.
    min_side_px : int
        No view is smaller, unless the frame is.
    """

    frame_shape: tuple[int, int]
    object_sizes: float
    min_side_px: int = 24

    STEADY = 1.4
    """A view keeps its side until it is off by this factor: what is remembered is best compared at one scale."""
    PACE = 1.25
    """When it must change, it changes by no more than this factor from frame to frame."""
    WANDER = 0.15
    """A view stays where it is until the object is off its middle by this share of its side."""

    def around(self, centre_rc: tuple[float, float], side_px: float) -> View:
        """Choose the view of a side around a centre, cut to the frame's size and moved inside it."""
        height, width = (min(max(round(side_px), self.min_side_px), length) for length in self.frame_shape)
        row, column = (
            int(np.clip(round(centre + 0.5 - side / 2), 0, length - side))
            for centre, side, length in zip(centre_rc, (height, width), self.frame_shape, strict=True)
        )
        return View(row, column, height, width)

    def ladder(self) -> list[float]:
        """Sides to try where the size of an object is not known: the whole frame, then halves of its shorter side."""
        sides, side = [float(max(self.frame_shape))], min(self.frame_shape) / 2
        while side >= 2 * self.min_side_px:
            sides.append(side)
            side /= 2
        return sides

    def of_box(self, box_rc: tuple[float, float, float, float], area_px: float | None = None) -> View:
        """Choose the view of an object by its box row0, col0, row1, col1, outer edges, and its area; of the box by default."""
        row0, col0, row1, col1 = box_rc
        centre = ((row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2)
        return self.around(centre, self._side(row1 - row0, col1 - col0, area_px))

    def fitting(self, view: View, logits: Logits) -> View:
        """Choose the view that fits the mask (h, w) of an object seen in another; the same where the object is absent."""
        seen = self._measure(view, logits)
        return view if seen is None else self.around(*seen)

    def side_for(self, view: View, logits: Logits) -> float:
        """Side of the view that fits a mask; that of the view it was seen in where it is empty."""
        seen = self._measure(view, logits)
        return float(view.side if seen is None else min(max(seen[1], self.min_side_px), max(self.frame_shape)))

    def next_view(self, view: View, logits: Logits) -> View:
        """Choose the next view of an object from its mask (h, w) in the last one: it changes slowly, and only if it must."""
        seen = self._measure(view, logits)
        if seen is None:
            return view
        (centre, wanted), side = seen, float(view.side)
        fits = side / self.STEADY <= wanted <= side * self.STEADY
        middle = view.row + (view.height - 1) / 2, view.column + (view.width - 1) / 2
        if fits and max(abs(a - b) for a, b in zip(centre, middle, strict=True)) <= self.WANDER * side:
            return view
        return self.around(centre, side if fits else float(np.clip(wanted, side / self.PACE, side * self.PACE)))

    def _measure(self, view: View, logits: Logits) -> tuple[tuple[float, float], float] | None:
        """Centre of a mask in the frame, and the side of the view that fits it; None where it is empty."""
        mask = logits > 0
        box = bounding_box(mask)
        if box is None:
            return None
        scale = np.array([view.height / mask.shape[0], view.width / mask.shape[1]])
        (row0, col0), (row1, col1) = np.array(box[:2]) * scale, np.array(box[2:]) * scale
        area = float(mask.sum() * scale.prod())
        rows, columns = np.nonzero(mask)
        centre = ((rows.mean() + 0.5) * scale[0] + view.row - 0.5, (columns.mean() + 0.5) * scale[1] + view.column - 0.5)
        return (float(centre[0]), float(centre[1])), self._side(row1 - row0, col1 - col0, area)

    def _side(self, height_px: float, width_px: float, area_px: float | None) -> float:
        """Side for an object; a long thin one must fit as well as a round one."""
        size = np.sqrt(height_px * width_px * np.pi / 4 if area_px is None else area_px)
        return self.object_sizes * float(max(size, max(height_px, width_px) / 2.5))
