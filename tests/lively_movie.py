"""A movie in which bright discs leave, enter, cross nobody, and one of them divides; and a volume of balls: with exact truth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SIDE_PX, RADIUS_PX, NUM_FRAMES = 112, 9.0, 7
LEAVES_ON, ENTERS_ON, DIVIDES_ON = 3, 2, 4
STAYING, LEAVING, PARENT, ENTERING, CHILDREN = 1, 2, 3, 4, (5, 6)


def truth() -> npt.NDArray[np.uint16]:
    """Labels (T, H, W): one stays, one leaves, one enters, one divides."""
    labels = np.zeros((NUM_FRAMES, SIDE_PX, SIDE_PX), np.uint16)
    for frame in range(NUM_FRAMES):
        _disc(labels[frame], STAYING, (25, 25 + 2 * frame), RADIUS_PX)
        if frame < LEAVES_ON:
            _disc(labels[frame], LEAVING, (85, 22), RADIUS_PX)
        if frame >= ENTERS_ON:
            _disc(labels[frame], ENTERING, (88, 90 - frame), RADIUS_PX)
        if frame < DIVIDES_ON:
            _disc(labels[frame], PARENT, (45, 75), RADIUS_PX + 2)
        else:
            for child, side in zip(CHILDREN, (-1, 1), strict=True):
                _disc(labels[frame], child, (45 + side * (9 + 2 * (frame - DIVIDES_ON)), 75), 0.75 * (RADIUS_PX + 2))
    return labels


def movie() -> npt.NDArray[np.uint8]:
    """The movie, (T, H, W)."""
    return _lit(truth())


def balls() -> npt.NDArray[np.uint16]:
    """Labels (Z, H, W) of three balls, one above another."""
    labels = np.zeros((21, 96, 96), np.uint16)
    for label, (depth, row, column) in enumerate([(5, 30, 30), (8, 60, 65), (15, 31, 32)], 1):
        for z in range(21):
            squared = 10.0**2 - (2.4 * (z - depth)) ** 2
            if squared > 0:
                _disc(labels[z], label, (row, column), squared**0.5)
    return labels


def volume() -> npt.NDArray[np.uint8]:
    """The volume, (Z, H, W): out of focus, balls fade."""
    lit = _lit(balls()).astype(float)
    return ndimage.gaussian_filter(lit, (0.8, 0, 0)).astype(np.uint8)


def _disc(plane: npt.NDArray[np.uint16], label: int, centre: tuple[float, float], radius_px: float) -> None:
    rows, columns = np.ogrid[: plane.shape[0], : plane.shape[1]]
    plane[np.hypot(rows - centre[0], columns - centre[1]) <= radius_px] = label


def _lit(labels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    light = ndimage.gaussian_filter(np.where(labels > 0, 150.0, 30.0), (0, 1.2, 1.2))
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 12, labels.shape), (0, 1, 1))
    return np.clip(light + noise, 0, 255).astype(np.uint8)
