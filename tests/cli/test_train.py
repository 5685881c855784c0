"""``napari-sam2 train``: both forms, interrupted and resumed, and one sentence for each invalid argument."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from napari_sam2.cli import train as train_module
from napari_sam2.cli.main import main
from napari_sam2.model.assembly import build_model
from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.predictors.build import load_model
from napari_sam2.training import held_out
from napari_sam2.training import trainer as trainer_module
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.run_log import read_table
from napari_sam2.training.trainer import Trainer
from napari_sam2.weights.load import save_checkpoint
from tiny_models import TINY
from training.drifting_discs import drifting_discs, write_stack

RUN = """
init_checkpoint = "initial.safetensors"
validation_share = 0.25
steps = {steps}

[[data]]
folder = "discs"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a tiny model, labelled discs and a run file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainer_module, "SCORE_CALIBRATION_CLIPS", 4)
    monkeypatch.setattr(held_out, "NUM_CLIPS", 2)
    torch.manual_seed(0)
    model = build_model(TINY)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data += 10
    save_checkpoint("initial.safetensors", model.state_dict(), TINY)
    write_stack(tmp_path / "discs", *drifting_discs())
    write_run(4)
    return tmp_path


def write_run(steps: int, more: str = "") -> None:
    Path("cells.toml").write_text(more + RUN.format(steps=steps))


def train(*arguments: str) -> list[str]:
    return ["train", *arguments, "--device", "cpu", "--workers", "0"]


def test_fine_tuning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(train("cells.toml")) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[:2] == [
        "1 stack, 12 frames, 4 objects, 9 clips",
        "held out: 25% of the stacks; 4 objects on 4 frames of it are scored",
    ]
    assert re.fullmatch(r"0\.\d of 0\.\d million parameters are trainable", lines[2])
    assert re.fullmatch(r"an epoch, each clip once on average: 6 steps, about \d+ s", lines[3])
    time = r"4 steps of \d\.\d\d s and \d+ s of validation: about \d+ s \(measured in a few steps\), then scoring"
    assert re.fullmatch(time, lines[4])
    assert lines[-4].startswith("discs     4 objects  0.")
    assert lines[-3].startswith("all       4 objects  0.")
    assert re.search(r"100%.*4/4 .*loss \d", err)
    assert re.search(r"validation IoU 0\.\d{3}", err)
    assert load_model("cells/cells.safetensors", "cpu").config.name == "cells"
    assert sorted(path.name for path in Path("cells").glob("*.png")) == ["curves.png", "pictures_1.png"]

    assert main(train("cells.toml")) == 0  # already trained: scored again
    assert "resuming after step 4 of 4" in capsys.readouterr().out


def test_ctrl_c_and_the_same_command(folder: Path) -> None:
    """A run interrupted by a signal has a checkpoint of its last step."""
    write_run(60)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "napari_sam2", *train("cells.toml", "--workers", "1")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    until = time.monotonic() + 300
    while len(read_table(folder / "cells/log.csv")) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "stopping after this step; Ctrl-C again stops at once" in err
    assert err.splitlines()[-1] == "napari-sam2: interrupted"
    done = len(read_table(folder / "cells/log.csv"))
    assert 3 <= done < 60
    assert torch.load(folder / "cells/run.state")["step"] == done


