"""The Shapes layers in which boxes are shown: those that are prompts, and the one that is being drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes

from napari_sam2.plugin.clicks import MAX_OBJECT_ID, Box, ObjectFrame
from napari_sam2.plugin.image_stack import ImageStack, Pixel
from napari_sam2.plugin.layers import spatial_metadata
from napari_sam2.plugin.object_colours import default_colour
from napari_sam2.plugin.points_layer import IMAGE_KEY, ColourOf

_EDGE, _PENDING_EDGE = "white", "gray"


@dataclass(frozen=True)
class ShownBox:
    """A box in the layer.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    box : Box
        The box.
    is_pending : bool
        The session has not taken it yet.
    """

    key: ObjectFrame
    box: Box
    is_pending: bool = False


def new_boxes_layer(image: Any, stack: ImageStack, name: str) -> Shapes:
    """Make an empty layer for boxes on an image, lying exactly on it."""
    return Shapes(
        ndim=len(stack.layer_shape),
        name=name,
        edge_width=max(0.5, max(stack.frame_shape) / 400),
        edge_color=_EDGE,
        face_color="transparent",
        **spatial_metadata(image, stack),
    )


def is_boxes_layer_of(layer: Any, image: Any, stack: ImageStack) -> bool:
    """Tell whether a layer holds boxes on an image, made by an earlier widget."""
    is_of_image = isinstance(layer, Shapes) and layer.metadata.get(IMAGE_KEY) == image.unique_id
    return is_of_image and layer.ndim == len(stack.layer_shape)


def write_boxes(layer: Shapes, stack: ImageStack, boxes: Sequence[ShownBox], colour_of: ColourOf = default_colour) -> None:
    """Show exactly these boxes."""
    layer.selected_data = set()
    layer.data = []
    if boxes:
        layer.add_rectangles(
            [corners(stack, one.key.frame, one.box) for one in boxes],
            edge_color=[_PENDING_EDGE if one.is_pending else colour_of(one.key.object_id) for one in boxes],
            face_color="transparent",
        )
    layer.features = {"object": np.array([one.key.object_id for one in boxes], np.int64)}
    layer.selected_data = set()


def corners(stack: ImageStack, frame: int, box: Box) -> npt.NDArray[np.float64]:
    """Return the corners of a box, (4, L), in data coordinates: pixel centres lie on integers there."""
    row0, col0, row1, col1 = np.array(box) - 0.5
    around = ((row0, col0), (row0, col1), (row1, col1), (row1, col0))
    return np.array([stack.position(Pixel(frame, row, col)) for row, col in around])


def read_boxes(layer: Shapes, stack: ImageStack) -> list[ShownBox]:
    """Read the boxes of an earlier widget; what is no box of an object is left out."""
    found = []
    objects = layer.features.get("object", ())
    for data, object_id in zip(layer.data, objects, strict=False):
        try:
            frame, box = stack.box_between(np.min(data, axis=0), np.max(data, axis=0))
            key = ObjectFrame(int(object_id), frame)
        except ValueError:
            continue
        if 1 <= key.object_id <= MAX_OBJECT_ID:
            found.append(ShownBox(key, box))
    return found
