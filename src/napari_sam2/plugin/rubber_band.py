"""The box that is being drawn, on a layer that is there only as long."""

from __future__ import annotations

from typing import Any

from napari.layers import Shapes

from napari_sam2.plugin.boxes_layer import corners, new_boxes_layer
from napari_sam2.plugin.clicks import Box
from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.layers import unwrapped

_NAME = "box"
PREVIEW_KEY = "napari-sam2 preview"
"""Key of a layer's metadata: what is being drawn is shown there, and nothing else."""


class RubberBand:
    """Shows the box that is being drawn.

    Parameters
    ----------
    viewer : Viewer
        Where.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Shapes | None = None

    def show(self, image: Any, stack: ImageStack, frame: int, box: Box) -> None:
        """Show a box on a frame of an image, in place of the one before."""
        around = corners(stack, frame, box)
        if self._layer is None:
            layer = new_boxes_layer(image, stack, _NAME)
            layer.metadata[PREVIEW_KEY] = True
            selected = unwrapped(self._viewer.layers.selection.active)
            self._viewer.layers.append(layer)
            self._viewer.layers.selection.active = selected  # its mode decides what the mouse does
            layer.add_rectangles([around], edge_color="white", face_color="transparent")
            layer.selected_data = set()
            self._layer = layer
        else:
            self._layer.data = [around]

    def remove(self) -> None:
        """Show no box."""
        layer, self._layer = self._layer, None
        if layer is None or layer not in self._viewer.layers:
            return
        selected = unwrapped(self._viewer.layers.selection.active)
        self._viewer.layers.remove(layer)
        if selected is not None and selected != layer:
            self._viewer.layers.selection.active = selected
