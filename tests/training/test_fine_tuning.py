"""A person's stacks in, a checkpoint with scores and pictures out, whatever happens in between."""

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
from napari_sam2.training import fine_tuning
from napari_sam2.training.fine_tuning import FineTuning, default_learning_rate, fine_tuning_recipe
from napari_sam2.training.processes import OneProcess
from napari_sam2.training.run_file import DataEntry, RunFile, read_run_file
from napari_sam2.training.run_log import read_table
from napari_sam2.training.trainer import Cost, Trainer
from napari_sam2.weights.load import read_checkpoint, save_checkpoint
from tiny_models import TINY, TINY_HIERA
from training.drifting_discs import drifting_discs, write_stack

CPU = OneProcess("cpu")


@pytest.fixture
def start(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = build_model(TINY)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10  # it sees something everywhere
    save_checkpoint(tmp_path / "start.safetensors", model.state_dict(), TINY)
    return tmp_path / "start.safetensors"


@pytest.fixture
def run(tmp_path: Path, start: Path) -> RunFile:
    folder = write_stack(tmp_path / "discs", *drifting_discs())
    data = [DataEntry(folder / "image.tif", folder / "masks.tif")]
    return RunFile(tmp_path / "cells", data, start=str(start), steps=12, validation_share=0.25)


def test_a_gpu_is_taken_where_there_is_one(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "start_processes", lambda: CPU)
    assert FineTuning(run, num_workers=0).processes is CPU


def test_from_stacks_to_a_model_and_its_scores(run: RunFile, tmp_path: Path) -> None:
    tuning = FineTuning(run, CPU, 0)
    found = tuning.findings
    assert (found.num_stacks, found.num_frames, found.num_objects, found.num_clips, found.num_steps) == (1, 12, 4, 9, 12)
    assert found.held_out == "25% of the stacks; 4 objects on 4 frames of it are scored"
    assert found.num_parameters == found.num_trained > 10_000
    assert found.steps_per_epoch == 6  # half of the steps take a clip, half two images
    assert found.step_seconds is not None
    assert found.validations_seconds is not None
    assert found.step_seconds > 0
    assert found.validations_seconds > 0
    assert found.memory_bytes is None or found.memory_bytes > 10_000_000
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


@pytest.mark.parametrize("what", ["everything", "LoRA"])
def test_an_interrupted_run_takes_the_same_course(what: str, run: RunFile) -> None:
    whole = dataclasses.replace(run, out=run.out.with_name("whole"), what=what, steps=None, minutes=5)
    pieces = dataclasses.replace(whole, out=run.out)
    tuning = FineTuning(dataclasses.replace(whole, steps=10), CPU, 0)
    list(tuning.train())
    shutil.copytree(whole.out, pieces.out)
    for name in ("run.state", "whole.safetensors", "log.csv", "validation.csv"):
        (pieces.out / name).unlink()
    for sitting in range(4):
        resumed = FineTuning(pieces, CPU, 0)  # the steps planned in the first sitting stand
        assert resumed.findings.num_steps == 10
        assert resumed.findings.steps_done == 3 * sitting
        assert resumed.findings.step_seconds is None
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


def test_minutes_make_steps_and_end_the_run(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "measure", lambda self: Cost(2.0, 5.0))
    timed = dataclasses.replace(run, steps=None, minutes=3)
    tuning = FineTuning(timed, CPU, 0)
    assert tuning.findings.num_steps == (0.9 * 180 - 9 * 5) // 2
    assert read_run_file(run.out / "run.toml").steps == tuning.findings.num_steps
    tuning.trainer.seconds = 179.99
    assert len(list(tuning.train())) == 1
    assert tuning.is_trained
    assert FineTuning(timed, CPU, 0).is_trained


def test_minutes_and_steps_end_a_run_whichever_is_over_first(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "measure", lambda self: Cost(2.0, 5.0))
    fitting = (0.9 * 180 - 9 * 5) // 2
    for steps, left in ((10_000, fitting), (12, 12)):
        timed = dataclasses.replace(run, steps=steps, minutes=3, out=run.out.with_name(str(steps)))
        assert FineTuning(timed, CPU, 0).findings.num_steps == left
        assert FineTuning(timed, CPU, 0).run.steps == left, "the same run"
    with pytest.raises(ValueError, match="holds another run, its steps is 12 and not 11"):
        FineTuning(dataclasses.replace(timed, steps=11), CPU, 0)


def test_the_start_is_kept_where_nothing_gets_better(run: RunFile, start: Path) -> None:
    """What is chosen by validation is never worse on it than what the run began with."""
    tuning = FineTuning(dataclasses.replace(run, learning_rate=0.9), CPU, 0)
    list(tuning.train())
    table = read_table(run.out / "validation.csv")
    chosen, began = read_checkpoint(tuning.checkpoint).state_dict, read_checkpoint(start).state_dict
    is_start = all(torch.equal(chosen[key], value) for key, value in began.items())
    assert is_start == (float(table[0]["mean_iou"]) == max(float(row["mean_iou"]) for row in table))


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
    with pytest.raises(ValueError, match='what = "decoder and memory" needs frames that follow each other'):
        FineTuning(dataclasses.replace(single, what="decoder and memory"), CPU, 0)
    assert not run.out.exists()
    tuning = FineTuning(single, CPU, 0)
    assert tuning.findings.notes == ("only single images: clicks will be learnt, but not how to follow objects through frames",)
    assert tuning.findings.held_out == "the [[validation]] stacks; 4 objects on 1 frames of it are scored"
    before = read_checkpoint(single.start).state_dict
    list(tuning.train())
    list(tuning.finish())
    after = tuning.trainer.model.state_dict()
    changed = {key.split(".")[0] for key, value in before.items() if not torch.equal(after[key], value)}
    assert "sam_mask_decoder" in changed
    assert "memory_attention" not in changed


def test_frames_that_were_passed_over_are_left_out(run: RunFile, tmp_path: Path) -> None:
    image, labels = drifting_discs()
    labels[[2, 5, 6]] = 0
    folder = write_stack(tmp_path / "sparse", image, labels)
    sparse = dataclasses.replace(run, data=[DataEntry(folder / "image.tif", folder / "masks.tif")])
    found = FineTuning(sparse, CPU, 0).findings
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
    "no weights": ({"start": "sam2.1_hiera_tiny"}, FileNotFoundError, r"sam2\.1_hiera_t is not on this machine"),
    "no model": ({"start": "nano"}, ValueError, r"no model is called 'nano'"),
    "all held out": ({"data": cells_at_the_end}, ValueError, r"all objects are in the part held out for validation: name separate"),
    "all cut": ({"data": cells_at_the_border}, ValueError, r"held out for validation has no whole object: name separate stacks"),
    "no time": (
        {"steps": None, "minutes": 1e-3},
        ValueError,
        r"minutes = 0\.001 is too short: a step takes .* so 10 steps",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_done_is_said_before_anything_is_written(
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


def test_another_architecture_is_refused(run: RunFile, tmp_path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(3)}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt"):
        FineTuning(dataclasses.replace(run, start=str(tmp_path / "other.pt")), CPU, 0)


def test_where_nothing_can_be_written_is_said_first(run: RunFile, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.state").touch()
    for out, message in (
        (tmp_path / "file", "file is a file: give the name of a folder as out"),
        (tmp_path / "other", "other holds a run that is no fine-tuning: give another out"),
        (Path("/proc/cells"), r"run\.toml cannot be written to the folder /proc"),
    ):
        with pytest.raises(ValueError, match=message):
            FineTuning(dataclasses.replace(run, out=out), CPU, 0)


def test_a_full_disk_is_said_first(run: RunFile, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(ValueError, match=r"cells needs \d+ MB of disk for its checkpoints, and 1 MB are free"):
        FineTuning(run, CPU, 0)
    assert not run.out.exists()


@pytest.mark.parametrize(
    ("change", "said"), [({"seed": 1}, "its seed is 0 and not 1"), ({"steps": 13}, "its steps is 12 and not 13")]
)
def test_a_folder_holds_one_run(change: dict[str, Any], said: str, run: RunFile) -> None:
    FineTuning(run, CPU, 0)
    with pytest.raises(ValueError, match=f"cells holds another run, {said}: give another out"):
        FineTuning(dataclasses.replace(run, **change), CPU, 0)


def test_there_is_nothing_to_score_before_training(run: RunFile) -> None:
    with pytest.raises(RuntimeError, match="train first"):
        list(FineTuning(run, CPU, 0).finish())


def test_the_recipe_fits_the_model_and_the_run() -> None:
    rates = [default_learning_rate(config, what) for config in (TINY, TINY_HIERA) for what in ("everything", "decoder", "LoRA")]
    assert rates == pytest.approx([3e-4, 6e-4, 15e-4, 1e-5, 2e-5, 5e-5])
    clips, images = (fine_tuning_recipe(TINY, 1000, n, 1e-4, 5) for n in (4, 1))
    assert (clips.lessons[0].num_frames, clips.lessons[0].image_share) == (4, 0.5)
    assert (images.lessons[0].num_frames, images.lessons[0].image_share, images.lessons[0].clips_per_step) == (1, 0, 2)
    assert (clips.seed, clips.ema_decay) == (5, pytest.approx(0.98))
    assert fine_tuning.USED_SHARE < 1
