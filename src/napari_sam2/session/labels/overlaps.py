"""Objects that overlap: the weight of their logits, and masks that are duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from torch import Tensor

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View

FRAMES_TO_HALF_WEIGHT = 16
ANCHOR_WEIGHT = 1e3
"""More than logits differ by."""
DUPLICATE_IOU = 0.7
"""Two tracked masks, or pieces of them, with an IoU above this are duplicates: one object was tracked twice."""
LEAST_PIECE = 0.1
"""Of a mask; smaller pieces are decided pixel by pixel."""


def confidence_weight(record: FrameRecord) -> float:
    """Factor for the logits of an object where several overlap.

    Anchor frames win; tracked masks weigh less the farther they are from an anchor: an object that has ended, and whose mask has
    drifted to a neighbour, must not take the neighbour's pixels.
    """
    return 1 / (1 + record.anchor_distance / FRAMES_TO_HALF_WEIGHT) if record.anchor_distance else ANCHOR_WEIGHT


def resolve_duplicates(masks: Sequence[Tensor], boxes: Sequence[View], weights: Sequence[float]) -> None:
    """Give the shared pixels of two nearly equal masks to one of them as a whole: pixel by pixel both would come out in stripes.

    Pieces that do not touch are compared one by one: the mask of a cell that has divided may lie on both children, each of which
    has a mask of its own.

    Parameters
    ----------
    masks : sequence of Tensor
        Logits (height, width) in each box, changed in place: the mask whose weighted logits have the lower mean over the shared
        pixels loses these; of equal ones the later.
    boxes : sequence of View
        Their boxes, in pixels of the data. The closer these are around logits above 0, the fewer masks are compared.
    weights : sequence of float
        Factor for the logits of each.
    """
    if len(masks) < 2:
        return
    meets = _meet(boxes)
    np.fill_diagonal(meets, False)
    pieces = [piece for owner in np.flatnonzero(meets.any(0)).tolist() for piece in _pieces(owner, masks[owner], boxes[owner])]
    if not pieces:
        return
    areas, owners = (np.array(values) for values in zip(*((piece.area, piece.owner) for piece in pieces), strict=True))
    might_be = np.minimum.outer(areas, areas) > DUPLICATE_IOU * np.maximum.outer(areas, areas)
    might_be &= np.not_equal.outer(owners, owners) & _meet([piece.box for piece in pieces])
    for pair in np.argwhere(np.triu(might_be, 1)):
        one, other = (pieces[i] for i in pair)
        common = one.box.intersection(other.box)
        parts = [_part(masks[piece.owner], boxes[piece.owner], common) for piece in (one, other)]
        shared = _part(one.pixels, one.box, common) & _part(other.pixels, other.box, common) & (parts[0] > 0) & (parts[1] > 0)
        num_shared = int(shared.sum())
        if num_shared > DUPLICATE_IOU * (one.area + other.area - num_shared):
            means = [weights[piece.owner] * float(part[shared].mean()) for piece, part in zip((one, other), parts, strict=True)]
            parts[int(means[0] >= means[1])][shared] = 0


class _Piece(NamedTuple):
    """A part of a mask that touches no other part of it, in a box of its own."""

    owner: int
    area: int
    pixels: Tensor
    box: View


def _pieces(owner: int, mask: Tensor, box: View) -> Iterator[_Piece]:
    """List the connected pieces of a mask, without small ones."""
    inside = (mask > 0).cpu().numpy()
    labels, count = ndi.label(inside, np.ones((3, 3)))
    least = LEAST_PIECE * np.count_nonzero(inside)
    for label, (rows, columns) in enumerate(ndi.find_objects(labels, count), start=1):
        pixels = labels[rows, columns] == label
        if (area := int(np.count_nonzero(pixels))) >= least:
            view = View(box.row + rows.start, box.column + columns.start, *pixels.shape)
            yield _Piece(owner, area, torch.from_numpy(pixels).to(mask.device), view)


def _meet(boxes: Sequence[View]) -> npt.NDArray[np.bool_]:
    """Return which of n boxes have pixels in common, (n, n)."""
    y0, x0, heights, widths = np.array([(box.row, box.column, box.height, box.width) for box in boxes]).T
    along_rows = np.maximum.outer(y0, y0) < np.minimum.outer(y0 + heights, y0 + heights)
    return np.asarray(along_rows & (np.maximum.outer(x0, x0) < np.minimum.outer(x0 + widths, x0 + widths)))


def _part(plane: Tensor, box: View, part: View) -> Tensor:
    """Return a part of the plane of a box, without a copy."""
    row, column = part.row - box.row, part.column - box.column
    return plane[row : row + part.height, column : column + part.width]
