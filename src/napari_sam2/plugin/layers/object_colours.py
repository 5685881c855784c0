"""The colours of objects: those that are theirs by default, and those of a Labels layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

# fmt: off
DEFAULT_COLOURS = (
    "#ff871e", "#f00fff", "#00ff00", "#00c3ff", "#e16996", "#78963c", "#9687ff", "#00ffd2",
    "#ffe100", "#ff4b4b", "#00b41e", "#ffc378", "#ff2dc3", "#ffb4ff", "#b4f000", "#a5f096",
    "#1ef0ff", "#c35aff", "#3c96f0", "#f08778", "#b4a50f", "#00a578", "#00ff87", "#ff4b00",
)
# fmt: on
"""In order of object ids, then again from the first; ``#rrggbb``.

They were chosen one after another, each as far as can be from all before it in CIELAB, the latest before all. Their lightness is
58 to 90 of 100, so that all are seen on black.
"""

_OF_NO_OBJECT = "gray"
"""What a person painted with a label of no object, where colours were chosen."""

_FAINTNESS = 0.4
"""Opacity of objects that are not in hand, while one is."""


def default_colour(object_id: int) -> str:
    """Return the colour of an object for which nobody chose one, ``#rrggbb``."""
    return DEFAULT_COLOURS[(object_id - 1) % len(DEFAULT_COLOURS)]


def default_colormap() -> CyclicLabelColormap:
    """Return the default colours of all objects."""
    return CyclicLabelColormap(
        colors=np.array(["transparent", *DEFAULT_COLOURS]), background_value=0, name="SAM 2 objects", display_name="SAM 2 objects"
    )


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
