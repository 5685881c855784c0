"""The Labels layer that shows the result, drawn again only where and as often as somebody can see it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_sam2.plugin.layers import ImageStack, spatial_metadata
from napari_sam2.plugin.prompt_layers import IMAGE_KEY

_SHORTEST_PAUSE_S = 0.05
_SHORTEST_PAUSE_3D_S = 1.0
_OF_NO_OBJECT = "gray"
"""What a person painted with a label of no object, where colours were chosen."""


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


class ObjectColours:
    """Draws objects of a result layer in the colours that were chosen for them, and all others as before."""

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._before = layer.colormap
        self._shown: dict[int, str | None] = {}

    def show(self, colours: Mapping[int, str | None]) -> None:
        """Draw with these colours, ``#rrggbb`` by object; None where none was chosen."""
        wanted = dict(colours) if any(colours.values()) else {}
        if wanted == self._shown:
            return
        if not self._shown:
            self._before = self._layer.colormap
        drawn: dict[int | None, Any] = dict(zip([0, *wanted], self._before.map(np.array([0, *wanted])), strict=True))
        drawn |= {object_id: colour for object_id, colour in wanted.items() if colour is not None}
        self._layer.colormap = DirectLabelColormap(color_dict={**drawn, None: _OF_NO_OBJECT}) if wanted else self._before
        self._shown = wanted


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
