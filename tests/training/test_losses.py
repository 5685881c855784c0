"""The losses against a second implementation, written pixel by pixel as in the papers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from napari_sam2.training.losses import MultiStepMultiMasksAndIous, StepPrediction, dice_loss, iou_loss, sigmoid_focal_loss

WEIGHTS = {"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 2.0, "loss_class": 3.0}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def focal_of(logit: float, target: float, alpha: float, gamma: float) -> float:
    p = sigmoid(logit)
    p_t = p if target else 1 - p
    weight = 1.0 if alpha < 0 else (alpha if target else 1 - alpha)
    return -weight * (1 - p_t) ** gamma * math.log(p_t)


def dice_of(logits: np.ndarray, target: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-logits))
    return 1 - (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2), (-1, 0), (0.5, 1)])
def test_focal_loss(alpha: float, gamma: float) -> None:
    logits, targets = torch.tensor([-2.0, 0.5, 3.0, -1.0]), torch.tensor([0.0, 1.0, 1.0, 1.0])
    expected = [focal_of(x, y, alpha, gamma) for x, y in zip(logits.tolist(), targets.tolist(), strict=True)]
    assert sigmoid_focal_loss(logits, targets, alpha, gamma).tolist() == pytest.approx(expected, rel=1e-5)


def test_dice_loss() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(4, 5)), (rng.random((4, 5)) > 0.5).astype(float)
    assert float(dice_loss(torch.tensor(logits), torch.tensor(target))) == pytest.approx(dice_of(logits, target))


@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4, 5)])
def test_dice_loss_on_soft_targets_has_the_official_form(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=shape), rng.random(shape)
    found = dice_loss(torch.tensor(logits), torch.tensor(target))
    expected = [dice_of(*maps) for maps in zip(logits.reshape(-1, 4, 5), target.reshape(-1, 4, 5), strict=True)]
    assert found.shape == shape[:-2]
    assert found.ravel().tolist() == pytest.approx(expected, rel=1e-12)


def test_dice_loss_on_soft_targets_is_lowest_for_a_binary_mask() -> None:
    """Of all masks on a grid the best is binary, and has the pixels above a threshold of half the Dice coefficient."""
    target = np.array([0.0, 0.2, 0.45, 0.7, 1.0])
    levels = np.array(list(itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), repeat=5)))
    with np.errstate(divide="ignore"):
        logits = np.log(levels / (1 - levels))  # -inf .. inf
    losses = dice_loss(torch.tensor(logits)[:, None], torch.tensor(target)[None, None]).numpy()
    best = levels[losses.argmin()]
    np.testing.assert_array_equal(best, target > (1 - losses.min()) / 2)
    assert best.tolist() == [0, 0, 1, 1, 1]
    at_target = dice_loss(torch.tensor(np.log((target + 1e-12) / (1 - target + 1e-12)))[None], torch.tensor(target)[None])
    assert float(at_target) > losses.min() > 0.05


def test_soft_targets_are_shares_of_coarse_pixels() -> None:
    """A prediction coarser than the mask is compared by the official form with the covered share of each pixel."""
    rng = np.random.default_rng(0)
    target = rng.random((1, 2, 8, 8)) > 0.5
    logits = rng.normal(size=(2, 1, 4, 4))
    step = StepPrediction(torch.tensor(logits), torch.zeros(2, 1), torch.zeros(2, 1))
    found = MultiStepMultiMasksAndIous(WEIGHTS)([[step]], torch.tensor(target))
    shares = target[0].reshape(2, 4, 2, 4, 2).mean((2, 4))
    dice = [dice_of(mask, share) for mask, share in zip(logits[:, 0], shares, strict=True)]
    assert float(found["loss_dice"]) == pytest.approx(np.mean(dice), rel=1e-6)


def test_iou_loss_compares_with_the_true_overlap() -> None:
    logits = torch.tensor([[[[1.0, 1.0], [-1.0, -1.0]]]])
    target = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    assert float(iou_loss(logits, target, torch.tensor([[0.9]]), use_l1_loss=True)) == pytest.approx(0.9 - 1 / 3)
    assert float(iou_loss(logits, target, torch.tensor([[0.9]]))) == pytest.approx((0.9 - 1 / 3) ** 2)


@pytest.mark.parametrize("supervise_all_iou", [True, False])
def test_only_the_best_mask_is_supervised(supervise_all_iou: bool) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (2, 3, 4, 4))
    ious, scores = rng.random((2, 3)), rng.normal(size=(2, 1))
    target = np.zeros((1, 2, 4, 4), bool)
    target[0, 0, :2] = True  # the second object is absent
    step = StepPrediction(*(torch.tensor(x, dtype=torch.float64) for x in (logits, ious, scores)))
    loss = MultiStepMultiMasksAndIous(WEIGHTS, supervise_all_iou=supervise_all_iou, iou_use_l1_loss=True, pred_obj_scores=True)
    found = loss([[step]], torch.tensor(target))

    here = target[0, 0].astype(float)
    focal = [np.mean([focal_of(x, y, 0.25, 2) for x, y in zip(mask.ravel(), here.ravel(), strict=True)]) for mask in logits[0]]
    dice = [dice_of(mask, here) for mask in logits[0]]
    best = int(np.argmin([20 * f + d for f, d in zip(focal, dice, strict=True)]))
    true_iou = [((mask > 0) & (here > 0)).sum() / ((mask > 0) | (here > 0)).sum() for mask in logits[0]]
    errors = np.abs(ious[0] - true_iou)
    assert float(found["loss_mask"]) == pytest.approx(focal[best] / 2, rel=1e-5)
    assert float(found["loss_dice"]) == pytest.approx(dice[best] / 2, rel=1e-5)
    assert float(found["loss_iou"]) == pytest.approx((errors.mean() if supervise_all_iou else errors[best]) / 2, rel=1e-5)
    presence = [focal_of(scores[0, 0], 1, -1, 0), focal_of(scores[1, 0], 0, -1, 0)]
    assert float(found["loss_class"]) == pytest.approx(sum(presence) / 2, rel=1e-5)
    total = sum(weight * float(found[name]) for name, weight in WEIGHTS.items())
    assert float(found["core_loss"]) == pytest.approx(total, rel=1e-5)


def test_an_object_thinner_than_a_coarse_pixel_is_present() -> None:
    target = torch.zeros(1, 2, 16, 16, dtype=torch.bool)
    target[0, 0, 5] = True  # a line a quarter as wide as a pixel of the prediction; the second object is absent
    step = StepPrediction(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1), torch.tensor([[30.0], [-30.0]]))
    found = MultiStepMultiMasksAndIous(WEIGHTS, pred_obj_scores=True)([[step]], target)
    assert float(found["loss_class"]) == pytest.approx(0, abs=1e-6)
    assert float(found["loss_dice"]) > 0.1


def test_without_an_object_score_an_empty_mask_is_the_target() -> None:
    absent = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    step = StepPrediction(torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1), 0.7), torch.full((1, 1), -50.0))
    weights = {name: weight for name, weight in WEIGHTS.items() if name != "loss_class"}
    found = MultiStepMultiMasksAndIous(weights, iou_use_l1_loss=True)([[step]], absent)
    assert float(found["loss_mask"]) == pytest.approx(focal_of(2, 0, 0.25, 2), rel=1e-5)
    assert float(found["loss_dice"]) == pytest.approx(dice_of(np.full((4, 4), 2.0), np.zeros((4, 4))), rel=1e-5)
    assert float(found["loss_iou"]) == pytest.approx(0.7)
    scored = MultiStepMultiMasksAndIous(weights, pred_obj_scores=True)([[step]], absent)
    assert float(scored["core_loss"]) == 0


def test_frames_and_clicks_are_summed() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = [StepPrediction(*(torch.randn(s, generator=generator) for s in ((2, 1, 4, 4), (2, 1), (2, 1)))) for _ in range(3)]
    targets = torch.rand(2, 2, 8, 8, generator=generator) > 0.5
    loss = MultiStepMultiMasksAndIous(WEIGHTS, pred_obj_scores=True)
    together = loss([steps[:2], steps[2:]], targets)
    parts = [loss([[step]], targets[t : t + 1]) for step, t in zip(steps, (0, 0, 1), strict=True)]
    for name in WEIGHTS:
        assert float(together[name]) == pytest.approx(sum(float(part[name]) for part in parts), rel=1e-5)


def test_a_perfect_prediction_costs_nothing() -> None:
    target = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    target[..., 2:6, 2:6] = True
    step = StepPrediction(torch.where(target[0][:, None], 50.0, -50.0), torch.ones(1, 1), torch.full((1, 1), 50.0))
    found = MultiStepMultiMasksAndIous(WEIGHTS, pred_obj_scores=True)([[step]], target)
    assert float(found["core_loss"]) == pytest.approx(0, abs=1e-6)


def core_loss_again(step: StepPrediction, target: torch.Tensor) -> torch.Tensor:
    """The weighted loss of one click, object after object, in other operations than the module's."""
    total = step.ious.new_zeros(())
    for masks, ious, score, truth in zip(step.multimasks, step.ious, step.object_score_logits[:, 0], target, strict=True):
        is_there = bool(truth.any())
        p = 1 / (1 + torch.exp(-score))
        total = total - WEIGHTS["loss_class"] * torch.log(p if is_there else 1 - p)
        if not is_there:
            continue
        choices, errors = [], []
        for mask, iou in zip(masks, ious, strict=True):
            p = 1 / (1 + torch.exp(-mask))
            inside, outside = p[truth], p[~truth]
            focal = -(0.25 * (1 - inside) ** 2 * inside.log()).sum() - (0.75 * outside**2 * (1 - outside).log()).sum()
            dice = 1 - (2 * inside.sum() + 1) / (p.sum() + truth.sum() + 1)
            choices.append(WEIGHTS["loss_mask"] * focal / mask.numel() + WEIGHTS["loss_dice"] * dice)
            true_iou = ((mask > 0) & truth).sum() / ((mask > 0) | truth).sum()
            errors.append((iou - true_iou).abs())
        total = total + torch.stack(choices).min() + WEIGHTS["loss_iou"] * torch.stack(errors).mean()
    return total / len(target)


def test_two_implementations_have_the_same_gradients() -> None:
    generator = torch.Generator().manual_seed(3)
    shapes = ((3, 3, 8, 8), (3, 3), (3, 1))
    leaves = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    target = torch.rand(3, 8, 8, generator=generator) > 0.6
    target[1] = False
    loss = MultiStepMultiMasksAndIous(WEIGHTS, supervise_all_iou=True, iou_use_l1_loss=True, pred_obj_scores=True)
    step = StepPrediction(*leaves)
    found = torch.autograd.grad(loss([[step]], target[None])["core_loss"], leaves)
    expected = torch.autograd.grad(core_loss_again(step, target), leaves)
    for a, b in zip(found, expected, strict=True):
        assert b.abs().max() > 1e-3
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_several_processes_average_over_the_objects_of_all() -> None:
    step = StepPrediction(torch.randn(2, 1, 4, 4), torch.rand(2, 1), torch.randn(2, 1))
    target = torch.ones(1, 2, 4, 4, dtype=torch.bool)
    loss = MultiStepMultiMasksAndIous(WEIGHTS)
    assert float(loss([[step]], target, num_objects=4)["core_loss"]) == pytest.approx(
        float(loss([[step]], target)["core_loss"]) / 2
    )
