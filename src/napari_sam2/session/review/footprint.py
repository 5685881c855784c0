"""The pixels of a mask in a small box, by which masks of different windows are compared; and the pieces that it consists of.

h, w size of the box in cells of the mask · H, W of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

if TYPE_CHECKING:
    from napari_sam2.predictors.memory_bank import FrameRecord


@dataclass(frozen=True, eq=False)
class Footprint:
    """A mask of the model, without the empty cells around it.

    Attributes
    ----------
    mask : ndarray
        (h, w), bool; of size 0 where the object is absent.
    row, col : float
        Outer edge of its first cell in pixels of the data: 0 at the edge of the frame.
    cell_height, cell_width : float
        Of a cell in pixels of the data.
    touches_border : bool
        It reaches an edge of the frame.
    """

    mask: npt.NDArray[np.bool_]
    row: float
    col: float
    cell_height: float
    cell_width: float
    touches_border: bool

    @classmethod
    def of(cls, record: FrameRecord, frame_shape: tuple[int, int]) -> Footprint:
        """Cut the mask out of a record, whose frame has the shape (H, W)."""
        mask = record.mask_logits > 0
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        view = record.view
        top, left, height, width = (0, 0, *frame_shape) if view is None else (view.row, view.column, view.height, view.width)
        cell_height, cell_width = height / mask.shape[0], width / mask.shape[1]
        if not len(rows):
            return cls(mask[:0, :0], 0.0, 0.0, cell_height, cell_width, False)
        first_row, last_row, first_col, last_col = (int(i) for i in (rows[0], rows[-1], columns[0], columns[-1]))
        touches_low = (top == 0 and first_row == 0) or (left == 0 and first_col == 0)
        touches_high = (top + height == frame_shape[0] and last_row == mask.shape[0] - 1) or (
            left + width == frame_shape[1] and last_col == mask.shape[1] - 1
        )
        return cls(
            mask[first_row : last_row + 1, first_col : last_col + 1],
            top + first_row * cell_height,
            left + first_col * cell_width,
            cell_height,
            cell_width,
            touches_low or touches_high,
        )

    @property
    def area_px(self) -> float:
        """Area in pixels of the data."""
        return float(np.count_nonzero(self.mask)) * self.cell_height * self.cell_width

    @property
    def box_rc(self) -> tuple[float, float, float, float]:
        """Outer edges in pixels of the data: upper row, left column, lower row, right column."""
        height, width = self.mask.shape
        return self.row, self.col, self.row + height * self.cell_height, self.col + width * self.cell_width

    @property
    def centroid_rc(self) -> tuple[float, float] | None:
        """Row and column in pixels of the data, pixel centres at integers; None where it is absent."""
        rows, columns = self.mask.sum(1), self.mask.sum(0)
        count = int(rows.sum())
        if count == 0:
            return None
        row = (np.dot(rows, np.arange(len(rows))) / count + 0.5) * self.cell_height + self.row - 0.5
        column = (np.dot(columns, np.arange(len(columns))) / count + 0.5) * self.cell_width + self.col - 0.5
        return float(row), float(column)

    @property
    def second_piece(self) -> float:
        """Share of the second largest connected piece, 0 .. 0.5; 0 where the mask is in one piece. Diagonal neighbours touch."""
        labels, count = ndi.label(self.mask, np.ones((3, 3)))
        if count < 2:
            return 0.0
        sizes = np.sort(np.bincount(labels.ravel())[1:])
        return float(sizes[-2] / sizes.sum())


def shared_px(one: Footprint, other: Footprint) -> float:
    """Return the area that two masks have in common, in pixels of the data, by the cells of the finer one."""
    if one.cell_height * one.cell_width > other.cell_height * other.cell_width:
        one, other = other, one
    rows, is_row = _cells(one.row, one.cell_height, one.mask.shape[0], other.row, other.cell_height, other.mask.shape[0])
    cols, is_col = _cells(one.col, one.cell_width, one.mask.shape[1], other.col, other.cell_width, other.mask.shape[1])
    if not (is_row.any() and is_col.any()):
        return 0.0
    both = one.mask[np.ix_(is_row, is_col)] & other.mask[np.ix_(rows[is_row], cols[is_col])]
    return float(np.count_nonzero(both)) * one.cell_height * one.cell_width


def _cells(
    start: float, size: float, count: int, other_start: float, other_size: float, other_count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Find the cells of another grid in which the middles of ``count`` cells lie, and which of them lie in it at all."""
    middles = start + (np.arange(count) + 0.5) * size
    cells = np.floor((middles - other_start) / other_size).astype(np.int64)
    return cells, (cells >= 0) & (cells < other_count)
