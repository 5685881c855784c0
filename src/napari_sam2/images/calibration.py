"""How large a pixel is and how long a frame lasts, as the file of the image says."""

from __future__ import annotations

import logging
import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tifffile

from napari_sam2.images.zarr_attributes import zarr_attributes

logger = logging.getLogger(__name__)

_LENGTHS = {
    "micrometer": ("µm", "μm", "um", "micron", "microns", "micrometre", "\\u00b5m"),
    "nanometer": ("nm", "nanometre"),
    "millimeter": ("mm", "millimetre"),
    "centimeter": ("cm", "centimetre"),
    "angstrom": ("Å", "å"),
    "meter": ("m", "metre"),
}
_TIMES = {
    "second": ("s", "sec", "seconds"),
    "millisecond": ("ms", "msec", "milliseconds"),
    "minute": ("min", "minutes"),
    "hour": ("h", "hours"),
}
_NAMES = {spelling.lower(): name for units in (_LENGTHS, _TIMES) for name, others in units.items() for spelling in (name, *others)}
SYMBOLS = {name: others[0] for units in (_LENGTHS, _TIMES) for name, others in units.items()}
"""Sign of a unit, as OME-TIFF has it, by its name, as OME-Zarr has it."""


@dataclass(frozen=True)
class Calibration:
    """Size of a pixel and duration of a frame.

    Attributes
    ----------
    y, x : float
        Height and width of a pixel, in ``length_unit``.
    z : float or None
        Distance of planes; None where the image has none, or nobody says.
    t : float
        Time from frame to frame, in ``time_unit``.
    length_unit : str
        Name of a unit as in OME-Zarr, such as ``micrometer``, or ``pixel``.
    time_unit : str
        Such as ``second``, or ``frame``.

    Raises
    ------
    ValueError
        If a number is not above 0.
    """

    y: float = 1.0
    x: float = 1.0
    z: float | None = None
    t: float = 1.0
    length_unit: str = "pixel"
    time_unit: str = "frame"

    def __post_init__(self) -> None:
        for axis, size in (("Y", self.y), ("X", self.x), ("Z", self.z), ("T", self.t)):
            if size is not None and not (math.isfinite(size) and size > 0):
                raise ValueError(f"the size of a pixel along {axis} must be above 0, got {size}")

    @property
    def has_lengths(self) -> bool:
        """Pixels have a size in a unit of length."""
        return self.length_unit != "pixel"

    @property
    def has_times(self) -> bool:
        """Frames have a duration in a unit of time."""
        return self.time_unit != "frame"

    def fitting(self, axes: str) -> Calibration:
        """Complete it for an image with these axes: lengths are in pixels where the distance of its planes is not known."""
        if "Z" not in axes:
            return replace(self, z=None)
        if self.z is not None:
            return self
        if self.has_lengths:
            logger.warning("the distance of planes is not known, only the size of pixels: lengths are given in pixels")
        return replace(self, y=1.0, x=1.0, z=1.0, length_unit="pixel")

    def steps(self, axes: str) -> tuple[float, ...]:
        """Return the size of a pixel along each of these axes."""
        sizes = {"T": self.t, "Z": 1.0 if self.z is None else self.z, "Y": self.y, "X": self.x}
        return tuple(sizes[axis] for axis in axes)


PIXELS = Calibration()
"""Nothing is known: lengths in pixels, times in frames."""


def read_calibration(path: Path) -> Calibration:
    """Read what the file of an image tells: OME-TIFF, ImageJ TIFF or OME-Zarr.

    Parameters
    ----------
    path : Path
        The file. Resolution tags of other TIFFs are not believed: they are most often that of some screen.

    Returns
    -------
    Calibration
        In pixels and frames where the file tells nothing, or not in a unit that is known here.
    """
    if path.is_dir():
        attributes = zarr_attributes(path)
        return calibration_of_multiscales(attributes.get("ome", attributes))
    try:
        with tifffile.TiffFile(path) as tiff:
            if tiff.ome_metadata:
                return _of_ome_xml(tiff.ome_metadata)
            if tiff.imagej_metadata:
                return _of_imagej(tiff.imagej_metadata, tiff.pages.first.tags)
    except (tifffile.TiffFileError, OSError, ET.ParseError):
        # Whoever reads the image itself says what is wrong with it.
        pass
    return PIXELS


