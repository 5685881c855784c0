"""The result of a session in a Labels layer that somebody has. H, W of a plane of that layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_sam2.plugin.image.alignment import AlignedPlanes, Alignment, FrameGrid, place_on
from napari_sam2.plugin.image.layer_placement import data_position, displayed_frame, unwrapped
from napari_sam2.plugin.layer_prompts.choices import Frames, Pixels, chosen_frame
from napari_sam2.plugin.layer_prompts.layer_commands import labels_in
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace
from napari_sam2.wording import counted

MAX_UNDOABLE_PX = 50_000_000
"""Of a pixel napari's undo keeps about 40 bytes."""

Index = tuple[int, ...]


class _Plane(NamedTuple):
    """What is to be written in a plane of a layer: ids (H, W), 0 where nothing is; on which frame of the image."""

    at: Index
    frame: int
    ids: npt.NDArray[Any]


class ResultCopier:
    """Copies the result of a session into layers of a viewer.

    Parameters
    ----------
    viewer : Viewer
        Where the layers are.
    workspace : ImageWorkspace
        The image.
    """

    def __init__(self, viewer: Any, workspace: ImageWorkspace) -> None:
        self._viewer = viewer
        self._workspace = workspace
        self._stack = workspace.stack

    @property
    def layers(self) -> list[Any]:
        """Layers that can receive a result, the topmost first."""
        layers = map(unwrapped, reversed(self._viewer.layers))
        return [layer for layer in layers if isinstance(layer, Labels) and layer != self._workspace.result.layer]

    def copy(self, layer: Any, pixels: Pixels = Pixels.BACKGROUND, frames: Frames = Frames.ALL, frame: int = 0) -> str:
        """Copy the result into a layer; napari's undo of that layer takes it back.

        Objects keep their numbers, unless the layer has one of them: then all are offset by the highest label of the layer.

        Parameters
        ----------
        layer : Labels
            The layer, of any number of axes; where pixels are not those of the image, the nearest object is taken.
        pixels : Pixels
            Which of its pixels may be written.
        frames : Frames
            Which frames are copied.
        frame : int
            Its number, if it is one that is not shown.

        Returns
        -------
        str
            What was done, in a sentence.

        Raises
        ------
        ValueError
            If there is no result, the layer cannot be written, or has no room for the numbers.
        """
        self._check(layer)
        only, grid, found, num_px = self._chosen(frames, frame), self._grid(layer), set[int](), 0
        for plane in self._planes(layer, only):  # once more below: a result may be larger than memory
            found.update(labels_in(plane.ids))
            num_px += int(np.count_nonzero(plane.ids))
        if not found:
            raise ValueError("there is no object to copy on these frames")
        offset, is_undoable = _offset(layer, found), num_px <= MAX_UNDOABLE_PX
        num_left, objects, written = 0, set[int](), set[int]()
        with layer.block_history():
            for plane in self._planes(layer, only):
                where = plane.ids > 0
                if pixels is Pixels.BACKGROUND:
                    where &= _read(layer, grid, plane.at) == 0
                num_left += int(np.count_nonzero(plane.ids)) - int(np.count_nonzero(where))
                objects.update(there := labels_in(np.where(where, plane.ids, 0)))
                if there:
                    written.add(plane.frame)
                    values = plane.ids.astype(layer.data.dtype) + layer.data.dtype.type(offset)
                    _write(layer, grid, plane.at, where, values, is_undoable)
        layer.refresh()
        if not objects:
            raise ValueError(f"nothing was copied into {layer.name}: where objects are, it has labels already")
        return _sentence(layer.name, len(objects), len(written), offset, num_left, is_undoable)

    def _check(self, layer: Any) -> None:
        if self._workspace.result.labels is None:
            raise ValueError("there is no result yet: click on an object first")
        if layer.multiscale or hasattr(layer.data, "dask"):
            raise ValueError(f"{layer.name} cannot be written: it has several resolutions, or is computed when it is shown")
        if not layer.editable or getattr(layer, "locked", False):
            raise ValueError(f"{layer.name} is locked: unlock it first")

    def _chosen(self, frames: Frames, frame: int) -> int | None:
        shown = displayed_frame(self._viewer, self._workspace.image, self._stack)
        return None if frames is Frames.ALL else chosen_frame(frames, frame, self._stack, shown)

    def _planes(self, layer: Any, only: int | None) -> Iterator[_Plane]:
        """Find what is to be written in the planes of a layer."""
        grid = self._grid(layer)
        alignment = Alignment.of(self._viewer, layer, place_on(self._workspace.image, self._stack))
        try:
            planes = AlignedPlanes(self._workspace.result.labels, alignment, grid)
        except ValueError as error:
            raise ValueError(f"{layer.name} cannot be written: {error}") from error
        frame_axis = FrameGrid.of(self._stack).frame_axis
        for number in range(grid.num_frames):
            there = planes.index(number)
            if there is None:
                continue
            frame: Any = 0 if frame_axis is None else there[frame_axis]
            ids = planes.plane(number) if only in (None, frame) else None
            if ids is not None:
                at = grid.position(number).astype(int).tolist()
                yield _Plane(tuple(at), frame, ids)

    def _grid(self, layer: Any) -> FrameGrid:
        """Describe a layer as frames along its own axis that is the frame axis of the image, where its other sliders are."""
        image, shape = FrameGrid.of(self._stack), tuple(int(side) for side in layer.data.shape)
        shift = len(shape) - len(image.origin)
        frame_axis = None if image.frame_axis is None or image.frame_axis + shift < 0 else image.frame_axis + shift
        row_axis, col_axis = image.row_axis + shift, image.col_axis + shift
        origin = np.round(data_position(self._viewer, layer, self._viewer.dims.point)).clip(0, np.array(shape) - 1)
        origin[[row_axis, col_axis]] = 0
        num_frames = 1 if frame_axis is None else shape[frame_axis]
        return FrameGrid(frame_axis, row_axis, col_axis, num_frames, (shape[row_axis], shape[col_axis]), origin)


