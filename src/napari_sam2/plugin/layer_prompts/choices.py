"""What can be chosen about the layers of others, and what the names of their columns suggest."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from enum import Enum
from typing import Any

import numpy as np

from napari_sam2.plugin.image.image_stack import ImageStack


class Frames(Enum):
    """Of which frames prompts are taken."""

    ALL = "all frames"
    SHOWN = "the shown frame"
    ONE = "frame number …"


def chosen_frame(frames: Frames, number: int, stack: ImageStack, shown: int | None) -> int:
    """Return the one frame that is chosen: that of a number, else the shown one.

    Raises
    ------
    ValueError
        If the stack has no such frame, or none is shown.
    """
    if frames is Frames.ONE:
        if not 0 <= number < stack.num_frames:
            raise ValueError(f"there is no frame {number}: the image has frames 0 to {stack.num_frames - 1}")
        return number
    if shown is None:
        raise ValueError("the viewer shows no frame of the image: move its slider, or choose a frame")
    return shown


class Objects(Enum):
    """Which points or shapes are of one object, where no column tells."""

    EACH = "each one is an object"
    ALL = "all are one object"


class Anchors(Enum):
    """What a label is that is on several frames."""

    EVERY = "a mask on each frame"
    FIRST = "a mask on its first frame"
    LINKED = "linked into tracks: numbers differ from frame to frame"


class Pixels(Enum):
    """Which pixels of a layer are written."""

    BACKGROUND = "background alone"
    ALL = "all, also labels"


_OBJECT_COLUMNS = ("object", "object_id", "object id", "id", "track_id", "track", "cell", "cell_id", "instance", "label", "name")
_SIDE_COLUMNS = ("side", "sign", "polarity", "is_inside", "inside", "positive", "is_positive", "point_label", "label")
_INSIDE = frozenset({"inside", "in", "positive", "pos", "+", "foreground", "fg", "include", "object", "yes", "true", "1"})
_OUTSIDE = frozenset({"outside", "out", "negative", "neg", "-", "background", "bg", "exclude", "no", "false", "0", "-1"})


def guess_object_column(features: Mapping[str, Any]) -> str | None:
    """Guess in which column the object of a point or shape is; None if in none."""
    side = guess_side_column(features)
    return _first_named(features, _OBJECT_COLUMNS, lambda name: name != side)


def guess_side_column(features: Mapping[str, Any]) -> str | None:
    """Guess in which column it is whether a point is inside; None if in none."""
    return _first_named(features, _SIDE_COLUMNS, lambda name: _holds_sides(features[name]))


def _first_named(features: Mapping[str, Any], names: tuple[str, ...], is_fit: Any) -> str | None:
    by_name = {str(column).strip().lower(): column for column in reversed(list(features))}
    return next((by_name[name] for name in names if name in by_name and is_fit(by_name[name])), None)


def _holds_sides(column: Any) -> bool:
    values = list(column)
    return all(read_side(value) is not None for value in values) and len({read_side(value) for value in values}) == 2


def read_side(value: Any) -> bool | None:
    """Read whether a point is inside its object from a cell of a table; None if that says neither."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return None if not np.isfinite(value) else bool(value > 0)
    text = str(value).strip().lower()
    return True if text in _INSIDE else False if text in _OUTSIDE else None


def read_object(value: Any) -> Hashable:
    """Read what an object is called from a cell of a table: a whole number, or a text; None if it is empty."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | float | np.number):
        if not np.isfinite(value):
            return None
        return int(value) if float(value).is_integer() else f"{float(value):g}"
    text = "" if value is None else str(value).strip()
    if text.lower() in ("", "nan", "none", "<na>"):
        return None
    try:
        return int(float(text)) if float(text).is_integer() else text
    except (ValueError, OverflowError):
        return text
