"""Prompts in data pixels, translated to the inputs of the model: which come first, where pixel centres lie, the size of masks."""

from __future__ import annotations

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt

from napari_sam2.predictors.mask_postprocessing import resize_mask
from napari_sam2.predictors.tracker import Prompt
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
        Points in x, y of the model's input, where the encoder adds half a pixel; or the mask, if there are no points.
    """
    mask = prompts.mask
    if mask is not None and not prompts.points_rc:
        return Prompt(mask=resize_mask(torch.from_numpy(mask[view.window]), (size, size)))
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
    points_xy = torch.tensor(xy.copy(), dtype=torch.float32, device="cpu")
    return Prompt(points_xy, torch.tensor(labels, dtype=torch.int32, device="cpu"))


def mask_as_logits(mask: npt.NDArray[np.bool_], size: int) -> torch.Tensor:
    """Convert a mask (H, W) to logits of a certain prediction, (size, size), float32, as the model does with a mask prompt."""
    full = resize_mask(torch.from_numpy(mask), (4 * size, 4 * size)).float()[None, None] * 20.0 - 10.0
    return torch.nn.functional.interpolate(full, (size, size), mode="bilinear", align_corners=False, antialias=True)[0, 0]