def _offset(layer: Any, ids: set[int]) -> int:
    """Return by what ids are offset, so that none is that of another label of a layer."""
    there = set[int]()
    for index in np.ndindex(*layer.data.shape[:-2]):
        there.update(labels_in(np.asarray(layer.data[index])))
    offset = max(there) if ids & there else 0
    highest, dtype = max(ids) + offset, layer.data.dtype
    if highest > np.iinfo(dtype).max:
        raise ValueError(f"{layer.name} holds {dtype}, in which {highest} does not fit: convert it to a larger data type first")
    return offset


def _read(layer: Any, grid: FrameGrid, at: Index) -> npt.NDArray[Any]:
    """Read a plane of a layer, rows before columns."""
    plane = np.asarray(layer.data[_whole(grid, at)])
    return plane if grid.row_axis < grid.col_axis else plane.T


def _write(
    layer: Any, grid: FrameGrid, at: Index, where: npt.NDArray[np.bool_], values: npt.NDArray[Any], is_undoable: bool
) -> None:
    if is_undoable:
        rows, cols = where.nonzero()
        index = [np.full(len(rows), one) for one in at]
        index[grid.row_axis], index[grid.col_axis] = rows, cols
        layer.data_setitem(tuple(index), values[where], refresh=False)
    else:
        plane = np.where(where, values, _read(layer, grid, at))
        layer.data[_whole(grid, at)] = plane if grid.row_axis < grid.col_axis else plane.T


def _whole(grid: FrameGrid, at: Index) -> tuple[int | slice, ...]:
    """Return the index of a whole plane."""
    return tuple(slice(None) if axis in (grid.row_axis, grid.col_axis) else one for axis, one in enumerate(at))


def _sentence(layer: str, objects: int, frames: int, offset: int, num_left: int, is_undoable: bool) -> str:
    parts = [f"{counted(objects, 'object')} copied into {layer} on {counted(frames, 'frame')}."]
    if offset:
        parts.append(f"Their numbers are offset by {offset}.")
    if num_left:
        parts.append(f"{num_left} px are of other labels already, and stay.")
    if not is_undoable:
        parts.append("It is too much for the layer's undo.")
    return " ".join(parts)
