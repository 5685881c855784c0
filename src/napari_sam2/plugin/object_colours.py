"""The colours of objects in a Labels layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

_OF_NO_OBJECT = "gray"
"""What a person painted with a label of no object, where colours were chosen."""


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
