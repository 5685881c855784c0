"""Prompts as a person would give them, from true masks."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.session.prompts_file import PromptEntry


def simulated_prompts(dataset: Dataset, kind: str = "point") -> list[PromptEntry]:
    """Prompt each object once, unless the image border cuts it there.

    Parameters
    ----------
    dataset : Dataset
        The data.
    kind : {"point", "box", "mask"}
        One click where the object is deepest, its box, or its mask.

    Returns
    -------
    list of PromptEntry
    """
    entries = []
    for i, frame in dataset.anchors.items():
        inside = dataset.truth[frame] == i
        if inside[[0, -1]].any() or inside[:, [0, -1]].any():
            continue
        rows, cols = np.nonzero(inside)
        if kind == "point":
            depth = ndi.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            row, col = np.unravel_index(depth.argmax(), depth.shape)
            entries.append(PromptEntry(i, frame, [[float(row), float(col)]], [1]))
        elif kind == "box":
            box = [float(rows.min()), float(cols.min()), float(rows.max() + 1), float(cols.max() + 1)]
            entries.append(PromptEntry(i, frame, box_rc=box))
        else:
            entries.append(PromptEntry(i, frame, mask=inside))
    return entries
