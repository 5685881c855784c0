"""Names of files: their natural order, and the axes that the numbers in them count. F files."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import numpy as np

_AXIS_WORDS = {
    "T": ("t", "time", "timepoint", "tp", "frame", "f"),
    "Z": ("z", "slice", "plane", "section", "depth"),
    "C": ("c", "ch", "chn", "channel", "w", "wavelength"),
    "P": ("p", "pos", "position", "s", "site", "scene", "series", "xy", "m", "tile", "field", "well", "fov", "view"),
}
"""Words before a number that name the axis it counts; P is a position or a scene, which is never an axis of a stack."""
_PLAIN_WORDS = ("", "img", "image", "im")
"""Before a number these mean only that there are several; beside other counters it counts times, as ``img_000000001_c0.tif``."""
_AXIS_OF = {word: axis for axis, words in _AXIS_WORDS.items() for word in words}


_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
"""How the full path of a file begins on Windows: a drive, or a server."""


def named_path(text: str) -> PurePath:
    """Read a path as the system that wrote it does, so that its parts are known here too.

    A full path of Windows is one anywhere. Where there are backslashes and no slash it is taken for one of Windows as well.
    """
    is_windows = _WINDOWS.match(text) is not None or ("\\" in text and "/" not in text)
    return PureWindowsPath(text) if is_windows else PurePosixPath(text)


def natural_key(path: Path | str) -> tuple[tuple[int, int, str], ...]:
    """Sort by this to have 2 before 10, and capitals beside small letters."""
    parts = re.findall(r"\d+|\D+", str(path))
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part.lower()) for part in parts)


@dataclass(frozen=True)
class NameGrid:
    """Files that lie on a grid by the numbers in their names.

    Attributes
    ----------
    axes : str
        What the numbers count, slowest first, from T, Z, C.
    shape : tuple of int
        How many of each.
    names : list of str or None
        The files in the order of the grid; None where one is missing.
    """

    axes: str
    shape: tuple[int, ...]
    names: list[str | None]

    def missing(self) -> list[str]:
        """List the positions of missing files, counted from 0."""
        positions = zip(np.ndindex(self.shape), self.names, strict=True)
        return [
            ", ".join(f"{axis} {index}" for axis, index in zip(self.axes, position, strict=True))
            for position, name in positions
            if name is None
        ]


def counted_axes(names: Sequence[str]) -> dict[int, str]:
    """Find the numbers by which names differ, and what they count.

    Parameters
    ----------
    names : sequence of str
        (F,), names of files without folders.

    Returns
    -------
    dict of int to str
        By the index of the number in the names, T, Z, C or P by the word before it, or "" where there is no such word; empty where
        names differ in more than numbers.
    """
    split = [re.split(r"(\d+)", name) for name in names]
    if len({tuple(parts[::2]) for parts in split}) != 1:
        return {}
    texts = split[0][::2]
    varying = [i for i in range(len(texts) - 1) if len({parts[2 * i + 1] for parts in split}) > 1]
    return {i: _AXIS_OF.get(_word_before(names[0], i).lower(), "") for i in varying}


def is_counted_once(names: Sequence[str]) -> bool:
    """Names differ by numbers, one of which alone distinguishes them."""
    split = [re.split(r"(\d+)", name) for name in names]
    return any(len({int(parts[2 * i + 1]) for parts in split}) == len(names) for i in counted_axes(names))


def name_grid(names: Sequence[str]) -> NameGrid | None:
    """Put files on a grid whose axes are the numbers in their names, as ``img_t0_z3_c1.tif``.

    Returns
    -------
    NameGrid or None
        None where names count one thing or nothing, the words before the numbers do not name axes, or a quarter of the grid or more
        is missing.
    """
    counted = counted_axes(names)
    plain = [i for i, axis in counted.items() if not axis and _word_before(names[0], i).lower() in _PLAIN_WORDS]
    if len(plain) == 1 and "T" not in counted.values():
        counted[plain[0]] = "T"
    axes = list(counted.values())
    if len(counted) < 2 or len(set(axes)) < len(axes) or not set(axes) <= set("TZC"):
        return None
    split = [re.split(r"(\d+)", name) for name in names]
    order = sorted(counted, key=lambda i: "TZC".index(counted[i]))
    values = [sorted({int(parts[2 * i + 1]) for parts in split}) for i in order]
    at = {tuple(int(parts[2 * i + 1]) for i in order): name for parts, name in zip(split, names, strict=True)}
    shape = tuple(len(those) for those in values)
    if len(at) != len(names) or 4 * len(at) <= 3 * math.prod(shape):
        return None
    return NameGrid("".join(counted[i] for i in order), shape, [at.get(key) for key in itertools.product(*values)])


def _word_before(name: str, number: int) -> str:
    """Return the word before a number of a name, which numbers are counted from 0."""
    found = re.search(r"([A-Za-z]*)[^A-Za-z0-9]*$", re.split(r"(\d+)", name)[2 * number])
    return found.group(1) if found else ""
