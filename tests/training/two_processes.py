"""Started by test_processes.py: trains the tiny model in as many processes as asked for, and leaves what each of them has."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch

from napari_sam2.training.processes import start_processes
from napari_sam2.training.recipe import Lesson, Recipe
from napari_sam2.training.trainer import Trainer
from tiny_models import TINY

CONFIG = dataclasses.replace(TINY, memory_attention_dropout=0.0)

SMALL = {"image_size": 64, "clips_per_step": 1}
# Prompted by masks there are no clicks, which would fall elsewhere in another process.
MASKS = Lesson("clips", "prompts", steps=2, num_frames=2, objects_per_clip=3, mask_share=1.0, **SMALL)
RECIPE = Recipe(
    (MASKS, Lesson("pixels", "dense", steps=1, **SMALL), Lesson("clicks", "prompts", steps=2, image_share=0.5, **SMALL)),
    clip_gradient_norm=1e9,
)

if __name__ == "__main__":
    folder, num_devices, max_steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    processes = start_processes("cpu", num_devices)
    trainer = Trainer(CONFIG, RECIPE, folder / "run", [], processes, num_workers=0)
    for number, _ in enumerate(trainer.run(), start=1):
        if number == 1:
            gradients = {name: parameter.grad for name, parameter in trainer.model.named_parameters()}
            torch.save(gradients, folder / f"gradients{processes.rank}.pt")
        if number == max_steps and processes.rank == 1:
            trainer.stop()  # one asks, both stop: after the next step
    torch.save({"model": trainer.model.state_dict(), "done": trainer.steps_done}, folder / f"after{processes.rank}.pt")
