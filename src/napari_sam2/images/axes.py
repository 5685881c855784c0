"""The roles of the axes of an image: frames lie along one, two are those of a frame, the others are fixed at a position.

Axes are letters: T time · Z depth · N separate images · Y rows · X columns · C channels · S samples of an RGB(A) pixel; and those
by which TIFF calls others, of which Q and I are a series of unknown kind.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_sam2.checks import check_places, shown

SEQUENCE_AXES = "TZQIN"
"""Axes along which an image has its frames, in order of preference."""
SEPARATE_AXIS = "N"
"""Frames along it are separate images: nothing is propagated from one to another."""
SPACE = "ZYX"
COLOURS = (3, 4)
"""Lengths of an axis of RGB and RGBA."""
MAX_CHANNELS = 3

_LETTER_OF = {
    "T": ("t", "time", "frame", "frames", "timepoint"),
    "Z": ("z", "depth", "plane", "slice", "section"),
    "N": ("n", "image", "images"),
    "Y": ("y", "row", "rows", "height"),
    "X": ("x", "col", "column", "columns", "width"),
    "C": ("c", "ch", "channel", "channels", "band"),
    "S": ("s", "rgb", "rgba", "sample", "samples"),
}
_LETTERS = {name: letter for letter, names in _LETTER_OF.items() for name in names}


def letter_of(name: Any) -> str | None:
    """Translate what an axis is called, a letter or a word such as ``time``, to T, Z, N, Y, X, C or S; None for other names."""
    return _LETTERS.get(str(name).lower())


def letters_of(names: Sequence[Any]) -> str | None:
    """Translate the names that xarray, OME-Zarr or TIFF give axes; None if they mean nothing, as those that xarray invents.

    Raises
    ------
    ValueError
        If only some of them are known.
    """
    letters = [letter_of(name) or (str(name).upper() if len(str(name)) == 1 else None) for name in names]
    if letters and all(letters):
        return "".join(letter for letter in letters if letter)
    if any(letters):
        raise ValueError(f"the image calls its axes {', '.join(map(str, names))}: name by axes which are T, Z, Y, X and C")
    return None


def guess_axes(shape: Sequence[int]) -> str:
    """Guess axes from a shape: colour is last and 3 or 4 long, a stack is a time-lapse.

    Raises
    ------
    ValueError
        If there are too few or too many.
    """
    is_colour = len(shape) >= 3 and shape[-1] in COLOURS
    known = {
        2: "YX",
        3: "YXC" if is_colour and shape[0] > 4 else "TYX",
        4: "TYXC" if is_colour else "TZYX",
        5: "TZYXC" if is_colour else "TZCYX",
    }
    if len(shape) not in known:
        raise ValueError(f"an image has two to five axes, got shape {tuple(shape)}")
    return known[len(shape)]


@dataclass(frozen=True)
class Layout:
    """The role of each axis of an image.

    Attributes
    ----------
    axes : str
        Axes of the image.
    along : str
        The axis along which frames follow each other; empty for a single image.
    rows, columns : str
        The axes of a frame.
    at : dict
        The position on the remaining axes of the label image.
    channels : tuple of int or None
        Channels shown: one in grey, or three as red, green and blue; None where there is no axis C to choose from.
    is_rgb : bool
        The axis S, or an axis C at the end, holds the colours of a pixel.
    label_axes : str
        Axes of a label image.
    """

    axes: str
    along: str
    rows: str
    columns: str
    at: Mapping[str, int] = field(default_factory=dict)
    channels: tuple[int, ...] | None = None
    is_rgb: bool = False
    label_axes: str = ""

    @property
    def colour_axis(self) -> str:
        """The axis of colours or channels; empty where there is none."""
        if self.is_rgb and "S" in self.axes:
            return "S"
        return "C" if "C" in self.axes else ""

    @property
    def axes_with_channels_as_frames(self) -> str:
        """Axes by which what is called channels would be frames; empty where there are none, or no other axis is left."""
        if "C" not in self.axes or self.is_rgb:
            return ""
        if "T" in self.axes:
            return self.axes.translate(str.maketrans("TC", "CT"))
        return self.axes.replace("C", "T")

    @property
    def is_collection(self) -> bool:
        """Frames are separate images."""
        return self.along == SEPARATE_AXIS

    @classmethod
    def resolve(
        cls,
        shape: Sequence[int],
        axes: str | None = None,
        channel: int | Sequence[int] | None = None,
        along: str | None = None,
        at: Mapping[str, int] | None = None,
    ) -> Layout:
        """Find the role of each axis.

        Parameters
        ----------
        shape : sequence of int
            Of the image.
        axes : str, optional
            Guessed by default.
        channel : int or sequence of int, optional
            One to three channels; the first three by default.
        along : str, optional
            By default T, else Z, where there is more than one frame.
        at : mapping, optional
            Index on each axis that would be left over.

        Returns
        -------
        Layout

        Raises
        ------
        ValueError
            If one of these does not fit the others.
        """
        for name, given in (("axes", axes), ("along", along)):
            if given is not None and not isinstance(given, str):
                raise ValueError(f"{name} is a text of the letters T, Z, Y, X and C, got {shown(given)}")
        axes = check_axes(guess_axes(shape) if axes is None else axes.upper(), shape)
        size = dict(zip(axes, shape, strict=True))
        fixed = {} if at is None else _check_at(check_places("at", at), axes, size)
        is_rgb = _is_rgb(axes, size, channel)
        channels = _choose_channels(axes, size, channel, is_rgb)
        chosen = _choose_along(axes, size, along, fixed)
        rows, columns = _choose_plane(axes, chosen)
        of_colour = {"C", "S"} if is_rgb else {"C"} if "C" in axes else {"S"}
        left_over = [axis for axis in axes if axis not in {chosen, rows, columns, *fixed, *of_colour}]
        too_long = [axis for axis in left_over if size[axis] > 1]
        if too_long or set(fixed) & {rows, columns}:
            raise ValueError(_cannot_propagate(shape, axes, chosen, too_long, sorted(set(fixed) & {rows, columns})))
        label_axes = "".join(axis for axis in axes if axis in {chosen, rows, columns, *fixed})
        return cls(axes, chosen, rows, columns, fixed, channels, is_rgb, label_axes)


def check_axes(axes: str, shape: Sequence[int]) -> str:
    """Check that axes fit a shape.

    Raises
    ------
    ValueError
        If they are too many or too few, one is named twice, rows or columns are missing, or one is empty.
    """
    if len(axes) != len(shape):
        raise ValueError(f"axes {axes} do not fit an image of shape {tuple(shape)}")
    twice = [axis for axis in axes if axes.count(axis) > 1]
    if twice:
        raise ValueError(f"axes {axes} name {twice[0]} twice")
    missing = [axis for axis in "YX" if axis not in axes]
    if missing:
        raise ValueError(f"an image needs rows and columns: axes {axes} have no {' and no '.join(missing)}")
    if 0 in shape:
        raise ValueError(f"the image is empty: its shape is {tuple(shape)}")
    return axes


def _check_at(at: Mapping[str, int], axes: str, size: Mapping[str, int]) -> dict[str, int]:
    fixed = {}
    for name, given in at.items():
        axis = str(name).upper()
        if axis in ("C", "S"):
            raise ValueError("channels are not chosen by at: give channel")
        if axis not in axes:
            raise ValueError(f"at names {axis}, but the image has axes {axes}")
        try:
            index = operator.index(given)
        except TypeError as error:
            raise ValueError(f"at gives {axis} the position {shown(given)}: expected a whole number") from error
        if not 0 <= index < size[axis]:
            raise ValueError(f"{axis} {index} does not exist: the image has {size[axis]}, counted from 0")
        fixed[axis] = index
    return fixed


def _is_rgb(axes: str, size: Mapping[str, int], channel: Any) -> bool:
    """Samples are colours; channels are, at the end and not chosen from."""
    if "S" in axes:
        return size["S"] in COLOURS and (channel is None or "C" in axes)
    return axes[-1] == "C" and size["C"] in COLOURS and channel is None


def _choose_channels(axes: str, size: Mapping[str, int], channel: Any, is_rgb: bool) -> tuple[int, ...] | None:
    axis = "C" if "C" in axes else "S" if "S" in axes and not is_rgb else ""
    if channel is not None:
        if not axis:
            raise ValueError(f"an image with axes {axes} has no channels to choose from")
        chosen = _check_channels(channel, size[axis])
    elif not axis or (is_rgb and axis == axes[-1]):
        return None
    else:
        chosen = list(range(min(size[axis], MAX_CHANNELS)))
    if is_rgb and (len(chosen) > 1 or (size[axis] > 1 and channel is None)):
        raise ValueError(f"each of the {size[axis]} channels is in colour: choose one by channel")
    # napari, too, shows two channels in magenta and green
    return (chosen[0], chosen[1], chosen[0]) if len(chosen) == 2 else tuple(chosen)


def _check_channels(channel: Any, count: int) -> list[int]:
    given = list(channel) if isinstance(channel, Iterable) else [channel]
    if not 1 <= len(given) <= MAX_CHANNELS:
        raise ValueError(f"one to three channels can be shown, got {len(given)}")
    try:
        chosen = [operator.index(one) for one in given]
    except TypeError as error:
        raise ValueError(f"a channel is a whole number, got {shown(channel)}") from error
    for one in chosen:
        if not 0 <= one < count:
            raise ValueError(f"channel {one} does not exist: the image has {count}, counted from 0")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"a channel is named twice in {chosen}")
    return chosen


def _choose_along(axes: str, size: Mapping[str, int], along: str | None, fixed: Mapping[str, int]) -> str:
    if along is None:
        present = [axis for axis in SEQUENCE_AXES if axis in axes and axis not in fixed]
        return next((axis for axis in present if size[axis] > 1), present[0] if present else "")
    chosen = along.upper()
    if len(chosen) != 1 or chosen not in axes or chosen in "CS":
        raise ValueError(f"frames cannot follow each other along {along!r}: the image has axes {axes}")
    if chosen in fixed:
        raise ValueError(f"frames follow each other along {chosen}: at cannot name it")
    return chosen


def _choose_plane(axes: str, along: str) -> tuple[str, str]:
    """Rows and columns of a frame: Y and X, or what is left of Z, Y and X."""
    if along not in ("Y", "X"):
        return "Y", "X"
    if "Z" not in axes:
        raise ValueError(f"only a volume has frames along {along}: axes {axes} have no Z; name them by axes, as in axes='ZYX'")
    rest = SPACE.replace(along, "")
    return rest[0], rest[1]


def _cannot_propagate(shape: Sequence[int], axes: str, along: str, too_long: Sequence[str], in_plane: Sequence[str]) -> str:
    refused = f"objects cannot be propagated through an image of shape {tuple(shape)} with axes {axes}"
    if in_plane:
        return f"{refused} along {along} at one {in_plane[0]}: that is an axis of the frames"
    positions = ", ".join(f"'{axis}': 0" for axis in too_long)
    also = f" along {along} alone" if along else ""
    remedy = f"choose one position on {' and '.join(too_long)} by at, as in at={{{positions}}}, or another axis by along"
    return f"{refused}{also}: {remedy}"
