"""Writes the masks of objects to a label image, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import dtype_of
from napari_sam2.images.planes import LabelPlanes
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.logits import Logits, enlarge_found, label_image
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View, whole_view
from napari_sam2.session.labels.label_file import LabelFile
from napari_sam2.session.labels.overlaps import confidence_weight, resolve_overlaps
from napari_sam2.session.state.packed_labels import unpack_plane

MAX_BYTES_IN_MEMORY = 2**30


def empty_labels(shape: tuple[int, ...], max_bytes_in_memory: float | None = None) -> npt.NDArray[np.uint16]:
    """Make an empty label image, uint16; one that is larger, than :data:`MAX_BYTES_IN_MEMORY` by default, lies in a temporary file.

    Raises
    ------
    OSError
        If there is no room for the file.
    """
    most = MAX_BYTES_IN_MEMORY if max_bytes_in_memory is None else max_bytes_in_memory
    return np.zeros(shape, np.uint16) if 2 * math.prod(shape) <= most else LabelFile(shape)


class LabelWriter:
    """Writes labels.

    Parameters
    ----------
    stack : Stack
        The image.
    labels : array-like, optional
        Receives the result: uint16, of the stack's shape without colour. By default a NumPy array, of more than
        :data:`MAX_BYTES_IN_MEMORY` a :class:`~napari_sam2.session.labels.label_file.LabelFile`.

    Raises
    ------
    ValueError
        If the labels have another shape or dtype.
    """

    def __init__(self, stack: Stack, labels: Any = None) -> None:
        shape = stack.labels_shape
        self._stack = stack
        if labels is None:
            labels = empty_labels(shape)
        elif not (hasattr(labels, "shape") and hasattr(labels, "dtype")):
            raise ValueError(f"labels must be an array, uint16 of shape {shape}, got {type(labels).__name__}")
        elif tuple(labels.shape) != shape or dtype_of(labels) != np.uint16:
            raise ValueError(f"labels must be uint16 of shape {shape}, got {labels.dtype} of shape {tuple(labels.shape)}")
        self.labels = labels
        self._planes = stack.planes(labels)
        self._frame_shape = (stack.height, stack.width)

    def write(self, frame: int, shown: Mapping[int, FrameRecord]) -> None:
        """Write a frame; see :meth:`plane`."""
        self._write(self._planes, frame, self.plane(shown))

    def write_position(self, at: Mapping[str, int], packed: Sequence[bytes] | None, hidden: Sequence[int] = ()) -> None:
        """Write all planes of another position, without hidden objects; None where there is no label."""
        planes = self._stack.view(self._stack.along, at).planes(self.labels)
        for frame in range(len(planes)):
            plane = unpack_plane(b"" if packed is None else packed[frame], self._frame_shape)
            self._write(planes, frame, np.where(np.isin(plane, hidden), np.uint16(0), plane) if hidden else plane)

    def _write(self, planes: LabelPlanes, frame: int, plane: npt.NDArray[np.uint16]) -> None:
        if isinstance(self.labels, LabelFile) and self.labels.is_in_file:
            self.labels.write(planes[frame], plane)
        else:
            planes[frame] = plane

    def plane(self, shown: Mapping[int, FrameRecord]) -> npt.NDArray[np.uint16]:
        """Label a frame, (H, W), by the shown records, by object id.

        Where objects touch, the higher weighted logit wins, of equal ones the lower id; where one lies on another, one of them has
        all shared pixels. See :func:`~napari_sam2.session.labels.overlaps.confidence_weight` and
        :func:`~napari_sam2.session.labels.overlaps.resolve_overlaps`.
        """
        object_ids, masks, boxes = list[int](), list[Logits](), list[View]()
        weights, has_time = list[float](), self._stack.along == "T"
        for object_id, record in sorted(shown.items()):
            view = record.view or whole_view(self._frame_shape)
            found = enlarge_found(record.mask_logits, (view.height, view.width))
            if found is None:
                continue
            mask, row, column = found
            object_ids.append(object_id)
            masks.append(mask)
            boxes.append(View(view.row + row, view.column + column, *mask.shape))
            weights.append(confidence_weight(record, has_time, self._frame_shape))
        resolve_overlaps(masks, boxes, weights, has_time)
        return label_image(masks, [box.window for box in boxes], object_ids, self._frame_shape, weights)
