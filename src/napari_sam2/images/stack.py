"""Any image as frames along one of its axes, read one at a time. T frames · H, W height and width of a frame."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import as_array, check_pixels, check_places, check_text, check_whole, dtype_of, shown
from napari_sam2.images.axes import MAX_CHANNELS, SEQUENCE_AXES, Layout, letters_of
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.geometry import PLANES, Geometry
from napari_sam2.images.image_files import is_paths, open_image_file
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.planes import FramePlanes, LabelPlanes
from napari_sam2.images.sampling import read_sample
from napari_sam2.images.zarr_files import open_zarr_group

__all__ = ["SEQUENCE_AXES", "Stack", "as_planes"]

logger = logging.getLogger(__name__)

NUM_COMPARED, MIN_CORRELATION = 4, 0.8
"""So many channels are compared with the next; above this correlation all of them look like frames."""


@dataclass(frozen=True)
class Stack:
    """Frames of an image.

    Attributes
    ----------
    image : array-like
        The image as it was given, of a multiscale one the full resolution; any integer, float or bool dtype.
    layout : Layout
        Of its axes.
    frames : FramePlanes
        (T, H, W), or (T, H, W, 3) for colour. Read one at a time.
    calibration : Calibration
        Pixel size and frame interval, as far as the file of the image gives them.
    files : tuple of Path
        The files that the image lies in; empty where it was given as an array.
    choice : Choice
        Which image of its file was asked for.
    geometry : Geometry or None
        Where its voxels lie in a patient, if its file gives it.
    is_private : bool
        The image is of a patient: names of its files are neither shown nor stored.
    """

    image: Any
    layout: Layout
    frames: FramePlanes
    calibration: Calibration = PIXELS
    files: tuple[Path, ...] = ()
    choice: Choice = ANY
    geometry: Geometry | None = None
    is_private: bool = False

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        sizes = " x ".join(f"{axis} {size}" for axis, size in zip(self.layout.axes, self.image.shape, strict=True))
        where = "".join(f" at {axis} {index}" for axis, index in self.at.items())
        along = f", frames along {self.along}{where}" if self.along else ""
        name = f" {self.files[0].name}" if self.files and not self.is_private else ""
        return f"<stack{name}: {sizes}, {dtype_of(self.image)}{along}>"

    @property
    def axes(self) -> str:
        """Axes of a label image: of the image as it was given, without colour and axes of length 1 that have no part."""
        return self.layout.label_axes

    @property
    def along(self) -> str:
        """The axis along which frames follow each other; empty for a single image."""
        return self.layout.along

    @property
    def at(self) -> Mapping[str, int]:
        """Where the image is cut along its other axes."""
        return self.layout.at

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels shown: one in grey, three as red, green and blue; none where there is no choice."""
        return self.layout.channels or ()

    @property
    def height(self) -> int:
        """Rows of a frame."""
        return self.frames.shape[1]

    @property
    def width(self) -> int:
        """Columns of a frame."""
        return self.frames.shape[2]

    @property
    def is_rgb(self) -> bool:
        """Frames are in colour."""
        return self.frames.ndim == 4

    @property
    def num_channels(self) -> int:
        """How many there are to choose from; 0 where there is no choice."""
        return int(self.image.shape[self.layout.axes.index("C" if "C" in self.layout.axes else "S")]) if self.channels else 0

    @property
    def is_collection(self) -> bool:
        """Frames are separate images, along the axis N."""
        return self.layout.is_collection

    @property
    def is_composed(self) -> bool:
        """Colours are channels, each with intensities of its own."""
        return len(self.channels) > 1

    @property
    def is_constant(self) -> bool:
        """All pixels of all frames, or of a sample of many, are the same; few frames are read where they are not."""
        readable = read_sample(self.frames)
        first = next(readable)
        value = first[0, 0]
        return _is_all(first, value) and all(_is_all(frame, value) for frame in readable)

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape of a label image, in the order of :attr:`axes`."""
        size = dict(zip(self.layout.axes, self.image.shape, strict=True))
        return tuple(int(size[axis]) for axis in self.axes)

    def check_frame(self, frame: int) -> int:
        """Check that a frame is there.

        Raises
        ------
        ValueError
            If it is not, or is no whole number.
        """
        number = check_whole("frame", frame)
        if number in range(len(self)):
            return number
        hint = f"; {self.more_frames_hint}" if self.more_frames_hint else ""
        raise ValueError(f"frame {number} does not exist: the stack has {len(self)}, counted from 0{hint}")

    def number_of_position(self, at: Mapping[str, int]) -> int:
        """Return the number of the position on the remaining axes, counted from 0."""
        size = dict(zip(self.axes, self.labels_shape, strict=True))
        return int(np.ravel_multi_index([at[axis] for axis in self.at], [size[axis] for axis in self.at]))

    def position_of_number(self, number: int) -> dict[str, int]:
        """Return the position with a number; see :meth:`number_of_position`."""
        size = dict(zip(self.axes, self.labels_shape, strict=True))
        found = np.unravel_index(number, [size[axis] for axis in self.at])
        return {axis: int(index) for axis, index in zip(self.at, found, strict=True)}

    def planes(self, labels: Any) -> LabelPlanes:
        """View a label image, of :attr:`labels_shape`, as planes (T, H, W) that lie on the frames."""
        return LabelPlanes(labels, self.layout)

    def view(self, along: str, at: Mapping[str, int] | None = None) -> Stack:
        """Return the frames of the same image along another axis, or at another position on the remaining axes.

        Axes of a label image stay what they are.

        Raises
        ------
        ValueError
            See :meth:`open`.
        """
        along = _axis_through(self.geometry, check_text("along", along)) or ""
        at = {} if at is None else check_places("at", at)
        size = dict(zip(self.layout.axes, self.image.shape, strict=True))
        taken = {"Z", "Y", "X"} if along in ("Y", "X") else {along, "Y", "X"}
        short = {axis: 0 for axis in self.axes if size[axis] == 1 and axis not in taken}
        channel = list(dict.fromkeys(self.channels)) or None
        layout = Layout.resolve(self.image.shape, self.layout.axes, channel, along, {**short, **at})
        if layout.label_axes != self.axes:
            raise ValueError(f"frames cannot follow each other along {along}: labels have axes {self.axes}")
        return replace(self, layout=layout, frames=FramePlanes(self.image, layout))

    def single(self, frame: int) -> Stack:
        """Return one frame, with its channels, as an image of its own; it is read."""
        index = tuple(frame if axis == self.along else slice(None) for axis in self.layout.axes)
        channel = list(dict.fromkeys(self.channels)) or None
        return Stack.open(np.asarray(self.image[index]), self.layout.axes.replace(self.along, "", 1), channel)

    @classmethod
    def open(
        cls,
        image: Any,
        axes: str | None = None,
        channel: int | Sequence[int] | None = None,
        along: str | None = None,
        at: Mapping[str, int] | None = None,
        *,
        series: int | None = None,
        image_name: str | None = None,
    ) -> Stack:
        """Open an image.

        Parameters
        ----------
        image : array-like, list of array-like, path, list of paths or OpenedImage
            NumPy, dask, zarr, xarray or the like, a list of resolutions; or a file, a folder, a pattern or a list of files, see
            :func:`~napari_sam2.images.image_files.open_image_file`. Two to five axes in any order.
        axes : str, optional
            Of the image, from T, Z, N, Y, X and C, such as ``TYX``, ``CZYX`` or ``XYT``; N are separate images; those of the image
            or guessed from its shape by default.
        channel : int or sequence of int, optional
            Channels to use, counted from 0: one in grey, two in magenta and green, three in red, green and blue. By default the
            first three. An axis of colours, last and 3 or 4 long, is RGB(A).
        along : str, optional
            The axis along which frames follow each other: T, Z, and for volumes Y or X; of a volume in a patient also the frames,
            ``axial``, ``coronal`` or ``sagittal``. By default T, else Z.
        at : mapping, optional
            Where to stay on the remaining axis, as in ``{"T": 3}``.
        series, image_name : int and str, optional
            Which of several images of a file, by its number, counted from 0, or by its name or its path in the file.

        Returns
        -------
        Stack

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ImportError
            If a package that reads the file is missing.
        ValueError
            If the file cannot be read, the image has no pixels or pixels that are not numbers, or axes, channels and positions do
            not fit it.
        """
        opened = _opened(image, Choice(series, image_name))
        pixels = opened.pixels
        check_pixels(pixels)
        shape = tuple(int(side) for side in pixels.shape)
        names = opened.axis_names or _names_of_axes(pixels)
        along = _axis_through(opened.geometry, along)
        layout = Layout.resolve(shape, letters_of(names) if axes is None else axes, channel, along, at)
        found = opened.calibration, opened.files, opened.choice, opened.geometry, opened.is_private
        stack = cls(pixels, layout, FramePlanes(pixels, layout), *found)
        if axes is None and opened.guessed_axes:
            logger.warning("%s", opened.guessed_axes)
        if channel is None:
            stack._warn_of_many_channels(may_be_frames=axes is None)
        return stack

    def _warn_of_many_channels(self, may_be_frames: bool) -> None:
        """Warn which of many channels are shown, and that they may be frames where they look like such."""
        if not self.has_many_channels:
            return
        count = self._num_channels
        text = f"channels 0, 1 and 2 of {count} are shown as red, green and blue; choose others by channel (--channel)"
        if may_be_frames and self._channels_look_alike():
            axes = self.layout.axes_with_channels_as_frames
            text += f"; they look alike: if they are frames, axes={axes!r} (--axes {axes}) reads them as such"
        logger.warning("%s", text)

    @property
    def has_many_channels(self) -> bool:
        """There are more channels than can be shown together."""
        return self._num_channels > MAX_CHANNELS and not self.layout.is_rgb

    @property
    def _num_channels(self) -> int:
        return dict(zip(self.layout.axes, map(int, self.image.shape), strict=True)).get("C", 0)

    def _channels_look_alike(self) -> bool:
        """The first channels of the first frame are correlated from one to the next, as frames are and stains are not."""
        layout = self.layout
        step = max(1, max(self.height, self.width) // 256)
        planes = []
        for channel in range(min(self._num_channels, NUM_COMPARED)):
            one = FramePlanes(self.image, replace(layout, channels=(channel,)))
            try:
                planes.append(one[0][::step, ::step].astype(np.float64).ravel())
            except OSError:
                return False
        pairs = list(itertools.pairwise(planes))
        if any(plane.std() == 0 for plane in planes):
            return False
        return all(np.corrcoef(first, second)[0, 1] > MIN_CORRELATION for first, second in pairs)

    @property
    def more_frames_hint(self) -> str:
        """Where more frames may be than the stack has, for a message about a frame that does not exist; else empty."""
        size = dict(zip(self.layout.axes, map(int, self.image.shape), strict=True))
        axes = self.layout.axes_with_channels_as_frames
        if axes and size["C"] > len(self):
            return f"its axis C has {size['C']}: if these are frames, axes={axes!r} (--axes {axes}) reads them as such"
        longer = next((axis for axis in self.at if size[axis] > len(self)), "")
        return (
            f"frames are counted along {self.along} here, its axis {longer} has {size[longer]} (along={longer!r})" if longer else ""
        )

    @classmethod
    def open_file(cls, path: Path, axes: str | None = None, channel: int | Sequence[int] | None = None) -> Stack:
        """Open one file of several, as :meth:`open` does: whatever is wrong with it, the message names it."""
        try:
            return cls.open(path, axes, channel)
        except ValueError as error:
            raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _opened(image: Any, choice: Choice) -> OpenedImage:
    if isinstance(image, OpenedImage):
        return image
    if is_paths(image):
        return open_image_file(image, choice)
    if callable(getattr(image, "array_keys", None)):
        return open_zarr_group(image, "the zarr group", choice)
    if not choice.is_open:
        raise ValueError("series and image_name choose an image of a file, and this image is an array")
    if _is_multiscale(image):
        image = max(image, key=lambda level: math.prod(level.shape))
    return OpenedImage(image if hasattr(image, "shape") else _as_array(image))


def _axis_through(geometry: Geometry | None, along: str | None) -> str | None:
    """Return the axis that goes through planes of a name; what is no such name as it is."""
    name = along.lower() if isinstance(along, str) else None
    if name is None or name not in PLANES:
        return along
    if geometry is None:
        raise ValueError(f"the image gives no orientation, so its {name} planes are not known: give the axis, Z, Y or X")
    return geometry.axis_through(name)


def _is_multiscale(image: Any) -> bool:
    """Distinguish a list of resolutions, also in napari's wrapping, which has the shape of the finest, from a list of frames."""
    if not isinstance(image, Sequence) or isinstance(image, str | bytes) or len(image) == 0:
        return False
    if not all(hasattr(level, "shape") for level in image):
        return False
    shapes = [tuple(level.shape) for level in image]
    return hasattr(image, "shape") or len(set(shapes)) == len(shapes) > 1


