from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam2.predictors.build import load_model
from napari_sam2.training.recipe import MICRO_RECIPE, Recipe, Stage
from napari_sam2.training.synthetic import synthetic_clip
from napari_sam2.training.trainer import StageDataset, Trainer
from tiny_models import TINY

SMALL = {"image_size": 64, "clips_per_step": 1, "objects_per_clip": 2}
RECIPE = Recipe(
    stages=(
        Stage("pixels", "dense", steps=3, **SMALL),
        Stage("clicks", "prompts", steps=3, **SMALL),
        Stage("clips", "prompts", steps=3, num_frames=3, mask_share=0.5, frames_to_correct=2, **SMALL | {"image_size": 96}),
    )
)


def train(folder: Path, *pieces: int) -> Trainer:
    """Train in pieces: each a trainer of its own that is dropped after so many steps, as if the power had gone."""
    for steps in pieces:
        trainer = Trainer(TINY, RECIPE, folder, [], num_workers=0, checkpoint_every=1)
        for _, _ in zip(range(steps), trainer.run(), strict=False):
            pass
    return Trainer(TINY, RECIPE, folder, [], num_workers=0)


def test_an_interrupted_run_takes_the_same_course(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 100)
    pieces = train(tmp_path / "pieces", 2, 2, 3, 100)
    assert whole.steps_left == pieces.steps_left == 0
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, pieces.model.state_dict()[key]), key
        assert torch.equal(whole.averaged[key], pieces.averaged[key]), key


def test_the_log_has_a_line_for_every_step(tmp_path: Path) -> None:
    train(tmp_path, 100)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        [name, str(i)] for name in ("pixels", "clicks", "clips") for i in (1, 2, 3)
    ]


def test_what_was_trained_is_a_model(tmp_path: Path) -> None:
    trainer = train(tmp_path, 100)
    model = load_model(trainer.export(), "cpu")
    assert model.config == TINY
    key = "sam_mask_decoder.iou_token.weight"
    torch.testing.assert_close(model.state_dict()[key], trainer.averaged[key], rtol=0, atol=1e-3)


def test_time_is_kept(tmp_path: Path) -> None:
    trainer = Trainer(TINY, RECIPE, tmp_path, [], num_workers=0)
    assert len(list(trainer.run(max_seconds=0))) == 1
    assert trainer.checkpoint_path.exists()


@pytest.mark.parametrize("stage", MICRO_RECIPE.stages, ids=lambda stage: stage.name)
def test_a_batch_depends_on_its_number_alone(stage: Stage) -> None:
    small = dataclasses.replace(stage, image_size=128, clips_per_step=2)
    first, again, other = (StageDataset(small, 0, 0, [])[i] for i in (5, 5, 6))

    def frames(batch: object) -> torch.Tensor:
        return batch[0] if isinstance(batch, tuple) else batch.frames

    assert torch.equal(frames(first), frames(again))
    assert not torch.equal(frames(first), frames(other))


@pytest.mark.parametrize("seed", range(30))
def test_clips_are_what_they_say(seed: int) -> None:
    clip = synthetic_clip(np.random.default_rng(seed), 3, 64)
    assert clip.frames.shape == (3, 64, 64)
    assert clip.frames.dtype == np.uint8
    assert clip.labels.shape[1:] == clip.frames.shape
    assert np.ptp(clip.frames) > 100
    if len(clip.labels) == 2:
        nested = clip.labels[1] > 0
        np.testing.assert_array_equal(clip.labels[1][nested], clip.labels[0][nested])
