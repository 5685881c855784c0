"""Position, size and intensities of each object, time by time; in pixels, read plane by plane. C channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import regionprops_table

from napari_sam2.export.diameter import largest_diameter
from napari_sam2.export.result import Result
from napari_sam2.export.value_counts import ValueCounts

_PROPERTIES = ("label", "area", "centroid", "bbox", "perimeter")
_INTENSITIES = ("intensity_mean", "intensity_min", "intensity_max")


@dataclass(frozen=True)
class Measurement:
    """One object at one time: on a frame, or in a volume.

    Attributes
    ----------
    object_id, frame : int
        Which; 0 for the frame of a single image or volume.
    size_px : int
        Pixels, in a volume voxels.
    centroid_px : tuple of float
        (Z,) row and column; pixel centres lie on integers.
    bbox_px : tuple of int
        First (Z,) row and column, then those after the last.
    perimeter_px : float or None
        Of the outline, by the estimate of :func:`skimage.measure.perimeter`; None in a volume.
    mean, min, max : tuple of float
        (C,), intensities of the image; NaN where it cannot be read.
    std : tuple of float
        (C,), their standard deviation; of volumes in a patient only.
    counts : tuple of ValueCounts
        (C,), how often each intensity occurs, for the median; of volumes in a patient only, empty where the image cannot be read.
    diameter : float or None
        The largest distance between edges of its pixels on one plane, in the unit of the calibration; of volumes in a patient only.
    diameter_plane : int or None
        The plane of that distance.
    """

    object_id: int
    frame: int
    size_px: int
    centroid_px: tuple[float, ...]
    bbox_px: tuple[int, ...]
    perimeter_px: float | None
    mean: tuple[float, ...] = ()
    min: tuple[float, ...] = ()
    max: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    counts: tuple[ValueCounts, ...] = field(default=(), repr=False, compare=False)
    diameter: float | None = None
    diameter_plane: int | None = None

    @property
    def median(self) -> tuple[float, ...]:
        """Median of the intensities (C,); NaN where it is not known."""
        return tuple(one.median for one in self.counts) or (float("nan"),) * len(self.mean)


def measure(result: Result) -> list[Measurement]:
    """Measure all objects, ordered by object, then frame; of an image on each frame, of a volume as a whole.

    Parameters
    ----------
    result : Result
        Labels, and the image if intensities are wanted.

    Raises
    ------
    ValueError
        If a label is not between 0 and 65535.
    """
    times, planes = range(result.size("T")), range(result.size("Z"))
    return merge_planes(measure_plane(result, time, z) for time in times for z in planes)


def merge_planes(planes: Iterable[Sequence[Measurement]]) -> list[Measurement]:
    """Put the objects of planes together, which are in any order; see :func:`measure`."""
    slices = sorted((item for plane in planes for item in plane), key=_where)
    return [_merge(list(items)) for _, items in groupby(slices, key=_where)]


def _where(item: Measurement) -> tuple[int, int]:
    return item.object_id, item.frame


def measure_plane(result: Result, time: int, z: int) -> list[Measurement]:
    """Measure the objects of one plane, ordered by object."""
    labels = result.cut({"T": time, "Z": z})
    # Without an object on it, the plane of the image is not read.
    image = result.intensities(time, z) if labels.any() else None
    is_of_patient = result.is_volume and result.geometry is not None
    intensities = (*_INTENSITIES, *(("intensity_std",) if is_of_patient else ()))
    names = _PROPERTIES if image is None else _PROPERTIES + intensities
    table = regionprops_table(labels, image, names, separator="-")
    unknown = {f"{name}-{channel}": np.nan for name in intensities for channel in range(result.num_channels)}
    rows = [unknown | row for row in _rows(table)]
    found = [_measurement(result.is_volume, time, z, row, result.num_channels) for row in rows]
    if not is_of_patient:
        return found
    return [_in_patient(item, row, labels, image, result) for item, row in zip(found, rows, strict=True)]


def _in_patient(
    item: Measurement, row: dict[str, Any], labels: npt.NDArray[np.uint16], image: npt.NDArray[Any] | None, result: Result
) -> Measurement:
    """Add what is measured of volumes in a patient."""
    plane, height_from, width_from, _, height_to, width_to = item.bbox_px
    box = np.s_[height_from:height_to, width_from:width_to]
    mask = labels[box] == item.object_id
    pixel = result.calibration
    std = tuple(float(row[f"intensity_std-{channel}"]) for channel in range(result.num_channels))
    counts = () if image is None else tuple(ValueCounts.of(channel) for channel in image[box][mask].reshape(item.size_px, -1).T)
    diameter = largest_diameter(mask, pixel.y, pixel.x)
    return replace(item, std=std, counts=counts, diameter=diameter, diameter_plane=plane)


def _rows(table: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True))


def _measurement(is_volume: bool, time: int, z: int, row: dict[str, Any], num_channels: int) -> Measurement:
    height_from, width_from, height_to, width_to = (int(row[f"bbox-{i}"]) for i in range(4))
    mean, low, high = (tuple(float(row[f"{name}-{i}"]) for i in range(num_channels)) for name in _INTENSITIES)
    centroid: tuple[float, ...] = (float(row["centroid-0"]), float(row["centroid-1"]))
    first: tuple[int, ...] = (height_from, width_from)
    after: tuple[int, ...] = (height_to, width_to)
    if is_volume:
        centroid, first, after = (float(z), *centroid), (z, *first), (z + 1, *after)
    perimeter = None if is_volume else float(row["perimeter"])
    return Measurement(int(row["label"]), time, int(row["area"]), centroid, first + after, perimeter, mean, low, high)


def _merge(slices: list[Measurement]) -> Measurement:
    """Put the slices of an object together."""
    if len(slices) == 1:
        return slices[0]
    weights = np.array([item.size_px for item in slices])
    corners = np.array([item.bbox_px for item in slices]).reshape(len(slices), 2, -1)
    first, after = corners[:, 0].min(0), corners[:, 1].max(0)

    def averaged(values: list[tuple[float, ...]]) -> tuple[float, ...]:
        return tuple((np.array(values) * weights[:, None]).sum(0) / weights.sum())

    mean = averaged([item.mean for item in slices])
    merged = Measurement(
        slices[0].object_id,
        slices[0].frame,
        int(weights.sum()),
        averaged([item.centroid_px for item in slices]),
        (*first.tolist(), *after.tolist()),
        None,
        mean,
        tuple(np.min([item.min for item in slices], axis=0)),
        tuple(np.max([item.max for item in slices], axis=0)),
    )
    if slices[0].diameter is None:
        return merged
    squares = averaged([tuple(np.square(item.std) + np.square(np.subtract(item.mean, mean))) for item in slices])
    widest = max(slices, key=lambda item: item.diameter or 0.0)
    return replace(
        merged,
        std=tuple(map(float, np.sqrt(squares))),
        counts=_joined(slices),
        diameter=widest.diameter,
        diameter_plane=widest.diameter_plane,
    )


def _joined(slices: list[Measurement]) -> tuple[ValueCounts, ...]:
    """Put the intensities of all slices together; nothing is known of them where one could not be read."""
    if not all(item.counts for item in slices):
        return ()
    return tuple(ValueCounts.joined(parts) for parts in zip(*(item.counts for item in slices), strict=True))
