"""Labelled stacks to train a tiny model on, as arrays and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile


def drifting_discs(num_frames: int = 16, size: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on a dark ground; image and labels, (T, size, size)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((num_frames, size, size), np.uint16)
    centres_and_radii = [(18, 18, 8), (18, 46, 10), (46, 18, 10), (46, 46, 8)]
    for label, (row, column, radius) in enumerate(centres_and_radii, start=1):
        drift = rng.uniform(-0.25, 0.25, 2)
        for t in range(num_frames):
            labels[t][(rows - row - drift[0] * t) ** 2 + (columns - column - drift[1] * t) ** 2 < radius**2] = label
    image = np.where(labels > 0, 150, 40) + rng.normal(0, 5, labels.shape)
    return image.astype(np.uint8), labels


def write_stack(folder: Path, image: np.ndarray, labels: np.ndarray, axes: str = "TYX") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "image.tif", image, photometric="minisblack", metadata={"axes": axes})
    tifffile.imwrite(folder / "masks.tif", labels, photometric="minisblack")
    return folder
