"""Prompts in data pixels, translated to the inputs of the model: which come first, where pixel centres lie, the size of masks."""

from __future__ import annotations

import numpy as np

from napari_sam2.predictors.any_tracker import Prompt
from napari_sam2.predictors.zoom import View
from napari_sam2.session.state.prompts import FramePrompts


def to_model(prompts: FramePrompts, view: View, size: int) -> Prompt:
    """Convert to the model's coordinates.

    Parameters
    ----------
    prompts : FramePrompts
        Prompts of an object on a frame, in data pixels.
    view : View
        The part of the frame that the model gets. Points inside an object must lie in it; points outside that do not are left
        out.
    size : int
        Side of the model's input.

    Returns
    -------
    Prompt
        Points in x, y of the model's input, where the encoder adds half a pixel; or the mask of the view, if there are no points.
    """
    mask = prompts.mask
    if mask is not None and not prompts.points_rc:
        return Prompt(mask=mask[view.window])
    seen = [
        (point, label) for point, label in zip(prompts.points_rc, prompts.labels, strict=True) if label or view.contains(*point)
    ]
    points, labels = [point for point, _ in seen], [label for _, label in seen]
    if prompts.box_rc is not None:
        row0, col0, row1, col1 = prompts.box_rc
        # The model learnt boxes from the centres of the first and the last pixel inside.
        points = [(row0, col0), (max(row1 - 1, row0), max(col1 - 1, col0)), *points]
        labels = [2, 3, *labels]
    if not points:
        return Prompt()
    scale = np.array([size / view.height, size / view.width])
    xy = ((np.array(points) - (view.row, view.column) + 0.5) * scale - 0.5)[:, ::-1]
    return Prompt(np.ascontiguousarray(xy, np.float32), np.array(labels, np.int32))
