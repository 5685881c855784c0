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
from napari_sam2.training import processes
from napari_sam2.training.batches import LessonBatches
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.low_rank import merge_low_rank_changes
from napari_sam2.training.processes import OneProcess
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.recipe import MICRO_RECIPE, Lesson, Recipe
from napari_sam2.training.run_log import read_table
from napari_sam2.training.sam2_train import SAM2Train
from napari_sam2.training.synthetic import synthetic_clip
from napari_sam2.training.trainer import Trainer, Validation
from napari_sam2.weights.load import load_weights, read_checkpoint, save_checkpoint
from tiny_models import TINY

CPU = OneProcess("cpu")

SMALL = {"image_size": 64, "clips_per_step": 1, "objects_per_clip": 2}
RECIPE = Recipe(
    lessons=(
        Lesson("pixels", "dense", steps=3, **SMALL),
        Lesson("clicks", "prompts", steps=3, **SMALL),
        Lesson("clips", "prompts", steps=3, num_frames=3, mask_share=0.5, frames_to_correct=2, **SMALL | {"image_size": 96}),
    )
)


def train(folder: Path, *pieces: int) -> Trainer:
    """Train in pieces: each a trainer of its own that is dropped after so many steps, as if the power had gone."""
    for steps in pieces:
        trainer = Trainer(TINY, RECIPE, folder, [], CPU, 0)
        for _, _ in zip(range(steps), trainer.run(), strict=False):
            pass
    return Trainer(TINY, RECIPE, folder, [], CPU, 0)


def test_an_interrupted_run_takes_the_same_course(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", 100)
    pieces = train(tmp_path / "pieces", 2, 2, 3, 100)
    assert whole.steps_left == pieces.steps_left == 0
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, pieces.model.state_dict()[key]), key
        assert torch.equal(whole.averaged[key], pieces.averaged[key]), key


def test_a_gpu_is_taken_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "resolve_device", lambda device: torch.device("meta" if device == "auto" else device))
    trainer = Trainer(TINY, RECIPE, tmp_path, [], num_workers=0)
    assert {parameter.device.type for parameter in trainer.model.parameters()} == {"meta"}


