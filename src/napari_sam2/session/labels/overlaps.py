"""Objects that overlap: the weight of their logits, and which of two that lie on each other has the pixels that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.logits import Logits
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.zoom import View, whole_view

Pixels = npt.NDArray[np.bool_]
Pixel = TypeVar("Pixel", bound=np.generic)

FRAMES_TO_HALF_WEIGHT = 16
ANCHOR_WEIGHT = 1e3
"""More than logits differ by."""
BACKWARD_WEIGHT = 1e-3
"""Less than that of anything tracked forward over fewer than 16000 frames."""
COVERED_SHARE = 0.5
"""Two masks lie on each other where they share more than that of the smaller one."""
NESTED_RATIO = 0.7
"""Of two masks that lie on each other, one is nested in the other where its area is below this share of that."""
MUCH_SURER = 2.0
"""Of two that are nearly equal, the one with a mean logit that is higher by this factor is the right one."""


def confidence_weight(record: FrameRecord, has_time: bool, frame_shape: tuple[int, int]) -> float:
    """Return the factor for the logits of an object where several overlap.

    Anchor frames win; tracked masks weigh less the farther they are from an anchor: an object that has ended, and whose mask has
    drifted to a neighbour, must not take the neighbour's pixels. In a time-lapse what was tracked forward wins over what was
    tracked backward: before an object begins, its mask lies on its parent, or on whatever was there. In a volume a mask weighs the
    less the larger it is: of two that meet, mostly the larger one has grown into the other; not so where several axes were fused.

    Parameters
    ----------
    record : FrameRecord
        Of the object on the frame, where it has a mask.
    has_time : bool
        Frames follow each other in time.
    frame_shape : tuple of int
        Height and width of the frame.
    """
    if not record.anchor_distance:
        return ANCHOR_WEIGHT
    weight = 1 / (1 + abs(record.anchor_distance) / FRAMES_TO_HALF_WEIGHT)
    if not has_time:
        view = record.view or whole_view(frame_shape)
        return weight if record.origin is MaskOrigin.OTHER else weight / view.area_px(record.mask_logits > 0)
    return BACKWARD_WEIGHT * weight if record.anchor_distance < 0 else weight


def resolve_overlaps(masks: Sequence[Logits], boxes: Sequence[View], weights: Sequence[float], has_time: bool) -> None:
    """Give the shared pixels of two masks that lie on each other to one of them as a whole.

    In a time-lapse the one with the higher weight has them. Of two with the same weight, each connected piece goes to the one with
    much higher logits there, else to the one that is nested in the other, else to the first. So it hardly depends on logits, and is
    the same one on frames that follow each other: if the higher logit always won, the two would come out in stripes, and flicker.
    In a volume, where a vein lies in the liver, weighted logits decide pixel by pixel where one is nested in the other; elsewhere
    the one with the higher mean of them has all shared pixels, for the weights follow the slice on which each was prompted. Of
    anchors only one that is nested has all shared pixels: two prompted objects are two, even if their masks are nearly equal.

    Parameters
    ----------
    masks : sequence of ndarray
        Logits (height, width) in each box, changed in place: the mask that loses pixels is 0 there.
    boxes : sequence of View
        Their boxes, in pixels of the data. The closer these are around logits above 0, the fewer masks are compared.
    weights : sequence of float
        Factor for the logits of each; that of anchors is :data:`ANCHOR_WEIGHT`.
    has_time : bool
        Frames follow each other in time.
    """
    if len(masks) < 2:
        return
    inside, lost = [mask > 0 for mask in masks], list[tuple[Logits, Pixels]]()
    areas = [int(one.sum()) for one in inside]
    for first, second in np.argwhere(np.triu(_meet(boxes), 1)).tolist():
        common = boxes[first].intersection(boxes[second])
        shared = _part(inside[first], boxes[first], common) & _part(inside[second], boxes[second], common)
        small, large = sorted((areas[first], areas[second]))
        if int(shared.sum()) <= COVERED_SHARE * small:
            continue
        parts = [_part(masks[i], boxes[i], common) for i in (first, second)]
        if not has_time and small < NESTED_RATIO * large and weights[first] != weights[second]:
            continue
        nested = None if small >= NESTED_RATIO * large else int(areas[second] < areas[first])
        both = weights[first], weights[second]
        lost += [(parts[1 - winner], pixels) for winner, pixels in _won(parts, shared, both, nested, has_time)]
    for part, shared in lost:
        part[shared] = 0


def _won(
    parts: Sequence[Logits], shared: Pixels, weights: tuple[float, float], nested: int | None, has_time: bool
) -> Iterator[tuple[int, Pixels]]:
    """Yield which of two masks, 0 or 1, has which of the pixels that they share; ``nested`` is the one within the other."""
    if weights[0] != weights[1]:
        by_weight = has_time or ANCHOR_WEIGHT in weights
        means = [1.0, 1.0] if by_weight else _means(parts, shared)
        yield int(weights[0] * means[0] < weights[1] * means[1]), shared
    elif weights[0] == ANCHOR_WEIGHT:
        if nested is not None:
            yield nested, shared
    else:
        for piece in _pieces(shared):
            means = _means(parts, piece)
            is_sure = max(means) > MUCH_SURER * min(means)
            yield int(means[1] > means[0]) if is_sure else nested or 0, piece


def _means(parts: Sequence[Logits], pixels: Pixels) -> list[float]:
    return [float(part[pixels].mean(dtype=np.float64)) for part in parts]


def _pieces(mask: Pixels) -> list[Pixels]:
    """Return the connected pieces of a mask; diagonal neighbours touch."""
    labels, count = ndi.label(mask, np.ones((3, 3)))
    return [labels == label for label in range(1, count + 1)]


def _meet(boxes: Sequence[View]) -> npt.NDArray[np.bool_]:
    """Return which of n boxes have pixels in common, (n, n)."""
    y0, x0, heights, widths = np.array([(box.row, box.column, box.height, box.width) for box in boxes]).T
    along_rows = np.maximum.outer(y0, y0) < np.minimum.outer(y0 + heights, y0 + heights)
    return np.asarray(along_rows & (np.maximum.outer(x0, x0) < np.minimum.outer(x0 + widths, x0 + widths)))


def _part(plane: npt.NDArray[Pixel], box: View, part: View) -> npt.NDArray[Pixel]:
    """Return a part of the plane of a box, without a copy."""
    row, column = part.row - box.row, part.column - box.column
    return plane[row : row + part.height, column : column + part.width]
