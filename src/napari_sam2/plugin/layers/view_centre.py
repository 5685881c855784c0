"""The view moved to what is out of it, and left alone where it is seen already."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import data_position, unit_factors


def centre_on(viewer: Any, layer: Any, stack: ImageStack, position_rc: tuple[float, float]) -> bool:
    """Move the middle of the view to a position, unless that is in the view.

    Parameters
    ----------
    viewer : Viewer
        Whose view.
    layer : Image
        The image.
    stack : ImageStack
        How it is read: in its rows and columns the position is.
    position_rc : tuple of float
        Row and column in data pixels.

    Returns
    -------
    bool
        Whether it was moved; never in 3-D, nor where the viewer shows other axes than rows and columns.
    """
    offset = viewer.dims.ndim - layer.ndim
    axes, plane = [axis - offset for axis in viewer.dims.displayed], list(stack.plane_axes)
    if sorted(axes) != sorted(plane):
        return False
    low, high = np.asarray(layer.corner_pixels, np.float64)[:, plane]
    if layer.multiscale:  # they are those of the level that is drawn
        low, high = (ends * layer.downsample_factors[layer.data_level][plane] for ends in (low, high))
    if np.all(low < high) and np.all(low <= position_rc) and np.all(position_rc <= high):
        return False
    position = data_position(viewer, layer, viewer.dims.point)
    position[plane] = position_rc
    world = np.asarray(layer.data_to_world(position)) / unit_factors(getattr(viewer.layers, "units", None), layer.units)
    camera = getattr(viewer, "scene", viewer).camera  # it moved in napari 0.9
    camera.center = tuple(float(world[axis]) for axis in axes)
    return True
