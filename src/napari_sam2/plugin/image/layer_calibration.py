"""The size of pixels and the time between frames, as an image layer has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.units import convert, unit_of
from napari_sam2.plugin.image.image_stack import ImageStack


def calibration_of_layer(layer: Any, stack: ImageStack, of_file: Calibration = PIXELS) -> Calibration:
    """Take the calibration of an image layer.

    Parameters
    ----------
    layer : Image
        The layer.
    stack : ImageStack
        How it is read.
    of_file : Calibration
        That of its file, at full resolution, for what the layer has no unit of.

    Returns
    -------
    Calibration
        Lengths in the unit of columns, times in the unit of frames.
    """
    sizes = {
        letter: (abs(float(layer.scale[axis])) * stack.downsampling[axis], unit_of(str(layer.units[axis])))
        for axis, letter in enumerate(stack.letters)
        if letter
    }
    found = of_file
    (height, row_unit), (width, column_unit) = sizes["Y"], sizes["X"]
    if row_unit is not None and column_unit is not None and row_unit.kind == column_unit.kind == "length" and height and width:
        unit = column_unit.name
        depth, depth_unit = sizes.get("Z", (0.0, None))
        has_depth = depth_unit is not None and depth_unit.kind == "length" and depth > 0
        found = replace(
            found,
            y=convert(height, row_unit.name, unit),
            x=width,
            z=convert(depth, depth_unit.name, unit) if has_depth and depth_unit is not None else None,
            length_unit=unit,
        )
    elif of_file.has_lengths:
        factors = dict(zip(stack.letters, stack.downsampling, strict=True))
        depth_of_file = None if of_file.z is None else of_file.z * factors.get("Z", 1)
        found = replace(found, y=of_file.y * factors["Y"], x=of_file.x * factors["X"], z=depth_of_file)
    interval, time_unit = sizes.get("T", (0.0, None))
    if time_unit is not None and time_unit.kind == "time" and interval:
        found = replace(found, t=interval, time_unit=time_unit.name)
    return found
