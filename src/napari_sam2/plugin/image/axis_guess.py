"""Which letter stands for which axis of an image layer: by its labels, by its file, else a guess from the shape. D axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_sam2.images.axes import letter_of

MAX_CHANNELS_GUESSED, MAX_CHANNELS_OF_FIVE_AXES = 4, 8
"""Lengths up to which an axis beside a longer one is taken for channels, where nothing tells; the second, of three such axes."""

_PLANE = {"Y", "X", "Z", None}
_POSITIONS = "PABDEFGHJKLM"


def letters_by_labels(labels: Sequence[Any]) -> list[str | None]:
    """Read the labels of axes (D,).

    Returns
    -------
    list of str or None
        T, Z, C, Y or X for each axis, each at most once; None for axes that the labels say nothing about. The last two are rows
        and columns, whatever they are called, as long as none of them is an axis of time or channels.
    """
    found = [letter if (letter := letter_of(label)) in ("T", "Z", "C", "Y", "X") else None for label in labels]
    is_literal = not set(found[-2:]) <= _PLANE and {"Y", "X"} <= set(found)
    if not is_literal:
        found = [None if letter in ("Y", "X") else letter for letter in found[:-2]] + ["Y", "X"]
    return [None if letter is not None and found.count(letter) > 1 else letter for letter in found]


def guess_letters(known: Sequence[str | None], shape: Sequence[int], has_colour: bool = False) -> tuple[str, ...]:
    """Complete letters (D,) of axes of a shape (D,).

    Parameters
    ----------
    known : sequence of str or None
        Letters; None where nothing is known.
    shape : sequence of int
        Of the image without colour.
    has_colour : bool
        The pixels are in colour.

    Returns
    -------
    tuple of str
        One letter for each axis, empty for an axis of length 1 beside rows and columns. A short axis beside a longer one is taken
        for channels, the first of the others for time, the second for depth, and more for positions.
    """
    letters = [letter if letter in ("Y", "X") or side > 1 else "" for letter, side in zip(known, shape, strict=True)]
    unknown = [axis for axis, letter in enumerate(letters) if letter is None]
    if not has_colour and "C" not in letters:
        channel = _channel_axis(unknown, shape, [axis for axis, letter in enumerate(letters) if letter not in ("", "Y", "X")])
        if channel is not None:
            letters[channel] = "C"
            unknown.remove(channel)
    free = iter([letter for letter in "TZ" + _POSITIONS if letter not in letters])
    for axis in unknown:
        letters[axis] = next(free)
    return tuple(letter or "" for letter in letters)


def _channel_axis(unknown: Sequence[int], shape: Sequence[int], long_axes: Sequence[int]) -> int | None:
    if not unknown or len(long_axes) < 2:
        return None
    shortest = min(unknown, key=lambda axis: shape[axis])
    longest = max(shape[axis] for axis in long_axes)
    is_alone = sum(shape[axis] == shape[shortest] for axis in unknown) == 1
    most = MAX_CHANNELS_OF_FIVE_AXES if len(unknown) > 2 else MAX_CHANNELS_GUESSED
    is_short = shape[shortest] <= most and (longest > shape[shortest] if len(unknown) > 2 else longest > most)
    return shortest if is_alone and is_short else None
