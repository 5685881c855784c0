"""Losses of predicted masks: focal, Dice, IoU and object score. O objects · K masks per prompt · H, W size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Dice loss with a smoothing of 1, ``1 - (2 Σ pt + 1) / (Σ p + Σ t + 1)``.

    Parameters
    ----------
    logits : Tensor
        (..., H, W); p is their sigmoid.
    targets : Tensor
        (..., H, W), 0 .. 1.

    Returns
    -------
    Tensor
        (...), one loss per mask, 0 .. 1.

    Notes
    -----
    Official ``training/loss_fns.py`` L17-46, whose form holds for soft targets as well; the official training has none, as it
    compares with binary masks at full size. The loss is a ratio of linear functions of p, so that a binary p minimises it. For
    a soft target it is above 0 even where p equals t; its minimum is the mask of the pixels whose target is above a threshold,
    one half of the soft Dice coefficient reached there.
    """
    probability, targets = logits.sigmoid().flatten(-2), targets.flatten(-2)
    overlap = 2 * (probability * targets).sum(-1)
    return 1 - (overlap + 1) / (probability.sum(-1) + targets.sum(-1) + 1)


def sigmoid_focal_loss(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2) -> Tensor:
    """Focal loss (Lin et al. 2017) at each element.

    Parameters
    ----------
    logits, targets : Tensor
        Of one shape; targets 0 .. 1.
    alpha : float
        Weight of the foreground, 1 - alpha that of the background; below 0, neither is weighted.
    gamma : float
        Focusing parameter: the larger, the less well-classified elements count.

    Returns
    -------
    Tensor
        Loss of each element, of the same shape.
    """
    probability = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p_t = probability * targets + (1 - probability) * (1 - targets)
    loss = cross_entropy * (1 - p_t) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return loss


def iou_loss(logits: Tensor, targets: Tensor, pred_ious: Tensor, use_l1_loss: bool = False) -> Tensor:
    """Difference between predicted and true IoUs.

    Parameters
    ----------
    logits, targets : Tensor
        (O, K, H, W): logits of masks, and their targets, 0 .. 1.
    pred_ious : Tensor
        (O, K), 0 .. 1.
    use_l1_loss : bool
        Absolute instead of squared differences.

    Returns
    -------
    Tensor
        (O, K).
    """
    pred, truth = (logits > 0).flatten(-2), (targets > 0.5).flatten(-2)
    intersection = (pred & truth).sum(-1).float()
    actual = intersection / (pred | truth).sum(-1).float().clamp(min=1)
    return F.l1_loss(pred_ious, actual, reduction="none") if use_l1_loss else F.mse_loss(pred_ious, actual, reduction="none")


@dataclass(frozen=True)
class StepPrediction:
    """Prediction of the model after one prompt or correction click on one frame."""

    multimasks: Tensor
    """(O, K, H, W), logits."""
    ious: Tensor
    """(O, K)."""
    object_score_logits: Tensor
    """(O, 1)."""


class MultiStepMultiMasksAndIous(nn.Module):
    """Sums the losses over all frames, and over all clicks on a frame.

    Of several masks only the best is supervised; with ``supervise_all_iou`` the predicted IoUs of all are.

    Parameters
    ----------
    weight_dict : mapping
        Weights of ``loss_mask``, ``loss_dice``, ``loss_iou`` and, 0 by default, ``loss_class``.
    focal_alpha, focal_gamma : float
        Parameters of the mask's focal loss.
    supervise_all_iou, iou_use_l1_loss : bool
        Supervise all predicted IoUs instead of the best mask's; use absolute instead of squared differences.
    pred_obj_scores : bool
        Supervise the object score, and masks of present objects only; otherwise the target of an absent object is an empty mask.
    focal_gamma_obj_score, focal_alpha_obj_score : float
        Parameters of the object score's focal loss; 0 and -1 make it cross-entropy.

    Notes
    -----
    Official ``training/loss_fns.py`` L131-297.
    """

    def __init__(
        self,
        weight_dict: Mapping[str, float],
        focal_alpha: float = 0.25,
        focal_gamma: float = 2,
        supervise_all_iou: bool = False,
        iou_use_l1_loss: bool = False,
        pred_obj_scores: bool = False,
        focal_gamma_obj_score: float = 0.0,
        focal_alpha_obj_score: float = -1,
    ) -> None:
        super().__init__()
        self.weight_dict = {"loss_class": 0.0, **weight_dict}
        self.focal_alpha = focal_alpha
        self.focal_gamma = focal_gamma
        self.supervise_all_iou = supervise_all_iou
        self.iou_use_l1_loss = iou_use_l1_loss
        self.pred_obj_scores = pred_obj_scores
        self.focal_gamma_obj_score = focal_gamma_obj_score
        self.focal_alpha_obj_score = focal_alpha_obj_score

    def forward(
        self, frames: Sequence[Sequence[StepPrediction]], targets: Tensor, num_objects: float | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Parameters
        ----------
        frames : sequence of sequence of StepPrediction
            Predictions of each frame, one per click.
        targets : Tensor
            (T, O, S, S), bool. Where predictions are coarser, a pixel's target is the share of it that the object covers.
        num_objects : float, optional
            Objects to average over, O by default; in distributed training, the mean of O over all processes.

        Returns
        -------
        dict
            Each loss, averaged over objects and summed over frames, and their weighted sum ``core_loss``.
        """
        num_objects = max(targets.shape[1] if num_objects is None else num_objects, 1)
        totals: dict[str, Tensor] = {}
        for steps, target in zip(frames, targets, strict=True):
            by_size: dict[torch.Size, Tensor] = {}
            for step in steps:
                size = step.multimasks.shape[-2:]
                if size not in by_size:
                    by_size[size] = F.interpolate(target[:, None].float(), size, mode="area")
                for name, value in self._step_losses(step, by_size[size]).items():
                    totals[name] = totals.get(name, value.new_zeros(())) + value / num_objects
        totals["core_loss"] = torch.stack([self.weight_dict[name] * value for name, value in totals.items()]).sum()
        return totals

    def _step_losses(self, step: StepPrediction, target: Tensor) -> dict[str, Tensor]:
        """Sum over objects of each loss; ``target`` is (O, 1, H, W)."""
        target = target.expand_as(step.multimasks)
        focal = sigmoid_focal_loss(step.multimasks, target, self.focal_alpha, self.focal_gamma).mean((-2, -1))
        dice = dice_loss(step.multimasks, target)
        iou = iou_loss(step.multimasks, target, step.ious, self.iou_use_l1_loss)
        # Any share of any pixel: an object thinner than half a coarse pixel is present, too.
        present = (target[:, 0] > 0).flatten(1).any(1, keepdim=True).float()
        if focal.shape[1] > 1:
            best = (focal * self.weight_dict["loss_mask"] + dice * self.weight_dict["loss_dice"]).argmin(1, keepdim=True)
            focal, dice = focal.gather(1, best), dice.gather(1, best)
            iou = iou.mean(1, keepdim=True) if self.supervise_all_iou else iou.gather(1, best)
        # Without an object score, absence is predicted by an empty mask, which is supervised, too.
        supervised = present if self.pred_obj_scores else torch.ones_like(present)
        losses = {
            "loss_mask": (focal * supervised).sum(),
            "loss_dice": (dice * supervised).sum(),
            "loss_iou": (iou * supervised).sum(),
        }
        if self.pred_obj_scores:
            score = sigmoid_focal_loss(step.object_score_logits, present, self.focal_alpha_obj_score, self.focal_gamma_obj_score)
            losses["loss_class"] = score.sum()
        return losses
