"""The Points layer in which clicks live: one point per click, with its object and on which side of the outline it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from napari.layers import Points

from napari_sam2.plugin.layers import ImageStack, Pixel, spatial_metadata

INSIDE, OUTSIDE = "inside", "outside"
IMAGE_KEY = "napari-sam2 image"
"""Key of a layer's metadata: the ``unique_id`` of the image it belongs to."""

_FACES = {INSIDE: "#19e05a", OUTSIDE: "#ff3b6b"}
_SYMBOLS = {INSIDE: "disc", OUTSIDE: "x"}
_LARGEST_OBJECT = np.iinfo(np.uint16).max


class Place(NamedTuple):
    """An object on a frame."""

    object_id: int
    frame: int


class Click(NamedTuple):
    """One click: where, and whether the object is there."""

    row: float
    col: float
    is_inside: bool


Prompts = dict[Place, tuple[Click, ...]]
"""Everything that is said, in the order in which it was."""


def new_prompt_layer(image: Any, stack: ImageStack) -> Points:
    """Make an empty layer for clicks on an image, lying exactly on it."""
    return Points(
        np.empty((0, image.ndim)),
        ndim=image.ndim,
        name=f"{image.name} – clicks",
        features={"object": np.empty(0, np.int64), "side": np.empty(0, object)},
        feature_defaults={"object": 1, "side": INSIDE},
        size=max(2.0, max(stack.frame_shape) / 70),
        # not more than 0: on frames without a point napari draws one of size 0 in the corner, which a lower limit makes visible
        canvas_size_limits=(0, 11),
        border_width=0.15,
        border_color="white",
        metadata={IMAGE_KEY: image.unique_id},
        **spatial_metadata(image),
    )


def is_prompt_layer_of(layer: Any, image: Any) -> bool:
    """Tell whether a layer holds clicks on an image, made by an earlier widget."""
    return isinstance(layer, Points) and layer.metadata.get(IMAGE_KEY) == image.unique_id and layer.ndim == image.ndim


def set_next(layer: Points, object_id: int, is_inside: bool) -> None:
    """Say what the next point means, also one that napari's own tool adds."""
    # not current_properties: that would rewrite the selected points, and the latest one is always selected
    layer.feature_defaults = {"object": object_id, "side": INSIDE if is_inside else OUTSIDE}


def add_click(layer: Points, stack: ImageStack, pixel: Pixel, object_id: int, is_inside: bool) -> None:
    """Add a point."""
    set_next(layer, object_id, is_inside)
    layer.add(stack.position(pixel))
    layer.selected_data = set()


def remove_last(layer: Points) -> bool:
    """Take back the latest point; tell whether there was one."""
    if len(layer.data) == 0:
        return False
    layer.remove([len(layer.data) - 1])
    return True


def restyle(layer: Points) -> None:
    """Draw every point by what it means."""
    if len(layer.data) == 0:
        return
    sides = [side if side in _FACES else INSIDE for side in layer.features["side"]]
    layer.face_color = [_FACES[side] for side in sides]
    layer.symbol = [_SYMBOLS[side] for side in sides]


def read_prompts(layer: Points | None, stack: ImageStack) -> Prompts:
    """Read what the points say. Points that are outside the image, or of no object, say nothing.

    Returns
    -------
    dict of Place to tuple of Click
    """
    prompts: Prompts = {}
    if layer is None:
        return prompts
    for position, object_id, side in zip(layer.data, layer.features["object"], layer.features["side"], strict=True):
        pixel = _pixel_or_none(stack, position)
        # the table of features can be edited by anyone
        if pixel is not None and isinstance(object_id, int | float | np.number) and 1 <= object_id <= _LARGEST_OBJECT:
            place = Place(int(object_id), pixel.frame)
            prompts[place] = (*prompts.get(place, ()), Click(pixel.row, pixel.col, side != OUTSIDE))
    return prompts


def _pixel_or_none(stack: ImageStack, position: npt.NDArray[Any]) -> Pixel | None:
    try:
        return stack.pixel(position)
    except ValueError:
        return None


def count_outside(layer: Points, stack: ImageStack) -> int:
    """Count points that are not on the image."""
    return sum(_pixel_or_none(stack, position) is None for position in layer.data)
