"""A movie in which two discs cross, one of them brighter, and a third one stays: with exact truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SHAPE, RADIUS_PX, NUM_FRAMES = (72, 120), 9.0, 10
BRIGHTNESS = {1: 190.0, 2: 110.0, 3: 150.0}


def truth() -> npt.NDArray[np.uint16]:
    """Labels (T, H, W): 1 goes to the right, 2 to the left and over it, 3 stays."""
    labels = np.zeros((NUM_FRAMES, *SHAPE), np.uint16)
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    for frame, plane in enumerate(labels):
        for label, row, column in ((3, 56, 60), (1, 24, 30 + 6 * frame), (2, 30, 84 - 6 * frame)):
            plane[np.hypot(rows - row, columns - column) <= RADIUS_PX] = label
    return labels


def movie() -> npt.NDArray[np.uint8]:
    """The movie, (T, H, W)."""
    light = np.full((NUM_FRAMES, *SHAPE), 25.0)
    for label, brightness in BRIGHTNESS.items():
        light[truth() == label] = brightness
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 8, light.shape), (0, 1, 1))
    return np.clip(ndimage.gaussian_filter(light, (0, 1.2, 1.2)) + noise, 0, 255).astype(np.uint8)
