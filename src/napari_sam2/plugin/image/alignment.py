"""Where the data of one layer lie in the data of another. D, d axes of the layers · N positions · H, W of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Points

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_placement import spatial_metadata, unit_factors

_TOLERANCE_PX, _NOTHING = 0.01, 1e-9


@dataclass(frozen=True, eq=False)
class Alignment:
    """Turns positions in the data of a layer into positions in the data of another.

    Both are affine in the viewer: scale, translate, rotate, shear, affine and units. Axes are counted from the last, as in
    napari. Along axes that the first layer lacks, the position is the one that the viewer shows.

    Attributes
    ----------
    matrix : ndarray
        (D, d).
    offset : ndarray
        (D,).
    """

    matrix: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]

    @classmethod
    def of(cls, viewer: Any, source: Any, target: Any) -> Alignment:
        """Compare two layers of a viewer."""
        shown_units = getattr(viewer.layers, "units", None)
        factors = np.ones(target.ndim)
        common = min(source.ndim, target.ndim)
        if shown_units is not None:  # where units cannot be compared, napari shows plain numbers, and so do we
            factors[-common:] = unit_factors(tuple(source.units)[-common:], tuple(target.units)[-common:])
        shown = np.zeros(target.ndim)
        point = np.asarray(viewer.dims.point, np.float64)[-target.ndim :]
        shown[-len(point) :] = point
        world = shown * unit_factors(shown_units, target.units)

        def map_one(position: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            at = world.copy()
            at[-common:] = np.asarray(source.data_to_world(position), np.float64)[-common:] * factors[-common:]
            return np.asarray(target.world_to_data(at), np.float64)

        offset = map_one(np.zeros(source.ndim))
        columns = [map_one(unit) - offset for unit in np.eye(source.ndim)]
        return cls(np.stack(columns, axis=1), offset)

    def map(self, positions: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Turn positions (N, d) into positions (N, D)."""
        return np.asarray(positions, np.float64) @ self.matrix.T + self.offset

    def moves(self, axis: int) -> bool:
        """Positions along an axis of the second layer depend on those in the first at all."""
        return bool(np.abs(self.matrix[axis]).max(initial=0) > _NOTHING)


def place_on(image: Any, stack: ImageStack) -> Points:
    """Make an empty layer that lies on an image as the layers of the widget do: its data are positions on frames of the stack."""
    return Points(ndim=len(stack.layer_shape), **spatial_metadata(image, stack))


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """Where the pixels of frames are in the data of a layer.

    Attributes
    ----------
    frame_axis : int or None
        The axis along which frames follow each other; None for a single one.
    row_axis, col_axis : int
        The axes of rows and of columns.
    num_frames : int
        How many frames there are.
    frame_shape : tuple of int
        H and W.
    origin : ndarray
        (D,), of the first pixel of the first frame.
    """

    frame_axis: int | None
    row_axis: int
    col_axis: int
    num_frames: int
    frame_shape: tuple[int, int]
    origin: npt.NDArray[np.float64]

    @classmethod
    def of(cls, stack: ImageStack) -> FrameGrid:
        """Describe the frames of an image."""
        origin = stack.position(Pixel(0, 0, 0))
        along, rows, cols = (
            np.flatnonzero(stack.position(pixel) - origin) for pixel in (Pixel(1, 0, 0), Pixel(0, 1, 0), Pixel(0, 0, 1))
        )
        return cls(int(along[0]) if len(along) else None, int(rows[0]), int(cols[0]), stack.num_frames, stack.frame_shape, origin)

    def position(self, frame: int) -> npt.NDArray[np.float64]:
        """Return the position (D,) of the first pixel of a frame."""
        at = self.origin.copy()
        if self.frame_axis is not None:
            at[self.frame_axis] = frame
        return at


@dataclass(frozen=True, eq=False)
class FramePlaces:
    """Positions on frames. N of them.

    Attributes
    ----------
    frames : ndarray
        (N,), int64, also such as the image has not.
    points_rc : ndarray
        (N, 2), float64, row and column in data pixels.
    is_inside : ndarray
        (N,), bool: within rows and columns of a frame.
    has_frame : ndarray
        (N,), bool: the image has that frame.
    """

    frames: npt.NDArray[np.int64]
    points_rc: npt.NDArray[np.float64]
    is_inside: npt.NDArray[np.bool_]
    has_frame: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, stack: ImageStack, positions: npt.NDArray[np.float64], frame: int | None = None) -> FramePlaces:
        """Find positions (N, D) in layers that lie on the image, on its frames; all on one frame, if that is given."""
        grid = FrameGrid.of(stack)
        points_rc = positions[:, [grid.row_axis, grid.col_axis]]
        if grid.frame_axis is None:
            frames = np.zeros(len(positions), np.int64)
        elif frame is not None:
            frames = np.full(len(positions), frame, np.int64)
        else:
            # as napari rounds
            along = positions[:, grid.frame_axis]
            frames = np.round(np.where(np.isfinite(along), along, -1)).astype(np.int64)
        height, width = grid.frame_shape
        rows, cols = points_rc.T
        is_inside = (rows >= -0.5) & (rows < height - 0.5) & (cols >= -0.5) & (cols < width - 0.5)
        has_frame = (frames >= 0) & (frames < grid.num_frames)
        for letter, index in stack.at:  # elsewhere there are other frames
            has_frame &= np.round(positions[:, stack.layer_axis(stack.letters.index(letter))]) == index
        return cls(frames, points_rc, is_inside, has_frame)


