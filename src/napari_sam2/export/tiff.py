"""Labels as TIFF: with axes, pixel size and compression, as ImageJ or OME has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam2.export.result import Result
from napari_sam2.files import atomic_path
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.units import UNITS

CLASSIC_BYTES = 2**32 - 2**25
"""Beyond that, before compression, a file may not fit the offsets of a classic TIFF."""
_UNITS_OF_SCREENS = ("inch", "centimeter")
"""ImageJ writes the resolution of a screen in these units, too, so that it is not read as a measurement."""
_LENGTHS = tuple(dict.fromkeys(("micrometer", "millimeter", "meter", *(name for name in UNITS if name.endswith("meter")))))
_RESOLUTIONS = 1e-6, 1e6
"""Pixels per unit that the two 32-bit numbers of a resolution tag hold to better than a millionth."""


def write_tiff(path: Path, result: Result) -> None:
    """Write labels plane by plane, compressed.

    Parameters
    ----------
    path : Path
        ``.ome.tif`` for OME-TIFF; another name for what Fiji opens without a plugin, an ImageJ hyperstack. ImageJ has no BigTIFF:
        labels too large for a classic TIFF are OME-TIFF under any name.
    result : Result
        The labels.

    Raises
    ------
    ValueError
        If it cannot be written there, or a label is not between 0 and 65535.
    """
    is_big = int(np.prod(result.shape, dtype=np.int64)) * 2 > CLASSIC_BYTES
    is_ome = is_big or ".ome." in path.name.lower()
    with atomic_path(path) as partial:
        tifffile.imwrite(
            partial,
            result.planes(),
            dtype=np.uint16,
            compression="zlib",
            photometric="minisblack",
            bigtiff=is_big,
            ome=is_ome,
            imagej=not is_ome,
            **(_ome_options(result) if is_ome else _imagej_options(result)),
        )


def _ome_options(result: Result) -> dict[str, Any]:
    pixel, metadata = result.calibration, dict[str, Any](axes=result.axes)
    if pixel.has_lengths:
        for axis, size in zip(result.space, pixel.steps(result.space), strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": UNITS[pixel.length_unit].symbol}
    if pixel.has_times and result.has_time:
        metadata |= {"TimeIncrement": pixel.t, "TimeIncrementUnit": UNITS[pixel.time_unit].symbol}
    return {"shape": result.shape, "metadata": metadata}


def _imagej_options(result: Result) -> dict[str, Any]:
    # All six axes of ImageJ: otherwise frames one pixel wide would be read as colours.
    pixel, metadata = _in_imagej_units(result.calibration), dict[str, Any](axes="TZCYXS")
    options: dict[str, Any] = {"shape": (result.size("T"), result.size("Z"), 1, *result.shape[-2:], 1)}
    if pixel.has_lengths:
        # Its text is ASCII.
        metadata["unit"] = "micron" if pixel.length_unit == "micrometer" else UNITS[pixel.length_unit].ascii_symbol
        options |= {"resolution": (1 / pixel.x, 1 / pixel.y), "resolutionunit": "NONE"}
        if pixel.z is not None:
            metadata["spacing"] = pixel.z
    if pixel.has_times and result.has_time:
        metadata |= {"finterval": pixel.t, "tunit": UNITS[pixel.time_unit].ascii_symbol}
    return {"metadata": metadata, **options}


def _in_imagej_units(pixel: Calibration) -> Calibration:
    """Convert lengths, where they are in a unit of screens or no resolution tag holds their number, to the first that fits."""
    low, high = _RESOLUTIONS
    for unit in (pixel.length_unit, *_LENGTHS) if pixel.has_lengths else ():
        converted = pixel.in_units(unit)
        if unit not in _UNITS_OF_SCREENS and all(low <= 1 / size <= high for size in (converted.y, converted.x)):
            return converted
    return replace(pixel, y=1.0, x=1.0, z=None, length_unit="pixel")
