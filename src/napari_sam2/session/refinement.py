"""What a correction may change: the mask where it was clicked, and not elsewhere.

A network answers a click with a new mask of the whole object. Its border comes out differently everywhere, and where it is not sure
that there is anything at all, one click on the border makes the object vanish. A person who clicks at one place means that place.

h, w mask size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage as ndi

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.views import View, resample_logits
from napari_sam2.session.prompts import FramePrompts

SURELY_ABSENT = -2.0
"""Object score, a logit, below which the network is believed that the object is gone, wherever it was clicked: 12 %."""
HEART = 0.5
"""A click is on the heart of a mask if it lies at least so deep, as a share of the depth of the deepest place."""

Mask = npt.NDArray[np.bool_]


def refined(answer: FrameRecord, shown: FrameRecord, prompts: FramePrompts, whole: View) -> FrameRecord | None:
    """Take of an answer to clicks what they were about.

    Of what the answer would change, connected pieces with a click in or next to them are taken; everything else stays as shown. If
    a click inside is answered by a mask apart from the one shown, the object is elsewhere, and all of the answer is taken.

    Parameters
    ----------
    answer : FrameRecord
        The network's, in a view that holds that of ``shown``.
    shown : FrameRecord
        What was clicked on.
    prompts : FramePrompts
        Clicks; to a box or a mask the whole answer counts.
    whole : View
        Of the frame.

    Returns
    -------
    FrameRecord or None
        None if the clicks say that the object is absent: all are outside, and one of them is on the heart of what is shown, which
        would not go, or with which everything would.
    """
    if prompts.box_rc is not None or prompts.packed_mask is not None or not prompts.points_rc:
        return answer
    view = answer.view or whole
    shown_logits = resample_logits(shown.mask_logits, shown.view or whole, view)
    before, after = ((logits > 0).cpu().numpy() for logits in (shown_logits, answer.mask_logits))
    if not before.any():
        return answer
    clicks = {_cell(point, view, before.shape): bool(label) for point, label in _seen(prompts, view)}
    if _is_elsewhere(before, after, [cell for cell, is_inside in clicks.items() if is_inside]):
        return answer
    is_taken = _pieces(before ^ after, list(clicks))
    merged = np.where(is_taken, after, before)
    if not any(clicks.values()):
        on_heart = _on_heart(before, list(clicks))
        if any(merged[cell] for cell in on_heart) or (on_heart and not merged.any()):
            return None
        if not after.any() and answer.object_score > SURELY_ABSENT:
            return replace(shown, memory=None)
    if not merged.any():
        return answer
    logits = torch.where(torch.from_numpy(is_taken).to(shown_logits.device), answer.mask_logits, shown_logits)
    # What is still there was seen by whoever saw it there.
    seen = answer if after.any() else shown
    return replace(seen, mask_logits=logits, memory=None, view=answer.view, anchor_distance=0)


def _seen(prompts: FramePrompts, view: View) -> list[tuple[tuple[float, float], int]]:
    return [(point, label) for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if view.contains(*point)]


def _cell(point_rc: tuple[float, float], view: View, shape: tuple[int, ...]) -> tuple[int, int]:
    """Find the place of a point in a mask of a view."""
    row = (point_rc[0] - view.row + 0.5) * shape[0] / view.height
    column = (point_rc[1] - view.column + 0.5) * shape[1] / view.width
    return min(int(row), shape[0] - 1), min(int(column), shape[1] - 1)


def _pieces(mask: Mask, cells: list[tuple[int, int]]) -> Mask:
    """Choose the connected pieces of a mask that touch cells."""
    labels, _ = ndi.label(mask, np.ones((3, 3)))
    around = [labels[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] for row, column in cells]
    chosen: Mask = np.isin(labels, [label for window in around for label in np.unique(window) if label])
    return chosen


def _is_elsewhere(before: Mask, after: Mask, inside: list[tuple[int, int]]) -> bool:
    found = _pieces(after, inside)
    return bool(found.any()) and not bool((found & before).any())


def _on_heart(mask: Mask, cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return [cell for cell in cells if depth[cell] > 0 and depth[cell] >= HEART * depth.max()]
