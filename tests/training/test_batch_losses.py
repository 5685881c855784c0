"""Losses of a batch: of dense targets, or of prompts with the IoU of the masks that a user would see."""

from __future__ import annotations

import pytest
import torch

from napari_sam2.model.assembly import build_model
from napari_sam2.training.batch_losses import BatchLosses, top_mask_ious
from napari_sam2.training.batches import StageBatches
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.dense_targets import DenseHead
from napari_sam2.training.losses import MultiStepMultiMasksAndIous
from napari_sam2.training.recipe import Stage
from napari_sam2.training.sam2_train import SAM2Train
from tiny_models import TINY

WEIGHTS = {"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 1.0}


def test_iou_of_the_mask_with_the_highest_predicted_iou() -> None:
    truth = torch.zeros(3, 4, 4, dtype=torch.bool)
    truth[0, :2] = True  # two of four rows
    truth[1, :, :2] = True
    logits = torch.full((3, 2, 4, 4), -1.0)
    logits[0, 0] = 1.0  # everything: IoU 0.5
    logits[0, 1, :2] = 1.0  # exact
    logits[1, 0, :, 1:3] = 1.0  # a third
    ious = torch.tensor([[0.9, 0.2], [0.6, 0.5], [0.1, 0.3]])
    assert top_mask_ious(logits, ious, truth).tolist() == pytest.approx([0.5, 1 / 3, 1.0])  # the third is empty in both
    assert top_mask_ious(logits[:1], ious[:1].flip(1), truth[:1]).tolist() == [1.0]


def test_a_coarse_pixel_is_true_if_most_of_it_is() -> None:
    truth = torch.zeros(1, 4, 4, dtype=torch.bool)
    truth[0, :2, :2] = True  # a whole coarse pixel
    truth[0, :2, 2] = True  # half of the next
    logits = torch.tensor([[[[1.0, -1.0], [-1.0, -1.0]]]])
    assert top_mask_ious(logits, torch.ones(1, 1), truth).tolist() == [1.0]


@pytest.fixture
def losses() -> BatchLosses:
    torch.manual_seed(0)
    model = build_model(TINY, SAM2Train, supervise_low_res_masks=True, num_correction_pt_per_frame=1)
    return BatchLosses(model, DenseHead(TINY.d_model), MultiStepMultiMasksAndIous(WEIGHTS, pred_obj_scores=True))


def test_a_batch_of_dense_targets_has_the_loss_of_the_head(losses: BatchLosses) -> None:
    frames, targets = StageBatches(Stage("dense", "dense", steps=1, image_size=64, clips_per_step=2), 0, 0, [])[0]
    found = losses((frames, targets), 0)
    assert list(found) == ["core_loss"]
    with torch.no_grad():
        expected = losses.head(losses.model.image_encoder(frames)["backbone_fpn"], targets)
    torch.testing.assert_close(found["core_loss"], expected)
    found["core_loss"].backward()
    without = {name.split(".")[0] for name, parameter in losses.model.named_parameters() if parameter.grad is None}
    assert {"sam_mask_decoder", "memory_attention"} <= without
    assert losses.model.image_encoder.trunk.stem[0].weight.grad is not None


def test_a_batch_of_prompts_has_its_losses_and_two_ious(losses: BatchLosses) -> None:
    stage = Stage("clips", "prompts", steps=1, image_size=64, num_frames=2, clips_per_step=1, objects_per_clip=2)
    batch = StageBatches(stage, 0, 0, [])[0]
    assert isinstance(batch, ClipBatch)
    seen = []
    losses.model.register_forward_hook(lambda _module, _given, predictions: seen.append(predictions))
    torch.manual_seed(1)
    found = losses(batch, 4.0)
    (frames,) = seen
    expected = losses.loss(frames, batch.masks, 4.0)
    assert found.keys() == {*expected, "first_iou", "last_iou"}
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    for name, frame, step in (("first_iou", 0, 0), ("last_iou", -1, -1)):
        prediction = frames[frame][step]
        ious = top_mask_ious(prediction.multimasks, prediction.ious, batch.masks[frame])
        assert float(found[name]) == float(ious.mean())
        assert not found[name].requires_grad
