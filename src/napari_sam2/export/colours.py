"""The colour in which each object is drawn."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping

Colour = tuple[int, int, int]
"""Red, green and blue, 0 .. 255."""

NAPARI_COLOURS = bytes.fromhex(
    "7825065bd5f89289e86c02c1473a9fabec8a8fadb286909afef71cf7443b034e3971b26069954a3c1b872e47105cb7de479d76474258ef5665b8507b"
    "a62a64f1b4ec4b1e20b4c53e9c602f8a431bd8be9ab47dbda65ea4607a34c1e357d795559e876f002cebcae6e0e18b1e78f0017b8e0fe5ddb2abec8a"
    "42d8a646ba8efef71cf7443baf4bf2b00c3f69954af687a7cb32c7"
)
"""Colours of labels 1, 2, ... in napari's Labels layer, three bytes each; after the last the first comes again."""
MIN_OUTLINE_SATURATION = 0.65


def object_colours(object_ids: Iterable[int], chosen: Mapping[int, str] | None = None) -> dict[int, Colour]:
    """Return the colour of each object: the chosen one, else that of napari's Labels layer.

    Parameters
    ----------
    object_ids : iterable of int
        The objects, above 0.
    chosen : mapping of int to str, optional
        ``#rrggbb`` of those for which one was chosen.
    """
    chosen = chosen or {}
    return {i: _colour(bytes.fromhex(chosen[i][1:]) if i in chosen else _of_napari(i)) for i in object_ids}


def outline_colours(object_ids: Iterable[int], chosen: Mapping[int, str] | None = None) -> dict[int, Colour]:
    """Return the colour of the outline of each object: the chosen one, else the hue of its label, bright and saturated.

    A label fills its object; of a thin line in dark green or grey over a grey image nothing would be seen.
    """
    colours = object_colours(object_ids, chosen)
    return {i: colour if chosen and i in chosen else _vivid(colour) for i, colour in colours.items()}


def _vivid(colour: Colour) -> Colour:
    hue, saturation, _ = colorsys.rgb_to_hsv(*colour)
    red, green, blue = colorsys.hsv_to_rgb(hue, max(saturation, MIN_OUTLINE_SATURATION), 255)
    return round(red), round(green), round(blue)


def _of_napari(object_id: int) -> bytes:
    start = (object_id - 1) * 3 % len(NAPARI_COLOURS)
    return NAPARI_COLOURS[start : start + 3]


def _colour(rgb: bytes) -> Colour:
    return rgb[0], rgb[1], rgb[2]
