"""Sets the offset of the object score by clips that were not learnt from. T frames · O objects."""

from __future__ import annotations

from collections.abc import Iterable

from napari_sam2.torch_threads import torch

from torch import nn

from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.sam2_train import SAM2Train

MAX_MISSED = 0.03
"""Share of the frames with an object that may be taken for empty."""


@torch.no_grad()
def calibrate_object_score(model: SAM2Train, batches: Iterable[ClipBatch], max_missed: float = MAX_MISSED) -> float:
    """Raise the object score until few frames that show the object are taken for empty.

    The two errors do not weigh the same: a mask too many is deleted in a moment, but an object that is taken for gone is forgotten,
    and all its later frames are lost. Cross-entropy knows nothing of this.

    Parameters
    ----------
    model : SAM2Train
        Predicts object scores; the bias of their last layer is changed.
    batches : iterable of ClipBatch
        Clips of two frames or more, on the model's device; the first frame is prompted, the others are tracked.
    max_missed : float
        See :data:`MAX_MISSED`.

    Returns
    -------
    float
        What was added to the logit, 0 or more.
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
