"""Where the data of one layer lie in the data of another. D, d axes of the layers · N positions · H, W of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Points

from napari_sam2.plugin.image_stack import ImageStack, Pixel
from napari_sam2.plugin.layers import spatial_metadata, unit_factors

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
        points_rc = positions[:, [stack.layer_axis(axis) for axis in stack.plane_axes]]
        if stack.frame_axis is None:
            frames = np.zeros(len(positions), np.int64)
        elif frame is not None:
            frames = np.full(len(positions), frame, np.int64)
        else:
            # as napari rounds
            along = positions[:, stack.layer_axis(stack.frame_axis)]
            frames = np.round(np.where(np.isfinite(along), along, -1)).astype(np.int64)
        height, width = stack.frame_shape
        rows, cols = points_rc.T
        is_inside = (rows >= -0.5) & (rows < height - 0.5) & (cols >= -0.5) & (cols < width - 0.5)
        has_frame = (frames >= 0) & (frames < stack.num_frames)
        for letter, index in stack.at:  # elsewhere there are other frames
            has_frame &= np.round(positions[:, stack.layer_axis(stack.letters.index(letter))]) == index
        return cls(frames, points_rc, is_inside, has_frame)


@dataclass(frozen=True, eq=False)
class AlignedPlanes:
    """A label image as planes that lie on the frames of an image, each pixel with the label that is nearest to its centre.

    Attributes
    ----------
    labels : array-like
        Integers, (d axes): NumPy, dask, zarr.
    alignment : Alignment
        From the data of the image to those of the labels.
    stack : ImageStack
        The image.
    """

    labels: Any
    alignment: Alignment
    stack: ImageStack

    def __post_init__(self) -> None:
        """Check that each plane of labels lies on one frame.

        Raises
        ------
        ValueError
            If the planes are not parallel.
        """
        across = np.abs(self.alignment.matrix[:-2][:, self._plane_axes]) * np.array(self.stack.frame_shape)
        if across.max(initial=0) > _TOLERANCE_PX:
            raise ValueError("its planes are not parallel to the frames of the image")

    @property
    def _plane_axes(self) -> list[int]:
        return [self.stack.layer_axis(axis) for axis in self.stack.plane_axes]

    @property
    def has_frames(self) -> bool:
        """The labels differ from frame to frame."""
        axis = self.stack.frame_axis
        return axis is not None and bool(np.abs(self.alignment.matrix[:-2, self.stack.layer_axis(axis)]).max(initial=0) > _NOTHING)

    def index(self, frame: int) -> tuple[int, ...] | None:
        """Return the index of the plane on a frame, (d - 2,); None if there is none."""
        at = np.round(self._origin(frame)[:-2]).astype(int)
        sides = np.array(self.labels.shape[: len(at)], int)
        return tuple(at.tolist()) if ((at >= 0) & (at < sides)).all() else None

    def plane(self, frame: int) -> npt.NDArray[Any] | None:
        """Return the labels on a frame, (H, W), 0 where there are none; None if no plane lies there."""
        index = self.index(frame)
        if index is None:
            return None
        plane = np.asarray(self.labels[index] if index else self.labels)
        if self.is_pixel_by_pixel(frame):
            return plane
        rows, cols = self._pixels(frame)
        height, width = plane.shape
        there = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        return np.where(there, plane[rows.clip(0, height - 1), cols.clip(0, width - 1)], 0)

    def is_pixel_by_pixel(self, frame: int) -> bool:
        """Each pixel of the frame is one of the labels with the same row and column, and the other way round."""
        height, width = self.stack.frame_shape
        corners = np.array([(0, 0), (height, 0), (0, width)])
        found = corners @ self.alignment.matrix[-2:][:, self._plane_axes].T + self._origin(frame)[-2:]
        same_shape = tuple(self.labels.shape[-2:]) == (height, width)
        return same_shape and bool(np.abs(found - corners).max() < _TOLERANCE_PX)

    def _pixels(self, frame: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return row and column in the labels of each pixel of a frame, twice (H, W)."""
        height, width = self.stack.frame_shape
        grid = np.arange(height, dtype=np.float64)[:, None], np.arange(width, dtype=np.float64)[None, :]
        matrix, origin = self.alignment.matrix[-2:][:, self._plane_axes], self._origin(frame)[-2:]
        rows, cols = (
            np.floor(origin[axis] + matrix[axis, 0] * grid[0] + matrix[axis, 1] * grid[1] + (0.5 + 1e-9)).astype(np.int64)
            for axis in (0, 1)
        )
        return rows, cols

    def _origin(self, frame: int) -> npt.NDArray[np.float64]:
        """Return where the first pixel of a frame lies in the data of the labels, (d,)."""
        return self.alignment.map(self.stack.position(Pixel(frame, 0, 0))[None])[0]
