"""Files that are one image together: a folder of frames, a glob, a list of paths. F files · H, W height and width of a frame."""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.axes import letters_of
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.file_names import NameGrid, counted_axes, is_counted_once, name_grid, natural_key
from napari_sam2.images.held_warnings import hold_warnings
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.pieces import read_pieces

logger = logging.getLogger(__name__)

MAX_OPEN = 8
"""So many files of a sequence are kept open."""

Opener = Callable[[Path], OpenedImage]


class FileSequence:
    """Images of one shape in files of their own, or of one shape but for the length of their first axis, one after another.

    Parameters
    ----------
    paths : sequence of Path or None
        (F,), in order; None where a file of a grid is missing.
    lead : tuple of int
        Their arrangement: ``(F,)``, or the shape of a grid with F cells. Empty where they follow each other along their own first
        axis.
    lengths : sequence of int
        (F,), the length of the first axis of each; used where ``lead`` is empty.
    like : array-like
        One of them.
    open_one : callable
        Opens a file.
    """

    def __init__(
        self, paths: Sequence[Path | None], lead: tuple[int, ...], lengths: Sequence[int], like: Any, open_one: Opener
    ) -> None:
        self._paths, self._lead, self._open_one = paths, lead, open_one
        self._ends = np.cumsum(lengths)
        within = tuple(int(side) for side in like.shape)
        self.shape = (*lead, *within) if lead else (int(self._ends[-1]), *within[1:])
        self.dtype, self.ndim = np.dtype(like.dtype), len(self.shape)
        inner = getattr(like, "chunks", None)
        along = (1,) * max(1, len(lead))
        self.chunks = along + (tuple(inner or within) if lead else tuple(inner or within)[1:])
        self._num_lead = len(along)
        self._within = within
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return read_pieces(key, self.shape, self._num_lead, self._read)

    def _read(self, outer: tuple[int, ...], inner: tuple[Any, ...]) -> npt.NDArray[Any]:
        if self._lead:
            number, index = int(np.ravel_multi_index(outer, self._lead)), inner
        else:
            number = int(np.searchsorted(self._ends, outer[0], side="right"))
            index = (outer[0] - (int(self._ends[number - 1]) if number else 0), *inner)
        return np.asarray(self._file(number)[index])

    def _file(self, number: int) -> Any:
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        path = self._paths[number]
        if path is None:
            raise ImageFileError("there is no file of it")
        try:
            with hold_warnings():  # they were logged when the image was opened
                pixels = self._open_one(path).pixels
        except FileNotFoundError as error:
            raise ImageFileError(f"{path} is not there any more") from error
        shape = tuple(pixels.shape)
        if (shape if self._lead else shape[1:]) != (self._within if self._lead else self._within[1:]) or pixels.dtype != self.dtype:
            raise ImageFileError(f"{path} has changed since it was opened: it holds {pixels.dtype} of shape {shape} now")
        with self._lock:
            self._kept[number] = pixels
            while len(self._kept) > MAX_OPEN:
                self._kept.popitem(last=False)
        return pixels


def open_sequence(paths: Sequence[Path], open_one: Opener, where: str, along: str = "") -> OpenedImage:
    """Open files as one image.

    Parameters
    ----------
    paths : sequence of Path
        (F,), two at least. They are put in natural order, 2 before 10.
    open_one : callable
        Opens a file.
    where : str
        What messages call them.
    along : str
        The axis along which they follow each other, where it is known.

    Returns
    -------
    OpenedImage
        (F, ...) along T, or along what the numbers in the names count; files that are time-lapses themselves follow each other.

    Raises
    ------
    ImageFileError
        If files differ in shape or type, or none can be read.
    """
    ordered = sorted(paths, key=natural_key)
    with hold_warnings() as warnings:
        opened = _opened(ordered, open_one)
    first = next(image for image in opened.values() if isinstance(image, OpenedImage))
    if len(first.files) > 1 and {path.resolve() for path in ordered} <= {path.resolve() for path in first.files}:
        warnings.log()
        return first  # the files of one OME-TIFF: any of them is all of it
    inner = _axes_of(first)
    names = [path.name for path in ordered]
    grid, guess = None, ""
    if along and along not in inner:
        outer: str = along
        lead: tuple[int, ...] = (len(names),)
    else:
        outer, lead, grid, guess = _outer_axes(names, inner)
    placed: list[Path | None] = [*ordered]
    if grid is not None:
        at = {path.name: path for path in ordered}
        placed = [None if name is None else at[name] for name in grid.names]
    lengths, unreadable = _checked_lengths(opened, first, is_joined=not lead)
    warnings.log()
    if grid is not None:
        logger.warning("%s: %s", where, guess)  # where files are missing matters whatever the axes are called
    if unreadable:
        logger.warning("%d of %d files cannot be read: %s", len(unreadable), len(ordered), unreadable[0])
    pixels = FileSequence(placed, lead, lengths, first.pixels, open_one)
    files = tuple(path for path in placed if path is not None)
    guessed_axes = f"{where}: {guess}" if guess and grid is None else ""
    return replace(first, pixels=pixels, axis_names=outer + inner if lead else inner, files=files, guessed_axes=guessed_axes)


