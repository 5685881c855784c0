"""Files that are one image together: a folder of frames, a glob, a list of paths. F files · H, W height and width of a frame."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.axes import letters_of
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.file_names import counted_axes, is_counted_once, name_grid, natural_key
from napari_sam2.images.opened_image import OpenedImage

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
        How they lie: ``(F,)``, or the shape of a grid with F places. Empty where they follow each other along their own first axis.
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
        index = () if key is ... else key if isinstance(key, tuple) else (key,)
        index += (slice(None),) * (self.ndim - len(index))
        outer, inner = index[: self._num_lead], index[self._num_lead :]
        steps = [range(size)[step] for step, size in zip(outer, self.shape, strict=False)]
        lists = [list(step) if isinstance(step, range) else [step] for step in steps]
        planes = [self._read(place, inner) for place in itertools.product(*lists)]
        return np.stack(planes).reshape([len(step) for step in steps if isinstance(step, range)] + list(planes[0].shape))

    def _read(self, place: tuple[int, ...], inner: tuple[Any, ...]) -> npt.NDArray[Any]:
        if self._lead:
            number, index = int(np.ravel_multi_index(place, self._lead)), inner
        else:
            number = int(np.searchsorted(self._ends, place[0], side="right"))
            index = (place[0] - (int(self._ends[number - 1]) if number else 0), *inner)
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
    placed: list[Path | None] = [*ordered]
    first = _first_that_opens(ordered, open_one)
    if len(first.files) > 1 and {path.resolve() for path in ordered} <= {path.resolve() for path in first.files}:
        return first  # the files of one OME-TIFF: any of them is all of it
    inner = _axes_of(first)
    names = [path.name for path in ordered]
    outer, lead = (along, (len(names),)) if along and along not in inner else _outer_axes(names, inner, where)
    if outer and len(outer) > 1:
        grid = name_grid(names)
        at = {path.name: path for path in ordered}
        placed = [at[name] if name is not None else None for name in grid.names] if grid else placed
    lengths = _checked_lengths(ordered, first, is_joined=not lead, open_one=open_one)
    pixels = FileSequence(placed, lead, lengths, first.pixels, open_one)
    return replace(
        first, pixels=pixels, axis_names=outer + inner if lead else inner, files=tuple(path for path in placed if path is not None)
    )


def _first_that_opens(paths: Sequence[Path], open_one: Opener) -> OpenedImage:
    errors = []
    for path in paths:
        try:
            return open_one(path)
        except ImageFileError as error:
            errors.append(error)
    raise ImageFileError(f"none of the {len(paths)} files can be read: {errors[0]}") from errors[0]


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


def _outer_axes(names: Sequence[str], inner: str, where: str) -> tuple[str, tuple[int, ...]]:
    """Find what the files follow each other along: new axes, or their own first one, for which both are empty."""
    counted = list(counted_axes(names).values())
    grid = name_grid(names)
    if grid is not None and not set(grid.axes) & set(inner):
        said, missing = (
            f"{where}: the names of the files count {_by(grid)}: they are read with axes {grid.axes + inner}",
            grid.missing(),
        )
        if missing:
            said += f"; {len(missing)} of {len(grid.names)} are missing and cannot be read, the first at {missing[0]}"
        logger.warning("%s", said)
        return grid.axes, grid.shape
    if len(counted) > 1 and not is_counted_once(names):
        logger.warning(
            "%s: the names of the files count more than one thing: they are read one after another; choose some of them by a glob, "
            "such as '*%s'",
            where,
            names[0][-12:],
        )
    elif not counted:
        logger.warning("%s: the files are not numbered: they are read in the order of their names", where)
    axis = counted[0] if len(counted) == 1 and counted[0] in ("T", "Z") else "T"
    if inner.startswith(axis):
        return "", ()
    axis = next((letter for letter in (axis, "T", "Z", "I") if letter not in inner), "I")
    if len(counted) != 1 or counted[0] != axis:
        logger.warning("%s: %d files are read along %s; name other axes by axes (--axes)", where, len(names), axis)
    return axis, (len(names),)


def _by(grid: Any) -> str:
    return ", ".join(f"{size} along {axis}" for axis, size in zip(grid.axes, grid.shape, strict=True))


def _checked_lengths(paths: Sequence[Path], first: OpenedImage, is_joined: bool, open_one: Opener) -> list[int]:
    """Check that files fit each other; one that cannot be read leaves frames that cannot be read."""
    expected, dtype = tuple(first.pixels.shape), np.dtype(first.pixels.dtype)
    lengths, unreadable = [], []
    for path in paths:
        try:
            pixels = open_one(path).pixels
        except ImageFileError as error:
            if is_joined:
                raise
            unreadable.append(str(error))
            lengths.append(expected[0])
            continue
        shape = tuple(pixels.shape)
        if (shape[1:] if is_joined else shape) != (expected[1:] if is_joined else expected) or pixels.dtype != dtype:
            raise ImageFileError(
                f"{path} holds {pixels.dtype} of shape {shape}, and {first.files[0]} {dtype} of shape {expected}: "
                "the frames of a stack are of one shape and type"
            )
        lengths.append(shape[0])
    if unreadable:
        logger.warning("%d of %d files cannot be read: %s", len(unreadable), len(paths), unreadable[0])
    return lengths
