"""What is exported: a label image with lineage, scores and names. T times · Z planes · H, W height and width · C channels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.file_errors import reason_of
from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.errors import FrameReadError, ImageFileError
from napari_sam2.images.geometry import Geometry
from napari_sam2.images.image_files import is_paths, open_image_file
from napari_sam2.images.intensity import IntensityRange
from napari_sam2.images.label_images import as_labels, check_labels
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.object_score import ObjectScore

Position = tuple[tuple[str, int], ...]
"""A plane, as pairs of axis and index."""
MAX_POSITIONS_SHOWN = 8


@dataclass(frozen=True)
class Result:
    """A label image with its lineage, scores, names and image.

    Attributes
    ----------
    labels : array-like
        Whole numbers from 0 to 65535; read one plane at a time.
    stored_axes : str
        Axes of ``labels``: Y, X, and T, Z or both, in any order. An axis of another name, as TIFF has them, counts as T, or as Z
        where there is a T.
    calibration : Calibration
        Pixel size and time from frame to frame.
    lineage : mapping of int to int
        The parent of each object that came from a division.
    stack : Stack or None
        The image.
    image_path : Path or None
        The file of the image, for programs that open it too; None where it is of a patient, whom its path may name.
    scores : mapping
        Scores by the model, by object and frame of ``stack``.
    names, colours : mapping of int to str
        Names of objects, and chosen colours, ``#rrggbb``.
    intensity_ranges : sequence of tuple of float or None
        Intensities that become black and white in pictures, see :class:`~napari_sam2.export.pictures.OutlinedFrames`.
    geometry : Geometry or None
        Where voxels lie in a patient; by default that of the image.
    unreadable : set
        Planes of the image that could not be read during an export.
    before_plane : callable or None
        Called before each plane of the labels is read, for progress; an error that it raises ends the export.

    Raises
    ------
    ValueError
        If axes, labels and image do not fit each other, or labels are not whole numbers.
    """

    labels: Any
    stored_axes: str
    calibration: Calibration = PIXELS
    lineage: Mapping[int, int] = field(default_factory=dict)
    stack: Stack | None = None
    image_path: Path | None = None
    scores: Mapping[int, Mapping[int, ObjectScore]] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, str] = field(default_factory=dict)
    intensity_ranges: Sequence[IntensityRange] | None = None
    geometry: Geometry | None = None
    unreadable: set[Position] = field(default_factory=set, compare=False)
    before_plane: Callable[[], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        shape = tuple(int(side) for side in self.labels.shape)
        if len(self.stored_axes) != len(shape):
            raise ValueError(f"axes {self.stored_axes} do not fit labels of shape {shape}")
        object.__setattr__(self, "stored_axes", known_axes(self.stored_axes.upper()))
        if 0 in shape:
            raise ValueError(f"the labels are empty: their shape is {shape}")
        if np.dtype(self.labels.dtype).kind not in "uib":
            raise ValueError(f"labels must be whole numbers, got {self.labels.dtype}")
        object.__setattr__(self, "calibration", self.calibration.fitting(self.axes))
        if self.stack is not None:
            if self.geometry is None:
                object.__setattr__(self, "geometry", self.stack.geometry)
            if self.stack.is_private:
                object.__setattr__(self, "image_path", None)
            image = dict(zip(known_axes(self.stack.axes), self.stack.labels_shape, strict=True))
            for axis in "TZYX":
                if image.get(axis, 1) != self.size(axis):
                    raise ValueError(
                        f"labels and image do not fit: labels have axes {self.stored_axes} and shape {shape}, "
                        f"the image {''.join(image)} and {tuple(image.values())}"
                    )

    def name(self, object_id: int) -> str:
        """Return the name of an object; its id as text where it has none."""
        return self.names.get(object_id, str(object_id))

    @property
    def axes(self) -> str:
        """Axes in the order in which planes are read: T, Z, Y, X, as far as there are any."""
        return "".join(axis for axis in "TZYX" if axis in self.stored_axes)

    @property
    def space(self) -> str:
        """Axes of one time: ``YX`` or ``ZYX``."""
        return self.axes.replace("T", "")

    def size(self, axis: str) -> int:
        """Length of an axis, 1 where there is none."""
        return int(self.labels.shape[self.stored_axes.index(axis)]) if axis in self.stored_axes else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of ``axes``."""
        return tuple(self.size(axis) for axis in self.axes)

    @property
    def has_time(self) -> bool:
        """There is a time axis."""
        return "T" in self.axes

    @property
    def is_volume(self) -> bool:
        """Each time is a volume."""
        return "Z" in self.axes

    def cut(self, at: Mapping[str, int], rows: str = "Y", columns: str = "X") -> npt.NDArray[np.uint16]:
        """Read one plane of the labels.

        Parameters
        ----------
        at : mapping of str to int
            Index on other axes; 0 by default. Axes that the labels do not have are ignored.
        rows, columns : str
            Axes of the plane.

        Returns
        -------
        ndarray
            (length of ``rows``, length of ``columns``), uint16.

        Raises
        ------
        ValueError
            If a label is not between 0 and 65535.
        FrameReadError
            If it cannot be read.
        """
        if self.before_plane is not None:
            self.before_plane()
        try:
            plane = _cut(self.labels, self.stored_axes, at, rows + columns)
        except Exception as error:  # each kind of array has errors of its own
            where = " ".join(f"{axis} {index}" for axis, index in at.items() if axis in self.axes)
            reason = str(error) if isinstance(error, ImageFileError) else reason_of(error, "their data are damaged or missing")
            raise FrameReadError(f"the labels{' at ' if where else ''}{where} cannot be read: {reason}") from error
        return as_labels(plane)

    def planes(self) -> Iterator[npt.NDArray[np.uint16]]:
        """Read all planes (H, W), uint16, time by time and in each from the first Z to the last; errors as of :meth:`cut`."""
        return (self.cut({"T": time, "Z": z}) for time in range(self.size("T")) for z in range(self.size("Z")))

    @property
    def num_channels(self) -> int:
        """C, 0 where there is no image; alpha does not count."""
        if self.stack is None:
            return 0
        axis, layout = self.stack.layout.colour_axis, self.stack.layout
        return 1 if not axis else 3 if layout.is_rgb else int(self.stack.image.shape[layout.axes.index(axis)])

    def axis_of_image(self, axis: str) -> str:
        """Return the axis of the labels that an axis of the image corresponds to."""
        assert self.stack is not None
        return dict(zip(self.stack.axes, known_axes(self.stack.axes), strict=True)).get(axis, axis)

    def intensities(self, time: int, z: int) -> npt.NDArray[Any] | None:
        """Read a plane of the image with all its channels, (H, W, C); None where there is no image, or it cannot be read."""
        if self.stack is None:
            return None
        layout, axis = self.stack.layout, self.stack.layout.colour_axis
        named = {axis: self.axis_of_image(axis) for axis in self.stack.axes}
        at = {axis: {"T": time, "Z": z}[known] for axis, known in named.items() if known in "TZ"}
        try:
            plane = _cut(self.stack.image, layout.axes, at, "YX" + axis)
        except Exception:  # each kind of array has errors of its own
            self.note_unreadable({"T": time, "Z": z})
            return None
        return plane.reshape(*plane.shape[:2], -1)[..., : self.num_channels]

    def note_unreadable(self, at: Mapping[str, int]) -> None:
        """Add a plane of the image that cannot be read."""
        self.unreadable.add(tuple((axis, at[axis]) for axis in self.axes if axis in at))

    def unreadable_frames(self, wanted: Collection[int] | None = None) -> str:
        """Return a sentence on the planes of the image that could not be read so far; empty where all could.

        Parameters
        ----------
        wanted : collection of int, optional
            Frames of the stack to report; all by default.
        """
        along = "" if self.stack is None else self.axis_of_image(self.stack.along)
        found = sorted(position for position in self.unreadable if wanted is None or dict(position).get(along, 0) in wanted)
        if not found:
            return ""
        if all(len(position) == 1 for position in found):
            numbers = ", ".join(str(position[0][1]) for position in found[:MAX_POSITIONS_SHOWN])
            shown = f"frame{'s' if len(found) > 1 else ''} {numbers}"
        else:
            shown = ", ".join(" ".join(f"{axis} {index}" for axis, index in position) for position in found[:MAX_POSITIONS_SHOWN])
        more = f" and {len(found) - MAX_POSITIONS_SHOWN} more" if len(found) > MAX_POSITIONS_SHOWN else ""
        return f"{shown}{more} of the image cannot be read: there intensities are empty, and movies show outlines on black"

    def divisions(self, first: Mapping[int, int]) -> dict[int, int]:
        """Return the parent of each child, of those that are both in the labels.

        Parameters
        ----------
        first : mapping of int to int
            First frame of each object, by id.

        Raises
        ------
        ValueError
            If the first frame of a parent is not before that of its child.
        """
        found = {child: parent for child, parent in self.lineage.items() if parent and child in first and parent in first}
        for child, parent in found.items():
            if first[parent] >= first[child]:
                raise ValueError(
                    f"object {parent} cannot be the parent of {child}: it begins on frame {first[parent]}, "
                    f"its child on frame {first[child]}"
                )
        return found


