"""The box that is being drawn, on a layer of its own."""

from __future__ import annotations

from typing import Any

from napari.layers import Shapes

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import insert_unselected, remove_unselected
from napari_sam2.plugin.layers.boxes_layer import corners, new_boxes_layer
from napari_sam2.plugin.prompts.clicks import Box

_NAME = "box"
PREVIEW_KEY = "napari-sam2 preview"
"""Key of a layer's metadata: what is being drawn is shown there, and nothing else."""


class RubberBand:
    """Shows the box that is being drawn.

    Its layer stays, empty, until it is removed: to add and to remove one takes much longer than to draw.

    Parameters
    ----------
    viewer : Viewer
        Where.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Shapes | None = None
        self._image: Any = None

    def show(self, image: Any, stack: ImageStack, frame: int, box: Box) -> None:
        """Show a box on a frame of an image, in place of the one before."""
        around = corners(stack, frame, box)
        if self._layer is None or self._layer not in self._viewer.layers or self._image != image:
            self.remove()
            self._add(image, stack)
        if self._layer is None:
            return
        if len(self._layer.data):
            self._layer.data = [around]
        else:
            self._layer.add_rectangles([around], edge_color="white", face_color="transparent")
            self._layer.selected_data = set()

    def _add(self, image: Any, stack: ImageStack) -> None:
        layer = new_boxes_layer(image, stack, _NAME)
        layer.metadata[PREVIEW_KEY] = True
        insert_unselected(self._viewer, layer)
        self._layer, self._image = layer, image

    def clear(self) -> None:
        """Show no box."""
        if self._layer is not None and len(self._layer.data):
            self._layer.data = []

    def remove(self) -> None:
        """Remove the layer."""
        layer, self._layer = self._layer, None
        remove_unselected(self._viewer, layer)
