"""The Labels layer that shows the labels of a session."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Labels

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import spatial_metadata
from napari_sam2.plugin.layers.object_colours import default_colormap
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY


def new_result_layer(image: Any, stack: ImageStack, labels: Any) -> Labels:
    """Make a layer of labels, uint16 of the shape of the image without colour and channels, lying exactly on it."""
    layer = Labels(
        labels,
        name=f"{image.name} – objects",
        opacity=0.9,
        colormap=default_colormap(),
        metadata={IMAGE_KEY: image.unique_id},
        **spatial_metadata(image, stack),
    )
    layer.contour = 1
    return layer


def is_result_of(layer: Any, image: Any, stack: ImageStack) -> bool:
    """Tell whether a session can go on writing into a layer, made by an earlier widget."""
    return (
        isinstance(layer, Labels)
        and layer.metadata.get(IMAGE_KEY) == image.unique_id
        and isinstance(layer.data, np.ndarray)
        and layer.data.dtype == np.uint16
        and layer.data.shape == stack.layer_shape
    )
