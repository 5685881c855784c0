"""What a correction may change: the mask where it was clicked, and not elsewhere.

A network answers a click with a new mask of the whole object. Its border comes out differently everywhere, and where it is not sure
that there is anything at all, one click on the border makes the object vanish. A person who clicks at one place means that place.

What a person says holds, whatever the network answers: where it does not obey, the mask is changed by hand, as far as the click
tells.

h, w mask size.
"""

from __future__ import annotations

from dataclasses import replace

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from torch import Tensor

from napari_sam2.predictors.mask_postprocessing import resize_logits
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import OUTSIDE_LOGIT, View, resample_logits
from napari_sam2.session.state.prompts import FramePrompts

SURELY_ABSENT = -2.0
"""Object score, a logit, below which the network is believed that the object is gone, wherever it was clicked: 12 %."""
HEART = 0.5
"""A click is on the heart of a part of a mask if it lies at least so deep, as a share of the depth of its deepest place."""
REACH = 3.0
"""What a click outside takes away of what the network would is no farther from it, in depths of the click: it is in the middle."""
MIN_REACH = 2.0
"""But for what is nearer than so many cells of a mask."""
RADII = (0.5, 1.1, 1.5)
"""What a click takes away where the network does not obey, in cells, is the least of these that will do: a cell, with its four
neighbours, with all. What it adds is at least as wide as the last."""
EIGHT = np.ones((3, 3))

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Cell = tuple[int, int]


def refined(answer: FrameRecord, shown: FrameRecord, prompts: FramePrompts, whole: View) -> FrameRecord | None:
    """Take of an answer to clicks what they were about.

    Of what the answer would change, connected pieces with a click in or next to them are taken; everything else stays as shown. A
    click outside takes them as far as :data:`REACH`: near the border of a mask it is about the border there. If a click inside is
    answered by a mask apart from the one shown, the object is elsewhere, and all of the answer is taken. Then the mask is made to
    obey: see :func:`_without` and :func:`_with`.

    Parameters
    ----------
    answer : FrameRecord
        The network's, in a view that holds that of ``shown``.
    shown : FrameRecord
        What was clicked on; the answer itself where nothing was shown that counts.
    prompts : FramePrompts
        Clicks; to a box or a mask the whole answer counts.
    whole : View
        Of the frame.

    Returns
    -------
    FrameRecord or None
        None if the clicks say that the object is absent: all are outside, and nothing is left.
    """
    if prompts.box_rc is not None or prompts.packed_mask is not None or not prompts.points_rc:
        return answer
    view = answer.view or whole
    shown_logits = resample_logits(shown.mask_logits, shown.view or whole, view)
    before, after = ((logits > 0).cpu().numpy() for logits in (shown_logits, answer.mask_logits))
    clicks = [(point, _cell(point, view, before.shape), bool(label)) for point, label in _seen(prompts, view)]
    inside, outside = ([cell for _, cell, is_inside in clicks if is_inside is wanted] for wanted in (True, False))
    # What is still there was seen by whoever saw it there.
    seen = answer if after.any() else shown
    if not after.any() and (inside or answer.object_score > SURELY_ABSENT):
        after = before
    if _is_apart(before, after, inside):
        before, shown_logits = after, answer.mask_logits
    is_taken = _pieces(before ^ after, inside)
    for cell in outside:
        is_near = _distance(before.shape, cell) < _reach(before, cell)
        is_taken |= _pieces(before ^ after, [cell]) & (is_near | (not after.any()))
    logits = torch.where(torch.from_numpy(is_taken).to(shown_logits.device), answer.mask_logits, shown_logits)
    # Those inside last: with one of them the object is there.
    for point, cell, is_inside in sorted(clicks, key=lambda click: click[2]):
        mask = (logits > 0).cpu().numpy()
        is_obeyed = _shows(logits, view, point) == is_inside
        if is_inside and not is_obeyed:
            logits = _changed(logits, _with(mask, cell, outside))
        elif not is_inside and not (is_obeyed and _is_gone(mask, before, cell)):
            for radius in RADII:
                shrunk = _changed(logits, _without(mask, before, cell, inside, radius))
                if not _shows(shrunk, view, point):
                    break
            logits = shrunk
    if not bool((logits > 0).any()):
        return None
    return replace(seen, mask_logits=logits, object_score=abs(seen.object_score), memory=None, view=answer.view, anchor_distance=0)


