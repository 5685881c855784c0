"""Outlines as regions of interest of ImageJ, one for each object and plane, in a ZIP file. Needs the package ``roifile``."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.export.colours import Colour, outline_colours
from napari_sam2.export.pixel_outlines import pixel_outlines
from napari_sam2.export.result import Result
from napari_sam2.files import atomic_path

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
"""Steps of a path, as ImageJ stores them."""
_MAX_WHOLE = 32767
"""The largest whole coordinate of a region; those of a path are floating point."""


def write_rois(path: Path, result: Result) -> None:
    """Write the outlines of all objects, along the edges of their pixels.

    Parameters
    ----------
    path : Path
        ``.roi.zip``, which ImageJ and Fiji open in the ROI Manager.
    result : Result
        Labels. The name of each region begins with the id of its object; its colour is that of the object in movies.

    Raises
    ------
    ImportError
        If roifile is not installed.
    ValueError
        If a label is not between 0 and 65535, or it cannot be written there.
    """
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
        for time in range(result.size("T")):
            for z in range(result.size("Z")):
                labels = result.cut({"T": time, "Z": z})
                for object_id, window in enumerate(ndi.find_objects(labels), 1):
                    if window is not None:
                        name = _name(object_id, time, z, result)
                        colour = outline_colours([object_id], result.colours)[object_id]
                        corner = window[1].start, window[0].start
                        roi = _roi(pixel_outlines(labels[window] == object_id), corner, colour)
                        roi.name = name
                        _set_position(roi, time, z, result)
                        # without the time at which it was written: the same labels make the same file
                        file.writestr(zipfile.ZipInfo(f"{name}.roi"), roi.tobytes(), zipfile.ZIP_DEFLATED)


def _name(object_id: int, time: int, z: int, result: Result) -> str:
    """Name a region: ids with leading zeros, so that the list of ImageJ is in order; no letter that a file cannot have."""
    at = "".join(f" {axis.lower()}{index:04d}" for axis, index in (("T", time), ("Z", z)) if axis in result.axes)
    given = "".join(letter if letter.isalnum() or letter in " -_+" else "_" for letter in result.names.get(object_id, ""))
    return f"{object_id:05d}{at}{' ' if given else ''}{given}"


def _roi(outlines: list[npt.NDArray[np.int32]], corner: tuple[int, int], colour: Colour) -> Any:
    """Return a traced region for one outline, a composite one for pieces and holes."""
    try:
        from roifile import ROI_TYPE, ImagejRoi
    except ImportError as error:
        raise ImportError("ROI files need an extra: pip install 'napari-sam2[export]'") from error
    points = [outline + np.array(corner) for outline in outlines]
    (left, top), (right, bottom) = (np.concatenate(points).min(0).tolist(), np.concatenate(points).max(0).tolist())
    bounds = {"left": left, "top": top, "right": right, "bottom": bottom, "stroke_color": bytes((255, *colour))}
    if len(points) == 1 and max(right, bottom) <= _MAX_WHOLE:
        inner = points[0] - [left, top]
        return ImagejRoi(roitype=ROI_TYPE.TRACED, n_coordinates=len(inner), integer_coordinates=inner, **bounds)
    path = np.concatenate([_path(one) for one in points])
    return ImagejRoi(roitype=ROI_TYPE.RECT, shape_roi_size=len(path), multi_coordinates=path, **bounds)


def _path(points: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    steps = [(_MOVE if i == 0 else _LINE, x, y) for i, (x, y) in enumerate(points.tolist())]
    return np.array([*(value for step in steps for value in step), _CLOSE], np.float32)


def _set_position(roi: Any, time: int, z: int, result: Result) -> None:
    """Say to which plane it belongs: of a hyperstack by time and slice, of a simple stack by the number of the plane."""
    if result.axes == "TZYX" or result.num_channels > 1:
        roi.t_position, roi.z_position = time + 1, z + 1
    elif len(result.axes) > 2:
        roi.position = max(time, z) + 1
