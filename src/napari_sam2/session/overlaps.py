"""Objects that want the same pixels: who is trusted, and what was found twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.views import View

FRAMES_TO_HALF_TRUST = 16
ANCHOR_TRUST = 1e3
"""More than logits differ by."""
TWIN_IOU = 0.7
"""Two tracked masks that agree by more than this IoU are one thing that was found twice."""


def trust(record: FrameRecord) -> float:
    """Factor for the logits of an object where several want a pixel.

    What a person said wins; what was tracked is trusted the less the farther it is from there: an object that has ended, and whose
    mask has gone over to a neighbour, must not take the neighbour's pixels.
    """
    return 1 / (1 + record.anchor_distance / FRAMES_TO_HALF_TRUST) if record.anchor_distance else ANCHOR_TRUST


def settle_twins(masks: Sequence[Tensor], boxes: Sequence[View], trusts: Sequence[float]) -> None:
    """Give what two masks share that are mostly the same to one of them as a whole: pixel by pixel both come out in stripes.

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
    areas = np.array([int((mask > 0).sum()) for mask in masks])
    y0, x0, heights, widths = np.array([(box.row, box.column, box.height, box.width) for box in boxes]).T
    y1, x1 = y0 + heights, x0 + widths
    might_be = np.minimum.outer(areas, areas) > TWIN_IOU * np.maximum.outer(areas, areas)
    might_be &= np.maximum.outer(x0, x0) < np.minimum.outer(x1, x1)
    might_be &= np.maximum.outer(y0, y0) < np.minimum.outer(y1, y1)
    for pair in np.argwhere(np.triu(might_be, 1)):
        top, left, bottom, right = y0[pair].max(), x0[pair].max(), y1[pair].min(), x1[pair].min()
        one, other = (masks[i][top - y0[i] : bottom - y0[i], left - x0[i] : right - x0[i]] for i in pair)
        shared = (one > 0) & (other > 0)
        num_shared = int(shared.sum())
        if num_shared > TWIN_IOU * (areas[pair].sum() - num_shared):
            means = [trusts[i] * float(part[shared].mean()) for i, part in zip(pair, (one, other), strict=True)]
            (other if means[0] >= means[1] else one)[shared] = 0
