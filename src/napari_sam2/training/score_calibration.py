"""Score calibration: sets the bias of the object score on clips that were not used for training. T frames · O objects."""

from __future__ import annotations

from collections.abc import Iterable

from napari_sam2.torch_threads import torch

from torch import nn

from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.sam2_train import SAM2Train

MAX_MISSED = 0.03
"""Largest allowed share of false negatives: frames with the object on which the object score is negative."""


@torch.no_grad()
def calibrate_object_score(model: SAM2Train, batches: Iterable[ClipBatch], max_missed: float = MAX_MISSED) -> float:
    """Raise the bias of the object score until the share of false negatives is at most ``max_missed``.

    The two errors do not cost the same: a false positive is deleted in a moment, but after a false negative the object is missing
    from the memory, and all its later frames are lost. Cross-entropy weighs both errors alike.

    Parameters
    ----------
    model : SAM2Train
        The bias of the last layer of its object-score head is changed in place.
    batches : iterable of ClipBatch
        Clips of two frames or more, on the model's device; the first frame is prompted, the others are tracked.
    max_missed : float
        Largest allowed share of false negatives, 0 .. 1.

    Returns
    -------
    float
        Added to the logit, 0 or more.
    """
    was_training, corrections = model.training, model.num_correction_pt_per_frame
    model.eval()
    model.num_correction_pt_per_frame = 0
    present = [
        frames[-1].object_score_logits[batch.masks[t].flatten(1).any(1), 0]
        for batch in batches
        for t, frames in enumerate(model(batch))
        if t > 0
    ]
    model.train(was_training)
    model.num_correction_pt_per_frame = corrections
    scores = torch.cat(present) if present else torch.empty(0)
    shift = max(0.0, -float(scores.quantile(max_missed))) if len(scores) else 0.0
    *_, last = (layer for layer in model.sam_mask_decoder.pred_obj_score_head.modules() if isinstance(layer, nn.Linear))
    last.bias.add_(shift)
    return shift