def _opened(paths: Sequence[Path], open_one: Opener) -> dict[Path, OpenedImage | ImageFileError]:
    """Open each file, or raise an error that names the one that cannot be opened.

    Raises
    ------
    ImageFileError
        If that is so of all, or one is a part of an image in several files to which not all of them belong.
    """
    opened: dict[Path, OpenedImage | ImageFileError] = {}
    together = {path.resolve() for path in paths}
    for path in paths:
        try:
            image = open_one(path)
        except ImageFileError as error:
            opened[path] = error
            continue
        of_image = {file.resolve() for file in image.files}
        if len(of_image) > 1 and path.resolve() in of_image:
            if together <= of_image:
                return {path: image}
            other = next(file for file in paths if file.resolve() not in of_image)
            raise ImageFileError(
                f"{path} is one of the {len(of_image)} files of an image, to which {other.name} does not belong: open {path} alone"
            )
        # What is read later opens its file again: of thousands not all can stay open.
        opened[path] = image if not any(isinstance(one, OpenedImage) for one in opened.values()) else _without_pixels(image)
    errors = [error for error in opened.values() if isinstance(error, ImageFileError)]
    if len(errors) == len(paths):
        raise ImageFileError(f"none of the {len(paths)} files can be read: {errors[0]}") from errors[0]
    return opened


def _without_pixels(image: OpenedImage) -> OpenedImage:
    return replace(image, pixels=_Shape(tuple(int(side) for side in image.pixels.shape), np.dtype(image.pixels.dtype)))


@dataclass(frozen=True)
class _Shape:
    """What is compared of the pixels of a file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def _axes_of(image: OpenedImage) -> str:
    """Axes of one of the files; of a file whose third axis has no name planes, which they most often are."""
    axes = letters_of(list(image.axis_names)) if image.axis_names else None
    if axes is None:
        shape = image.pixels.shape
        axes = {2: "YX", 3: "YXS" if shape[-1] in (3, 4) else "ZYX"}.get(len(shape), "")
    if not axes:
        raise ImageFileError(
            f"{image.files[0]} has {len(image.pixels.shape)} axes without names: it cannot be one of several files"
        )
    unknown = [axis for axis in axes if axis not in "TZCYXS"]
    return axes.replace(unknown[0], "Z") if len(unknown) == 1 and "Z" not in axes else axes


def _outer_axes(names: Sequence[str], inner: str) -> tuple[str, tuple[int, ...], NameGrid | None, str]:
    """Find what the files follow each other along: new axes, or their own first one, for which both are empty.

    Returns
    -------
    axes, shape, grid, warning
        The axes in front of those of a file, and their lengths; the grid, if the names have one; and a warning.
    """
    counted = list(counted_axes(names).values())
    grid = name_grid(names)
    if grid is not None and not set(grid.axes) & set(inner):
        warning, missing = f"the names of the files count {_by(grid)}: they are read with axes {grid.axes + inner}", grid.missing()
        if missing:
            warning += f"; {len(missing)} of {len(grid.names)} are missing and cannot be read, the first at {missing[0]}"
        return grid.axes, grid.shape, grid, warning
    axis = counted[0] if len(counted) == 1 and counted[0] in ("T", "Z") else "T"
    is_joined = inner.startswith(axis)
    if not is_joined:
        axis = next((letter for letter in (axis, "T", "Z", "I") if letter not in inner), "I")
    reason = ""
    if len(counted) > 1 and not is_counted_once(names):
        reason = "the names of the files count more than one thing: "
    elif not counted:
        is_numbered = all(re.search(r"\d", name) for name in names)
        reason = "the names of the files differ in words as well as numbers: " if is_numbered else "the files are not numbered: "
    warning = ""
    if reason or (not is_joined and (len(counted) != 1 or counted[0] != axis)):
        some = f"choose some by a pattern such as '{_pattern(names)}', or " if reason else ""  # else it would choose them all
        warning = f"{reason}{len(names)} files are read one after another along {axis}; {some}name other axes by axes (--axes)"
    return ("", (), None, warning) if is_joined else (axis, (len(names),), None, warning)


def _pattern(names: Sequence[str]) -> str:
    """Make a pattern that chooses some of the files: of the number that differs most all, of the others the first."""
    split = [re.split(r"(\d+)", name) for name in names]
    different = {i: len({parts[2 * i + 1] for parts in split}) for i in counted_axes(names)}
    if not different:
        # Names with the words of the first, whose own numbers may count several things; else what begins as it does.
        alike = [name for name in names if re.split(r"\d+", name) == split[0][::2]]
        if 1 < len(alike) < len(names):
            return _pattern(alike) if counted_axes(alike) else "".join(split[0])
        start = re.match(r"[^\W\d_]*", names[0])
        return f"{start.group() if start else ''}*{Path(names[0]).suffix}"
    most = max(different, key=lambda i: different[i])
    return "".join("*" if number == 2 * most + 1 else part for number, part in enumerate(split[0]))


def _by(grid: NameGrid) -> str:
    return ", ".join(f"{size} along {axis}" for axis, size in zip(grid.axes, grid.shape, strict=True))


def _checked_lengths(
    opened: Mapping[Path, OpenedImage | ImageFileError], first: OpenedImage, is_joined: bool
) -> tuple[list[int], list[ImageFileError]]:
    """Check that files fit each other; one that cannot be read leaves as many frames that cannot be, where all have as many."""
    expected, dtype = tuple(first.pixels.shape), np.dtype(first.pixels.dtype)
    lengths, unreadable = [], []
    for path, image in opened.items():
        if isinstance(image, ImageFileError):
            if is_joined:
                raise image
            unreadable.append(image)
            lengths.append(expected[0])
            continue
        shape = tuple(image.pixels.shape)
        if (shape[1:] if is_joined else shape) != (expected[1:] if is_joined else expected) or image.pixels.dtype != dtype:
            raise ImageFileError(
                f"{path} holds {image.pixels.dtype} of shape {shape}, and {first.files[0]} {dtype} of shape {expected}: "
                "the frames of a stack are of one shape and type"
            )
        lengths.append(shape[0])
    return lengths, unreadable
