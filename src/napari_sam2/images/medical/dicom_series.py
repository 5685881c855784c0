"""Files of DICOM as volumes: which files belong together, in which order their planes lie, and what is missing or tilted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import PLANES, Geometry
from napari_sam2.images.medical.dicom_headers import DicomFile, Frame
from napari_sam2.wording import counted

logger = logging.getLogger(__name__)

_SAME_MM, _SAME_COSINE = 1e-2, 1e-3
_MAX_JITTER = 0.05
"""Distances of planes that differ by less than this share are one distance."""
_MAX_MISSING = 0.25
"""If more planes than this share were missing, the distances differ for another reason."""
_MAX_SHIFT_MM, _TILT_DEGREES = 0.1, 0.1


@dataclass(frozen=True)
class DicomSeries:
    """Files that may be one volume: of one series, orientation and size of planes.

    Attributes
    ----------
    name : str
        Modality and number, and the plane where the series has several: nothing that a person typed.
    files : tuple of DicomFile
        In no order.
    """

    name: str
    files: tuple[DicomFile, ...]

    def describe(self) -> str:
        """Describe it in a few words."""
        kind, count = self.files[0].kind, sum(len(file.frames) for file in self.files)
        return f"{counted(count, 'plane')} of {kind.rows} x {kind.columns}"


@dataclass(frozen=True)
class OrderedPlanes:
    """The planes of a volume, or of several in time, in order.

    Attributes
    ----------
    axes : str
        ``ZYX``, ``TZYX``, ``TYX`` or ``YX``, without colours.
    shape : tuple of int
        Lengths of the axes in front of Y and X.
    frames : tuple of Frame or None
        In the order of ``shape``; None where a plane is missing.
    geometry : Geometry or None
        None where the files do not give it.
    calibration : Calibration
        Size of voxels, and time from frame to frame.
    """

    axes: str
    shape: tuple[int, ...]
    frames: tuple[Frame | None, ...]
    geometry: Geometry | None
    calibration: Calibration


def group_series(files: Sequence[DicomFile]) -> list[DicomSeries]:
    """Put files together that may be one volume, ordered by number; a file that is there twice counts once."""
    once = {file.instance: file for file in files}.values()
    series: dict[tuple[Any, ...], list[list[DicomFile]]] = {}
    for file in once:
        parts = series.setdefault((file.number is None, file.number or 0, file.series), [])
        part = next((part for part in parts if _is_alike(part[0], file)), None)
        if part is None:
            parts.append([file])
        else:
            part.append(file)
    return [
        DicomSeries(_name(part[0], len(parts) > 1), tuple(part))
        for _, parts in sorted(series.items())
        for part in sorted(parts, key=len, reverse=True)  # of a series with a scout, the volume comes first
    ]


def _is_alike(one: DicomFile, other: DicomFile) -> bool:
    """Planes have one size and, but for rounding, one orientation."""
    first, second = one.frames[0].orientation, other.frames[0].orientation
    if (one.kind.rows, one.kind.columns, first is None) != (other.kind.rows, other.kind.columns, second is None):
        return False
    return first is None or second is None or bool(np.abs(np.subtract(first, second)).max() <= _SAME_COSINE)


def _name(file: DicomFile, has_parts: bool) -> str:
    words = [
        file.modality or "image",
        "" if file.number is None else str(file.number),
        plane_name(file.frames[0]) if has_parts else "",
    ]
    return " ".join(filter(None, words))


def plane_name(frame: Frame) -> str:
    """Return ``axial``, ``coronal`` or ``sagittal``, whichever is nearest; empty where the orientation is not known."""
    if frame.orientation is None:
        return ""
    world = int(np.abs(np.cross(frame.orientation[:3], frame.orientation[3:])).argmax())
    return next(name for name, axis in PLANES.items() if axis == world)


def order_planes(series: DicomSeries) -> OrderedPlanes:
    """Order the planes of a series along their normal; what is missing, tilted or uneven is logged as a warning.

    Raises
    ------
    ImageFileError
        If planes are of different kinds or orientations, or there are not as many at each position.
    """
    files = series.files
    if len({file.kind for file in files}) > 1:
        raise ImageFileError(
            f"the DICOM series {series.name} has pixels of {len({file.kind for file in files})} kinds: they are no volume"
        )
    frames = [frame for file in files for frame in file.frames]
    if any(frame.position is None or frame.orientation is None for frame in frames):
        return _without_positions(series, sorted(frames, key=lambda frame: frame.order))
    orientations = np.array([frame.orientation for frame in frames])
    if np.abs(orientations - orientations[0]).max() > _SAME_COSINE:
        raise ImageFileError(f"the DICOM series {series.name} has planes of several orientations: they are no volume")
    if len({frame.spacing for frame in frames}) > 1:
        raise ImageFileError(f"the DICOM series {series.name} has pixels of several sizes: they are no volume")
    return _along_normal(series, frames)


def _without_positions(series: DicomSeries, frames: list[Frame]) -> OrderedPlanes:
    """Order planes whose position is not known by their numbers, as those of a movie or of an X-ray."""
    spacing, interval = frames[0].spacing, series.files[0].frame_time_s
    calibration = PIXELS if spacing is None else Calibration(*spacing, length_unit="millimeter")
    if interval is not None and len(frames) > 1:
        calibration = Calibration(
            calibration.y, calibration.x, None, interval, length_unit=calibration.length_unit, time_unit="second"
        )
    shape = (len(frames),) if len(frames) > 1 else ()
    if len(series.files) > 1:
        logger.warning("the DICOM series %s gives no positions: its planes are in the order of their numbers", series.name)
    return OrderedPlanes("TYX" if shape else "YX", shape, tuple(frames), None, calibration)


def _along_normal(series: DicomSeries, frames: list[Frame]) -> OrderedPlanes:
    orientation = np.array(frames[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    depths = np.array([frame.position for frame in frames]) @ normal
    order = np.argsort(depths, kind="stable")
    edges = np.flatnonzero(np.diff(depths[order]) > _SAME_MM) + 1
    groups = [sorted((frames[i] for i in group), key=lambda frame: frame.order) for group in np.split(order, edges)]
    counts = {len(group) for group in groups}
    if len(counts) > 1:
        raise ImageFileError(
            f"the DICOM series {series.name} has {min(counts)} to {max(counts)} planes at one position: it is neither one volume "
            "nor several of one size"
        )
    (num_times,) = counts
    if num_times > 1:
        logger.warning(
            "the DICOM series %s has %d planes at each position: they are read as volumes in time, along T", series.name, num_times
        )
    positions = np.array([group[0].position for group in groups])
    numbers = _plane_numbers(series.name, positions @ normal)
    step = _step(series, positions, numbers, normal)
    _warn_of_shifts(series.name, positions - positions[0] - numbers[:, None] * step, normal)
    spacing = frames[0].spacing or (1.0, 1.0)
    try:
        geometry = Geometry.of_axes(positions[0], [orientation[:3] * spacing[1], orientation[3:] * spacing[0], step])
    except ValueError as error:
        raise ImageFileError(f"the DICOM series {series.name} cannot be placed in space: {error}") from error
    _warn_of_tilt(series.name, step, normal)
    num_planes = int(numbers[-1]) + 1
    at = {int(number): group for number, group in zip(numbers, groups, strict=True)}
    ordered = tuple(at[z][time] if z in at else None for time in range(num_times) for z in range(num_planes))
    known = (None, PIXELS) if frames[0].spacing is None else (geometry, geometry.calibration)
    if num_times > 1:
        return OrderedPlanes("TZYX", (num_times, num_planes), ordered, *known)
    return OrderedPlanes("ZYX", (num_planes,), ordered, *known)


def _plane_numbers(name: str, depths: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Number planes by their distances, counted from 0: a number that is left out is a plane that is missing."""
    if len(depths) < 3:
        return np.arange(len(depths))
    gaps = np.diff(depths)
    usual = float(np.median(gaps))
    steps = np.maximum(1, np.round(gaps / usual)).astype(int)
    missing = int(steps.sum() - len(steps))
    is_even = bool((np.abs(gaps - steps * usual) <= _MAX_JITTER * usual * steps).all())
    if not is_even or missing > _MAX_MISSING * (steps.sum() + 1):
        logger.warning(
            "the planes of the DICOM series %s lie %.3g to %.3g mm apart: along Z, lengths and volumes are those of the mean, %.4g",
            *(name, gaps.min(), gaps.max(), gaps.mean()),
        )
        return np.arange(len(depths))
    numbers = np.concatenate([[0], np.cumsum(steps)])
    if missing:
        first = sorted(set(range(int(numbers[-1]) + 1)) - set(numbers.tolist()))[0]
        logger.warning(
            "%d of %d planes of the DICOM series %s %s missing and cannot be read, the first is Z %d",
            *(missing, int(numbers[-1]) + 1, name, "is" if missing == 1 else "are", first),
        )
    return numbers


def _step(
    series: DicomSeries, positions: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64], normal: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Find the step from a plane to the next."""
    if len(positions) > 1:
        step: npt.NDArray[np.float64] = (positions[-1] - positions[0]) / numbers[-1]
        return step
    return normal * (series.files[0].slice_step_mm or 1.0)


def _warn_of_shifts(name: str, offsets: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]) -> None:
    """Warn if planes do not lie above each other, but for rounding."""
    across = offsets - (offsets @ normal)[:, None] * normal
    shift = float(np.linalg.norm(across, axis=1).max())
    if shift > _MAX_SHIFT_MM:
        logger.warning(
            "the planes of the DICOM series %s are shifted against each other by up to %.3g mm: places are those of a straight row",
            *(name, shift),
        )


def _warn_of_tilt(name: str, step: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]) -> None:
    tilt = float(np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1, 1))))
    if tilt > _TILT_DEGREES:
        logger.warning(
            "the planes of the DICOM series %s are tilted by %.1f degrees, as those of a tilted gantry: volumes and results have "
            "the true geometry, and planes across them are shown without the tilt",
            *(name, tilt),
        )