def test_gradients_of_all_that_learns_are_clipped(tmp_path: Path) -> None:
    trainer = Trainer(TINY, dataclasses.replace(RECIPE, clip_gradient_norm=1e-3), tmp_path, [], CPU, 0)
    next(trainer.run())
    learning = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in trainer.head.parameters()} < {id(parameter) for parameter in learning}
    gradients = [parameter.grad for parameter in learning if parameter.grad is not None]
    assert float(torch.cat([gradient.ravel() for gradient in gradients]).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_log_has_a_line_for_every_step(tmp_path: Path) -> None:
    train(tmp_path, 100)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [
        [name, str(i)] for name in ("pixels", "clicks", "clips") for i in (1, 2, 3)
    ]


def test_what_was_trained_is_a_model(tmp_path: Path) -> None:
    trainer = train(tmp_path, 100)
    model = load_model(trainer.export(), "cpu")
    assert model.config == dataclasses.replace(TINY, image_size=96)
    key = "sam_mask_decoder.iou_token.weight"
    torch.testing.assert_close(model.state_dict()[key], trainer.averaged[key], rtol=0, atol=1e-3)


def test_time_is_kept(tmp_path: Path) -> None:
    trainer = Trainer(TINY, RECIPE, tmp_path, [], CPU, 0)
    assert len(list(trainer.run(max_seconds=0))) == 1
    assert trainer.state_path.exists()


@pytest.mark.parametrize("lesson", MICRO_RECIPE.lessons, ids=lambda lesson: lesson.name)
def test_a_batch_depends_on_its_number_alone(lesson: Lesson) -> None:
    small = dataclasses.replace(lesson, image_size=128, clips_per_step=2)
    first, again, other = (LessonBatches(small, 0, 0, [])[i] for i in (5, 5, 6))

    def frames(batch: object) -> torch.Tensor:
        return batch[0] if isinstance(batch, tuple) else batch.frames

    assert torch.equal(frames(first), frames(again))
    assert not torch.equal(frames(first), frames(other))


def test_clips_to_follow_have_any_length() -> None:
    lesson = Lesson("following", "prompts", steps=40, num_frames=6, frames_to_learn=2, moving_window_share=0.5, **SMALL)
    dataset = LessonBatches(lesson, 0, 0, [])
    lengths = {batch.num_frames for batch in map(dataset.__getitem__, range(lesson.steps)) if isinstance(batch, ClipBatch)}
    assert lengths == {3, 4, 5, 6}


@pytest.mark.parametrize("seed", range(30))
def test_clips_are_what_they_say(seed: int) -> None:
    clip = synthetic_clip(np.random.default_rng(seed), 3, 64)
    assert clip.frames.shape in ((3, 64, 64), (3, 64, 64, 3))
    assert clip.frames.dtype == np.uint8
    assert clip.labels.shape[1:] == (3, 64, 64)
    assert np.ptp(clip.frames) > 100
    if len(clip.labels) == 2:
        nested = clip.labels[1] > 0
        np.testing.assert_array_equal(clip.labels[1][nested], clip.labels[0][nested])


# --- starting from weights, and what of them learns ----------------------------------------------------------------


ONE = Recipe(lessons=(Lesson("clips", "prompts", steps=4, num_frames=3, frames_to_correct=2, **SMALL),), ema_decay=0.5)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    torch.manual_seed(5)
    path = tmp_path / "start.safetensors"
    save_checkpoint(path, build_model(TINY).state_dict(), TINY)
    return path


def trainer_from(start: Path, folder: Path, trained: str = "everything", recipe: Recipe = ONE, **options: object) -> Trainer:
    return Trainer(TINY, recipe, folder, [], CPU, 0, initial=start, trained=trained, **options)


@pytest.mark.parametrize(
    ("trained", "changes", "stays"),
    [
        ("everything", ["image_encoder", "memory_attention", "memory_encoder", "sam_mask_decoder", "sam_prompt_encoder"], []),
        ("decoder and memory", ["memory_attention", "memory_encoder", "sam_mask_decoder"], ["image_encoder"]),
        ("decoder", ["sam_mask_decoder"], ["image_encoder", "memory_attention", "memory_encoder", "sam_prompt_encoder"]),
        ("LoRA", ["image_encoder", "memory_attention", "sam_mask_decoder"], ["no_mem_embed"]),
    ],
)
def test_only_what_is_trained_changes(trained: str, changes: list[str], stays: list[str], start: Path, tmp_path: Path) -> None:
    trainer = trainer_from(start, tmp_path / "run", trained)
    list(trainer.run())
    before = read_checkpoint(start).state_dict
    after = read_checkpoint(trainer.export()).state_dict
    assert list(after) == list(before)  # what LoRA learnt is in the weights
    changed = {key.split(".")[0] for key, value in before.items() if not torch.allclose(after[key], value, rtol=1e-3, atol=1e-3)}
    assert changed >= set(changes)
    assert not changed & set(stays)


def test_what_was_added_is_what_was_trained(start: Path, tmp_path: Path) -> None:
    """The merged weights give the same as the layers with their changes beside them."""
    trainer = trainer_from(start, tmp_path / "run", "LoRA")
    list(trainer.run())
    merged = build_model(TINY)
    merged.load_state_dict(merge_low_rank_changes(trainer.model.state_dict()))
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected, found = (model.eval().image_encoder(image)["vision_features"] for model in (trainer.model, merged))
    torch.testing.assert_close(found, expected)
    original = build_model(TINY)
    load_weights(original, start)
    assert not torch.allclose(original.eval().image_encoder(image)["vision_features"], expected, rtol=0, atol=1e-3)


def test_other_parts_are_refused(start: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one of everything, decoder and memory, decoder, LoRA, got 'encoder'"):
        trainer_from(start, tmp_path / "run", "encoder")


def test_another_architecture_is_refused(start: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, name="wide", d_model=64)
    with pytest.raises(ValueError, match=r"start\.safetensors is tiny, not wide"):
        Trainer(config, ONE, tmp_path / "run", [], CPU, 0, initial=start)


@pytest.mark.parametrize(("trained", "saved_steps"), [("everything", 1), ("LoRA", 1), ("everything", 0)])
def test_a_killed_run_goes_on_where_its_last_checkpoint_was(
    trained: str, saved_steps: int, start: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """Killed between a checkpoint, if there is one, and the next, the steps after it are made again; all comes out the same."""

    def run(folder: Path, steps: int) -> Trainer:
        score = Validation(lambda model: float(model.sam_mask_decoder.iou_token.weight[0, 0]), every_steps=2)
        trainer = trainer_from(start, folder, trained, validation=score)
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


def test_a_folder_holds_the_run_of_one_model(start: Path, tmp_path: Path) -> None:
    list(trainer_from(start, tmp_path / "run").run())
    with pytest.raises(ValueError, match="run holds a run of another model, or of other parts of it"):
        trainer_from(start, tmp_path / "run", "LoRA")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_checkpoint_is_said(share: float, start: Path, tmp_path: Path) -> None:
    trainer = trainer_from(start, tmp_path / "run")
    list(zip(range(1), trainer.run(), strict=False))
    whole = trainer.state_path.read_bytes()
    trainer.state_path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"run\.state is damaged, copy it again if there is another") as caught:
        trainer_from(start, tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_the_best_by_validation_is_kept(start: Path, tmp_path: Path) -> None:
    scores = iter([0.3, 0.5, 0.4])
    seen = []

    def score(model: SAM2Train) -> float:
        assert not model.training
        seen.append(model.sam_mask_decoder.iou_token.weight.clone())
        return next(scores)

    trainer = trainer_from(start, tmp_path / "run", validation=Validation(score, every_steps=2))
    found = [progress.validation for progress in trainer.run()]
    assert found == [None, 0.5, None, 0.4]  # and 0.3 before the first step
    best = read_checkpoint(trainer.best_path)
    assert best.config == TINY
    assert torch.equal(best.state_dict["sam_mask_decoder.iou_token.weight"], seen[1])
    assert not torch.equal(seen[0], seen[1])


def test_when_the_time_is_up_the_last_weights_are_scored(start: Path, tmp_path: Path) -> None:
    scores = iter([0.3, 0.6])
    trainer = trainer_from(start, tmp_path / "run", validation=Validation(lambda _: next(scores), every_steps=1000))
    assert [progress.validation for progress in trainer.run(max_seconds=0)] == [0.6]
    assert [row["mean_iou"] for row in read_table(tmp_path / "run" / "validation.csv")] == ["0.3", "0.6"]


def test_a_run_that_was_stopped_goes_on(start: Path, tmp_path: Path) -> None:
    trainer = trainer_from(start, tmp_path / "run")
    for _ in trainer.run():
        trainer.stop()
    assert trainer.steps_left == 2  # it says so after a step, and one more was in work
    assert len(list(trainer.run())) == 2


def test_a_step_without_a_finite_gradient_is_left_out(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = trainer_from(start, tmp_path / "run")
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    norm = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *given: norm(*given) * np.inf)
    next(trainer.run())
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    assert caplog.messages == ["the gradient of step 1 is not finite: nothing was learnt from it"]


def test_a_model_says_at_which_size_it_learnt_last(tmp_path: Path) -> None:
    train(tmp_path / "run", 100).export()
    assert load_model(tmp_path / "run", "cpu").image_size == RECIPE.lessons[-1].image_size == 96
    with pytest.raises(ValueError, match=r"run\.state is where a run goes on, not a model: that is the \.safetensors file beside"):
        read_checkpoint(tmp_path / "run" / "run.state")


def test_a_full_disk_leaves_the_checkpoint_before(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_from(start, tmp_path / "run")
    list(zip(range(2), trainer.run(), strict=False))
    before = trainer.state_path.read_bytes()

    def write(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", write)
    with pytest.raises(OSError, match=r"run\.state cannot be written, is the disk full\?"):
        list(trainer_from(start, tmp_path / "run").run())
    assert trainer.state_path.read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))

    def fail(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size == len(before)  # all of it is asked for
        raise OSError(5, "Input/output error")

    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"run\.state cannot be written"):
        trainer.save()  # what has not reached the disk does not take the place of what has
    assert trainer.state_path.read_bytes() == before
    assert not list((tmp_path / "run").glob("*.partial"))


def test_measuring_changes_nothing(start: Path, tmp_path: Path) -> None:
    measured, other = (trainer_from(start, tmp_path / name) for name in "ab")
    assert measured.measure(1).step_seconds > 0
    for trainer in (measured, other):
        list(trainer.run())
    for key, value in other.model.state_dict().items():
        assert torch.equal(value, measured.model.state_dict()[key]), key


def test_stacks_without_a_large_object_are_said(tmp_path: Path) -> None:
    labels = np.zeros((4, 64, 64), np.uint16)
    labels[:, 5, 5] = 1
    stack = LabelledStack(np.zeros((4, 64, 64), np.uint8), labels, is_sequence=True)
    lesson = dataclasses.replace(ONE.lessons[0], real_share=1.0)
    with pytest.raises(ValueError, match="there was no object large enough to learn"):
        LessonBatches(lesson, 0, 0, [stack])[0]
