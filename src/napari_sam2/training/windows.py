"""Moving windows: augmentation that crops a clip as zoomed tracking does, with jumps and changes of scale between frames.

T frames · S side in pixels.
"""

from __future__ import annotations

from napari_sam2.torch_threads import torch

import numpy as np
import torch.nn.functional as F

from napari_sam2.predictors.zoom import Zoom
from napari_sam2.training.clips import Clip

MIN_SIDE = 0.6
"""Smallest side of a window, in sides of the clip."""
JUMP = Zoom.WANDER
"""Largest shift of a window per frame, in sides of the clip: a zoomed view stays until its object is as far off its centre."""
OBJECT_JUMP = 0.7
"""Largest shift in object sizes; beyond it, an object cannot be distinguished from its neighbours."""
PACE = Zoom.PACE
"""Largest factor by which a window changes its side per frame, as zoomed views do."""


def crop_moving_window(clip: Clip, rng: np.random.Generator, rest: float = 0.6) -> Clip:
    """Crop a window that moves now and then, and enlarge it to the clip's size.

    Parameters
    ----------
    clip : Clip
        Square frames, (T, S, S) or (T, S, S, 3).
    rng : Generator
        Source of all random numbers.
    rest : float
        Share of the frames on which the window stays.

    Returns
    -------
    Clip
        The crop, of the same shape.
    """
    size = clip.frames.shape[1]
    side = size * rng.uniform(MIN_SIDE, 1.0)
    corner = rng.uniform(0, size - side, 2)
    areas = np.bincount(clip.labels[0, 0].ravel())[1:]
    object_size = np.sqrt(np.median(areas[areas > 0])) if areas.any() else size
    jump = min(JUMP * size, OBJECT_JUMP * object_size)
    frames, labels = np.empty_like(clip.frames), np.empty_like(clip.labels)
    for t in range(len(clip.frames)):
        if t and rng.random() > rest:
            middle = corner + side / 2 + rng.uniform(-jump, jump, 2)
            side = float(np.clip(side * np.exp(rng.uniform(-1, 1) * np.log(PACE)), MIN_SIDE * size, size))
            corner = np.clip(middle - side / 2, 0, size - side)
        top, left = (int(x) for x in corner)
        length = min(max(round(side), 1), size - max(top, left))
        window = np.s_[top : top + length, left : left + length]
        frames[t] = _enlarged(clip.frames[t][window], size)
        nearest = ((np.arange(size) + 0.5) * length / size).astype(int)
        labels[:, t] = clip.labels[:, t, top + nearest[:, None], left + nearest]
    return Clip(frames, labels)


def _enlarged(image: np.ndarray, size: int) -> np.ndarray:
    """Resize (H, W) or (H, W, 3) uint8 pixels to a side."""
    planes = torch.from_numpy(np.ascontiguousarray(image)).float().reshape(*image.shape[:2], -1).permute(2, 0, 1)
    resized = F.interpolate(planes[None], (size, size), mode="bilinear")[0].permute(1, 2, 0)
    return resized.round().to(torch.uint8).numpy().reshape(size, size, *image.shape[2:])
