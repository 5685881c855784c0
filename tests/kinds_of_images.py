"""Kinds of images that people open, with the true masks and a click in each object."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from scipy import ndimage

from napari_sam2.data.samples import FLUO_MITOCHECK, VOL_EMBRYO_8CELL


@dataclass
class Kind:
    """An image as somebody opens it.

    Attributes
    ----------
    image : array-like
        As it is added to the viewer.
    options : dict
        Of the layer, such as ``axis_labels`` and ``rgb``.
    truth : ndarray
        True labels, of the shape of the image without channels and colour, or of its first frames; 0 for none.
    clicks : list of tuple of float
        A position in the data of the layer for each object, in the order in which they are clicked on.
    num_followed : int
        After so many frames the propagation is stopped; 0 for never.
    """

    image: Any
    options: dict[str, Any]
    truth: npt.NDArray[np.uint16]
    clicks: list[tuple[float, ...]]
    num_followed: int = 0


def cells(shape: tuple[int, ...], number: int, radius_px: float, seed: int = 0) -> tuple[npt.NDArray[np.uint16], Any]:
    """Draw bright textured balls that do not touch, (..., H, W), each of which moves a little along the first axis.

    Returns
    -------
    truth : ndarray
        Labels of the shape.
    image : ndarray
        uint8, of the shape.
    """
    rng = np.random.default_rng(seed)
    inner = shape[1:] if len(shape) > 2 else shape
    num_frames = shape[0] if len(shape) > 2 else 1
    centres: list[npt.NDArray[np.float64]] = []
    margin = np.array([min(1.6 * radius_px, (side - 1) / 2) for side in inner])
    while len(centres) < number:
        at = rng.uniform(margin, np.array(inner) - 1 - margin)
        if all(np.linalg.norm(at - other) > 3.2 * radius_px for other in centres):
            centres.append(at)
    truth = np.zeros((num_frames, *inner), np.uint16)
    for label, centre in enumerate(centres, 1):
        step = rng.uniform(-0.6, 0.6, len(inner))
        radius = radius_px * rng.uniform(0.8, 1.1)
        for frame in range(num_frames):
            at = np.clip(centre + frame * step, 0, np.array(inner) - 1)
            low = np.maximum(np.floor(at - radius).astype(int), 0)
            high = np.minimum(np.ceil(at + radius).astype(int) + 1, inner)
            window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            grid = np.ogrid[window]
            distance = sum((axis - one) ** 2 for axis, one in zip(grid, at, strict=True))
            truth[frame][window][distance <= radius**2] = label
    smooth = [0, *(1.5 for _ in inner)]
    light = ndimage.gaussian_filter(np.where(truth > 0, np.float32(150), np.float32(30)), smooth)
    tile = ndimage.gaussian_filter(rng.normal(0, 40, (256, 256)).astype(np.float32), 1.0, mode="wrap")
    noise = np.tile(tile, [-(-side // 256) for side in inner[-2:]])[: inner[-2], : inner[-1]]
    image = np.clip(light + noise, 0, 255).astype(np.uint8)
    return (truth, image) if len(shape) > 2 else (truth[0], image[0])


def _inside(truth: npt.NDArray[np.uint16], limit: int | None = None) -> list[tuple[float, ...]]:
    """Find a pixel deep in each object, (D,), on the plane where it is largest, ordered along the first axes."""
    found = []
    for label, window in enumerate(ndimage.find_objects(truth), 1):
        if window is None:
            continue
        mask = truth[window] == label
        planes = mask.reshape(-1, *mask.shape[-2:])
        best = int(planes.sum(axis=(1, 2)).argmax())
        deepest = ndimage.distance_transform_edt(np.pad(planes[best], 1))
        row, column = np.unravel_index(deepest.argmax(), deepest.shape)
        at = (*np.unravel_index(best, mask.shape[:-2]), row - 1, column - 1)
        found.append(tuple(float(start.start + step) for start, step in zip(window, at, strict=True)))
    return sorted(found)[:limit]


def _time_lapse() -> Kind:
    image = tifffile.imread(FLUO_MITOCHECK.image)[:6]
    truth = tifffile.imread(FLUO_MITOCHECK.masks)[:6]
    first = truth[:1]
    large = np.where(np.bincount(first.ravel(), minlength=truth.max() + 1)[first] > 60, first, 0)
    return Kind(image, {"axis_labels": ("t", "y", "x")}, truth, _inside(large, 10))


def _volume() -> Kind:
    image = tifffile.imread(VOL_EMBRYO_8CELL.image)
    truth = tifffile.imread(VOL_EMBRYO_8CELL.masks).astype(np.uint16)
    return Kind(image, {"axis_labels": ("z", "y", "x")}, truth, _inside(truth))


def _video() -> Kind:
    truth, grey = cells((6, 160, 240), 5, 16)
    colour = np.array([(0.2, 0.3, 0.9), *np.random.default_rng(1).uniform(0.4, 1.0, (5, 3))])
    image = (grey[..., None] * colour[truth]).astype(np.uint8)
    return Kind(image, {"rgb": True, "axis_labels": ("t", "y", "x")}, truth, _inside(truth[:1]))


def _volumes_over_time() -> Kind:
    truth, image = cells((4, 8, 128, 128), 4, 12)
    return Kind(image, {"axis_labels": ("t", "z", "y", "x")}, truth, _inside(truth[:1]))


def _channels_of_volumes_over_time() -> Kind:
    truth, image = cells((3, 6, 128, 128), 4, 12)
    other = np.random.default_rng(2).integers(0, 60, image.shape, np.uint8)
    stacked = np.stack([image, other], axis=1)
    clicks = [(at[0], 0.0, *at[1:]) for at in _inside(truth[:1])]
    return Kind(stacked, {"axis_labels": ("t", "c", "z", "y", "x")}, truth, clicks)


def _channels_over_time() -> Kind:
    truth, image = cells((4, 128, 128), 4, 12)
    other = np.random.default_rng(3).integers(0, 60, image.shape, np.uint8)
    clicks = [(at[0], 0.0, *at[1:]) for at in _inside(truth[:1])]
    return Kind(np.stack([image, other], axis=1), {"axis_labels": ("t", "c", "y", "x")}, truth, clicks)


def _resolutions_on_disk() -> Kind:
    import zarr

    truth, movie = cells((5, 1024, 1024), 4, 50)
    folder = Path(tempfile.mkdtemp())
    levels = []
    for level in range(3):
        pixels = movie[:, :: 2**level, :: 2**level]
        levels.append(zarr.create_array(str(folder / str(level)), data=pixels, chunks=(1, 256, 256)))
    return Kind(levels, {"multiscale": True, "axis_labels": ("t", "y", "x")}, truth, _inside(truth[:1]))


def _field() -> Kind:
    truth, image = cells((2048, 2048), 50, 60)
    return Kind(image, {}, truth, _inside(truth))


def _lazy() -> Kind:
    import dask.array as da

    truth, movie = cells((8, 2048, 2048), 3, 80)

    def read(block_info: Any = None) -> npt.NDArray[np.uint8]:
        frame = block_info[None]["chunk-location"][0]
        return np.asarray(movie[frame % 8][None])

    stack = da.map_blocks(read, chunks=((1,) * 6000, (2048,), (2048,)), dtype=np.uint8)
    return Kind(stack, {"axis_labels": ("t", "y", "x")}, truth, _inside(truth[:1]), num_followed=5)


KINDS: dict[str, Callable[[], Kind]] = {
    "time-lapse": _time_lapse,
    "volume": _volume,
    "colour video": _video,
    "volumes over time": _volumes_over_time,
    "channels over time": _channels_over_time,
    "channels of volumes over time": _channels_of_volumes_over_time,
    "three resolutions on disk": _resolutions_on_disk,
    "field of 50 cells": _field,
    "6000 frames on disk": _lazy,
}
"""What is opened, by name; made when it is called."""
