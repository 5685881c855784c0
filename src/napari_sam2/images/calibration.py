"""How large a pixel is, and how long a frame lasts."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_sam2.images.units import convert

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """Size of a pixel and duration of a frame.

    Attributes
    ----------
    y, x : float
        Height and width of a pixel, in ``length_unit``.
    z : float or None
        Distance of planes; None where there are none, or it is not known.
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
                what = "the time from frame to frame" if axis == "T" else f"the size of a pixel along {axis}"
                raise ValueError(f"{what} must be above 0, got {size}")

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

    def in_units(self, length_unit: str | None = None, time_unit: str | None = None) -> Calibration:
        """Convert it to other units, by name; what is in pixels or frames stays that."""
        changed = self
        if length_unit is not None and self.has_lengths:
            y, x, z = (None if size is None else convert(size, self.length_unit, length_unit) for size in (self.y, self.x, self.z))
            changed = replace(changed, y=y or self.y, x=x or self.x, z=z, length_unit=length_unit)
        if time_unit is not None and self.has_times:
            changed = replace(changed, t=convert(self.t, self.time_unit, time_unit), time_unit=time_unit)
        return changed

    def steps(self, axes: str) -> tuple[float, ...]:
        """Return the size of a pixel along each of these axes."""
        sizes = {"T": self.t, "Z": 1.0 if self.z is None else self.z, "Y": self.y, "X": self.x}
        return tuple(sizes[axis] for axis in axes)


PIXELS = Calibration()
"""Nothing is known: lengths in pixels, times in frames."""


def calibration_of(pixel_size: Sequence[float] | None, interval: float | None, known: Calibration) -> Calibration:
    """Replace the calibration of a file by given values.

    Parameters
    ----------
    pixel_size : sequence of float or None
        In micrometres: one number for square pixels, height and width, or distance of planes, height and width.
    interval : float or None
        Seconds from frame to frame.
    known : Calibration
        That of the file.

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
