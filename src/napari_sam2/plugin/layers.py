"""Image layers as stacks, and positions in the viewer as pixels of a frame. D axes of the layer, without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pint

from napari_sam2.images.axes import letter_of
from napari_sam2.plugin.clicks import Box

SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""What says where the pixels of a layer are."""


class Pixel(NamedTuple):
    """A position on a frame, in data pixels; pixel centres lie on integers."""

    frame: int
    row: float
    col: float


@dataclass(frozen=True)
class ImageStack:
    """How an image layer is read as a stack of frames.

    Attributes
    ----------
    shape : tuple of int
        (D,), of the layer without colour; the last two are rows and columns.
    frame_axis : int or None
        The axis along which frames follow each other; None for a single image.
    axes : str
        ``YX``, ``TYX`` or ``ZYX``, with ``C`` last for colour: what the session is opened with, without axes of length 1.
    frame_name : str
        What people call the frame axis.
    """

    shape: tuple[int, ...]
    frame_axis: int | None
    axes: str
    frame_name: str

    @classmethod
    def of(cls, layer: Any) -> ImageStack:
        """Read an image layer.

        Raises
        ------
        ValueError
            If the layer has more than one axis beside rows and columns, or no numbers.
        """
        data = full_resolution(layer)
        if np.dtype(data.dtype).kind not in "uifb":
            raise ValueError(f"'{layer.name}' holds {data.dtype}: an image must hold integers, floats or booleans.")
        shape = tuple(int(side) for side in data.shape[: layer.ndim])
        if layer.ndim < 2 or 0 in shape:
            raise ValueError(f"'{layer.name}' has the shape {shape}: an image needs rows and columns.")
        long_axes = [axis for axis, side in enumerate(shape[:-2]) if side > 1]
        if len(long_axes) > 1:
            sides = " × ".join(str(shape[axis]) for axis in long_axes)
            raise ValueError(
                f"'{layer.name}' has {len(long_axes)} axes beside rows and columns, {sides}: "
                "choose an image with one. Right-click it in the layer list and split the stack, to get one channel or one volume."
            )
        colour = "C" if layer.rgb else ""
        if not long_axes:
            return cls(shape, None, "YX" + colour, "")
        (axis,) = long_axes
        label = str(layer.axis_labels[axis])
        letter = letter if (letter := letter_of(label)) in ("T", "Z") else None
        # napari calls an axis that nobody named by a negative number
        name = f"axis {axis}" if label.lstrip("-").isdigit() else label
        return cls(shape, axis, (letter or "T") + "YX" + colour, letter or name)

    @property
    def num_frames(self) -> int:
        """How many frames there are; 1 for a single image."""
        return 1 if self.frame_axis is None else self.shape[self.frame_axis]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.shape[-2], self.shape[-1]

    def without_short_axes(self, array: Any) -> Any:
        """Drop axes of length 1 beside rows and columns. Of a NumPy array it is a view."""
        index = tuple(slice(None) if axis == self.frame_axis else 0 for axis in range(len(self.shape) - 2))
        return array if all(isinstance(step, slice) for step in index) else array[index]

    def pixel(self, position: npt.ArrayLike) -> Pixel:
        """Find the pixel at a position (D,) in data coordinates.

        Raises
        ------
        ValueError
            If it is outside the image.
        """
        at = np.asarray(position, dtype=np.float64)
        row, col = float(at[-2]), float(at[-1])
        # as napari rounds: the pixel of a click is on the frame that is displayed
        frame = 0 if self.frame_axis is None else int(np.round(at[self.frame_axis]))
        height, width = self.frame_shape
        if not (-0.5 <= row < height - 0.5 and -0.5 <= col < width - 0.5):
            raise ValueError(f"The click is outside the image, which has {height} rows and {width} columns.")
        if not 0 <= frame < self.num_frames:
            raise ValueError(f"The viewer shows no frame of this image here: its frames are 0 to {self.num_frames - 1}.")
        return Pixel(frame, row, col)

    def index(self, pixel: Pixel) -> tuple[int, ...]:
        """Return the index (D,) of the pixel in the data of a layer without colour."""
        at = [0] * len(self.shape)
        at[-2:] = round(pixel.row), round(pixel.col)
        if self.frame_axis is not None:
            at[self.frame_axis] = pixel.frame
        return tuple(at)

    def box_between(self, first: npt.ArrayLike, last: npt.ArrayLike) -> tuple[int, Box]:
        """Return the frame and the box between two positions (D,) in data coordinates, without what lies outside the image.

        Raises
        ------
        ValueError
            If nothing of it is on the image.
        """
        ends = np.array([np.asarray(position, dtype=np.float64)[-2:] for position in (first, last)]) + 0.5
        (row0, col0), (row1, col1) = np.clip(ends.min(axis=0), 0, self.frame_shape), np.clip(ends.max(axis=0), 0, self.frame_shape)
        if row1 <= row0 or col1 <= col0:
            raise ValueError(
                f"The box is outside the image, which has {self.frame_shape[0]} rows and {self.frame_shape[1]} columns."
            )
        inside = np.array(first, dtype=np.float64)
        inside[-2:] = (row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2
        return self.pixel(inside).frame, (float(row0), float(col0), float(row1), float(col1))

    def position(self, pixel: Pixel) -> npt.NDArray[np.float64]:
        """Find the position (D,) of a pixel in data coordinates."""
        at = np.zeros(len(self.shape))
        at[-2:] = pixel.row, pixel.col
        if self.frame_axis is not None:
            at[self.frame_axis] = pixel.frame
        return at

    def describe(self) -> str:
        """Describe it in a line."""
        height, width = self.frame_shape
        size = f"{width} × {height} px" + (" in colour" if self.axes.endswith("C") else "")
        return size if self.frame_axis is None else f"{self.frame_name} {self.num_frames} · {size}"


def unwrapped(layer: Any) -> Any:
    """Take a layer out of the proxy in which napari hands it to plugins, which is another object every time."""
    return getattr(layer, "__wrapped__", layer)


def full_resolution(layer: Any) -> Any:
    """Return the pixels of an image layer; of a multiscale one the finest."""
    return layer.data[0] if layer.multiscale else layer.data


def spatial_metadata(layer: Any) -> dict[str, Any]:
    """Return what makes another layer lie exactly on this one."""
    return {name: getattr(layer, name) for name in SPATIAL}


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


def displayed_frame(viewer: Any, layer: Any, stack: ImageStack) -> int | None:
    """Tell which frame the viewer shows, or None if none of this layer."""
    if stack.frame_axis is None:
        return 0
    if viewer.dims.ndim < layer.ndim:  # the layer is being removed
        return None
    frame = int(np.round(data_position(viewer, layer, viewer.dims.point)[stack.frame_axis]))
    return frame if 0 <= frame < stack.num_frames else None


def show_frame(viewer: Any, layer: Any, stack: ImageStack, frame: int) -> None:
    """Move the slider of the viewer to a frame of a layer; of a single image there is none."""
    if stack.frame_axis is None:
        return
    position = data_position(viewer, layer, viewer.dims.point)
    position[stack.frame_axis] = frame
    world = np.asarray(layer.data_to_world(position)) / unit_factors(getattr(viewer.layers, "units", None), layer.units)
    viewer.dims.set_point(viewer.dims.ndim - layer.ndim + stack.frame_axis, float(world[stack.frame_axis]))


def check_display(viewer: Any, layer: Any) -> None:
    """Make sure that a click on the canvas is a pixel of a frame.

    Raises
    ------
    ValueError
        If the viewer shows a volume, or other axes than rows and columns.
    """
    if viewer.dims.ndisplay != 2:
        raise ValueError("A click in the 3-D view has no depth: go back to the 2-D view (Ctrl-Y) to click on objects.")
    offset = viewer.dims.ndim - layer.ndim
    if {axis - offset for axis in viewer.dims.displayed} != {layer.ndim - 2, layer.ndim - 1}:
        raise ValueError("The viewer shows the stack from the side: roll the axes (Ctrl-E) until it shows rows and columns again.")
