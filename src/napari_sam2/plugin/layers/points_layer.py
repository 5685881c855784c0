"""The Points layer in which clicks are shown: one point per click, with its object and on which side of the outline it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Points
from napari.utils.colormaps.standardize_color import transform_color

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_placement import layer_position, spatial_metadata
from napari_sam2.plugin.layers.object_colours import default_colour
from napari_sam2.plugin.layers.sign_colours import SIGN_COLOURS
from napari_sam2.plugin.prompts.clicks import MAX_OBJECT_ID, Click, ObjectFrame

INSIDE, OUTSIDE = "inside", "outside"
IMAGE_KEY = "napari-sam2 image"
"""Key of a layer's metadata: the ``unique_id`` of the image it belongs to."""

MAX_MARKER_CANVAS_PX = 9
"""The largest diameter of a point on the canvas."""

_SYMBOLS = {True: "disc", False: "x"}
_BORDERS = {True: "white", False: SIGN_COLOURS[False]}
_PENDING_BORDER = "gray"

ColourOf = Callable[[int], str]
"""Returns the colour of an object, ``#rrggbb``."""


@dataclass(frozen=True)
class ShownPoint:
    """A point in the layer.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    click : Click
        Its position and side.
    pending : int or None
        The id of a click that the session has not taken yet; None for a point of the prompts of the session.
    """

    key: ObjectFrame
    click: Click
    pending: int | None = None


def marker_size_px(stack: ImageStack) -> float:
    """Return the diameter of a point in data pixels."""
    return max(2.0, max(stack.frame_shape) / 180)


def data_px_per_canvas_px(viewer: Any, image: Any, stack: ImageStack) -> float:
    """Return how many data pixels are as wide as a pixel of the canvas."""
    # the camera moved in napari 0.9
    return data_px_per_world(viewer, image, stack) / float(getattr(viewer, "scene", viewer).camera.zoom)


def data_px_per_world(viewer: Any, image: Any, stack: ImageStack) -> float:
    """Return how many data pixels are as wide as one unit of the viewer."""
    at = np.asarray(viewer.dims.point, np.float64)
    beside = at.copy()
    beside[list(viewer.dims.displayed)] += 1 / np.sqrt(len(viewer.dims.displayed))
    return float(np.linalg.norm(layer_position(viewer, image, stack, beside) - layer_position(viewer, image, stack, at)))


def point_reach_px(viewer: Any, image: Any, stack: ImageStack) -> float:
    """Return the radius of a point as it is drawn, in data pixels."""
    return min(marker_size_px(stack), MAX_MARKER_CANVAS_PX * data_px_per_canvas_px(viewer, image, stack)) / 2


def new_points_layer(image: Any, stack: ImageStack) -> Points:
    """Make an empty layer for clicks on an image, lying exactly on it."""
    return Points(
        np.empty((0, len(stack.layer_shape))),
        ndim=len(stack.layer_shape),
        name=f"{image.name} – clicks",
        features=_features([]),
        feature_defaults={"object": 1, "side": INSIDE},
        size=marker_size_px(stack),
        # not more than 0: on frames without a point napari draws one of size 0 in the corner, which a lower limit makes visible
        canvas_size_limits=(0, MAX_MARKER_CANVAS_PX),
        border_width=0.2,
        border_color=_BORDERS[True],
        metadata={IMAGE_KEY: image.unique_id},
        **spatial_metadata(image, stack),
    )


def is_points_layer_of(layer: Any, image: Any, stack: ImageStack) -> bool:
    """Tell whether a layer holds clicks on an image, made by an earlier widget."""
    is_of_image = isinstance(layer, Points) and layer.metadata.get(IMAGE_KEY) == image.unique_id
    return is_of_image and layer.ndim == len(stack.layer_shape)


def set_next(layer: Points, object_id: int, is_inside: bool) -> None:
    """Choose object and side of the next point, also of one that napari's own tool adds."""
    wanted = {"object": object_id, "side": _side(is_inside)}
    if any(layer.feature_defaults[name].iloc[0] != wanted[name] for name in wanted if name in layer.feature_defaults):
        # not current_properties: that would rewrite the selected points
        layer.feature_defaults = wanted


def read_features(layer: Points, index: int) -> tuple[int, bool]:
    """Read object and side of a point from the table of features, which anyone can edit.

    Raises
    ------
    ValueError
        If the object is no whole number of 16 bit above 0, or a column is missing.
    """
    if not {"object", "side"} <= set(layer.features):
        raise ValueError("The table of features needs the columns object and side.")
    return read_object_id(layer, index), layer.features["side"].iloc[index] != OUTSIDE


def read_object_id(layer: Any, index: int) -> int:
    """Read the object of a point or shape from the table of features.

    Raises
    ------
    ValueError
        If it is no whole number of 16 bit above 0, or the column is missing.
    """
    if "object" not in layer.features:
        raise ValueError("The table of features needs the column object.")
    object_id = layer.features["object"].iloc[index]
    if not isinstance(object_id, int | float | np.number) or object_id not in range(1, MAX_OBJECT_ID + 1):
        shown = object_id.item() if isinstance(object_id, np.generic) else object_id
        raise ValueError(f"An object is a whole number from 1 to {MAX_OBJECT_ID}, got {shown!r}.")
    return int(object_id)


def read_point(layer: Points, stack: ImageStack, index: int) -> tuple[ObjectFrame, Click]:
    """Read a point.

    Raises
    ------
    ValueError
        If it is not on the image, or of no object.
    """
    object_id, is_inside = read_features(layer, index)
    pixel = stack.pixel(layer.data[index])
    return ObjectFrame(object_id, pixel.frame), Click(pixel.row, pixel.col, is_inside)


def write_points(layer: Points, stack: ImageStack, points: Sequence[ShownPoint], colour_of: ColourOf = default_colour) -> None:
    """Show exactly these points. What is selected stays so, if there are as many points as before."""
    positions = np.array([stack.position(Pixel(point.key.frame, point.click.row, point.click.col)) for point in points])
    positions, features = positions.reshape(-1, layer.ndim), _features(points)
    if np.array_equal(positions, layer.data) and all(np.array_equal(layer.features.get(name), features[name]) for name in features):
        style_points(layer, points, colour_of)
        return
    selected = set(layer.selected_data) if len(points) == len(layer.data) else set()
    layer.selected_data = set()
    layer.data, layer.features = positions, features
    style_points(layer, points, colour_of)
    layer.selected_data = selected


def style_points(layer: Points, points: Sequence[ShownPoint], colour_of: ColourOf = default_colour) -> None:
    """Draw every point in the colour of its object, with a symbol and a border for its side; gray ones are pending."""
    if not points:
        return
    faces = [colour_of(point.key.object_id) for point in points]
    borders = [_BORDERS[point.click.is_inside] if point.pending is None else _PENDING_BORDER for point in points]
    symbols = [_SYMBOLS[point.click.is_inside] for point in points]
    # napari draws anew whatever is set, also to what it was
    if not np.array_equal(layer.face_color, transform_color(faces)):
        layer.face_color = faces
    if not np.array_equal(layer.border_color, transform_color(borders)):
        layer.border_color = borders
    if [symbol.value for symbol in layer.symbol] != symbols:
        layer.symbol = symbols


def _features(points: Sequence[ShownPoint]) -> dict[str, Any]:
    sides = np.empty(len(points), object)
    sides[:] = [_side(point.click.is_inside) for point in points]
    return {"object": np.array([point.key.object_id for point in points], np.int64), "side": sides}


def _side(is_inside: bool) -> str:
    return INSIDE if is_inside else OUTSIDE
