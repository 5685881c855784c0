"""Image layers as stacks: which axis is what, and pixels of a frame as positions in layers that lie on the image.

D axes of the image layer, without colour · L axes of layers that lie on it: without an axis of channels that is the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_sam2.images.axes import MAX_CHANNELS, SEQUENCE_AXES, SPACE
from napari_sam2.plugin.image.axis_guess import guess_letters, letters_by_labels
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.prompts.clicks import Box

Position = tuple[tuple[str, int], ...]
"""Where an image is cut along the axes that follow the sliders, as pairs of axis and index in the order of the image."""


class Pixel(NamedTuple):
    """A position on a frame, in data pixels; pixel centres lie on integers."""

    frame: int
    row: float
    col: float


@dataclass(frozen=True)
class ImageStack:
    """How an image layer is read as a stack of frames, at one position of its other axes.

    Layers that lie on it have the axes of the image, but for channels: an axis of channels that is the first is left out, since
    napari aligns layers at their last axis; elsewhere it has one index, as thick as all channels.

    Attributes
    ----------
    shape : tuple of int
        (D,), of the image without colour, at the resolution that is used.
    letters : tuple of str
        (D,), what each axis is: T, Z, C, Y, X or another letter; empty for an axis of length 1 that has no part.
    along : str
        The axis along which frames follow each other; empty for a single image.
    is_rgb : bool
        Pixels are in colour.
    channels : tuple of int
        Channels that are used; empty where there are none to choose from.
    at : Position
        Where it is on the other axes.
    downsampling : tuple of float
        (D,), pixels of the layer's full resolution for each pixel.
    frame_name : str
        What people call the frame axis.
    num_joined : int
        Layers that are the channels of one image; 0 where it is one layer.
    is_guessed : bool
        Neither a label, nor a file, nor a person told what each axis is.
    """

    shape: tuple[int, ...]
    letters: tuple[str, ...]
    along: str
    is_rgb: bool
    channels: tuple[int, ...]
    at: Position
    downsampling: tuple[float, ...]
    frame_name: str
    is_guessed: bool = False
    num_joined: int = 0

    @classmethod
    def of(cls, layer: Any, reading: Reading | None = None, file_letters: Sequence[str | None] = ()) -> ImageStack:
        """Read an image layer, at the first position of its other axes.

        Parameters
        ----------
        layer : Image
            The layer.
        reading : Reading, optional
            What was chosen for it.
        file_letters : sequence of str or None
            (D,), what the file of the layer calls each axis; empty where that is not known.

        Raises
        ------
        ValueError
            If the layer has no rows and columns or no numbers, or what was chosen does not fit it.
        """
        reading = Reading() if reading is None else reading
        data = at_level(layer, reading.level)
        if np.dtype(data.dtype).kind not in "uifb":
            raise ValueError(f"'{layer.name}' holds {data.dtype}: an image must hold integers, floats or booleans.")
        shape = tuple(int(side) for side in data.shape[: layer.ndim])
        if layer.ndim < 2 or 0 in shape:
            raise ValueError(f"'{layer.name}' has the shape {shape}: an image needs rows and columns.")
        labels = [str(label) for label in layer.axis_labels]
        known = letters_by_labels(labels)
        if reading.channel_layers and (layer.rgb or "C" in reading.axes.upper()):
            raise ValueError(f"'{layer.name}' has channels or colours of its own: other layers cannot be its channels.")
        if reading.axes:
            letters = _chosen_letters(layer, reading.axes, shape)
        else:
            known = [letter or told for letter, told in zip(known, file_letters or known, strict=True)]
            known = [None if letter is not None and known.count(letter) > 1 else letter for letter in known]
            letters = guess_letters(known, shape, layer.rgb)
        along = _choose_along(layer, letters, reading.along)
        size = dict(zip(letters, shape, strict=True))
        is_known = reading.axes or all(known[axis] for axis, letter in enumerate(letters) if letter)
        full = full_resolution(layer).shape[: layer.ndim]
        return cls(
            shape=shape,
            letters=letters,
            along=along,
            is_rgb=bool(layer.rgb),
            channels=_choose_channels(layer, size.get("C", 0), reading.channels) or tuple(range(len(reading.channel_layers))),
            at=tuple((letter, 0) for letter in letters if letter and letter not in {along, "C", *_plane(along)}),
            downsampling=tuple(float(whole) / side for whole, side in zip(full, shape, strict=True)),
            frame_name=_frame_name(along, letters, labels, bool(reading.axes) or bool(along and known[letters.index(along)])),
            is_guessed=not is_known,
            num_joined=len(reading.channel_layers),
        )

    def has_same_frames(self, other: ImageStack) -> bool:
        """Tell whether another stack cuts the image into the same frames, maybe at another position, or of other channels."""
        return (self.letters, self.along, self.shape) == (other.letters, other.along, other.shape)

    def moved_to(self, at: Position) -> ImageStack:
        """Return the stack at another position of the same axes."""
        return replace(self, at=at)

    # --- axes ------------------------------------------------------------------------------------------------------

    @property
    def axes(self) -> str:
        """Axes of the array that a session is opened on: joined channels first, without axes of length 1, colours last."""
        colours = "" if not self.is_rgb else "S" if "C" in self.letters else "C"
        return ("C" if self.num_joined else "") + "".join(self.letters) + colours

    @property
    def frame_axis(self) -> int | None:
        """The axis along which frames follow each other; None for a single image."""
        return self.letters.index(self.along) if self.along else None

    @property
    def channel_axis(self) -> int | None:
        """The axis of channels; None where there is none."""
        return self.letters.index("C") if "C" in self.letters else None

    @property
    def directions(self) -> tuple[str, ...]:
        """The axes along which frames can follow each other, of a volume also Y and X."""
        return directions_of(self.letters)

    @property
    def is_volume(self) -> bool:
        """Frames are planes of a volume."""
        return "Z" in self.letters and self.along in ("Z", "Y", "X")

    @property
    def plane(self) -> tuple[str, str]:
        """Letters of the axes of rows and of columns: Y and X, or what is left of Z, Y and X."""
        return _plane(self.along)

    @property
    def plane_axes(self) -> tuple[int, int]:
        """The axes of rows and of columns."""
        rows, columns = self.plane
        return self.letters.index(rows), self.letters.index(columns)

    @property
    def num_channels(self) -> int:
        """How many channels there are to choose from; 0 where there is no axis of them."""
        return 0 if self.channel_axis is None else self.shape[self.channel_axis]

    @property
    def num_frames(self) -> int:
        """How many frames there are; 1 for a single image."""
        return 1 if self.frame_axis is None else self.shape[self.frame_axis]

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        rows, columns = self.plane_axes
        return self.shape[rows], self.shape[columns]

    @property
    def has_dropped_channels(self) -> bool:
        """The first axis is one of channels, which layers that lie on the image do not have."""
        return self.channel_axis == 0

    @property
    def layer_shape(self) -> tuple[int, ...]:
        """Shape (L,) of labels that lie on the image."""
        shape = tuple(1 if axis == self.channel_axis else side for axis, side in enumerate(self.shape))
        return shape[1:] if self.has_dropped_channels else shape

    @property
    def layer_factors(self) -> npt.NDArray[np.float64]:
        """Pixels (L,) of the image layer for each pixel of layers that lie on it."""
        factors = np.array(self.downsampling)
        if self.channel_axis is not None:
            factors[self.channel_axis] *= self.shape[self.channel_axis]
        return factors[1:] if self.has_dropped_channels else factors

    def without_short_axes(self, array: Any) -> Any:
        """Drop axes of length 1 that have no part from the pixels of the image. Of a NumPy array it is a view."""
        index = tuple(slice(None) if letter else 0 for letter in self.letters)
        return array if all(isinstance(step, slice) for step in index) else array[index]

    def session_labels(self, labels: Any) -> Any:
        """Return labels of a layer on the image as a session has them: without channels and axes of length 1. A view of NumPy's."""
        letters = self.letters[1:] if self.has_dropped_channels else self.letters
        index = tuple(0 if letter in ("", "C") else slice(None) for letter in letters)
        return labels if all(isinstance(step, slice) for step in index) else labels[index]

    def layer_labels(self, labels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """Return labels of a session in the shape of a layer on the image. A view."""
        return labels.reshape(self.layer_shape)

    def everywhere(self, plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a frame (H, W) in the shape of a layer on the image, the same on each frame. A view that is not written to."""
        rows, columns = self.plane_axes
        inner = [1] * len(self.shape)
        inner[rows], inner[columns] = self.frame_shape
        ordered = plane if rows < columns else plane.T
        return np.broadcast_to(ordered.reshape(inner[len(self.shape) - len(self.layer_shape) :]), self.layer_shape)

    def row_col(self, position: npt.ArrayLike) -> tuple[float, float]:
        """Return row and column of data coordinates (L,)."""
        at = np.asarray(position, np.float64)
        row, col = (float(at[self.layer_axis(axis)]) for axis in self.plane_axes)
        return row, col

    # --- positions in layers that lie on the image -----------------------------------------------------------------

    def from_image(self, position: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Turn data coordinates (D,) of the image layer into those of layers that lie on it, (L,)."""
        factors, at = self.layer_factors, np.asarray(position, np.float64)[-len(self.layer_shape) :]
        found: npt.NDArray[np.float64] = (at - (factors - 1) / 2) / factors
        return found

    def to_image(self, position: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Turn data coordinates (L,) of a layer that lies on the image into those of the image layer, (D,)."""
        factors = self.layer_factors
        at = np.asarray(position, np.float64) * factors + (factors - 1) / 2
        return np.concatenate([np.zeros(len(self.shape) - len(at)), at])

    def layer_axis(self, axis: int) -> int:
        """Return the index, counted from the end, of an axis in coordinates of layers that lie on the image."""
        return axis - len(self.shape)

    def position_at(self, position: npt.ArrayLike) -> Position | None:
        """Return where data coordinates (L,) are on the axes that follow the sliders; None beyond their ends."""
        at = np.asarray(position, np.float64)
        found = []
        for letter, _ in self.at:
            axis = self.letters.index(letter)
            index = int(np.round(at[self.layer_axis(axis)]))
            if not 0 <= index < self.shape[axis]:
                return None
            found.append((letter, index))
        return tuple(found)

    def pixel(self, position: npt.ArrayLike) -> Pixel:
        """Find the pixel at data coordinates (L,).

        Raises
        ------
        ValueError
            If it is outside the image, or at another position.
        """
        at = np.asarray(position, dtype=np.float64)
        row, col = self.row_col(at)
        # as napari rounds: the pixel of a click is on the frame that is displayed
        frame = 0 if self.frame_axis is None else int(np.round(at[self.layer_axis(self.frame_axis)]))
        height, width = self.frame_shape
        if not (-0.5 <= row < height - 0.5 and -0.5 <= col < width - 0.5):
            raise ValueError(f"The click is outside the image, which has {height} rows and {width} columns.")
        if not 0 <= frame < self.num_frames:
            raise ValueError(f"The viewer shows no frame of this image here: its frames are 0 to {self.num_frames - 1}.")
        if (there := self.position_at(at)) != self.at:
            where = "beyond the end of the image" if there is None else f"at {describe_position(there)}"
            raise ValueError(f"This is {where}; what is worked on is at {describe_position(self.at)}: move the slider there.")
        return Pixel(frame, row, col)

    def position(self, pixel: Pixel) -> npt.NDArray[np.float64]:
        """Find the data coordinates (L,) of a pixel."""
        rows, columns = self.plane
        index: Mapping[str, float] = {**dict(self.at), self.along: pixel.frame, rows: pixel.row, columns: pixel.col}
        at = np.array([index.get(letter, 0) if letter else 0 for letter in self.letters], np.float64)
        return at[1:] if self.has_dropped_channels else at

    def index(self, pixel: Pixel) -> tuple[int, ...]:
        """Return the index (L,) of the pixel in labels that lie on the image."""
        return tuple(round(one) for one in self.position(pixel).tolist())

    def box_between(self, first: npt.ArrayLike, last: npt.ArrayLike) -> tuple[int, Box]:
        """Return the frame and the box between two positions (L,), without what lies outside the image.

        Raises
        ------
        ValueError
            If nothing of it is on the image.
        """
        plane = [self.layer_axis(axis) for axis in self.plane_axes]
        ends = np.array([np.asarray(position, dtype=np.float64)[plane] for position in (first, last)]) + 0.5
        (row0, col0), (row1, col1) = np.clip(ends.min(axis=0), 0, self.frame_shape), np.clip(ends.max(axis=0), 0, self.frame_shape)
        if row1 <= row0 or col1 <= col0:
            raise ValueError(
                f"The box is outside the image, which has {self.frame_shape[0]} rows and {self.frame_shape[1]} columns."
            )
        inside = np.array(first, dtype=np.float64)
        inside[plane] = (row0 + row1 - 1) / 2, (col0 + col1 - 1) / 2
        return self.pixel(inside).frame, (float(row0), float(col0), float(row1), float(col1))

    # --- in words --------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Describe it in a line."""
        height, width = self.frame_shape
        size = dict(zip(self.letters, self.shape, strict=True))
        parts = [f"{self.frame_name} {self.num_frames}"] if self.along else []
        parts += [f"{letter} {index} of {size[letter]}" for letter, index in self.at]
        parts.append(f"{width} × {height} px" + (" in colour" if self.is_rgb else ""))
        if self.num_channels:
            parts.append(f"{self.num_channels} channels")
        return " · ".join(parts)


def describe_position(at: Position) -> str:
    """Describe a position in words, such as ``Z 5``."""
    return ", ".join(f"{letter} {index}" for letter, index in at) or "the image"


def full_resolution(layer: Any) -> Any:
    """Return the pixels of an image layer; of a multiscale one the finest."""
    return layer.data[0] if layer.multiscale else layer.data


def at_level(layer: Any, level: int) -> Any:
    """Return the pixels of an image layer at a resolution.

    Raises
    ------
    ValueError
        If there is no such resolution.
    """
    count = len(layer.data) if layer.multiscale else 1
    if not 0 <= level < count:
        raise ValueError(f"'{layer.name}' has no resolution {level}: there are {count}, counted from 0.")
    return layer.data[level] if layer.multiscale else layer.data


def _chosen_letters(layer: Any, axes: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    letters = axes.strip().upper()
    if len(letters) != len(shape) or len(set(letters)) < len(letters) or not letters.isalpha() or not letters.isascii():
        raise ValueError(f"'{layer.name}' has {len(shape)} axes: name each by a letter of its own, such as T, Z, C, Y and X.")
    if not {"Y", "X"} <= set(letters):
        raise ValueError(f"The axes {letters} of '{layer.name}' need rows and columns: Y and X.")
    if layer.rgb and "S" in letters:
        raise ValueError(f"The axis of colours of '{layer.name}' needs no letter: name the others.")
    return tuple(letter if letter in "YX" or side > 1 else "" for letter, side in zip(letters, shape, strict=True))


def directions_of(letters: Sequence[str]) -> tuple[str, ...]:
    """Return the axes along which frames can follow each other in an image with these axes, of a volume also Y and X."""
    sequences = [letter for letter in letters if letter and letter not in "CYX"]
    return (*sequences, "Y", "X") if "Z" in letters else tuple(sequences)


def _plane(along: str) -> tuple[str, str]:
    rest = SPACE.replace(along, "") if along in ("Y", "X") else "YX"
    return rest[0], rest[1]


def _choose_along(layer: Any, letters: tuple[str, ...], wanted: str) -> str:
    present = directions_of(letters)
    if wanted:
        if wanted.upper() not in present:
            raise ValueError(f"'{layer.name}' has no axis {wanted} along which frames could follow each other.")
        return wanted.upper()
    return next((letter for letter in SEQUENCE_AXES if letter in present), present[0] if present else "")


def _choose_channels(layer: Any, count: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
    if not count:
        return ()
    if not wanted:
        return tuple(range(min(count, 1 if layer.rgb else MAX_CHANNELS)))
    if not 1 <= len(wanted) <= MAX_CHANNELS or len(set(wanted)) < len(wanted):
        raise ValueError("One to three different channels can be used.")
    if missing := [one for one in wanted if not 0 <= one < count]:
        raise ValueError(f"'{layer.name}' has no channel {missing[0]}: there are {count}, counted from 0.")
    return wanted


def _frame_name(along: str, letters: tuple[str, ...], labels: list[str], is_told: bool) -> str:
    if not along or is_told:
        return along
    axis = letters.index(along)
    # napari calls an axis that nobody named by a negative number
    return f"axis {axis}" if labels[axis].lstrip("-").isdigit() else labels[axis]
