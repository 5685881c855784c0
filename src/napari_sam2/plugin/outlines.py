"""Objects as outlines, as wide on the canvas at every zoom: a fill would hide what is faint. H, W height and width of a frame."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.points_layer import data_px_per_canvas_px

_MAX_WIDTH_PX = 12
_OF_NAPARI = "_calculate_contour"
"""The method by which a Labels layer finds outlines. Napari's own takes most of a second for a frame of 2048², ten times a second
while objects are propagated, and warns in the 3-D view; where it has another name, napari's is used."""


class Outlines:
    """Draws a Labels layer as outlines.

    Parameters
    ----------
    viewer : Viewer
        Whose zoom is followed, until somebody chooses another width, or a fill.
    image : Image
        The layer below.
    stack : ImageStack
        How that is read.
    layer : Labels
        The layer.
    """

    def __init__(self, viewer: Any, image: Any, stack: ImageStack, layer: Labels) -> None:
        self._image = image
        self._stack = stack
        self._layer = layer
        self._viewer = viewer
        self._width_px = layer.contour
        if hasattr(layer, _OF_NAPARI):
            setattr(layer, _OF_NAPARI, self._find)
        self._camera.events.zoom.connect(self._follow_zoom)
        self._follow_zoom()

    def close(self) -> None:
        """Leave the layer as it is."""
        self._camera.events.zoom.disconnect(self._follow_zoom)
        self._layer.__dict__.pop(_OF_NAPARI, None)

    @property
    def _camera(self) -> Any:
        # the camera moved in napari 0.9
        return getattr(self._viewer, "scene", self._viewer).camera

    def _follow_zoom(self) -> None:
        if self._layer.contour == 0 or self._layer.contour != self._width_px or self._viewer.dims.ndisplay == 3:
            return
        width_px = min(_MAX_WIDTH_PX, max(1, ceil(data_px_per_canvas_px(self._viewer, self._image, self._stack) - 0.2)))
        if width_px != self._width_px:
            self._width_px = self._layer.contour = width_px

    def _find(self, labels: npt.NDArray[Any], data_slice: tuple[slice, ...]) -> npt.NDArray[Any] | None:
        """Find outlines in a part of a plane, as napari asks for them; None for a fill."""
        width_px = self._layer.contour
        if width_px < 1 or labels.ndim > 2:
            return None
        around = tuple(slice(max(0, part.start - width_px), part.stop + width_px) for part in data_slice)
        found = outlined(labels[around], width_px)
        inner = tuple(
            slice(part.start - outer.start, part.stop - outer.start) for part, outer in zip(data_slice, around, strict=True)
        )
        return found[inner]


def outlined(labels: npt.NDArray[Any], width_px: int) -> npt.NDArray[Any]:
    """Return labels (H, W) with 0 in the place of pixels that are further than a width from other labels."""
    same_below, same_beside = labels[1:] == labels[:-1], labels[:, 1:] == labels[:, :-1]
    inner = np.ones(labels.shape, bool)
    for _ in range(width_px):
        shrunk = inner.copy()
        shrunk[1:] &= same_below & inner[:-1]
        shrunk[:-1] &= same_below & inner[1:]
        shrunk[:, 1:] &= same_beside & inner[:, :-1]
        shrunk[:, :-1] &= same_beside & inner[:, 1:]
        inner = shrunk
    return np.where(inner, labels.dtype.type(0), labels)
