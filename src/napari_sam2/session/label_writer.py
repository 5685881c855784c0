"""Masks of objects into a label image, frame by frame."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_sam2.predictors.mask_postprocessing import label_image, mask_to_box, resize_logits
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.views import View, whole_view
from napari_sam2.session.checks import dtype_of
from napari_sam2.session.packed_labels import unpack_plane
from napari_sam2.session.stack import Stack

FRAMES_TO_HALF_TRUST = 16
ANCHOR_TRUST = 1e3
"""More than logits differ by."""
TWIN_IOU = 0.7
"""Two tracked masks that agree by more than this IoU are one thing that was found twice."""
MAX_BYTES_IN_MEMORY = 2**30


def trust(record: FrameRecord) -> float:
    """Factor for the logits of an object where several want a pixel.

    What a person said wins; what was tracked is trusted the less the farther it is from there: an object that has ended, and whose
    mask has gone over to a neighbour, must not take the neighbour's pixels.
    """
    return 1 / (1 + record.anchor_distance / FRAMES_TO_HALF_TRUST) if record.anchor_distance else ANCHOR_TRUST


def _empty_labels(shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    if 2 * math.prod(shape) <= MAX_BYTES_IN_MEMORY:
        return np.zeros(shape, np.uint16)
    with tempfile.TemporaryFile(prefix="napari-sam2-") as file:  # the memory map outlives it
        return np.memmap(file, np.uint16, "w+", shape=shape)


class LabelWriter:
    """Writes labels.

    Parameters
    ----------
    stack : Stack
        What is labelled.
    labels : array-like, optional
        Receives the result: uint16, of the stack's shape without colour. By default a NumPy array, which lies in a temporary file
        where it is larger than :data:`MAX_BYTES_IN_MEMORY`.

    Raises
    ------
    ValueError
        If the labels have another shape or dtype.
    """

    def __init__(self, stack: Stack, labels: Any = None) -> None:
        shape = stack.labels_shape
        self._stack = stack
        if labels is None:
            labels = _empty_labels(shape)
        elif not (hasattr(labels, "shape") and hasattr(labels, "dtype")):
            raise ValueError(f"labels must be an array, uint16 of shape {shape}, got {type(labels).__name__}")
        elif tuple(labels.shape) != shape or dtype_of(labels) != np.uint16:
            raise ValueError(f"labels must be uint16 of shape {shape}, got {labels.dtype} of shape {tuple(labels.shape)}")
        self.labels = labels
        self._planes = stack.planes(labels)
        self._frame_shape = (stack.height, stack.width)

    def write(self, frame: int, shown: Mapping[int, FrameRecord]) -> None:
        """Write a frame; see :meth:`plane`."""
        self._planes[frame] = self.plane(shown)

    def write_place(self, at: Mapping[str, int], packed: Sequence[bytes] | None, hidden: Sequence[int] = ()) -> None:
        """Write all planes of another place, without hidden objects; None where nothing is known of it."""
        planes = self._stack.view(self._stack.along, at).planes(self.labels)
        for frame in range(len(planes)):
            plane = unpack_plane(b"" if packed is None else packed[frame], self._frame_shape)
            planes[frame] = np.where(np.isin(plane, hidden), np.uint16(0), plane) if hidden else plane

    def plane(self, shown: Mapping[int, FrameRecord]) -> npt.NDArray[np.uint16]:
        """Label a frame, (H, W), with what is shown of it by object id.

        Where objects overlap, the higher trusted logit wins, of equal ones the lower id; see also :func:`settle_twins`.
        """
        object_ids = sorted(shown)
        records = [shown[object_id] for object_id in object_ids]
        whole = whole_view(self._frame_shape)
        views = [record.view or whole for record in records]
        trusts = [trust(record) for record in records]
        with torch.inference_mode():
            # Copies: where nothing is to be resized, these are the masks that are kept.
            masks = [
                resize_logits(record.mask_logits[None, None], (view.height, view.width))[0, 0].clone()
                for record, view in zip(records, views, strict=True)
            ]
            # Where people said something they meant two things, even if the masks do not show it.
            tracked = [i for i, record in enumerate(records) if record.anchor_distance]
            settle_twins([masks[i] for i in tracked], [views[i] for i in tracked], [trusts[i] for i in tracked])
            return label_image(masks, [view.window for view in views], object_ids, self._frame_shape, trusts)


def settle_twins(masks: list[Tensor], views: Sequence[View], trusts: Sequence[float]) -> None:
    """Give what two masks share that are mostly the same to one of them as a whole: pixel by pixel both come out in stripes.

    Parameters
    ----------
    masks : list of Tensor
        Logits (height, width) of each view, in pixels of the data. In place, the one whose trusted logits are lower on the mean of
        what is shared loses that; of equal ones the later.
    views : sequence of View
        Where they lie.
    trusts : sequence of float
        Factor for the logits of each.
    """
    inside = [mask > 0 for mask in masks]
    areas = np.array([int(mask.sum()) for mask in inside])
    found = np.flatnonzero(areas).tolist()
    if len(found) < 2:
        return
    boxes = np.stack([mask_to_box(inside[i][None])[0].cpu().numpy() for i in found])
    x0, y0, x1, y1 = (boxes + [(views[i].column, views[i].row) * 2 for i in found]).T
    sizes = areas[found]
    might_be = np.minimum.outer(sizes, sizes) > TWIN_IOU * np.maximum.outer(sizes, sizes)
    might_be &= np.maximum.outer(x0, x0) <= np.minimum.outer(x1, x1)
    might_be &= np.maximum.outer(y0, y0) <= np.minimum.outer(y1, y1)
    for one, other in np.argwhere(np.triu(might_be, 1)):
        rows = max(y0[one], y0[other]), min(y1[one], y1[other]) + 1
        columns = max(x0[one], x0[other]), min(x1[one], x1[other]) + 1
        parts = []
        for i in (found[one], found[other]):
            row, column = views[i].row, views[i].column
            parts.append(masks[i][rows[0] - row : rows[1] - row, columns[0] - column : columns[1] - column])
        shared = (parts[0] > 0) & (parts[1] > 0)
        num_shared = int(shared.sum())
        if num_shared > TWIN_IOU * (sizes[one] + sizes[other] - num_shared):
            means = [trusts[found[i]] * float(part[shared].mean()) for i, part in zip((one, other), parts, strict=True)]
            parts[means[0] >= means[1]][shared] = 0
