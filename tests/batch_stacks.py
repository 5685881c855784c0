"""Small movies of bright discs with prompts beside them, as a run of many stacks takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage as ndi

T, SIDE = 8, 64


def discs(num_frames: int = T, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two discs that move a little: the movie, uint8, and its labels."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((num_frames, SIDE, SIDE), np.uint16)
    starts = random.uniform((14, 14), (22, 22)), random.uniform((40, 36), (48, 44))
    for t in range(num_frames):
        for label, (row, column) in enumerate(starts, 1):
            labels[t][np.hypot(rows - row, columns - column - 0.5 * t) < 8] = label
    movie = ndi.gaussian_filter(np.where(labels > 0, 170.0, 30.0), (0, 1, 1)) + random.normal(0, 6, labels.shape)
    return movie.clip(0, 255).astype(np.uint8), labels


def write_stack(path: Path, num_frames: int = T, seed: int = 0) -> Path:
    """Write a movie, and beside it the labels of its first frame."""
    movie, labels = discs(num_frames, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, movie, photometric="minisblack", metadata={"axes": "TYX"})
    tifffile.imwrite(path.with_suffix(".labels.tif"), labels[0], photometric="minisblack")
    return path