def test_from_random_weights(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    small = {"image_size": 64, "clips_per_step": 1, "objects_per_clip": 2}
    recipe = Recipe((Stage("pixels", "dense", steps=2, **small), Stage("clips", "prompts", steps=2, num_frames=2, **small)))
    monkeypatch.setattr(train_module, "MICRO", TINY)
    monkeypatch.setattr(train_module, "MICRO_RECIPE", recipe)
    command = train("--recipe", "micro", "nothing", "--data", "discs")
    run = Trainer.run
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", lambda self: run(self, max_seconds=0))
        assert main([*command, "--batch-factor", "2"]) == 0
    assert Recipe.from_json(Path("nothing/recipe.json").read_text()) == recipe.with_batches(2)
    assert capsys.readouterr().out.splitlines() == [
        "1 labelled stacks, 4 steps to go",
        "stopped with 3 steps to go; the same command resumes the run",
    ]
    for other, difference in (
        ([], "--batch-factor 2, not with no --batch-factor"),
        (["--batch-factor", "2", "--stages", "clips"], "no --stages, not with --stages clips"),
        (["--batch-factor", "2", "--minutes", "3"], "no --minutes, not with --minutes 3.0"),
    ):
        assert main([*command, *other]) == 2
        assert f"nothing holds a run that was begun with {difference}: give another folder" in capsys.readouterr().err
    stored = json.loads(Path("nothing/command.json").read_text())
    for former, name in (("start", "init_checkpoint"), ("lessons", "stages")):  # those of an earlier version
        other_version = {former if key == name else key: value for key, value in stored.items()}
        Path("nothing/command.json").write_text(json.dumps(other_version))
        assert main([*command, "--batch-factor", "2"]) == 2
        assert f"command.json has an unknown key '{former}'" in capsys.readouterr().err
    Path("nothing/command.json").write_text(json.dumps(stored))
    assert main([*command, "--batch-factor", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == ["1 labelled stacks, 3 steps to go", "nothing/tiny.safetensors"]
    assert len(read_table(Path("nothing/log.csv"))) == 4
    assert load_model("nothing/tiny.safetensors", "cpu").config == TINY
    assert Path("nothing/curves.png").exists()


def test_from_random_weights_in_a_given_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"image_size": 64, "clips_per_step": 1, "objects_per_clip": 2}
    recipe = Recipe((Stage("pixels", "dense", steps=10**6, **small), Stage("clicks", "prompts", steps=10**6, **small)))
    monkeypatch.setattr(train_module, "MICRO", TINY)
    monkeypatch.setattr(train_module, "MICRO_RECIPE", recipe)
    started = time.monotonic()
    assert main(train("--recipe", "micro", "nothing", "--minutes", "0.03")) == 0
    assert time.monotonic() - started < 60
    steps = [stage.steps for stage in Recipe.from_json(Path("nothing/recipe.json").read_text()).stages]
    assert steps[0] == steps[1] < 10**4
    assert len(read_table(Path("nothing/log.csv"))) == sum(steps)


def test_one_stage_from_existing_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"image_size": 64, "clips_per_step": 1, "objects_per_clip": 2}
    recipe = Recipe((Stage("pixels", "dense", steps=2, **small), Stage("clicks", "prompts", steps=1, **small)))
    monkeypatch.setattr(train_module, "MICRO", TINY)
    monkeypatch.setattr(train_module, "MICRO_RECIPE", recipe)
    monkeypatch.setattr(Trainer, "_train_step", lambda *_: {"core_loss": 0.0})  # the result is the initial checkpoint
    monkeypatch.setattr(trainer_module, "calibrate_object_score", lambda *_: 0.0)
    initial: SAM2Base = build_model(TINY)
    save_checkpoint(Path("existing.safetensors"), initial.state_dict(), TINY)
    assert main(train("--recipe", "micro", "run", "--init-checkpoint", "existing.safetensors", "--stages", "clicks")) == 0
    assert [row["stage"] for row in read_table(Path("run/log.csv"))] == ["clicks"]
    result = load_model("run/tiny.safetensors", "cpu").state_dict()
    for name, weight in initial.state_dict().items():
        torch.testing.assert_close(result[name], weight, rtol=1e-3, atol=1e-3)  # stored in half precision


BAD: dict[str, tuple[str, list[str], str]] = {
    "no run file": ("", ["gone.toml"], r"there is no run file gone\.toml"),
    "neither form": (
        "",
        ["discs"],
        r"discs is not a run file, whose name ends in \.toml; to train the embedded model, add --recipe micro",
    ),
    "both forms": ("", ["cells.toml", "--minutes", "3"], r"--minutes goes with --recipe, not with a run file"),
    "no time": ("", ["discs", "--recipe", "micro", "--minutes", "0"], r"--minutes must be above 0, got 0.0"),
    "no such checkpoint": ("", ["run", "--recipe", "micro", "--init-checkpoint", "gone.pt"], r"there is no checkpoint gone\.pt"),
    "no such stage": (
        "",
        ["run", "--recipe", "micro", "--stages", "sums"],
        r"there is no stage 'sums': choose among dense, clicks, mixed, tracking, joint, longer, finer, finer-longer",
    ),
    "unknown key": ("step = 3\n", ["cells.toml"], r"cells\.toml has an unknown key 'step'; did you mean 'steps'\?"),
    "no such data": ('[[validation]]\nfolder = "gone"\n', ["cells.toml"], r"there is no file .*gone/image\.tif"),
    "no such device": ("", ["cells.toml", "--device", "abacus"], r"device 'abacus' is not available here; .*"),
    "no such workers": ("", ["cells.toml", "--workers", "-1"], r"--workers must be 0 or more, got -1"),
    "no devices": ("", ["cells.toml", "--devices", "0"], r"at least one device on one machine is needed, got 0 on 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_and_nothing_written(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more, arguments, message = BAD[name]
    if more.startswith("[["):
        Path("cells.toml").write_text(RUN.format(steps=4) + more)
    else:
        write_run(4, more)
    before = sorted(folder.rglob("*"))
    assert main(["train", "--device", "cpu", *arguments]) == 2
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"napari-sam2: {message}\n", err), err
    assert out == ""
    assert sorted(folder.rglob("*")) == before


def test_training_needs_no_more_than_a_bare_gpu_machine_has() -> None:
    """PyTorch, NumPy, SciPy, scikit-image, Pillow, tifffile, safetensors and tqdm: see scripts/train_micro.sh."""
    absent = ("pooch", "imagecodecs", "zarr", "napari", "qtpy", "av", "ctcmetrics", "lightning", "tensorboard", "xarray")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import napari_sam2.cli.main"
    subprocess.run([sys.executable, "-c", code], check=True)
