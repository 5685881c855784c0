"""Labels as TIFF: with axes, pixel size and compression, as ImageJ or OME has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam2.files import atomic_path
from napari_sam2.images.calibration import SYMBOLS
from napari_sam2.session.export.result import Result

CLASSIC_BYTES = 2**32 - 2**25
"""Beyond that, before compression, a file may not fit the offsets of a classic TIFF."""
# Its text is ASCII.
_IMAGEJ_UNITS = {"micrometer": "micron", "angstrom": "angstrom"}


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
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": SYMBOLS[pixel.length_unit]}
    if pixel.has_times and result.has_time:
        metadata |= {"TimeIncrement": pixel.t, "TimeIncrementUnit": SYMBOLS[pixel.time_unit]}
    return {"shape": result.shape, "metadata": metadata}


def _imagej_options(result: Result) -> dict[str, Any]:
    # All six axes that ImageJ knows: frames one pixel wide are else taken for colours.
    pixel, metadata = result.calibration, dict[str, Any](axes="TZCYXS")
    options: dict[str, Any] = {"shape": (result.size("T"), result.size("Z"), 1, *result.shape[-2:], 1)}
    if pixel.has_lengths:
        metadata["unit"] = _IMAGEJ_UNITS.get(pixel.length_unit, SYMBOLS[pixel.length_unit])
        options |= {"resolution": (1 / pixel.x, 1 / pixel.y), "resolutionunit": "NONE"}
        if pixel.z is not None:
            metadata["spacing"] = pixel.z
    if pixel.has_times and result.has_time:
        metadata |= {"finterval": pixel.t, "tunit": SYMBOLS[pixel.time_unit]}
    return {"metadata": metadata, **options}
