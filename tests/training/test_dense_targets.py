"""Dense targets of label images, and the loss of the head against an implementation pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from napari_sam2.training.dense_targets import NUM_LEVELS, DenseHead, dense_targets, stack_dense_targets


def two_objects() -> np.ndarray:
    labels = np.zeros((8, 8), np.uint16)
    labels[1:4, 1:4] = 5
    labels[1:4, 4:6] = 2  # touches the first
    return labels


def targets_again(labels: np.ndarray) -> np.ndarray:
    """The targets, pixel by pixel."""
    found = np.zeros((4, *labels.shape), np.float32)
    height, width = labels.shape
    for row in range(height):
        for column in range(width):
            label = labels[row, column]
            found[0, row, column] = label > 0
            # a change of the label at the pixel itself, below, to the right, or below to the right
            changes = [(r, c) for r in (row, row + 1) for c in (column, column + 1) if r < height and c < width]
            found[1, row, column] = any(
                (r > 0 and labels[r, c] != labels[r - 1, c]) or (c > 0 and labels[r, c] != labels[r, c - 1]) for r, c in changes
            )
            if label:
                pixels = np.argwhere(labels == label)
                radius = math.sqrt(len(pixels) / math.pi)
                found[2:, row, column] = (pixels.mean(0) - (row, column)) / radius
    return found


@pytest.mark.parametrize(
    "labels",
    [two_objects(), np.zeros((8, 8), np.uint16), np.full((8, 8), 3, np.uint16), np.random.default_rng(0).integers(0, 4, (8, 8))],
    ids=["two objects", "background", "one object", "random"],
)
def test_targets_of_each_pixel(labels: np.ndarray) -> None:
    found = dense_targets(labels.astype(np.uint16))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, targets_again(labels), rtol=1e-5, atol=1e-6)


def test_targets_of_several_images() -> None:
    stacked = stack_dense_targets([two_objects(), two_objects().T.copy()])
    assert stacked.shape == (2, 4, 8, 8)
    np.testing.assert_array_equal(stacked[1], dense_targets(two_objects().T.copy()))


def test_the_loss_is_the_sum_over_levels_and_targets() -> None:
    torch.manual_seed(0)
    head = DenseHead(d_model=3)
    features = [torch.randn(1, 3, side, side) for side in (8, 4, 2)]
    assert len(features) == NUM_LEVELS
    targets = stack_dense_targets([two_objects()])
    expected = 0.0
    for layer, level in zip(head.heads, features, strict=True):
        side = level.shape[-1]
        logits = layer(level)[0].detach().numpy().astype(float)
        target = targets[0].numpy().reshape(4, side, 8 // side, side, 8 // side).mean((2, 4))  # the mean of each block
        for p, t in zip(1 / (1 + np.exp(-logits[:2])), target[:2], strict=True):
            expected += -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean() + 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        expected += (np.abs(logits[2:] - target[2:]) * target[0]).sum() / max(target[0].sum(), 1)
    assert float(head(features, targets).detach()) == pytest.approx(expected, rel=1e-5)


def test_offsets_outside_objects_have_no_loss() -> None:
    torch.manual_seed(0)
    head = DenseHead(d_model=3)
    features, targets = [torch.randn(1, 3, side, side) for side in (8, 4, 2)], torch.zeros(1, 4, 8, 8)
    head(features, targets).backward()
    for layer in head.heads:
        gradient = layer.weight.grad
        assert gradient is not None
        assert not gradient[2:].any()
        assert gradient[:2].abs().sum() > 0
