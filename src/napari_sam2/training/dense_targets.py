"""Dense targets (foreground, border, centre offsets) that pretrain the image encoder, at a small cost per image.

V images · S side · H, W size of a level · C channels.
"""

from __future__ import annotations

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam2.training.losses import dice_loss

NUM_TARGETS = 4
"""Foreground, border, and the offset (row, column) to the object's centre in units of its radius."""
NUM_LEVELS = 3
"""Number of feature levels of the image encoder."""


def dense_targets(labels: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """Compute the targets of a label image, (S, S) to (4, S, S).

    The border are the pixels whose label differs from that of the upper or left neighbour, dilated by one pixel up and left.
    """
    size = labels.shape[0]
    flat = labels.ravel()
    area = np.maximum(np.bincount(flat), 1).astype(np.float32)
    rows, columns = np.indices(labels.shape, np.float32)
    offsets = [(np.bincount(flat, where.ravel()) / area)[labels] - where for where in (rows, columns)]
    radius = np.sqrt(area / np.pi)[labels]
    inside = labels > 0
    border = np.zeros((size, size), bool)
    border[1:] |= labels[1:] != labels[:-1]
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[:-1] |= border[1:]
    border[:, :-1] |= border[:, 1:]
    return np.stack([inside, border, *(inside * offset / radius for offset in offsets)]).astype(np.float32)


class DenseHead(nn.Module):
    """Predicts the dense targets from every feature level of the encoder; discarded after the training stage."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(d_model, NUM_TARGETS, kernel_size=1) for _ in range(NUM_LEVELS))

    def forward(self, features: list[Tensor], targets: Tensor) -> Tensor:
        """Compute the loss of feature levels (V, C, H, W) against targets (V, 4, S, S)."""
        loss = targets.new_zeros(())
        for head, level in zip(self.heads, features, strict=True):
            predicted = head(level).float()
            target = F.interpolate(targets, predicted.shape[-2:], mode="area")
            for channel in (0, 1):
                loss = loss + F.binary_cross_entropy_with_logits(predicted[:, channel], target[:, channel])
                loss = loss + dice_loss(predicted[:, channel], target[:, channel]).mean()
            inside = target[:, :1]
            error = (predicted[:, 2:] - target[:, 2:]).abs() * inside
            loss = loss + error.sum() / inside.sum().clamp(min=1)
        return loss


def stack_dense_targets(labels: list[npt.NDArray[np.uint16]]) -> Tensor:
    """Compute the targets of several images; (V, 4, S, S)."""
    return torch.from_numpy(np.stack([dense_targets(image) for image in labels]))
