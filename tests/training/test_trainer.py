from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_sam2.model.assembly import build_model
from napari_sam2.predictors.build import load_model
from napari_sam2.training import distributed
from napari_sam2.training import trainer as trainer_module
from napari_sam2.training.distributed import SingleProcess
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.run_log import read_table
from napari_sam2.training.sam2_train import SAM2Train
from napari_sam2.training.trainer import Trainer, Validation
from napari_sam2.weights.load import read_checkpoint, save_checkpoint
from tiny_models import TINY

CPU = SingleProcess("cpu")


@pytest.fixture(autouse=True)
def few_calibration_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "SCORE_CALIBRATION_CLIPS", 4)


SMALL = {"image_size": 64, "clips_per_step": 1, "objects_per_clip": 2}
RECIPE = Recipe(
    stages=(
        Stage("pixels", "dense", steps=3, **SMALL),
        Stage("clicks", "prompts", steps=3, **SMALL),
        Stage("clips", "prompts", steps=3, num_frames=3, mask_share=0.5, frames_to_correct=2, **SMALL | {"image_size": 96}),
    )
)


def train(folder: Path, *pieces: int) -> Trainer:
    """Train in pieces: each with a new trainer, which is dropped after a number of steps as after a power failure."""
    for steps in pieces:
        trainer = Trainer(TINY, RECIPE, folder, [], CPU, 0)
        for _, _ in zip(range(steps), trainer.run(), strict=False):
            pass
    return Trainer(TINY, RECIPE, folder, [], CPU, 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """The trainer of a whole run; its tests do not train on."""
    return train(tmp_path_factory.mktemp("whole"), 100)


def test_a_resumed_run_gives_the_same_weights(whole: Trainer, tmp_path: Path) -> None:
    pieces = train(tmp_path / "pieces", 2, 2, 3, 100)
    assert whole.steps_left == pieces.steps_left == 0
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, pieces.model.state_dict()[key]), key
        assert torch.equal(whole.averaged[key], pieces.averaged[key]), key


def test_a_gpu_is_used_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "resolve_device", lambda device: torch.device("meta" if device == "auto" else device))
    trainer = Trainer(TINY, RECIPE, tmp_path, [], num_workers=0)
    assert {parameter.device.type for parameter in trainer.model.parameters()} == {"meta"}


