"""The colours of objects in a Labels layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

_OF_NO_OBJECT = "gray"
"""What a person painted with a label of no object, where colours were chosen."""

_FAINTNESS = 0.4
"""Opacity of objects that are not in hand, while one is."""


class ObjectColours:
    """Draws objects of a result layer in the colours that were chosen for them, and all others as before."""

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._before = layer.colormap
        self._shown: dict[int, str | None] = {}
        self._in_hand: int | None = None

    def show(self, colours: Mapping[int, str | None], in_hand: int | None = None) -> None:
        """Draw with these colours, ``#rrggbb`` by object; None where none was chosen. All but the object in hand are fainter."""
        wanted = dict(colours) if any(colours.values()) or in_hand is not None else {}
        if (wanted, in_hand) == (self._shown, self._in_hand):
            return
        if not self._shown:
            self._before = self._layer.colormap
        drawn: dict[int | None, Any] = dict(zip([0, *wanted], self._before.map(np.array([0, *wanted])), strict=True))
        drawn |= {object_id: colour for object_id, colour in wanted.items() if colour is not None}
        if in_hand is not None:
            drawn = {key: _fainter(colour) if key not in (0, in_hand) else colour for key, colour in drawn.items()}
        self._layer.colormap = DirectLabelColormap(color_dict={**drawn, None: _OF_NO_OBJECT}) if wanted else self._before
        self._shown, self._in_hand = wanted, in_hand


def _fainter(colour: Any) -> npt.NDArray[np.float32]:
    shown = transform_color(colour)[0].copy()  # napari keeps the array
    shown[-1] *= _FAINTNESS
    return shown