def _changed(logits: Tensor, mask: Mask) -> Tensor:
    """Make logits say what a mask says: where they do not, a person is as sure of the opposite."""
    is_there = torch.from_numpy(mask).to(logits.device)
    bounded = logits.abs().clamp(max=-OUTSIDE_LOGIT)
    opposite = torch.where(is_there, bounded, -bounded)
    return torch.where((logits > 0) == is_there, logits, opposite)


def is_elsewhere(shown: FrameRecord, prompts: FramePrompts, whole: View) -> bool:
    """Tell whether clicks say that the object is not where it is shown: those inside are farther from the mask than it is deep.

    What was remembered has then led astray, and so would what is shown.
    """
    if prompts.box_rc is not None or prompts.packed_mask is not None or 1 not in prompts.labels:
        return False
    mask = (shown.mask_logits > 0).cpu().numpy()
    if not mask.any():
        return True
    view = shown.view or whole
    rows, columns = np.nonzero(mask)
    places = [_place(point, view, mask.shape) for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if label]
    return all(np.hypot(rows + 0.5 - row, columns + 0.5 - column).min() > _depth(mask).max() for row, column in places)


def _seen(prompts: FramePrompts, view: View) -> list[tuple[tuple[float, float], int]]:
    return [(point, label) for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if view.contains(*point)]


def _shows(logits: Tensor, view: View, point_rc: tuple[float, float]) -> bool:
    """Tell whether a mask of a view covers a point, at the resolution of the data."""
    shown = resize_logits(logits[None, None], (view.height, view.width))[0, 0]
    return bool(shown[_cell(point_rc, view, tuple(shown.shape))] > 0)


def _place(point_rc: tuple[float, float], view: View, shape: tuple[int, ...]) -> tuple[float, float]:
    """Find where a point lies in a mask of a view, in cells from its corner."""
    row = (point_rc[0] - view.row + 0.5) * shape[0] / view.height
    column = (point_rc[1] - view.column + 0.5) * shape[1] / view.width
    return row, column


def _cell(point_rc: tuple[float, float], view: View, shape: tuple[int, ...]) -> Cell:
    row, column = _place(point_rc, view, shape)
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
    """Tell whether what a click is on has gone, rather than got a hole: half of the way to where it ended."""
    return not mask[_distance(mask.shape, cell) < HEART * _depth(before)[cell]].any()


def _reach(before: Mask, cell: Cell) -> float:
    depth = _depth(before if before[cell] else ~before)[cell]
    return max(MIN_REACH, REACH * float(depth))


def _without(mask: Mask, before: Mask, cell: Cell, inside: list[Cell], min_radius: float) -> Mask:
    """Take away what a click is on.

    On the heart of a lobe of what was shown that is the lobe, unless a click inside is in it, and hardly anything may be left then;
    elsewhere it is the widest disc around the click. Lobes are what places at least half as deep as the click hang together in.
    """
    depth = _depth(before)
    cores, _ = ndi.label(depth >= max(HEART * depth[cell], 1))
    nearest = ndi.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
    lobe = before & (cores[tuple(nearest)] == cores[cell])
    if depth[cell] == 0 or depth[cell] < HEART * depth[lobe].max() or any(lobe[other] for other in inside):
        return mask & ~_disc(mask.shape, cell, depth[cell], inside, min_radius)
    rest = mask & ~lobe & ~_disc(mask.shape, cell, min_radius, inside, min_radius)
    return rest if inside or rest.sum() >= HEART**2 * lobe.sum() else np.zeros_like(mask)


def _with(mask: Mask, cell: Cell, outside: list[Cell]) -> Mask:
    """Add what a click is next to: the disc around it that touches the mask, no wider than the mask."""
    return mask | _disc(mask.shape, cell, min(_depth(~mask)[cell], _depth(mask).max()), outside, RADII[-1])


def _disc(shape: tuple[int, ...], cell: Cell, radius: float, opposite: list[Cell], min_radius: float) -> Mask:
    """Fill the disc around a click; to those that say the opposite it goes half of the way, beyond ``min_radius``."""
    away = _distance(shape, cell)
    filled: Mask = away < max(min([radius, *(away[other] / 2 for other in opposite)]), min_radius)
    return filled


def _depth(mask: Mask) -> Floats:
    """How far inside a mask its cells lie; the border of the view counts as an end."""
    depth: Floats = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return depth


def _distance(shape: tuple[int, ...], cell: Cell) -> Floats:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance: Floats = np.hypot(rows - cell[0], columns - cell[1])
    return distance
