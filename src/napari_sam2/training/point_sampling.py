"""Simulated clicks: in the object first, then on errors of the prediction. O objects · H, W size of masks."""

from __future__ import annotations

from napari_sam2.torch_threads import torch

from torch import Tensor

from napari_sam2.evaluation.simulated_prompts import Click, correction_click
from napari_sam2.predictors.mask_postprocessing import mask_to_box


def get_next_point(gt_masks: Tensor, pred_masks: Tensor | None, method: str) -> tuple[Tensor, Tensor]:
    """Choose one click per object.

    Parameters
    ----------
    gt_masks : Tensor
        (O, 1, H, W), bool.
    pred_masks : Tensor or None
        (O, 1, H, W), bool; None is an empty prediction.
    method : {"uniform", "center"}
        A random pixel of the error, or its centre: the pixel farthest from the error's edge.

    Returns
    -------
    points : Tensor
        (O, 1, 2), x before y, in pixels of the masks.
    labels : Tensor
        (O, 1), int32: 1 on false negatives, 0 on false positives.

    Raises
    ------
    ValueError
        If there is no such method.

    Notes
    -----
    Official ``sam2_utils.py`` L180-323.
    """
    pred_masks = torch.zeros_like(gt_masks) if pred_masks is None else pred_masks
    if method == "uniform":
        return sample_random_points_from_errors(gt_masks, pred_masks)
    if method == "center":
        return sample_one_point_from_error_center(gt_masks, pred_masks)
    raise ValueError(f"method must be 'uniform' or 'center', got {method!r}")


def sample_random_points_from_errors(gt_masks: Tensor, pred_masks: Tensor) -> tuple[Tensor, Tensor]:
    """Choose a random wrong pixel; if there is none, a random background pixel (with label 0)."""
    missed = gt_masks & ~pred_masks
    surplus = ~gt_masks & pred_masks
    all_correct = (gt_masks == pred_masks).flatten(1).all(1)[:, None, None, None]
    allowed = missed | surplus | (all_correct & ~gt_masks)
    noise = torch.rand(allowed.shape, device=allowed.device) * allowed
    return _at(noise.flatten(1).argmax(1), gt_masks, missed)


def sample_one_point_from_error_center(gt_masks: Tensor, pred_masks: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the wrong pixel farthest from the edge of its error region, or from the image border; pixel 0 if none is wrong."""
    width = gt_masks.shape[-1]
    pairs = zip(gt_masks[:, 0].cpu().numpy(), pred_masks[:, 0].cpu().numpy(), strict=True)
    clicks = [correction_click(truth, found) or Click(0, 0, False) for truth, found in pairs]
    index = torch.tensor([click.row * width + click.col for click in clicks], device=gt_masks.device)
    return _at(index, gt_masks, gt_masks & ~pred_masks)


def _at(index: Tensor, gt_masks: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
    width = gt_masks.shape[-1]
    points = torch.stack([index % width, index // width], dim=-1).float()
    labels = missed.flatten(1).gather(1, index[:, None]).to(torch.int32)
    return points[:, None], labels


def sample_box_points(masks: Tensor, noise: float = 0.1, noise_bound_px: float = 20) -> tuple[Tensor, Tensor]:
    """Draw a bounding box of each object, with noise on each side.

    Parameters
    ----------
    masks : Tensor
        (O, 1, H, W), bool.
    noise : float
        Largest shift as a share of the box side.
    noise_bound_px : float
        Largest shift in pixels.

    Returns
    -------
    points : Tensor
        (O, 2, 2): first and last corner, x before y, in pixels of the masks.
    labels : Tensor
        (O, 2), int32: 2 and 3.
    """
    O, _, H, W = masks.shape
    corners = mask_to_box(masks[:, 0]).float()
    if noise > 0:
        sides = corners[:, 2:] - corners[:, :2]
        bound = (noise * sides).clamp(max=noise_bound_px).repeat(1, 2)
        corners = corners + (2 * torch.rand(O, 4, device=masks.device) - 1) * bound
        corners = torch.minimum(corners.clamp(min=0), corners.new_tensor([W, H, W, H]) - 1)
    labels = torch.tensor([2, 3], dtype=torch.int32, device=masks.device).expand(O, 2)
    return corners.view(O, 2, 2), labels
