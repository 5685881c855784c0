"""Masks of objects into a label image, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from napari_sam2.predictors.mask_postprocessing import label_image
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.views import whole_view
from napari_sam2.session.objects import SessionObject
from napari_sam2.session.stack import Stack

FRAMES_TO_HALF_TRUST = 16
ANCHOR_TRUST = 1e3
"""More than logits differ by."""


def trust(record: FrameRecord) -> float:
    """Factor for the logits of an object where several want a pixel.

    What a person said wins; what was tracked is trusted the less the farther it is from there: an object that has ended, and whose
    mask has gone over to a neighbour, must not take the neighbour's pixels.
    """
    return 1 / (1 + record.anchor_distance / FRAMES_TO_HALF_TRUST) if record.anchor_distance else ANCHOR_TRUST


class LabelWriter:
    """Writes labels.

    Parameters
    ----------
    stack : Stack
        What is labelled.
    labels : array-like, optional
        Receives the result: uint16, of the stack's shape without colour. A NumPy array by default.

    Raises
    ------
    ValueError
        If the labels have another shape or dtype.
    """

    def __init__(self, stack: Stack, labels: Any = None) -> None:
        shape = stack.labels_shape
        if labels is None:
            labels = np.zeros(shape, np.uint16)
        elif tuple(labels.shape) != shape or np.dtype(labels.dtype) != np.uint16:
            raise ValueError(f"labels must be uint16 of shape {shape}, got {labels.dtype} of shape {tuple(labels.shape)}")
        self.labels = labels
        self._planes = stack.planes(labels)
        self._frame_shape = (stack.height, stack.width)

    def write(self, frame: int, objects: Iterable[SessionObject]) -> None:
        """Write a frame: where objects overlap, the higher trusted logit wins, of equal ones the lower id."""
        drawn = sorted((item for item in objects if not item.info.is_hidden), key=lambda item: item.object_id)
        present = [(item, record) for item in drawn if (record := item.shown(frame)) is not None]
        whole = whole_view(self._frame_shape)
        with torch.inference_mode():
            plane = label_image(
                [record.mask_logits for _, record in present],
                [(record.view or whole).window for _, record in present],
                [item.object_id for item, _ in present],
                self._frame_shape,
                [trust(record) for _, record in present],
            )
        self._planes[frame] = plane
