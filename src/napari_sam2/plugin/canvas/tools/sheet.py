"""The frame that is drawn on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import check_display, displayed_frame, layer_position

RowCol = tuple[float, float]
"""A position in data pixels, row before column; pixel centres lie on integers."""


class Sheet:
    """The frame of an image that the viewer shows, to be drawn on.

    Parameters
    ----------
    viewer : Viewer
        Where it is shown.
    image : Image
        The layer.
    stack : ImageStack
        How it is read.

    Attributes
    ----------
    frame : int
        The frame.

    Raises
    ------
    ValueError
        If the viewer shows no frame of it, or not in two dimensions.
    """

    def __init__(self, viewer: Any, image: Any, stack: ImageStack) -> None:
        check_display(viewer, image, stack)
        frame = displayed_frame(viewer, image, stack)
        if frame is None:
            raise ValueError(f"The viewer shows no frame of this image here: its frames are 0 to {stack.num_frames - 1}.")
        self.image, self.stack, self.frame = image, stack, frame
        self._viewer = viewer

    def position(self, world: Any) -> npt.NDArray[np.float64]:
        """Return a position in the viewer in data coordinates (L,) of layers that lie on the image."""
        return layer_position(self._viewer, self.image, self.stack, world)

    def point(self, world: Any) -> RowCol:
        """Return a position in the viewer as row and column; beside the image the nearest one on it."""
        height, width = self.stack.frame_shape
        row, col = self.stack.row_col(self.position(world))
        return float(np.clip(row, -0.5, height - 0.5001)), float(np.clip(col, -0.5, width - 0.5001))