def _as_array(image: Any) -> npt.NDArray[Any]:
    if isinstance(image, Iterator | Set):  # as Path.glob gives one
        raise ValueError(f"an image must be an array, a path or a list, got a {type(image).__name__}: list(...) makes a list of it")
    if isinstance(image, list | tuple) and not image:
        raise ValueError("the list of files or frames is empty: there is no image in it")
    array = as_array(image)
    if array is None or array.ndim == 0:
        raise ValueError(f"an image must be an array, a path or a list of frames of one shape, got {shown(image)}")
    return array


def _names_of_axes(image: Any) -> tuple[Any, ...]:
    """Read the names of axes that xarray and zarr give; empty where there are none."""
    names = getattr(image, "dims", None) or getattr(getattr(image, "metadata", None), "dimension_names", None)
    if names is None and hasattr(image, "attrs"):
        names = image.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(names or ())


def _is_all(plane: npt.NDArray[Any], value: Any) -> bool:
    return bool(((plane == value) | ((plane != plane) & (value != value))).all())


def as_planes(array: Any, num_axes: int | None = None) -> Any:
    """Return a single image as a stack of one frame, a stack as it is; ``num_axes`` are those without colour."""
    # Not every array-like can be indexed by None.
    return np.asarray(array)[None] if (num_axes or array.ndim) == 2 else array
