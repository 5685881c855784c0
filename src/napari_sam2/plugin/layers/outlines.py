"""Objects as outlines, as wide on the canvas at every zoom: a fill would hide what is faint. H, W height and width of a frame."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.points_layer import data_px_per_canvas_px

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
        self._latest = LatestOutlines()
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
        """Find the outlines of a plane, and return a part of them, as napari asks for it; None for a fill."""
        width_px = self._layer.contour
        if width_px < 1 or labels.ndim > 2:
            return None
        # a copy: napari writes into what it shows
        return self._latest.outlined(labels, width_px)[data_slice].copy()


class LatestOutlines:
    """Outlines of a plane that was seen before are found only where it changed since: a click changes little of a large one."""

    def __init__(self) -> None:
        self._width_px = 0
        self._labels = self._outlined = np.zeros((0, 0), np.uint16)

    def outlined(self, labels: npt.NDArray[Any], width_px: int) -> npt.NDArray[Any]:
        """Return what :func:`outlined` does."""
        if width_px != self._width_px or labels.shape != self._labels.shape or labels.dtype != self._labels.dtype:
            self._width_px, self._labels, self._outlined = width_px, labels.copy(), outlined(labels, width_px)
            return self._outlined
        changed = labels != self._labels
        rows = np.flatnonzero(changed.any(1))
        if rows.size:
            columns = np.flatnonzero(changed[rows[0] : rows[-1] + 1].any(0))
            window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            self._labels[window] = labels[window]
            # outlines change as far as they are wide, and are found by what is as far again
            near, far = (
                tuple(slice(max(0, part.start - reach), part.stop + reach) for part in window) for reach in (width_px, 2 * width_px)
            )
            inner = tuple(slice(one.start - other.start, one.stop - other.start) for one, other in zip(near, far, strict=True))
            self._outlined[near] = outlined(labels[far], width_px)[inner]
        return self._outlined


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
