"""What the model sees of a frame, as an image layer that is there only as long as somebody wants to look at it.

S side of the model's input · L axes of layers that lie on the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_placement import insert_unselected, remove_unselected, rescaled, spatial_metadata, unwrapped

MODEL_INPUT_KEY = "napari-sam2 model input"
"""Key of the metadata of such a layer."""


def is_model_input(layer: Any) -> bool:
    """Tell whether a layer shows what the model sees: it is no image to work on."""
    return MODEL_INPUT_KEY in layer.metadata


class ModelInputView:
    """Shows what the model sees, exactly where it is on the image.

    Parameters
    ----------
    viewer : Viewer
        Where.

    Attributes
    ----------
    layer : Image or None
        The layer, while it is in the viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Image | None = None

    def show(self, image: Any, stack: ImageStack, frame: int, picture: npt.NDArray[np.uint8]) -> None:
        """Show a picture (S, S, 3), red, green and blue, of a frame of an image, in the place of the one before."""
        data, place = placed(image, stack, frame, picture)
        layer = self.layer
        if layer is not None and (layer.name, layer.ndim) == (_name(image), data.ndim - 1):
            layer.data = data
            for name, value in place.items():
                setattr(layer, name, value)
            return
        self.remove()
        layer = Image(data, rgb=True, name=_name(image), metadata={MODEL_INPUT_KEY: True}, **place)
        layers = [unwrapped(one) for one in self._viewer.layers]
        insert_unselected(self._viewer, layer, layers.index(image) + 1)
        self.layer = layer

    def remove(self) -> None:
        """Show nothing."""
        layer, self.layer = self.layer, None
        remove_unselected(self._viewer, layer)


def placed(
    image: Any, stack: ImageStack, frame: int, picture: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Return the data of a layer that shows a picture (S, S, 3) of a frame, and what makes it lie there."""
    shape = stack.layer_shape
    rows, columns = (axis - len(stack.shape) for axis in stack.plane_axes)
    factors = np.ones(len(shape))
    offset = stack.position(Pixel(frame, 0, 0))
    for axis, side, pixels in zip((rows, columns), stack.frame_shape, picture.shape, strict=False):
        factors[axis] = side / pixels
        offset[axis] = (factors[axis] - 1) / 2
    sides = [1] * len(shape)
    sides[rows], sides[columns] = picture.shape[:2]
    data = picture if rows < columns else picture.swapaxes(0, 1)
    return data.reshape(*sides, 3), rescaled(spatial_metadata(image, stack), factors, offset)


def _name(image: Any) -> str:
    return f"{image.name} – what the model sees"
