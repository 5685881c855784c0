"""Two objects that touch or cross, and come out as one mask: it is cut in two, and each has the part where it is expected.

H, W height and width of a frame · h, w of a mask of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import dist, log, pi, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.logits import Logits
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import whole_view
from napari_sam2.session.tracking.regions import Region

LEAST_BESIDE = 0.25
"""A mask is on two objects where its area is that of the larger one, and this share of that of the smaller one, or more."""
MOST_FRAMES_AHEAD = 8
"""Objects go on as they moved before they touched for so many frames; nobody knows what they do later."""
FRAMES_BACK = 12
"""Objects that have touched for so many frames are no longer told apart by how they were before, ..."""
FRAMES_OF_MOTION = 3
"""... and none that were seen apart on fewer frames than these: two tracks that were always on one object are one."""
COMPACT = 1.2
"""What is less elongated has no longest axis to speak of."""


class Expected(NamedTuple):
    """What is expected of an object on a frame.

    Attributes
    ----------
    area_px : float
        Its area.
    centroid_rc : tuple of float
        Where it is, row and column.
    brightness : float
        Its mean intensity, 0 .. 255.
    """

    area_px: float
    centroid_rc: tuple[float, float]
    brightness: float


def is_on_two(area_px: float, areas_px: Sequence[float]) -> bool:
    """Return whether a mask is so large that it is on both of two objects with usual areas."""
    small, large = sorted(areas_px)
    return small > 0 and area_px >= large + LEAST_BESIDE * small


def position_ahead(centroids: Sequence[tuple[float, float]], num_frames: int) -> tuple[float, float]:
    """Return where an object is some frames after the last of its centroids, if it goes on as it moved on the latest ones."""
    latest = np.array(centroids[-FRAMES_OF_MOTION - 1 :], float)
    velocity = (latest[-1] - latest[0]) / max(len(latest) - 1, 1)
    row, column = latest[-1] + min(num_frames, MOST_FRAMES_AHEAD) * velocity
    return float(row), float(column)


def parted(both: Region, expected: Sequence[Expected], image: npt.NDArray[np.floating]) -> list[Region]:
    """Cut the mask of two objects in two.

    The cut goes across the longest axis, or, where there is none, across the line from one expected position to the other. Its
    parts have the ratio of the expected areas. Of the two ways to give them to the objects, the one is chosen by which they are
    nearer to where they are expected, and more as bright as they are.

    Parameters
    ----------
    both : Region
        The mask.
    expected : sequence of Expected
        What is expected of each of the two.
    image : ndarray
        (H, W), the frame.

    Returns
    -------
    list of Region
        The part of each of them.
    """
    positions = np.array(np.nonzero(both.pixels), float)
    centre = positions.mean(1) + np.array((both.row, both.column))
    shares = np.array([one.area_px for one in expected]) / sum(one.area_px for one in expected)
    places = np.array([one.centroid_rc for one in expected], float)
    places += centre - shares @ places  # together they are where the mask is
    axis = both.axis() if both.elongation > COMPACT else places[1] - places[0]
    order = np.argsort(axis @ positions, kind="stable")
    ways = []
    for first in (0, 1):
        count = round(shares[first] * len(order))
        parts = [_part(both, positions, order[:count]), _part(both, positions, order[count:])]
        ways.append(parts if first == 0 else parts[::-1])
    there = [one._replace(centroid_rc=(float(row), float(column))) for one, (row, column) in zip(expected, places, strict=True)]
    return min(ways, key=lambda parts: sum(misfit(part, one, image) for part, one in zip(parts, there, strict=True)))


def cut_logits(record: FrameRecord, region: Region, frame_shape: tuple[int, int]) -> Logits:
    """Return the logits (h, w) of a record, as sure as they are, so that they are above 0 where a region is, and nowhere else."""
    view = record.view or whole_view(frame_shape)
    height, width = record.mask_logits.shape
    rows = view.row + ((np.arange(height) + 0.5) * view.height / height).astype(int)
    columns = view.column + ((np.arange(width) + 0.5) * view.width / width).astype(int)
    sure = np.maximum(np.abs(record.mask_logits), np.float32(1))
    return np.where(region.plane(frame_shape)[np.ix_(rows, columns)], sure, -sure)


def _part(both: Region, positions: npt.NDArray[np.float64], chosen: npt.NDArray[np.intp]) -> Region:
    pixels = np.zeros_like(both.pixels)
    pixels[tuple(positions[:, chosen].astype(int))] = True
    return Region(both.row, both.column, pixels)


def misfit(region: Region, expected: Expected, image: npt.NDArray[np.floating]) -> float:
    """Return how badly a region fits an object: the distance in radii, and the logarithm of the ratio of brightnesses.

    Parameters
    ----------
    region : Region
        The region.
    expected : Expected
        What is expected of the object.
    image : ndarray
        (H, W), the frame.
    """
    if not region.area_px:
        return np.inf
    distance = dist(region.centroid_rc, expected.centroid_rc) / sqrt(expected.area_px / pi)
    brightness = float(image[region.window][region.pixels].mean())
    return distance + abs(log((brightness + 1) / (expected.brightness + 1)))