def _of_ome_xml(text: str) -> Calibration:
    pixels = next((item for item in ET.fromstring(text).iter() if item.tag.endswith("Pixels")), None)  # noqa: S314  # a local file
    given = {} if pixels is None else dict(pixels.attrib)
    lengths = {axis: (given.get(f"PhysicalSize{axis}"), given.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "ZYX"}
    return _calibration({**lengths, "T": (given.get("TimeIncrement"), given.get("TimeIncrementUnit", "s"))})


def _of_imagej(metadata: Mapping[str, Any], tags: Any) -> Calibration:
    unit = metadata.get("unit")
    lengths = {"Z": (metadata.get("spacing"), unit)}
    for axis in "YX":
        pixels, per = getattr(tags.get(f"{axis}Resolution"), "value", (0, 1))
        lengths[axis] = (per / pixels if pixels else None, unit)
    return _calibration({**lengths, "T": (metadata.get("finterval"), metadata.get("tunit", "s"))})


def calibration_of_multiscales(attributes: Mapping[str, Any]) -> Calibration:
    try:
        image = attributes["multiscales"][0]
        scale = [1.0] * len(image["axes"])
        for step in (*image["datasets"][0].get("coordinateTransformations", []), *image.get("coordinateTransformations", [])):
            if step["type"] == "scale":
                scale = [a * b for a, b in zip(scale, step["scale"], strict=True)]
        return _calibration(
            {axis["name"].upper(): (size, axis.get("unit")) for axis, size in zip(image["axes"], scale, strict=True)}
        )
    except (LookupError, TypeError, AttributeError, ValueError):
        return PIXELS


def _calibration(said: Mapping[str, tuple[Any, Any]]) -> Calibration:
    """Make one of sizes and units by axis; those of length must be known for rows and columns, and are brought to one unit."""
    known = {axis: (float(size), _unit(unit)) for axis, (size, unit) in said.items() if _is_size(size) and _unit(unit)}
    calibration = PIXELS
    if {"Y", "X"} <= set(known) and known["X"][1] in _LENGTHS:
        unit = known["X"][1]
        sizes = {axis: _convert(*known[axis], unit) for axis in "ZYX" if axis in known}
        if None not in sizes.values():
            calibration = Calibration(sizes["Y"] or 1.0, sizes["X"] or 1.0, sizes.get("Z"), length_unit=unit)
    if "T" in known and known["T"][1] in _TIMES:
        calibration = replace(calibration, t=known["T"][0], time_unit=known["T"][1])
    return calibration


def _is_size(value: Any) -> bool:
    try:
        return math.isfinite(float(value)) and float(value) > 0
    except (TypeError, ValueError):
        return False


def _unit(spelling: Any) -> str:
    return _NAMES.get(str(spelling).strip().lower(), "")


_METERS = {"micrometer": 1e-6, "nanometer": 1e-9, "millimeter": 1e-3, "centimeter": 1e-2, "angstrom": 1e-10, "meter": 1.0}


def _convert(size: float, unit: str, wanted: str) -> float | None:
    if unit == wanted:
        return size
    return size * _METERS[unit] / _METERS[wanted] if unit in _METERS else None


def calibration_of(pixel_size: Sequence[float] | None, interval: float | None, known: Calibration) -> Calibration:
    """Put what a person says in the place of what a file tells.

    Parameters
    ----------
    pixel_size : sequence of float or None
        In micrometres: one number for square pixels, height and width, or distance of planes, height and width.
    interval : float or None
        Seconds from frame to frame.
    known : Calibration
        What the file tells.

    Raises
    ------
    ValueError
        If there are more than three numbers, or one is not above 0.
    """
    if pixel_size is not None:
        if not 1 <= len(pixel_size) <= 3:
            raise ValueError(f"a pixel size is one to three numbers (Z Y X), got {len(pixel_size)}")
        y, x = (pixel_size[-1],) * 2 if len(pixel_size) == 1 else pixel_size[-2:]
        z = pixel_size[0] if len(pixel_size) == 3 else None
        known = replace(known, y=float(y), x=float(x), z=None if z is None else float(z), length_unit="micrometer")
    return known if interval is None else replace(known, t=float(interval), time_unit="second")
