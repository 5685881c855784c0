"""Layers in the viewer: positions of the cursor and the sliders in an image, and how layers come to lie exactly on it.

D axes of the image layer, without colour · L axes of layers that lie on it, see :mod:`~napari_sam2.plugin.image.image_stack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pint
from napari.utils.transforms import Affine, CompositeAffine

from napari_sam2.plugin.image.image_stack import ImageStack, Position

SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What says where the pixels of a layer are."""


def unwrapped(layer: Any) -> Any:
    """Take a layer out of the proxy in which napari hands it to plugins, which is another object every time."""
    return getattr(layer, "__wrapped__", layer)


def spatial_metadata(image: Any, stack: ImageStack) -> dict[str, Any]:
    """Return what makes another layer lie exactly on an image."""
    found = {name: getattr(image, name) for name in SPATIAL}
    factors = stack.layer_factors
    if stack.has_dropped_channels:
        found = {name: _without_first(name, value, image.ndim) for name, value in found.items()}
    return rescaled(found, factors, (factors - 1) / 2) if np.any(factors != 1) else found


def rescaled(place: dict[str, Any], factors: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return what makes a layer lie on one that lies at a place, with larger pixels and its first pixel elsewhere.

    Parameters
    ----------
    place : dict
        Spatial metadata of the other layer.
    factors : ndarray
        (L,), pixels of the other layer for each pixel.
    offset : ndarray
        (L,), data coordinates in the other layer of the first pixel.
    """
    scale = np.asarray(place["scale"])
    linear = CompositeAffine(scale=scale, rotate=place["rotate"], shear=place["shear"], ndim=len(scale)).linear_matrix
    return {**place, "translate": np.asarray(place["translate"]) + linear @ offset, "scale": scale * factors}


def _without_first(name: str, value: Any, ndim: int) -> Any:
    """Drop the first axis from a property of a layer: a value for each axis, a matrix, or shears above the diagonal."""
    if name == "affine":
        return Affine(affine_matrix=np.asarray(value.affine_matrix)[1:, 1:], ndim=ndim - 1)
    array = np.asarray(value)
    if name == "shear" and array.ndim == 1:
        return array[ndim - 1 :]
    return array[1:, 1:] if array.ndim == 2 else value[1:]


def insert_unselected(viewer: Any, layer: Any, index: int | None = None) -> None:
    """Add a layer, on top by default, and leave the selection as it is: by its mode it is decided what the mouse does."""
    selected = unwrapped(viewer.layers.selection.active)
    viewer.layers.insert(len(viewer.layers) if index is None else index, layer)
    viewer.layers.selection.active = selected


def remove_unselected(viewer: Any, layer: Any) -> None:
    """Remove a layer, if it is in the viewer, and leave the selection as it is."""
    if layer is None or layer not in viewer.layers:
        return
    selected = unwrapped(viewer.layers.selection.active)
    viewer.layers.remove(layer)
    if selected is not None and selected != layer:
        viewer.layers.selection.active = selected


def unit_factors(source: Sequence[pint.Unit] | None, target: Sequence[pint.Unit]) -> npt.NDArray[np.float64]:
    """Find by what numbers in one unit become numbers in another, for each axis; 1 where they cannot be compared."""
    if source is None:
        return np.ones(len(target))
    return np.array([_factor(one, other) for one, other in zip(tuple(source)[-len(target) :], target, strict=True)])


def _factor(source: pint.Unit, target: pint.Unit) -> float:
    try:
        return float(pint.get_application_registry().Quantity(1, source).to(target).magnitude)
    except pint.DimensionalityError:
        return 1.0


def data_position(viewer: Any, layer: Any, world: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn a position of the cursor or the sliders into data coordinates (D,) of a layer.

    Notes
    -----
    Positions are in the units of the viewer, the smallest among the layers, but ``world_to_data`` takes them for the layer's own.
    """
    factors = unit_factors(getattr(viewer.layers, "units", None), layer.units)
    at = np.asarray(world, dtype=np.float64)[-layer.ndim :] * factors
    return np.asarray(layer.world_to_data(at), dtype=np.float64)


def layer_position(viewer: Any, image: Any, stack: ImageStack, world: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn a position of the cursor or the sliders into data coordinates (L,) of layers that lie on an image."""
    return stack.from_image(data_position(viewer, image, world))


def displayed_frame(viewer: Any, image: Any, stack: ImageStack) -> int | None:
    """Tell which frame the viewer shows, or None if none of this image, or one at another position."""
    if not _has_axes_of(stack, image, viewer):
        return None
    at = layer_position(viewer, image, stack, viewer.dims.point)
    if stack.position_at(at) != stack.at:
        return None
    if stack.frame_axis is None:
        return 0
    frame = int(np.round(at[stack.frame_axis - len(stack.shape)]))
    return frame if 0 <= frame < stack.num_frames else None


def _has_axes_of(stack: ImageStack, image: Any, viewer: Any) -> bool:
    """The layer is not just being removed, or given data with other axes."""
    return viewer.dims.ndim >= image.ndim == len(stack.shape)


def displayed_position(viewer: Any, image: Any, stack: ImageStack) -> Position | None:
    """Tell where the viewer cuts an image along the axes that follow the sliders, or None beyond its ends."""
    if not stack.at or not _has_axes_of(stack, image, viewer):
        return None if stack.at else ()
    return stack.position_at(layer_position(viewer, image, stack, viewer.dims.point))


def show_frame(viewer: Any, image: Any, stack: ImageStack, frame: int | None) -> None:
    """Move the sliders of the viewer to a frame of a stack, at its position; None for the frame that is shown."""
    wanted = {**dict(stack.at), **({stack.along: frame} if stack.along and frame is not None else {})}
    position = data_position(viewer, image, viewer.dims.point)
    moved = {letter: stack.letters.index(letter) for letter in wanted}
    for letter, axis in moved.items():
        factor = stack.downsampling[axis]
        position[axis] = wanted[letter] * factor + (factor - 1) / 2
    world = np.asarray(image.data_to_world(position)) / unit_factors(getattr(viewer.layers, "units", None), image.units)
    offset = viewer.dims.ndim - image.ndim
    axes = [axis for letter, axis in moved.items() if letter == stack.along or displayed_position(viewer, image, stack) != stack.at]
    if axes:
        viewer.dims.set_point([offset + axis for axis in axes], [float(world[axis]) for axis in axes])


def show_plane(viewer: Any, image: Any, stack: ImageStack) -> bool:
    """Let the viewer show rows and columns of the frames of a stack, unless it shows these axes already; return whether it did."""
    if not _has_axes_of(stack, image, viewer):
        return False
    offset, order = viewer.dims.ndim - image.ndim, viewer.dims.order
    plane = [offset + axis for axis in stack.plane_axes]
    if set(order[-2:]) != set(plane):
        viewer.dims.order = (*(axis for axis in order if axis not in plane), *plane)
        return True
    return False


def check_display(viewer: Any, image: Any, stack: ImageStack) -> None:
    """Make sure that a click on the canvas is a pixel of a frame.

    Raises
    ------
    ValueError
        If the viewer shows a volume, or other axes than rows and columns.
    """
    if viewer.dims.ndisplay != 2:
        raise ValueError("A click in the 3-D view has no depth: go back to the 2-D view (Ctrl-Y) to click on objects.")
    offset = viewer.dims.ndim - image.ndim
    if {axis - offset for axis in viewer.dims.displayed} != set(stack.plane_axes):
        rows, columns = stack.plane
        raise ValueError(
            f"The viewer shows the stack from the side: roll the axes (Ctrl-E) until it shows {rows} and {columns} again"
            + (", or propagate along another axis: it is chosen in the first line of the dock." if "Z" in stack.letters else ".")
        )
