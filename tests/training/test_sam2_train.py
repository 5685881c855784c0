"""SAM 2 for training: simulated prompts, gradients of all parameters, and overfitting of one clip."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.model.assembly import build_model
from napari_sam2.model.config import ConvTrunkConfig
from napari_sam2.training.clips import Clip, ClipBatch, collate
from napari_sam2.training.learning_rate import schedule
from napari_sam2.training.losses import MultiStepMultiMasksAndIous
from napari_sam2.training.sam2_train import SAM2Train
from tiny_models import TINY

WEIGHTS = {"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 1.0}


def discs(num_frames: int = 3, size: int = 64) -> Clip:
    """Two bright discs that drift."""
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((1, num_frames, size, size), np.uint16)
    for t in range(num_frames):
        for label, (row, column, radius) in enumerate([(20 + 2 * t, 20, 9), (44, 42 - 2 * t, 12)], start=1):
            labels[0, t][(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = label
    return Clip((60 + 80 * labels[0]).astype(np.uint8), labels)


def batch(num_frames: int = 3) -> ClipBatch:
    found = collate([discs(num_frames)], max_objects=2, rng=np.random.default_rng(0))
    assert found is not None
    return found


def model(**arguments: Any) -> SAM2Train:
    torch.manual_seed(0)
    return build_model(TINY, SAM2Train, **arguments)


def loss() -> MultiStepMultiMasksAndIous:
    return MultiStepMultiMasksAndIous(WEIGHTS, supervise_all_iou=True, iou_use_l1_loss=True, pred_obj_scores=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"init": [1], "corrected": [0], "points": 0, "masks": 1}),
        ({"prob_to_use_pt_input_for_train": 1.0}, {"init": [1], "corrected": [1], "points": 1, "masks": 0}),
        (
            {"prob_to_use_pt_input_for_train": 1.0, "num_frames_to_correct_for_train": 3},
            {"init": [1], "corrected": [3], "points": 1, "masks": 0},
        ),
        (
            {"num_init_cond_frames_for_train": 3, "rand_init_cond_frames_for_train": False},
            {"init": [3], "corrected": [0], "points": 0, "masks": 3},
        ),
        (
            {"prob_to_use_pt_input_for_train": 1.0, "num_init_cond_frames_for_train": 3, "num_frames_to_correct_for_train": 3},
            {"init": [1, 2, 3], "corrected": [3], "points": [1, 2, 3], "masks": 0},
        ),
    ],
    ids=["mask", "points", "corrections", "several masks", "several at random"],
)
def test_frames_are_prompted_as_asked(arguments: dict, expected: dict) -> None:
    trained = model(**arguments)
    for _ in range(20):
        plan = trained.prepare_prompt_inputs(batch())
        assert len(plan.init_cond_frames) in np.atleast_1d(expected["init"])
        assert plan.init_cond_frames[0] == 0
        assert len(plan.frames_to_add_correction_pt) in np.atleast_1d(expected["corrected"])
        assert len(plan.point_inputs_per_frame) in np.atleast_1d(expected["points"])
        assert len(plan.mask_inputs_per_frame) in np.atleast_1d(expected["masks"])
        assert sorted(plan.init_cond_frames + plan.frames_not_in_init_cond) == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pt_sampling_for_eval": "middle"}, "pt_sampling_for_eval must be 'center' or 'uniform', got 'middle'"),
        ({"num_init_cond_frames_for_eval": 0}, "at least one frame has to be prompted, got 0 initial conditioning frames"),
        (
            {"prob_to_use_pt_input_for_train": 0.5, "num_init_cond_frames_for_train": 3, "num_frames_to_correct_for_train": 2},
            "frames prompted by points are all corrected: 2 to correct are fewer than 3",
        ),
    ],
)
def test_invalid_arguments_have_one_sentence(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**arguments)


def test_a_single_image_is_always_prompted_by_points_and_corrected() -> None:
    plan = model().prepare_prompt_inputs(batch(1))
    assert (plan.init_cond_frames, plan.frames_to_add_correction_pt) == ([0], [0])
    assert list(plan.point_inputs_per_frame) == [0]


def test_boxes_come_as_two_points() -> None:
    trained = model(prob_to_use_pt_input_for_train=1.0, prob_to_use_box_input_for_train=1.0)
    prompt = trained.prepare_prompt_inputs(batch()).point_inputs_per_frame[0]
    assert prompt["point_labels"].tolist() == [[2, 3], [2, 3]]


def test_each_frame_has_a_box_or_a_click_of_its_own() -> None:
    trained = model(
        prob_to_use_pt_input_for_train=1.0,
        prob_to_use_box_input_for_train=0.5,
        num_init_cond_frames_for_train=3,
        rand_init_cond_frames_for_train=False,
        num_frames_to_correct_for_train=3,
    )
    plans = [trained.prepare_prompt_inputs(batch()) for _ in range(20)]
    kinds = [{prompt["point_labels"].shape[1] for prompt in plan.point_inputs_per_frame.values()} for plan in plans]
    assert {1, 2} in kinds


@pytest.mark.parametrize("low_res", [True, False])
def test_every_click_is_a_prediction(low_res: bool) -> None:
    trained = model(prob_to_use_pt_input_for_train=1.0, num_correction_pt_per_frame=2, supervise_low_res_masks=low_res)
    frames = trained(batch())
    assert [len(steps) for steps in frames] == [3, 1, 1]
    side = 16 if low_res else 64
    assert frames[0][0].multimasks.shape == (2, 3, side, side)  # one click is ambiguous
    assert frames[0][1].multimasks.shape == (2, 1, side, side)


@pytest.mark.parametrize("checkpointing", [True, False])
def test_gradients_reach_all_trainable_parameters(checkpointing: bool) -> None:
    trained = model(
        prob_to_use_pt_input_for_train=1.0,
        num_correction_pt_per_frame=1,
        use_act_ckpt_iterative_pt_sampling=checkpointing,
        supervise_low_res_masks=True,
    )
    clip = batch(4)
    loss()(trained(clip), clip.masks)["core_loss"].backward()
    without = {name for name, parameter in trained.named_parameters() if parameter.grad is None}
    # no_mem_pos_enc and mask_downsample are not used here: every frame has a memory or a prompt, no prompt is a mask.
    # The two outer box corners are embedded by their labels, which selects them without a gradient being zero.
    assert without <= {"no_mem_pos_enc", "mask_downsample.weight", "mask_downsample.bias"}


def test_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        trained = model(
            prob_to_use_pt_input_for_train=1.0, num_correction_pt_per_frame=2, use_act_ckpt_iterative_pt_sampling=checkpointing
        )
        clip = batch()
        torch.manual_seed(1)
        loss()(trained(clip), clip.masks)["core_loss"].backward()
        gradients.append({name: parameter.grad for name, parameter in trained.named_parameters() if parameter.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name


def test_a_frozen_encoder_has_no_gradient() -> None:
    trained = model(freeze_image_encoder=True, prob_to_use_pt_input_for_train=1.0)
    clip = batch()
    loss()(trained(clip), clip.masks)["core_loss"].backward()
    assert all(parameter.grad is None for parameter in trained.image_encoder.parameters())
    assert trained.sam_mask_decoder.iou_token.weight.grad is not None


def test_encoding_frame_by_frame_gives_the_same() -> None:
    trained = model(prob_to_use_pt_input_for_eval=1.0, num_correction_pt_per_frame=0).eval()
    clip = batch()
    encoded = []
    trained.image_encoder.register_forward_pre_hook(lambda _module, images: encoded.append(len(images[0])))
    with torch.no_grad():
        together = trained(clip)
        trained.forward_backbone_per_frame_for_eval = True
        one_by_one = trained(clip)
    assert encoded == [3, 1, 1, 1]
    for a, b in zip(one_by_one, together, strict=True):
        torch.testing.assert_close(a[0].multimasks, b[0].multimasks, rtol=0, atol=1e-4)


def test_frames_between_are_tracked_but_not_supervised() -> None:
    trained = model(num_supervised_frames=1, prob_to_use_pt_input_for_train=1.0)
    clip = batch(num_frames=4)
    prompted, second, third, last = trained(clip)
    assert second == third == []
    assert prompted[0].multimasks.requires_grad
    assert last[-1].multimasks.requires_grad
    losses = loss()([prompted, second, third, last], clip.masks)
    losses["core_loss"].backward()
    assert [name for name, parameter in trained.memory_attention.named_parameters() if parameter.grad is None] == []


def test_unsupervised_frames_change_no_prediction() -> None:
    predictions = []
    for num_supervised_frames in (0, 1):
        trained = model(num_supervised_frames=num_supervised_frames)
        trained.rng = np.random.default_rng(0)
        predictions.append(trained(batch(num_frames=4))[-1][-1])
    torch.testing.assert_close(predictions[0].multimasks, predictions[1].multimasks, rtol=1e-4, atol=1e-4)


def test_in_evaluation_every_frame_is_predicted() -> None:
    assert all(model(num_supervised_frames=1).eval()(batch(num_frames=4)))


def with_negative_scores(**arguments: Any) -> SAM2Train:
    """A model whose object scores are all negative."""
    trained = model(prob_to_use_pt_input_for_train=1.0, num_correction_pt_per_frame=2, **arguments)
    last = trained.sam_mask_decoder.pred_obj_score_head.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, -9.0)
    return trained


def test_the_mask_of_a_missed_object_is_supervised_on_request() -> None:
    gradients = []
    for is_supervised in (False, True):
        trained = with_negative_scores(supervise_masks_of_missed_objects=is_supervised)
        losses = loss()(trained(batch()), batch().masks)
        (losses["loss_mask"] + losses["loss_dice"]).backward()
        networks = trained.sam_mask_decoder.output_hypernetworks_mlps.parameters()
        gradients.append(sum(float(p.grad.abs().sum()) for p in networks if p.grad is not None))
    assert gradients[0] == 0 < gradients[1]


def test_the_memory_of_a_missed_object_is_the_same() -> None:
    official, supervised = (with_negative_scores(supervise_masks_of_missed_objects=x)(batch()) for x in (False, True))
    for one, other in zip(official, supervised, strict=True):
        for step, other_step in zip(one, other, strict=True):
            assert (step.multimasks == -1024).all()
            assert (other_step.multimasks > -1024).all()
            torch.testing.assert_close(step.ious, other_step.ious, rtol=0, atol=0)


def test_one_clip_can_be_overfitted() -> None:
    """The loss goes down, and the discs are segmented on every frame from one click on the first."""
    config = dataclasses.replace(
        TINY,
        trunk=ConvTrunkConfig((32, 32, 32, 32), (1, 1, 1, 1)),
        d_model=64,
        fpn_top_down_levels=(0, 1, 2, 3),
        memory_attention_dropout=0.0,
    )
    torch.manual_seed(0)
    clicks = {"prob_to_use_pt_input_for_train": 1.0, "prob_to_use_pt_input_for_eval": 1.0, "num_correction_pt_per_frame": 0}
    trained = build_model(config, SAM2Train, supervise_low_res_masks=True, **clicks)
    clip, criterion = batch(), loss()
    optimizer = torch.optim.AdamW(trained.parameters())
    num_steps, dice = 60, []
    for step in range(num_steps):
        torch.manual_seed(step)
        optimizer.param_groups[0]["lr"] = 6e-3 * schedule(step, num_steps)
        losses = criterion(trained(clip), clip.masks)
        optimizer.zero_grad()
        losses["core_loss"].backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        dice.append(losses["loss_dice"].item())
    assert dice[-1] < 0.2 * dice[0]

    with torch.no_grad():
        frames = trained.eval()(clip)
    for steps, truth in zip(frames, clip.masks[:, :, None], strict=True):
        found = torch.nn.functional.interpolate(steps[0].multimasks, truth.shape[-2:], mode="bilinear") > 0
        iou = (found & truth).flatten(2).sum(2) / (found | truth).flatten(2).sum(2)
        assert iou.amax(dim=1).min().item() > 0.8
