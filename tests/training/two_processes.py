"""Run by test_distributed.py: trains the tiny model in several processes, and saves the weights of each of them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch

from napari_sam2.training.distributed import start_process_group
from napari_sam2.training.recipe import Recipe, Stage
from napari_sam2.training.trainer import Trainer
from tiny_models import TINY

CONFIG = dataclasses.replace(TINY, memory_attention_dropout=0.0)

SMALL = {"image_size": 64, "clips_per_step": 1}
# Masks as prompts, as clicks would be drawn elsewhere in another process.
MASKS = Stage("clips", "prompts", steps=2, num_frames=2, objects_per_clip=3, mask_share=1.0, **SMALL)
RECIPE = Recipe(
    (MASKS, Stage("pixels", "dense", steps=1, **SMALL), Stage("clicks", "prompts", steps=2, image_share=0.5, **SMALL)),
    clip_gradient_norm=1e9,
)

if __name__ == "__main__":
    folder, num_devices, max_steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    process_group = start_process_group("cpu", num_devices)
    trainer = Trainer(CONFIG, RECIPE, folder / "run", [], process_group, num_workers=0)
    for number, _ in enumerate(trainer.run(), start=1):
        if number == 1:
            gradients = {name: parameter.grad for name, parameter in trainer.model.named_parameters()}
            torch.save(gradients, folder / f"gradients{process_group.rank}.pt")
        if number == max_steps and process_group.rank == 1:
            trainer.stop()  # asked by one process, both stop after the next step
    torch.save({"model": trainer.model.state_dict(), "done": trainer.steps_done}, folder / f"after{process_group.rank}.pt")