def known_axes(axes: str) -> str:
    """Rename axes of other names to T, or to Z where there is a T.

    Raises
    ------
    ValueError
        If there is no Y or no X, or there are more axes than that.
    """
    for axis in axes:
        if axis not in "TZYX":
            axes = axes.replace(axis, "Z" if "T" in axes else "T")
    if sorted(axes) != sorted({*axes, "Y", "X"}):
        raise ValueError(f"labels have the axes Y and X, and T, Z or both, got {axes}")
    return axes


def _cut(array: Any, axes: str, at: Mapping[str, int], kept: str) -> npt.NDArray[Any]:
    """Read the axes ``kept``, in this order, at an index on each of the others, 0 by default."""
    cut = np.asarray(array[tuple(slice(None) if axis in kept else at.get(axis, 0) for axis in axes)])
    left = [axis for axis in axes if axis in kept]
    return cut.transpose([left.index(axis) for axis in kept])


def open_image(image: Any, axes: str | None = None, choice: Choice = ANY) -> Stack:
    """Open an image of any axes; of volumes in time, frames are the first planes.

    Parameters
    ----------
    image, axes
        As :meth:`Stack.open` takes them.
    choice : Choice
        Which of several images of a file.

    Raises
    ------
    FileNotFoundError, ValueError
        As :meth:`Stack.open`.
    """
    opened = open_image_file(image, choice) if is_paths(image) else image
    try:
        return Stack.open(opened, axes)
    except ValueError as error:
        try:
            return Stack.open(opened, axes, along="T", at={"Z": 0})
        except ValueError:
            raise error from None


def axes_of_labels(labels: Stack, axes: str | None = None, image: Stack | None = None) -> str:
    """Find the axes of a label image.

    Parameters
    ----------
    labels : Stack
        The label image.
    axes : str, optional
        Those with which it was opened, if any were given.
    image : Stack, optional
        The image they belong to: where nothing was given and the shapes are the same, its axes are theirs.

    Raises
    ------
    ValueError
        If they are no labels; see :func:`~napari_sam2.images.label_images.check_labels`.
    """
    check_labels(labels, labels.files[0] if labels.files else None)
    is_of_image = axes is None and image is not None and tuple(labels.image.shape) == image.labels_shape
    return image.axes if is_of_image and image is not None else labels.layout.axes