def test_gradients_of_all_trainable_parameters_are_clipped(tmp_path: Path) -> None:
    trainer = Trainer(TINY, dataclasses.replace(RECIPE, clip_gradient_norm=1e-3), tmp_path, [], CPU, 0)
    next(trainer.run())
    trainable = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in trainer.head.parameters()} < {id(parameter) for parameter in trainable}
    gradients = [parameter.grad for parameter in trainable if parameter.grad is not None]
    assert float(torch.cat([gradient.ravel() for gradient in gradients]).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_log_has_a_line_for_every_step(whole: Trainer) -> None:
    lines = (whole.folder / "log.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        [name, str(i)] for name in ("pixels", "clicks", "clips") for i in (1, 2, 3)
    ]


def test_the_result_is_a_model_with_the_image_size_of_the_last_stage(whole: Trainer) -> None:
    model = load_model(whole.export(), "cpu")
    assert model.config == dataclasses.replace(TINY, image_size=96)
    assert load_model(whole.folder, "cpu").image_size == RECIPE.stages[-1].image_size == 96
    key = "sam_mask_decoder.iou_token.weight"
    torch.testing.assert_close(model.state_dict()[key], whole.averaged[key], rtol=0, atol=1e-3)


def test_a_run_ends_with_its_time(tmp_path: Path) -> None:
    trainer = Trainer(TINY, RECIPE, tmp_path, [], CPU, 0)
    assert len(list(trainer.run(max_seconds=0))) == 1
    assert trainer.state_path.exists()


# --- from a checkpoint, with all parameters or some of them trainable ----------------------------------------------


ONE = Recipe(stages=(Stage("clips", "prompts", steps=4, num_frames=3, frames_to_correct=2, **SMALL),), ema_decay=0.5)


@pytest.fixture
def init_checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    path = tmp_path / "initial.safetensors"
    save_checkpoint(path, build_model(TINY).state_dict(), TINY)
    return path


def trainer_from(
    init_checkpoint: Path, folder: Path, trainable: str = "everything", recipe: Recipe = ONE, **options: object
) -> Trainer:
    return Trainer(TINY, recipe, folder, [], CPU, 0, init_checkpoint=init_checkpoint, trainable=trainable, **options)


@pytest.mark.parametrize(
    ("trainable", "changes", "stays"),
    [
        ("everything", ["image_encoder", "memory_attention", "memory_encoder", "sam_mask_decoder", "sam_prompt_encoder"], []),
        ("decoder and memory", ["memory_attention", "memory_encoder", "sam_mask_decoder"], ["image_encoder"]),
        ("decoder", ["sam_mask_decoder"], ["image_encoder", "memory_attention", "memory_encoder", "sam_prompt_encoder"]),
        ("LoRA", ["image_encoder", "memory_attention", "sam_mask_decoder"], ["no_mem_embed"]),
    ],
)
def test_only_trainable_parts_change(
    trainable: str, changes: list[str], stays: list[str], init_checkpoint: Path, tmp_path: Path
) -> None:
    trainer = trainer_from(init_checkpoint, tmp_path / "run", trainable)
    list(trainer.run())
    before = read_checkpoint(init_checkpoint).state_dict
    after = read_checkpoint(trainer.export()).state_dict
    assert list(after) == list(before)  # LoRA is merged into the weights
    changed = {key.split(".")[0] for key, value in before.items() if not torch.allclose(after[key], value, rtol=1e-3, atol=1e-3)}
    assert changed >= set(changes)
    assert not changed & set(stays)


def test_other_parts_have_one_sentence(init_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trainable must be one of everything, decoder and memory, decoder, LoRA, got 'encoder'"):
        trainer_from(init_checkpoint, tmp_path / "run", "encoder")


def test_another_architecture_has_one_sentence(init_checkpoint: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, name="wide", d_model=64)
    with pytest.raises(ValueError, match=r"initial\.safetensors is tiny, not wide"):
        Trainer(config, ONE, tmp_path / "run", [], CPU, 0, init_checkpoint=init_checkpoint)


@pytest.mark.parametrize(
    ("trainable", "saved_steps"), [pytest.param("everything", 1, marks=pytest.mark.slow), ("LoRA", 1), ("everything", 0)]
)
def test_a_killed_run_resumes_at_its_last_checkpoint(
    trainable: str, saved_steps: int, init_checkpoint: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """The steps after the last checkpoint, if there is one, are repeated; weights and logs are those of a run in one piece."""

    def run(folder: Path, steps: int) -> Trainer:
        score = Validation(lambda model: float(model.sam_mask_decoder.iou_token.weight[0, 0]), every_steps=2)
        trainer = trainer_from(init_checkpoint, folder, trainable, validation=score)
        for _ in zip(range(steps), trainer.run(), strict=False):
            pass
        return trainer

    whole = run(tmp_path / "whole", 100)
    if saved_steps:
        run(tmp_path / "killed", saved_steps)
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "save", lambda self: None)
        run(tmp_path / "killed", 2)
    assert len(read_table(tmp_path / "killed" / "log.csv")) == saved_steps + 2
    again = run(tmp_path / "killed", 100)
    assert again.best_score == whole.best_score
    for key, value in whole.averaged.items():
        assert torch.equal(value, again.averaged[key]), key
    for name in ("log.csv", "validation.csv"):
        rows = [read_table(tmp_path / folder / name) for folder in ("whole", "killed")]
        for table in rows:
            for row in table:
                row.pop("seconds", None)
        assert rows[0] == rows[1]


def test_a_folder_holds_the_run_of_one_model(init_checkpoint: Path, tmp_path: Path) -> None:
    list(trainer_from(init_checkpoint, tmp_path / "run").run())
    with pytest.raises(ValueError, match="run holds a run of another model, or of other parts of it"):
        trainer_from(init_checkpoint, tmp_path / "run", "LoRA")


def test_a_checkpoint_of_another_version_has_one_sentence(init_checkpoint: Path, tmp_path: Path) -> None:
    trainer = trainer_from(init_checkpoint, tmp_path / "run")
    list(zip(range(1), trainer.run(), strict=False))
    state = torch.load(trainer.state_path)
    state["lesson_index"] = state.pop("stage_index")
    torch.save(state, trainer.state_path)
    with pytest.raises(
        ValueError, match=r"run\.state is of another version of napari-sam2, it has no 'stage_index': give another folder$"
    ):
        trainer_from(init_checkpoint, tmp_path / "run")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_checkpoint_has_one_sentence(share: float, init_checkpoint: Path, tmp_path: Path) -> None:
    trainer = trainer_from(init_checkpoint, tmp_path / "run")
    list(zip(range(1), trainer.run(), strict=False))
    whole = trainer.state_path.read_bytes()
    trainer.state_path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"run\.state is damaged: copy it again if there is another copy") as caught:
        trainer_from(init_checkpoint, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_the_best_by_validation_is_kept(init_checkpoint: Path, tmp_path: Path) -> None:
    scores = iter([0.3, 0.5, 0.4])
    seen = []

    def score(model: SAM2Train) -> float:
        assert not model.training
        seen.append(model.sam_mask_decoder.iou_token.weight.clone())
        return next(scores)

    trainer = trainer_from(init_checkpoint, tmp_path / "run", validation=Validation(score, every_steps=2))
    found = [progress.validation for progress in trainer.run()]
    assert found == [None, 0.5, None, 0.4]  # and 0.3 before the first step
    best = read_checkpoint(trainer.best_path)
    assert best.config == TINY
    assert torch.equal(best.state_dict["sam_mask_decoder.iou_token.weight"], seen[1])
    assert not torch.equal(seen[0], seen[1])


def test_at_the_end_of_the_time_the_last_weights_are_scored(init_checkpoint: Path, tmp_path: Path) -> None:
    scores = iter([0.3, 0.6])
    trainer = trainer_from(init_checkpoint, tmp_path / "run", validation=Validation(lambda _: next(scores), every_steps=1000))
    assert [progress.validation for progress in trainer.run(max_seconds=0)] == [0.6]
    assert [row["mean_iou"] for row in read_table(tmp_path / "run" / "validation.csv")] == ["0.3", "0.6"]


def test_a_stopped_run_can_be_resumed(init_checkpoint: Path, tmp_path: Path) -> None:
    trainer = trainer_from(init_checkpoint, tmp_path / "run")
    for _ in trainer.run():
        trainer.stop()
    assert trainer.steps_left == 2  # asked after the first step, the run ends after the second
    assert len(list(trainer.run())) == 2


def test_a_step_without_a_finite_gradient_is_skipped(
    init_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = trainer_from(init_checkpoint, tmp_path / "run")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    norm = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *given: norm(*given) * np.inf)
    next(trainer.run())
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    assert caplog.messages == ["the gradient of step 1 is not finite: the step was skipped"]


def test_the_checkpoint_of_a_run_is_not_a_model(whole: Trainer) -> None:
    with pytest.raises(ValueError, match=r"run\.state is the checkpoint of a training run, not a model: the model is"):
        read_checkpoint(whole.state_path)


def test_a_full_disk_leaves_the_checkpoint_before(init_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_from(init_checkpoint, tmp_path / "run")
    list(zip(range(2), trainer.run(), strict=False))
    before = trainer.state_path.read_bytes()

    def write(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", write)
    with pytest.raises(OSError, match=r"run\.state cannot be written, is the disk full\?"):
        list(trainer_from(init_checkpoint, tmp_path / "run").run())
    assert trainer.state_path.read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))

    def fail(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size == len(before)  # all of it is written
        raise OSError(5, "Input/output error")

    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"run\.state cannot be written"):
        trainer.save()  # a file that is not on the disk does not replace one that is
    assert trainer.state_path.read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))


def test_measuring_changes_nothing(init_checkpoint: Path, tmp_path: Path) -> None:
    measured, other = (trainer_from(init_checkpoint, tmp_path / name) for name in "ab")
    assert measured.measure(1).step_seconds > 0
    for trainer in (measured, other):
        list(trainer.run())
    for key, value in other.model.state_dict().items():
        assert torch.equal(value, measured.model.state_dict()[key]), key
