"""Calibration of the object score."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2.model.assembly import build_model
from napari_sam2.training.clips import ClipBatch, collate
from napari_sam2.training.sam2_train import SAM2Train
from napari_sam2.training.score_calibration import calibrate_object_score
from napari_sam2.training.synthetic import synthetic_clip
from tiny_models import TINY


def model_with_bias(bias: float) -> SAM2Train:
    torch.manual_seed(0)
    model = build_model(TINY, SAM2Train, prob_to_use_pt_input_for_eval=1.0, num_correction_pt_per_frame=2)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data.fill_(bias)
    return model


def batches() -> list[ClipBatch]:
    rng = np.random.default_rng(0)
    drawn = (collate([synthetic_clip(rng, 3, 64)], 6, rng) for _ in range(4))
    return [batch for batch in drawn if batch is not None]


def missed(model: SAM2Train) -> float:
    model.eval()
    model.num_correction_pt_per_frame = 0
    scores = []
    with torch.no_grad():
        for batch in batches():
            frames = model(batch)
            scores += [frames[t][-1].object_score_logits[batch.masks[t].flatten(1).any(1), 0] for t in (1, 2)]
    return float((torch.cat(scores) < 0).float().mean())


@pytest.mark.parametrize("bias", [-6.0, -1.0])
def test_false_negatives_are_limited(bias: float) -> None:
    model = model_with_bias(bias)
    before = model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.item()
    shift = calibrate_object_score(model, batches(), max_missed=0.1)
    assert shift > 0
    assert model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.item() == pytest.approx(before + shift)
    assert missed(model) <= 0.2
    assert (model.training, model.num_correction_pt_per_frame) == (False, 0)


def test_a_model_without_false_negatives_is_unchanged() -> None:
    model = model_with_bias(50)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    assert calibrate_object_score(model, batches()) == 0
    assert calibrate_object_score(model, []) == 0
    assert model.training
    assert model.num_correction_pt_per_frame == 2
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name])