@dataclass(frozen=True, eq=False)
class AlignedPlanes:
    """A label image as planes that lie on frames, each pixel with the label that is nearest to its centre.

    Attributes
    ----------
    labels : array-like
        Integers, (d axes): NumPy, dask, zarr.
    alignment : Alignment
        From the data in which the frames are to those of the labels.
    grid : FrameGrid
        The frames.
    """

    labels: Any
    alignment: Alignment
    grid: FrameGrid

    def __post_init__(self) -> None:
        """Check that each frame lies on one plane of labels.

        Raises
        ------
        ValueError
            If the planes are not parallel to the frames.
        """
        if len(self._plane_axes) != 2:
            raise ValueError("its planes are not parallel to the frames of the image")

    @property
    def _steps(self) -> npt.NDArray[np.float64]:
        """How far one goes in the labels with each row and column, (d, 2)."""
        return self.alignment.matrix[:, [self.grid.row_axis, self.grid.col_axis]]

    @property
    def _plane_axes(self) -> list[int]:
        """The axes of the labels along which one goes on a frame."""
        across = np.abs(self._steps) * np.array(self.grid.frame_shape)
        return np.flatnonzero(across.max(axis=1) > _TOLERANCE_PX).tolist()

    @property
    def has_frames(self) -> bool:
        """The labels differ from frame to frame."""
        axis = self.grid.frame_axis
        others = np.delete(self.alignment.matrix, self._plane_axes, axis=0)
        return axis is not None and bool(np.abs(others[:, axis]).max(initial=0) > _NOTHING)

    def index(self, frame: int) -> tuple[int | slice, ...] | None:
        """Return the index (d,) of the plane on a frame, whole along its axes; None if there is none."""
        at = np.round(self.alignment.map(self.grid.position(frame)[None])[0]).astype(int).tolist()
        fixed = [axis for axis in range(len(at)) if axis not in self._plane_axes]
        if not all(0 <= at[axis] < self.labels.shape[axis] for axis in fixed):
            return None
        return tuple(at[axis] if axis in fixed else slice(None) for axis in range(len(at)))

    def plane(self, frame: int) -> npt.NDArray[Any] | None:
        """Return the labels on a frame, (H, W), 0 where there are none; None if no plane lies there."""
        index = self.index(frame)
        if index is None:
            return None
        plane = np.asarray(self.labels[index])
        if self.is_pixel_by_pixel(frame):
            return plane
        first, second = (self._pixels(frame, axis) for axis in self._plane_axes)
        there = (first >= 0) & (first < plane.shape[0]) & (second >= 0) & (second < plane.shape[1])
        return np.where(there, plane[first.clip(0, plane.shape[0] - 1), second.clip(0, plane.shape[1] - 1)], 0)

    def is_pixel_by_pixel(self, frame: int) -> bool:
        """Each pixel of the frame is one of the labels with the same row and column, and the other way round."""
        height, width = self.grid.frame_shape
        corners = np.array([(0, 0), (height, 0), (0, width)])
        origin = self.alignment.map(self.grid.position(frame)[None])[0]
        found = (corners @ self._steps.T + origin)[:, self._plane_axes]
        same_shape = tuple(self.labels.shape[axis] for axis in self._plane_axes) == (height, width)
        return same_shape and bool(np.abs(found - corners).max() < _TOLERANCE_PX)

    def _pixels(self, frame: int, axis: int) -> npt.NDArray[np.int64]:
        """Return where each pixel of a frame is along an axis of the labels, (H, W)."""
        height, width = self.grid.frame_shape
        rows, cols = np.arange(height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)[None, :]
        origin = self.alignment.map(self.grid.position(frame)[None])[0, axis]
        at = origin + self._steps[axis, 0] * rows + self._steps[axis, 1] * cols
        return np.floor(at + (0.5 + _NOTHING)).astype(np.int64)
