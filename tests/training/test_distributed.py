"""Distributed training: two processes compute the gradients of one process with the clips of both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_sam2.training.batches import StageBatches
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.distributed import SingleProcess, start_process_group
from napari_sam2.training.trainer import Trainer
from training.two_processes import CONFIG, MASKS, RECIPE


def train_with_two(folder: Path, max_steps: int) -> list[dict]:
    script = Path(__file__).with_name("two_processes.py")
    path = os.pathsep.join([str(script.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(folder), "2", str(max_steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"after{rank}.pt") for rank in (0, 1)]


def merged(batches: list[ClipBatch]) -> ClipBatch:
    return ClipBatch(
        torch.cat([batch.frames for batch in batches], dim=1),
        torch.cat([batch.masks for batch in batches], dim=1),
        torch.cat([batch.clip_of_object + number for number, batch in enumerate(batches)]),
    )


def test_two_processes_train_together(tmp_path: Path) -> None:
    """Weights stay equal, both stop if one is asked to, and the first gradient is that of one process with the clips of both."""
    pytest.importorskip("lightning_fabric")
    first, second = train_with_two(tmp_path, 3)
    assert first["done"] == second["done"] == 4
    for name, value in first["model"].items():
        assert torch.equal(value, second["model"][name]), name

    trainer = Trainer(CONFIG, RECIPE, tmp_path / "alone", [], SingleProcess("cpu"), 0)
    batches = [StageBatches(MASKS, 0, RECIPE.seed, [], rank)[0] for rank in (0, 1)]
    assert not torch.equal(batches[0].frames, batches[1].frames)
    trainer._backward(merged(batches), 0)
    found = torch.load(tmp_path / "gradients0.pt")
    alone = {name: parameter.grad for name, parameter in trainer.model.named_parameters() if parameter.grad is not None}
    largest = max(float(gradient.abs().max()) for gradient in alone.values())
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * largest, msg=lambda m, n=name: f"{n}: {m}")


def test_precision_of_the_forward_pass(tmp_path: Path) -> None:
    layer = torch.nn.Linear(4, 4)
    found = {name: SingleProcess("cpu", name).wrap(layer)(torch.ones(2, 4)).dtype for name in ("float32", "bfloat16")}
    assert found == {"float32": torch.float32, "bfloat16": torch.bfloat16}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cpu", 0), "at least one device on one machine is needed, got 0 on 1"),
        (("cpu", 1, 1, "float8"), "precision must be one of"),
        (("abacus",), "device 'abacus' is not available here"),
    ],
)
def test_invalid_arguments_have_one_sentence(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        start_process_group(*arguments)


def test_one_process_needs_no_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    assert isinstance(start_process_group("cpu"), SingleProcess)
    with pytest.raises(ImportError, match=r"several processes needs the extra: pip install 'napari-sam2\[train\]'"):
        start_process_group("cpu", 2)
