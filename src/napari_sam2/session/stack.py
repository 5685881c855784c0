"""Any image as frames along one axis, read one at a time. T frames · H, W height and width of a frame."""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

SEQUENCE_AXES = "TZQI"
"""Axes along which frames may follow each other: time, depth, and the two by which TIFF calls a series of unknown kind."""


@dataclass(frozen=True)
class Stack:
    """Frames of an image.

    Attributes
    ----------
    frames : array-like
        (T, H, W), or (T, H, W, 3) for colour; any integer, float or bool dtype. Sliced one frame at a time.
    axes : str
        Axes of the image as it was given, without colour: ``YX``, ``TYX`` or ``ZYX``.
    """

    frames: Any
    axes: str

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return int(self.frames.shape[2])

    @property
    def is_rgb(self) -> bool:
        """Frames are in colour."""
        return len(self.frames.shape) == 4

    @property
    def is_constant(self) -> bool:
        """All pixels of all frames, or of a sample of many, are the same; few frames are read where they are not."""
        sample = np.unique(np.linspace(0, len(self) - 1, 16).round().astype(int)).tolist()
        value = np.asarray(self.frames[0])[0, 0]
        return all(_is_all(np.asarray(self.frames[frame]), value) for frame in sample)

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape of a label image: that of the image without colour."""
        planes = (len(self), self.height, self.width)
        return planes if len(self.axes) == 3 else planes[1:]

    @classmethod
    def open(cls, image: Any, axes: str | None = None, channel: int | None = None) -> Stack:
        """Open an image.

        Parameters
        ----------
        image : array-like, str or Path
            (H, W), (T, H, W), or either with 3 or 4 colours last; or a TIFF or zarr with one.
        axes : str, optional
            Of the image, such as ``TYX``, ``ZYX`` or ``YXC``; guessed from file and shape by default.
        channel : int, optional
            Channel to look at, counted from 0, where the image has a channel axis C.

        Returns
        -------
        Stack

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file cannot be read, or the image has other axes, no pixels, or pixels that are not numbers.
        """
        if isinstance(image, str | Path):
            image, found = _read(Path(image))
            axes = axes or found
        elif not hasattr(image, "shape"):
            image = np.asarray(image)
        return cls._from_array(image, axes, channel)

    @classmethod
    def _from_array(cls, array: Any, axes: str | None, channel: int | None) -> Stack:
        shape = tuple(int(side) for side in array.shape)
        if np.dtype(array.dtype).kind not in "uifb":
            raise ValueError(f"an image must hold integers, floats or booleans, got {array.dtype}")
        axes = _guess_axes(shape) if axes is None else axes.upper()
        if len(axes) != len(shape):
            raise ValueError(f"axes {axes} do not fit an image of shape {shape}")
        if 0 in shape:
            raise ValueError(f"the image is empty: its shape is {shape}")
        if channel is not None:
            array, axes = _take_channel(array, axes, channel)
        (array, axes), is_rgb = _drop_short_axes(array, axes), False
        if axes[-1] in "CS" and array.shape[-1] in (3, 4):
            # Alpha says how to draw, not what is there.
            array, axes, is_rgb = array[..., :3], axes[:-1], True
        if axes != "YX" and not (len(axes) == 3 and axes[0] in SEQUENCE_AXES and axes[1:] == "YX"):
            raise ValueError(
                f"an image of shape {shape} with axes {axes + 'C' * is_rgb} cannot be followed: "
                "expected YX, TYX or ZYX, each with or without RGB last; choose one channel (channel=0) or one volume"
            )
        planes = as_planes(array, len(axes))
        return cls(planes if hasattr(planes, "__len__") else _Frames(planes), axes)


class _Frames:
    """Frames of an array that cannot tell how many they are, as those of zarr."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, len(array.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return np.asarray(self.array[key])


def _is_all(plane: npt.NDArray[Any], value: Any) -> bool:
    return bool(((plane == value) | ((plane != plane) & (value != value))).all())


def as_planes(array: Any, num_axes: int | None = None) -> Any:
    """Return a single image as a stack of one frame, a stack as it is; ``num_axes`` are those without colour."""
    # Not every array-like can be indexed by None.
    return np.asarray(array)[None] if (num_axes or array.ndim) == 2 else array


