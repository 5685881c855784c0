"""Strokes of napari's own brush, eraser, fill and polygon on the result, as prompts. N pixels of an nD array, D axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.drawn_commands import AddStroke
from napari_sam2.plugin.prompts.drawn_pixels import DrawnPixels


@dataclass(frozen=True, eq=False)
class PaintedPixels:
    """Pixels that were painted on one frame.

    Attributes
    ----------
    frame : int
        The frame.
    index : tuple of ndarray
        D arrays (N,), where they are in the data of the layer.
    before, after : ndarray
        (N,), their labels.
    """

    frame: int
    index: tuple[npt.NDArray[np.intp], ...]
    before: npt.NDArray[Any]
    after: npt.NDArray[Any]

    def restore(self, labels: Any) -> None:
        """Write their labels back."""
        labels[self.index] = self.before

    def is_written(self, labels: Any) -> bool:
        """They hold what was painted; napari tells of some strokes before it writes them."""
        return bool((labels[self.index] == self.after).all())


def read_painted(atoms: Sequence[Any], stack: ImageStack) -> list[PaintedPixels]:
    """Read what one stroke changed, frame by frame.

    Parameters
    ----------
    atoms : sequence
        Entries of napari's history: where, which labels were there, and which are.
    stack : ImageStack
        How the image is read.
    """
    if not atoms:
        return []
    where = [_index(atom, stack.layer_shape) for atom in atoms]
    flat = np.concatenate([np.ravel_multi_index(index, stack.layer_shape) for index in where])
    old, new = (
        np.concatenate([np.broadcast_to(values_of(atom), index[0].shape) for atom, index in zip(atoms, where, strict=True)])
        for values_of in (_before, _after)
    )
    # of several entries about a pixel the first has its label before all of them, and the last the one after
    places, firsts = np.unique(flat, return_index=True)
    lasts = len(flat) - 1 - np.unique(flat[::-1], return_index=True)[1]
    index, before, after = np.unravel_index(places, stack.layer_shape), old[firsts], new[lasts]
    frames = np.zeros(len(before), np.intp) if stack.frame_axis is None else index[stack.layer_axis(stack.frame_axis)]
    is_changed = before != after
    return [
        PaintedPixels(int(frame), tuple(axis[chosen] for axis in index), before[chosen], after[chosen])
        for frame in np.unique(frames[is_changed])
        if (chosen := is_changed & (frames == frame)).any()
    ]


def _index(atom: Any, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], ...]:
    if not hasattr(atom, "slice_key"):
        indices, _, _ = atom
        return tuple(np.ravel(axis) for axis in np.broadcast_arrays(*(np.asarray(axis, np.intp) for axis in indices)))
    starts = [part.indices(side)[0] for part, side in zip(atom.slice_key, shape, strict=True)]
    sides = [len(range(*part.indices(side))) for part, side in zip(atom.slice_key, shape, strict=True)]
    inside = np.nonzero(np.ones(sides, bool) if atom.mask is None else atom.mask)
    return tuple(axis + start for axis, start in zip(inside, starts, strict=True))


def _before(atom: Any) -> npt.NDArray[Any]:
    return np.ravel(atom.old_values if hasattr(atom, "old_values") else atom[1])


def _after(atom: Any) -> npt.NDArray[Any]:
    return np.ravel(atom.new_value if hasattr(atom, "new_value") else atom[2])


def strokes_of(painted: Iterable[PaintedPixels], stack: ImageStack) -> list[AddStroke]:
    """Turn painted pixels into strokes that take from objects what was painted over, and give it to the one that was painted."""
    strokes = list[AddStroke]()
    for one in painted:
        rows, columns = (one.index[stack.layer_axis(axis)] for axis in stack.plane_axes)
        for values, is_added in ((one.before, False), (one.after, True)):
            for object_id in np.unique(values[values > 0]).tolist():
                mask = np.zeros(stack.frame_shape, bool)
                mask[rows[values == object_id], columns[values == object_id]] = True
                strokes.append(AddStroke(ObjectFrame(object_id, one.frame), is_added, DrawnPixels.of(mask)))
    return strokes
