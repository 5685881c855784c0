"""The training losses of a batch, computed by one module.

O objects · K masks per prompt · S side of the image · h, w size of predicted masks.
"""

from __future__ import annotations

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.training.batches import Batch
from napari_sam2.training.dense_targets import DenseHead
from napari_sam2.training.losses import MultiStepMultiMasksAndIous
from napari_sam2.training.sam2_train import SAM2Train


class BatchLosses(nn.Module):
    """Model, dense head and loss in one module that maps a batch to its losses, so that gradients can be averaged over processes.

    Parameters
    ----------
    model : SAM2Train
        The model to train.
    head : DenseHead
        Used for batches of dense targets.
    loss : MultiStepMultiMasksAndIous
        Used for batches of prompts.
    """

    def __init__(self, model: SAM2Train, head: DenseHead, loss: MultiStepMultiMasksAndIous) -> None:
        super().__init__()
        self.model = model
        self.head = head
        self.loss = loss

    def forward(self, batch: Batch, num_objects: float) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Parameters
        ----------
        batch : ClipBatch or tuple of Tensor
            On the model's device: clips with masks, or frames (V, 3, S, S) with dense targets (V, 4, S, S).
        num_objects : float
            Objects per process, averaged over all processes.

        Returns
        -------
        dict of str to Tensor
            ``core_loss``, its parts, and the IoU of the mask with the highest predicted IoU on the first and the last frame.
        """
        if isinstance(batch, tuple):
            frames, targets = batch
            features = self.model.image_encoder(frames.contiguous(memory_format=torch.channels_last))["backbone_fpn"]
            return {"core_loss": self.head(features, targets)}
        frames = self.model(batch)
        losses: dict[str, Tensor] = self.loss(frames, batch.masks, num_objects)
        with torch.no_grad():
            # The masks a user would see after the first prompt and at the end of the clip.
            first, last = frames[0][0], frames[-1][-1]
            losses["first_iou"] = top_mask_ious(first.multimasks, first.ious, batch.masks[0]).mean()
            losses["last_iou"] = top_mask_ious(last.multimasks, last.ious, batch.masks[-1]).mean()
        return losses


def top_mask_ious(multimasks: Tensor, ious: Tensor, truth: Tensor) -> Tensor:
    """IoU with the ground truth of the mask whose predicted IoU is highest.

    Parameters
    ----------
    multimasks : Tensor
        (O, K, h, w), logits.
    ious : Tensor
        (O, K): predicted IoUs.
    truth : Tensor
        (O, S, S), bool; resized to h, w, where a pixel is in the mask if the object covers more than half of it.

    Returns
    -------
    Tensor
        (O,); 1 where both are empty.
    """
    chosen = multimasks[torch.arange(len(ious), device=ious.device), ious.argmax(1)] > 0
    small = nn.functional.interpolate(truth[:, None].float(), chosen.shape[-2:], mode="area")[:, 0] > 0.5
    union = (chosen | small).flatten(1).sum(1)
    return torch.where(union > 0, (chosen & small).flatten(1).sum(1) / union.clamp(min=1), 1.0)
