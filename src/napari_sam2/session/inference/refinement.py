"""Restricts a correction to the part of the mask that was clicked on, and makes the mask agree with every click.

After a click the network predicts a new mask of the whole object. Its border differs everywhere, and where the object score is low,
one click on the border makes the object vanish. A person who clicks at one place means that place. Where the prediction contradicts
a click, the mask is changed around the click.

h, w mask size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.logits import Logits, logit_at
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import OUTSIDE_LOGIT, View, resample_logits
from napari_sam2.session.state.prompts import FramePrompts

SURELY_ABSENT = -2.0
"""Object score, a logit, below which the object is absent, wherever it was clicked: 12 %."""
CORE_DEPTH = 0.5
"""A click is in the core of a part of a mask if it lies at least so deep, as a share of the greatest depth of that part."""
REACH = 3.0
"""A click outside removes pixels that the prediction lacks up to this distance, in depths of the click, which is their middle."""
MIN_REACH = 2.0
"""Least such distance, in cells of a mask."""
RADII = (0.5, 1.1, 1.5)
"""Radii, in cells, of the disc that a click outside removes where the prediction still covers it; the least that is enough: a cell,
with its four neighbours, with all eight. The disc that a click inside adds has at least the last."""
EIGHT = np.ones((3, 3))

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Cell = tuple[int, int]


def refined(predicted: FrameRecord, shown: FrameRecord, prompts: FramePrompts, whole: View) -> FrameRecord | None:
    """Combine the predicted mask after clicks with the shown one.

    Of the pixels that the prediction would change, connected pieces with a click in or next to them are changed; all others stay as
    shown. A click outside changes them up to :data:`REACH`: near the border of a mask it concerns the border there. If the
    predicted mask at a click inside does not touch the shown one, the object is elsewhere, and the whole prediction is used. Then
    the mask is made to agree with every click: see :func:`_without` and :func:`_with`.

    Parameters
    ----------
    predicted : FrameRecord
        The network's prediction, in a view that holds that of ``shown``.
    shown : FrameRecord
        The record that was clicked on; the prediction itself where there was none.
    prompts : FramePrompts
        Points; with a box or a mask the whole prediction is used.
    whole : View
        The view of the whole frame.

    Returns
    -------
    FrameRecord or None
        None if the object is absent: all points are outside, and no pixel is left.
    """
    if prompts.box_rc is not None or prompts.packed_mask is not None or not prompts.points_rc:
        return predicted
    view = predicted.view or whole
    shown_logits = resample_logits(shown.mask_logits, shown.view or whole, view)
    before, after = shown_logits > 0, predicted.mask_logits > 0
    clicks = [(point, _cell(point, view, before.shape), bool(label)) for point, label in _seen(prompts, view)]
    inside, outside = ([cell for _, cell, is_inside in clicks if is_inside is wanted] for wanted in (True, False))
    # Scores and pointer are those of the record that has the object.
    source = predicted if after.any() else shown
    if not after.any() and (inside or predicted.object_score > SURELY_ABSENT):
        after = before
    if _is_apart(before, after, inside):
        before, shown_logits = after, predicted.mask_logits
    is_taken = _pieces(before ^ after, inside)
    for cell in outside:
        is_near = _distance(before.shape, cell) < _reach(before, cell)
        is_taken |= _pieces(before ^ after, [cell]) & (is_near | (not after.any()))
    logits = np.where(is_taken, predicted.mask_logits, shown_logits)
    # Points inside come last: with one of them the object is present.
    for point, cell, is_inside in sorted(clicks, key=lambda click: click[2]):
        mask = logits > 0
        is_met = _shows(logits, view, point) == is_inside
        if is_inside and not is_met:
            logits = _changed(logits, _with(mask, cell, outside))
        elif not is_inside and not (is_met and _is_gone(mask, before, cell)):
            for radius in RADII:
                shrunk = _changed(logits, _without(mask, before, cell, inside, radius))
                if not _shows(shrunk, view, point):
                    break
            logits = shrunk
    if not (logits > 0).any():
        return None
    return source.as_prompted(mask_logits=logits, object_score=abs(source.object_score), view=predicted.view, anchor_distance=0)


def _changed(logits: Logits, mask: Mask) -> Logits:
    """Make logits agree with a mask: where they do not, their sign is changed."""
    bounded = np.minimum(np.abs(logits), np.float32(-OUTSIDE_LOGIT))
    return np.where((logits > 0) == mask, logits, np.where(mask, bounded, -bounded))


def is_elsewhere(shown: FrameRecord, prompts: FramePrompts, whole: View) -> bool:
    """Return whether points mark the object elsewhere than it is shown: those inside are farther from the mask than it is deep.

    The memory misled the prediction then, and so would the shown mask.
    """
    if prompts.box_rc is not None or prompts.packed_mask is not None or 1 not in prompts.labels:
        return False
    mask = shown.mask_logits > 0
    if not mask.any():
        return True
    view = shown.view or whole
    rows, columns = np.nonzero(mask)
    cells = [_in_cells(point, view, mask.shape) for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if label]
    return all(np.hypot(rows + 0.5 - row, columns + 0.5 - column).min() > _depth(mask).max() for row, column in cells)


def _seen(prompts: FramePrompts, view: View) -> list[tuple[tuple[float, float], int]]:
    return [(point, label) for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if view.contains(*point)]


def _shows(logits: Logits, view: View, point_rc: tuple[float, float]) -> bool:
    """Return whether a mask of a view covers a point, at the resolution of the data."""
    size = view.height, view.width
    return logit_at(logits, size, _cell(point_rc, view, size)) > 0


def _in_cells(point_rc: tuple[float, float], view: View, shape: tuple[int, ...]) -> tuple[float, float]:
    """Convert a point to cells of a mask of a view, counted from its corner."""
    row = (point_rc[0] - view.row + 0.5) * shape[0] / view.height
    column = (point_rc[1] - view.column + 0.5) * shape[1] / view.width
    return row, column


def _cell(point_rc: tuple[float, float], view: View, shape: tuple[int, ...]) -> Cell:
    row, column = _in_cells(point_rc, view, shape)
    return min(int(row), shape[0] - 1), min(int(column), shape[1] - 1)


def _pieces(mask: Mask, cells: list[Cell]) -> Mask:
    """Choose the connected pieces of a mask that touch cells."""
    labels, _ = ndi.label(mask, EIGHT)
    around = [labels[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] for row, column in cells]
    chosen: Mask = np.isin(labels, [label for window in around for label in np.unique(window) if label])
    return chosen


def _is_apart(before: Mask, after: Mask, inside: list[Cell]) -> bool:
    found = _pieces(after, inside)
    return bool(found.any()) and not bool((found & before).any())


def _is_gone(mask: Mask, before: Mask, cell: Cell) -> bool:
    """Return whether the part that was clicked on is removed, and has not only a hole: up to half of the way to its border."""
    return not mask[_distance(mask.shape, cell) < CORE_DEPTH * _depth(before)[cell]].any()


def _reach(before: Mask, cell: Cell) -> float:
    depth = _depth(before if before[cell] else ~before)[cell]
    return max(MIN_REACH, REACH * float(depth))


def _without(mask: Mask, before: Mask, cell: Cell, inside: list[Cell], min_radius: float) -> Mask:
    """Remove the part of a mask that a click outside is on.

    In the core of a lobe of the shown mask that is the lobe, unless a click inside is in it too, and nothing if little would be
    left; elsewhere it is the widest disc around the click. Lobes are connected through pixels at least half as deep as the click.
    """
    depth = _depth(before)
    cores, _ = ndi.label(depth >= max(CORE_DEPTH * depth[cell], 1))
    nearest = ndi.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
    lobe = before & (cores[tuple(nearest)] == cores[cell])
    if depth[cell] == 0 or depth[cell] < CORE_DEPTH * depth[lobe].max() or any(lobe[other] for other in inside):
        return mask & ~_disc(mask.shape, cell, depth[cell], inside, min_radius)
    rest = mask & ~lobe & ~_disc(mask.shape, cell, min_radius, inside, min_radius)
    return rest if inside or rest.sum() >= CORE_DEPTH**2 * lobe.sum() else np.zeros_like(mask)


def _with(mask: Mask, cell: Cell, outside: list[Cell]) -> Mask:
    """Add the disc around a click inside that touches the mask, no wider than the mask."""
    return mask | _disc(mask.shape, cell, min(_depth(~mask)[cell], _depth(mask).max()), outside, RADII[-1])


def _disc(shape: tuple[int, ...], cell: Cell, radius: float, opposite: list[Cell], min_radius: float) -> Mask:
    """Fill the disc around a click; beyond ``min_radius``, up to half of the way to clicks with the opposite label."""
    away = _distance(shape, cell)
    filled: Mask = away < max(min([radius, *(away[other] / 2 for other in opposite)]), min_radius)
    return filled


def _depth(mask: Mask) -> Floats:
    """Distance of the cells of a mask from its border; the border of the view counts too."""
    depth: Floats = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return depth


def _distance(shape: tuple[int, ...], cell: Cell) -> Floats:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance: Floats = np.hypot(rows - cell[0], columns - cell[1])
    return distance
