"""Objects that want the same pixels: who is trusted, and what was found twice."""

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

FRAMES_TO_HALF_TRUST = 16
ANCHOR_TRUST = 1e3
"""More than logits differ by."""
DUPLICATE_IOU = 0.7
"""Two tracked masks, or pieces of them, that agree by more than this IoU are one thing that was found twice."""
LEAST_PIECE = 0.1
"""Of a mask; smaller pieces are decided pixel by pixel."""


def trust(record: FrameRecord) -> float:
    """Factor for the logits of an object where several want a pixel.

    What a person said wins; what was tracked is trusted the less the farther it is from there: an object that has ended, and whose
    mask has gone over to a neighbour, must not take the neighbour's pixels.
    """
    return 1 / (1 + record.anchor_distance / FRAMES_TO_HALF_TRUST) if record.anchor_distance else ANCHOR_TRUST


def resolve_duplicates(masks: Sequence[Tensor], boxes: Sequence[View], trusts: Sequence[float]) -> None:
    """Give what two masks share that are mostly the same to one of them as a whole: pixel by pixel both come out in stripes.

    Pieces that do not touch count for themselves: the mask of a cell that has divided may lie on both daughters, each of which has
    a mask of her own.

    Parameters
    ----------
    masks : sequence of Tensor
        Logits (height, width) in each box. In place, the one whose trusted logits are lower on the mean of what is shared loses
        that; of equal ones the later.
    boxes : sequence of View
        Where they lie, in pixels of the data. The closer around what is above 0, the less is compared.
    trusts : sequence of float
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
            means = [trusts[piece.owner] * float(part[shared].mean()) for piece, part in zip((one, other), parts, strict=True)]
            parts[int(means[0] >= means[1])][shared] = 0


class _Piece(NamedTuple):
    """A part of a mask that touches no other part of it, in a box of its own."""

    owner: int
    area: int
    pixels: Tensor
    box: View


def _pieces(owner: int, mask: Tensor, box: View) -> Iterator[_Piece]:
    """Take a mask apart; what is small beside it all is left out."""
    inside = (mask > 0).cpu().numpy()
    labels, count = ndi.label(inside, np.ones((3, 3)))
    least = LEAST_PIECE * np.count_nonzero(inside)
    for label, (rows, columns) in enumerate(ndi.find_objects(labels, count), start=1):
        pixels = labels[rows, columns] == label
        if (area := int(np.count_nonzero(pixels))) >= least:
            place = View(box.row + rows.start, box.column + columns.start, *pixels.shape)
            yield _Piece(owner, area, torch.from_numpy(pixels).to(mask.device), place)


def _meet(boxes: Sequence[View]) -> npt.NDArray[np.bool_]:
    """Tell which boxes (n) have pixels in common, (n, n)."""
    y0, x0, heights, widths = np.array([(box.row, box.column, box.height, box.width) for box in boxes]).T
    along_rows = np.maximum.outer(y0, y0) < np.minimum.outer(y0 + heights, y0 + heights)
    return np.asarray(along_rows & (np.maximum.outer(x0, x0) < np.minimum.outer(x0 + widths, x0 + widths)))


def _part(plane: Tensor, box: View, part: View) -> Tensor:
    """Look at a part of what lies in a box."""
    row, column = part.row - box.row, part.column - box.column
    return plane[row : row + part.height, column : column + part.width]
