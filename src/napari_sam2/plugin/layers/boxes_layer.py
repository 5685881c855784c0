"""The Shapes layer in which boxes and outlines are shown: those that are prompts, and those that are on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes

from napari_sam2.plugin.image.alignment import FramePlaces
from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_placement import spatial_metadata
from napari_sam2.plugin.layer_prompts.shapes import PlacedShape, ShapeLeftOutError, read_shape
from napari_sam2.plugin.layers.object_colours import default_colour
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY, ColourOf, read_object_id
from napari_sam2.plugin.prompts.clicks import Box, Click, ObjectFrame
from napari_sam2.plugin.prompts.drawn_prompts import Outline

_EDGE, _PENDING_EDGE = "white", "gray"
Drawing = Box | Outline
"""A box, or the outline of a mask."""


@dataclass(frozen=True)
class ShownBox:
    """A shape in the layer.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    box : Box or Outline
        The box, or the outline of a mask.
    is_pending : bool
        The session has not taken it yet.
    """

    key: ObjectFrame
    box: Drawing
    is_pending: bool = False


def is_outline(drawing: Drawing) -> bool:
    """Tell an outline from a box."""
    return isinstance(drawing[0], tuple)


def new_boxes_layer(image: Any, stack: ImageStack, name: str) -> Shapes:
    """Make an empty layer for boxes on an image, lying exactly on it."""
    return Shapes(
        ndim=len(stack.layer_shape),
        name=name,
        features={"object": np.empty(0, np.int64)},
        feature_defaults={"object": 1},
        edge_width=max(0.5, max(stack.frame_shape) / 400),
        edge_color=_EDGE,
        face_color="transparent",
        **spatial_metadata(image, stack),
    )


def is_boxes_layer_of(layer: Any, image: Any, stack: ImageStack) -> bool:
    """Tell whether a layer holds boxes on an image, made by an earlier widget."""
    is_of_image = isinstance(layer, Shapes) and layer.metadata.get(IMAGE_KEY) == image.unique_id
    return is_of_image and layer.ndim == len(stack.layer_shape)


def set_next_object(layer: Shapes, object_id: int) -> None:
    """Choose the object of the next shape, also of one that napari's own tools add."""
    layer.feature_defaults = {"object": object_id}


def write_boxes(layer: Shapes, stack: ImageStack, boxes: Sequence[ShownBox], colour_of: ColourOf = default_colour) -> None:
    """Show exactly these shapes. What is selected stays so, if there are as many as before."""
    selected = set(layer.selected_data) if len(boxes) == len(layer.data) else set()
    layer.selected_data = set()
    layer.data = []
    if boxes:
        layer.add(
            [vertices_of(stack, one) for one in boxes],
            shape_type=["polygon" if is_outline(one.box) else "rectangle" for one in boxes],
            edge_width=max(0.5, max(stack.frame_shape) / 400),
            edge_color=_edges(boxes, colour_of),
            face_color="transparent",
        )
    layer.features = {"object": np.array([one.key.object_id for one in boxes], np.int64)}
    layer.selected_data = selected


def style_boxes(layer: Shapes, boxes: Sequence[ShownBox], colour_of: ColourOf = default_colour) -> None:
    """Draw every shape by whether it is pending, and in the colour of its object."""
    if boxes:
        layer.edge_color = _edges(boxes, colour_of)


def _edges(boxes: Sequence[ShownBox], colour_of: ColourOf) -> list[str]:
    return [_PENDING_EDGE if one.is_pending else colour_of(one.key.object_id) or _EDGE for one in boxes]


def vertices_of(stack: ImageStack, one: ShownBox) -> npt.NDArray[np.float64]:
    """Return the vertices of a shape, (V, D), in data coordinates."""
    if is_outline(one.box):
        return np.array([stack.position(Pixel(one.key.frame, *vertex)) for vertex in one.box])  # type: ignore[misc]
    return corners(stack, one.key.frame, one.box)  # type: ignore[arg-type]


def corners(stack: ImageStack, frame: int, box: Box) -> npt.NDArray[np.float64]:
    """Return the corners of a box, (4, D), in data coordinates: pixel centres lie on integers there."""
    row0, col0, row1, col1 = np.array(box) - 0.5
    around = ((row0, col0), (row0, col1), (row1, col1), (row1, col0))
    return np.array([stack.position(Pixel(frame, row, col)) for row, col in around])


def read_drawing(layer: Shapes, stack: ImageStack, index: int) -> tuple[ObjectFrame, Drawing | tuple[Click, ...]]:
    """Read a shape: a rectangle is a box, an ellipse or a polygon an outline, a line or a path clicks along it.

    Raises
    ------
    ValueError
        If it is no prompt on one frame of the image, or of no object.
    """
    object_id = read_object_id(layer, index)
    shape = PlacedShape(str(layer.shape_type[index]), FramePlaces.of(stack, np.asarray(layer.data[index], np.float64)))
    try:
        found = list(read_shape(shape, object_id, stack.frame_shape))
    except ShapeLeftOutError as error:
        raise ValueError(f"A shape {error} is no prompt.") from error
    if len(found) != 1:
        raise ValueError("A shape across several frames is no prompt.")
    (one,) = found
    key = ObjectFrame(object_id, one.frame)
    if one.outlines:
        return key, one.outlines[0]
    return key, one.clicks if one.box is None else one.box


def read_boxes(layer: Shapes, stack: ImageStack) -> list[ShownBox]:
    """Read the boxes and outlines of an earlier widget; what is none of an object is left out."""
    found = []
    for index in range(len(layer.data)):
        try:
            key, drawing = read_drawing(layer, stack, index)
        except ValueError:
            continue
        if not is_stroke(drawing):
            found.append(ShownBox(key, drawing))  # type: ignore[arg-type]
    return found


def is_stroke(drawing: Drawing | tuple[Click, ...]) -> bool:
    """Tell clicks along a stroke from a box and an outline."""
    return isinstance(drawing[0], Click)
