"""The stroke that is being drawn, on a layer that is there while a tool that draws is chosen. H, W height and width of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_sam2.plugin.canvas.rubber_band import PREVIEW_KEY
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import insert_unselected, remove_unselected, spatial_metadata

_NAME = "stroke"
_OPACITY = 0.7


class StrokePreview:
    """Shows the stroke that is being drawn.

    Its layer stays, empty, between strokes: to add and to remove one takes much longer than to draw.

    Parameters
    ----------
    viewer : Viewer
        Where.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._image: Any = None
        self._stack: ImageStack | None = None
        self._plane = np.zeros((0, 0), np.uint8)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The pixels of the stroke, (H, W)."""
        return self._plane > 0

    def begin(self, image: Any, stack: ImageStack, colour: str) -> None:
        """Begin a stroke on an image, in place of the one before."""
        is_alike = self._image == image and self._stack is not None and self._stack.has_same_frames(stack)
        if self._layer is None or self._layer not in self._viewer.layers or not is_alike:
            self.remove()
            self._add(image, stack)
        self._plane[:] = 0
        if self._layer is not None:
            self._layer.colormap = DirectLabelColormap(color_dict={0: "transparent", 1: colour, None: "transparent"})

    def _add(self, image: Any, stack: ImageStack) -> None:
        self._plane = np.zeros(stack.frame_shape, np.uint8)
        layer = Labels(
            stack.everywhere(self._plane),  # one frame in memory
            name=_NAME,
            opacity=_OPACITY,
            metadata={PREVIEW_KEY: True},
            **spatial_metadata(image, stack),
        )
        insert_unselected(self._viewer, layer)
        self._layer, self._image, self._stack = layer, image, stack

    def line(self, first: tuple[float, float], last: tuple[float, float], diameter_px: float) -> None:
        """Draw a line between two positions, row and column, in a width in data pixels."""
        draw_line(self._plane, first, last, diameter_px)
        if self._layer is not None:
            self._layer.refresh(extent=False, thumbnail=False, highlight=False)

    def clear(self) -> None:
        """Show no stroke."""
        if self._layer is not None and self._plane.any():
            self._plane[:] = 0
            self._layer.refresh(extent=False, thumbnail=False, highlight=False)

    def remove(self) -> None:
        """Remove the layer."""
        layer, self._layer = self._layer, None
        remove_unselected(self._viewer, layer)


def draw_line(plane: npt.NDArray[np.uint8], first: tuple[float, float], last: tuple[float, float], diameter_px: float) -> None:
    """Set the pixels of a plane (H, W) to 1 whose centre lies on a line of some width; at its ends at least the nearest ones."""
    radius = max(diameter_px / 2, 0.5)
    ends = np.array([first, last])
    row0, col0 = np.maximum(np.floor(ends.min(axis=0) - radius), 0).astype(int)
    row1, col1 = np.minimum(np.ceil(ends.max(axis=0) + radius) + 1, plane.shape).astype(int)
    if row0 >= row1 or col0 >= col1:
        return
    rows, columns = np.ogrid[row0:row1, col0:col1]
    (row, col), (along_row, along_col) = ends[0], ends[1] - ends[0]
    length2 = along_row**2 + along_col**2
    share = np.clip(((rows - row) * along_row + (columns - col) * along_col) / length2, 0, 1) if length2 > 0 else 0.0
    distance2 = (rows - row - share * along_row) ** 2 + (columns - col - share * along_col) ** 2
    plane[row0:row1, col0:col1][distance2 <= radius**2] = 1
    for at in ends:
        nearest = np.clip(np.round(at).astype(int), 0, np.array(plane.shape) - 1)
        plane[tuple(nearest)] = 1
