"""Fine-tuning from labelled stacks to a checkpoint with scores and pictures, interrupted or not."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_sam2.model.assembly import build_model
from napari_sam2.predictors.build import load_model
from napari_sam2.training import fine_tuning, held_out
from napari_sam2.training.distributed import SingleProcess
from napari_sam2.training.fine_tuning import FineTuning, fine_tuning_recipe
from napari_sam2.training.run_file import DataEntry, RunFile, read_run_file
from napari_sam2.training.run_log import read_table
from napari_sam2.training.trainer import Cost, Trainer
from napari_sam2.weights.load import read_checkpoint, save_checkpoint
from tiny_models import TINY
from training.drifting_discs import drifting_discs, write_stack

CPU = SingleProcess("cpu")


@pytest.fixture(autouse=True)
def quick_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "NUM_CLIPS", 2)


@pytest.fixture
def init_checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = build_model(TINY)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10  # objects are present on all frames
    save_checkpoint(tmp_path / "initial.safetensors", model.state_dict(), TINY)
    return tmp_path / "initial.safetensors"


@pytest.fixture
def run(tmp_path: Path, init_checkpoint: Path) -> RunFile:
    folder = write_stack(tmp_path / "discs", *drifting_discs())
    data = [DataEntry(folder / "image.tif", folder / "masks.tif")]
    return RunFile(tmp_path / "cells", data, init_checkpoint=str(init_checkpoint), steps=12, validation_share=0.25)


def test_a_gpu_is_used_if_there_is_one(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "start_process_group", lambda: CPU)
    assert FineTuning(run, num_workers=0).process_group is CPU


def test_from_stacks_to_a_model_and_its_scores(run: RunFile, tmp_path: Path) -> None:
    tuning = FineTuning(run, CPU, 0)
    summary = tuning.summary
    assert (summary.num_stacks, summary.num_frames, summary.num_objects, summary.num_clips, summary.num_steps) == (1, 12, 4, 9, 12)
    assert summary.held_out == "25% of the stacks; 4 objects on 4 frames of it are scored"
    assert summary.num_parameters == summary.num_trainable > 10_000
    assert summary.steps_per_epoch == 6  # half of the steps take a clip, half two images
    assert summary.step_seconds is not None
    assert summary.validations_seconds is not None
    assert summary.step_seconds > 0
    assert summary.validations_seconds > 0
    assert summary.memory_bytes is None or summary.memory_bytes > 10_000_000
    progress = list(tuning.train())
    assert [item.step for item in progress] == list(range(1, 13))
    assert sum(item.validation is not None for item in progress) == 6
    list(tuning.finish())

    assert {path.name for path in run.out.iterdir()} == {
        "cells.safetensors", "run.state", "curves.png", "log.csv", "pictures_1.png", "run.toml", "scores.csv",
        "tensorboard", "validation.csv",
    }  # fmt: skip
    assert read_run_file(run.out / "run.toml") == run
    model = load_model(tuning.checkpoint, "cpu")
    assert model.config == dataclasses.replace(TINY, name="cells")
    with (run.out / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["num_objects"]) for row in rows] == [("discs", "4"), ("all", "4")]
    assert float(rows[0]["mean_after"]) == pytest.approx(tuning.scores[0].mean_after, abs=1e-4)
    best = max(float(row["mean_iou"]) for row in read_table(run.out / "validation.csv"))
    assert tuning.trainer.best_score == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("trainable", ["everything", pytest.param("LoRA", marks=pytest.mark.slow)])
def test_a_resumed_run_gives_the_same_weights(trainable: str, run: RunFile) -> None:
    whole = dataclasses.replace(run, out=run.out.with_name("whole"), trainable=trainable, steps=None, minutes=5)
    pieces = dataclasses.replace(whole, out=run.out)
    tuning = FineTuning(dataclasses.replace(whole, steps=7), CPU, 0)
    list(tuning.train())
    shutil.copytree(whole.out, pieces.out)
    for name in ("run.state", "whole.safetensors", "log.csv", "validation.csv"):
        (pieces.out / name).unlink()
    for sitting in range(3):
        resumed = FineTuning(pieces, CPU, 0)  # with the number of steps planned in the first sitting
        assert resumed.summary.num_steps == 7
        assert resumed.summary.steps_done == 3 * sitting
        assert resumed.summary.step_seconds is None
        for number, _ in enumerate(resumed.train(), start=1):
            if number == 3:
                resumed.stop()
                break
    assert resumed.is_trained
    assert list(FineTuning(pieces, CPU, 0).train()) == []
    expected, found = (read_checkpoint(each.checkpoint).state_dict for each in (tuning, resumed))
    assert set(expected) == set(build_model(TINY).state_dict())
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def test_minutes_limit_the_steps_and_end_the_run(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "measure", lambda self: Cost(2.0, 5.0))
    timed = dataclasses.replace(run, steps=None, minutes=3)
    tuning = FineTuning(timed, CPU, 0)
    assert tuning.summary.num_steps == (0.9 * 180 - 9 * 5) // 2
    assert read_run_file(run.out / "run.toml").steps == tuning.summary.num_steps
    tuning.trainer.seconds = 179.99
    assert len(list(tuning.train())) == 1
    assert tuning.is_trained
    assert FineTuning(timed, CPU, 0).is_trained


def test_the_first_limit_of_minutes_and_steps_ends_the_run(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "measure", lambda self: Cost(2.0, 5.0))
    fitting = (0.9 * 180 - 9 * 5) // 2
    for steps, left in ((10_000, fitting), (12, 12)):
        timed = dataclasses.replace(run, steps=steps, minutes=3, out=run.out.with_name(str(steps)))
        assert FineTuning(timed, CPU, 0).summary.num_steps == left
        assert FineTuning(timed, CPU, 0).run.steps == left, "the same run"
    with pytest.raises(ValueError, match="holds another run, its steps is 12 and not 11"):
        FineTuning(dataclasses.replace(timed, steps=11), CPU, 0)


def test_the_initial_weights_are_kept_if_none_are_better(run: RunFile, init_checkpoint: Path) -> None:
    """The weights selected by validation are never worse on it than the initial ones."""
    tuning = FineTuning(dataclasses.replace(run, learning_rate=0.9), CPU, 0)
    list(tuning.train())
    table = read_table(run.out / "validation.csv")
    chosen, initial = read_checkpoint(tuning.checkpoint).state_dict, read_checkpoint(init_checkpoint).state_dict
    is_initial = all(torch.equal(chosen[key], value) for key, value in initial.items())
    assert is_initial == (float(table[0]["mean_iou"]) == max(float(row["mean_iou"]) for row in table))


def test_single_images_are_enough_for_clicks(run: RunFile, tmp_path: Path) -> None:
    image, labels = drifting_discs(1, 64)
    folder = write_stack(tmp_path / "image", image[0], labels[0], "YX")
    other = write_stack(tmp_path / "other", image[0], labels[0], "YX")
    single = dataclasses.replace(
        run,
        data=[DataEntry(folder / "image.tif", folder / "masks.tif")],
        validation=[DataEntry(other / "image.tif", other / "masks.tif")],
        steps=2,
    )
    with pytest.raises(ValueError, match='trainable = "decoder and memory" needs sequences of frames'):
        FineTuning(dataclasses.replace(single, trainable="decoder and memory"), CPU, 0)
    assert not run.out.exists()
    tuning = FineTuning(single, CPU, 0)
    assert tuning.summary.notes == ("only single images: the model is trained on clicks, but not on tracking",)
    assert tuning.summary.held_out == "the [[validation]] stacks; 4 objects on 1 frames of it are scored"
    before = read_checkpoint(single.init_checkpoint).state_dict
    list(tuning.train())
    list(tuning.finish())
    after = tuning.trainer.model.state_dict()
    changed = {key.split(".")[0] for key, value in before.items() if not torch.equal(after[key], value)}
    assert "sam_mask_decoder" in changed
    assert "memory_attention" not in changed


def test_unlabelled_frames_between_labelled_ones_are_left_out(run: RunFile, tmp_path: Path) -> None:
    image, labels = drifting_discs()
    labels[[2, 5, 6]] = 0
    folder = write_stack(tmp_path / "sparse", image, labels)
    sparse = dataclasses.replace(run, data=[DataEntry(folder / "image.tif", folder / "masks.tif")])
    found = FineTuning(sparse, CPU, 0).summary
    assert found.num_frames == 10  # of 13, three are held out
    assert found.held_out.startswith("23% of the stacks; ")
    assert found.notes == (f"{folder / 'masks.tif'}: 3 frames between labelled ones have no label and are left out",)


def cells_at_the_end(folder: Path) -> list[DataEntry]:
    image, labels = drifting_discs()
    labels[:12] = 0
    write_stack(folder, image, labels)
    return [DataEntry(folder / "image.tif", folder / "masks.tif")]


def cells_at_the_border(folder: Path) -> list[DataEntry]:
    image, labels = drifting_discs()
    write_stack(folder, image[:, 18:], labels[:, 18:])
    labels[:, 30:] = 0
    write_stack(folder, image[:, 18:], labels[:, 18:])
    return [DataEntry(folder / "image.tif", folder / "masks.tif")]


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "no weights": ({"init_checkpoint": "sam2.1_hiera_tiny"}, FileNotFoundError, r"sam2\.1_hiera_t is not on this machine"),
    "no model": ({"init_checkpoint": "nano"}, ValueError, r"no model is called 'nano'"),
    "all held out": ({"data": cells_at_the_end}, ValueError, r"all objects are in the part held out for validation: name separate"),
    "all cut": ({"data": cells_at_the_border}, ValueError, r"held out for validation has no whole object: name separate stacks"),
    "no time": (
        {"steps": None, "minutes": 1e-3},
        ValueError,
        r"minutes = 0\.001 is too short: a step takes .* so 10 steps",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_settings_have_one_sentence_before_anything_is_written(
    name: str, run: RunFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path / "cache"))
    changes, error, message = BAD[name]
    if callable(changes.get("data")):
        changes = {"data": changes["data"](tmp_path / "odd")}
    with pytest.raises(error, match=message) as caught:
        FineTuning(dataclasses.replace(run, **changes), CPU, 0)
    assert "\n" not in str(caught.value)
    assert not run.out.exists()


def test_another_architecture_has_one_sentence(run: RunFile, tmp_path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(3)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt"):
        FineTuning(dataclasses.replace(run, init_checkpoint=str(tmp_path / "other.pt")), CPU, 0)


def test_an_unwritable_folder_has_one_sentence_first(run: RunFile, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.state").touch()
    for out, message in (
        (tmp_path / "file", "file is a file: give the name of a folder as out"),
        (tmp_path / "other", "other holds a run that is not a fine-tuning run: give another out"),
        (Path("/proc/cells"), r"run\.toml cannot be written to the folder /proc"),
    ):
        with pytest.raises(ValueError, match=message):
            FineTuning(dataclasses.replace(run, out=out), CPU, 0)


def test_a_full_disk_has_one_sentence_first(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(ValueError, match=r"cells needs \d+ MB of disk for its checkpoints, and 1 MB are free"):
        FineTuning(run, CPU, 0)
    assert not run.out.exists()


@pytest.mark.parametrize(
    ("change", "difference"), [({"seed": 1}, "its seed is 0 and not 1"), ({"steps": 13}, "its steps is 12 and not 13")]
)
def test_a_folder_holds_one_run(change: dict[str, Any], difference: str, run: RunFile) -> None:
    FineTuning(run, CPU, 0)
    with pytest.raises(ValueError, match=f"cells holds another run, {difference}: give another out"):
        FineTuning(dataclasses.replace(run, **change), CPU, 0)


def test_there_are_no_scores_before_training(run: RunFile) -> None:
    with pytest.raises(RuntimeError, match="train first"):
        list(FineTuning(run, CPU, 0).finish())


def test_the_recipe_fits_the_run() -> None:
    clips, images = (fine_tuning_recipe(TINY, 1000, n, 1e-4, 5) for n in (4, 1))
    assert (clips.stages[0].num_frames, clips.stages[0].image_share) == (4, 0.5)
    assert (images.stages[0].num_frames, images.stages[0].image_share, images.stages[0].clips_per_step) == (1, 0, 2)
    assert (clips.seed, clips.ema_decay) == (5, pytest.approx(0.98))
    assert fine_tuning.USED_SHARE < 1
