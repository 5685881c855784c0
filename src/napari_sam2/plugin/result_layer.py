"""The Labels layer that shows the result, drawn again only where and as often as somebody can see it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_sam2.plugin.layers import ImageStack, spatial_metadata
from napari_sam2.plugin.prompt_layers import IMAGE_KEY

_SHORTEST_PAUSE_S = 0.05
_SHORTEST_PAUSE_3D_S = 1.0


def new_result_layer(image: Any, stack: ImageStack) -> Labels:
    """Make an empty result for an image, lying exactly on it. The session writes into its array."""
    return Labels(
        np.zeros(stack.shape, np.uint16),
        name=f"{image.name} – objects",
        opacity=0.55,
        metadata={IMAGE_KEY: image.unique_id},
        **spatial_metadata(image),
    )


def is_result_of(layer: Any, image: Any, stack: ImageStack) -> bool:
    """Tell whether a session can go on writing into a layer."""
    data = layer.data
    return (
        isinstance(layer, Labels)
        and layer.metadata.get(IMAGE_KEY) == image.unique_id
        and isinstance(data, np.ndarray)
        and data.dtype == np.uint16
        and data.shape == stack.shape
    )


class Redraw:
    """Draws a result layer while its array is being written to."""

    def __init__(self, layer: Labels) -> None:
        self.layer = layer
        self._is_stale = False
        self._drawn_at_s = -np.inf

    def written(self, is_3d: bool) -> None:
        """Draw what was written, unless it was drawn only just now."""
        self._is_stale = True
        if time.monotonic() - self._drawn_at_s >= (_SHORTEST_PAUSE_3D_S if is_3d else _SHORTEST_PAUSE_S):
            self.finish()

    def finish(self, thumbnail: bool = False) -> None:
        """Draw what was written and not yet drawn."""
        if self._is_stale or thumbnail:
            self.layer.refresh(extent=False, thumbnail=thumbnail, highlight=False)
            self._is_stale, self._drawn_at_s = False, time.monotonic()