def _drop_short_axes(array: Any, axes: str) -> tuple[Any, str]:
    """Drop axes of length 1, but for rows, columns, and one along which frames follow each other, be it a single frame."""
    sequence = [place for place, axis in enumerate(axes) if axis in SEQUENCE_AXES]
    longest = max(sequence, key=lambda place: int(array.shape[place]), default=None)
    kept = [place for place, axis in enumerate(axes) if axis in "YX" or place == longest or array.shape[place] > 1]
    if len(kept) == len(axes):
        return array, axes
    index = tuple(slice(None) if place in kept else 0 for place in range(len(axes)))
    return array[index], "".join(axes[place] for place in kept)


def _take_channel(array: Any, axes: str, channel: int) -> tuple[Any, str]:
    if "C" not in axes:
        raise ValueError(f"an image with axes {axes} has no channels to choose from")
    place = axes.index("C")
    if not 0 <= channel < array.shape[place]:
        raise ValueError(f"channel {channel} does not exist: the image has {array.shape[place]}, counted from 0")
    return array[(slice(None),) * place + (channel,)], axes.replace("C", "")


def _guess_axes(shape: tuple[int, ...]) -> str:
    colour_last = len(shape) >= 3 and shape[-1] in (3, 4)
    known = {2: "YX", 3: "YXC" if colour_last and shape[0] > 4 else "TYX", 4: "TYXC" if colour_last else "TZYX", 5: "TZCYX"}
    if len(shape) not in known:
        raise ValueError(f"an image has two to four axes, got shape {shape}")
    return known[len(shape)]


def _read(path: Path) -> tuple[Any, str | None]:
    """Open a TIFF or zarr; return the array and its axes, if the file tells."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() == ".zarr" or path.is_dir():
        return _read_zarr(path)
    return _read_tiff(path)


def _read_tiff(path: Path) -> tuple[npt.NDArray[Any], str]:
    try:
        with _damage_raised(), tifffile.TiffFile(path) as tiff:
            if not tiff.series:
                raise ValueError("there is no image in it")
            series = tiff.series[0]
            is_contiguous = series.dataoffset is not None and len(tiff.series) == 1
            array: npt.NDArray[Any] = tifffile.memmap(path, mode="r") if is_contiguous else series.asarray()
            return array.reshape(series.shape), series.axes
    except (tifffile.TiffFileError, OSError, ValueError, LookupError, RuntimeError, struct.error) as error:
        raise ValueError(f"{path} cannot be read as TIFF: {error}") from error


@contextlib.contextmanager
def _damage_raised() -> Iterator[None]:
    """Raise what tifffile only logs: of a file that was cut short it returns the frames it finds.

    Raises
    ------
    ValueError
        If tifffile reported an error, other than a tag that it does not understand.
    """
    held: list[logging.LogRecord] = []
    this_thread = threading.get_ident()

    def hold(record: logging.LogRecord) -> bool:
        is_ours = record.thread == this_thread and record.levelno >= logging.WARNING
        if is_ours:
            held.append(record)
        return not is_ours

    log = tifffile.logger()
    log.addFilter(hold)
    try:
        yield
    finally:
        log.removeFilter(hold)
    for record in held:
        if record.levelno >= logging.ERROR and "TiffTag" not in record.getMessage():
            raise ValueError(f"the file is damaged, {record.getMessage()}")
        log.handle(record)


def _read_zarr(path: Path) -> tuple[Any, str | None]:
    try:
        import zarr
    except ImportError as error:
        raise ValueError(f"reading {path} needs the extra: pip install 'napari-sam2[zarr]'") from error
    try:
        opened = zarr.open(path, mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as zarr: {error}") from error
    if isinstance(opened, zarr.Array):
        return opened, None
    attributes = dict(opened.attrs)
    multiscales = (attributes.get("ome", attributes)).get("multiscales")
    if multiscales:
        try:
            # OME-Zarr: the first data set is the full resolution.
            names = [axis["name"] if isinstance(axis, dict) else axis for axis in multiscales[0].get("axes", [])]
            return opened[multiscales[0]["datasets"][0]["path"]], "".join(names).upper() or None
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} cannot be read as OME-Zarr: its metadata and its arrays do not fit, {error!r}") from error
    arrays = list(opened.array_keys())
    if len(arrays) != 1:
        raise ValueError(f"{path} holds {len(arrays)} arrays ({', '.join(arrays[:5])}): name one of them")
    return opened[arrays[0]], None
