"""``napari-sam2 train``: trains the embedded model, from nothing, by its recipe."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

from napari_sam2.model.config import MICRO
from napari_sam2.training.processes import start_processes
from napari_sam2.training.real_stacks import read_stacks
from napari_sam2.training.recipe import MICRO_RECIPE
from napari_sam2.training.trainer import Trainer


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="train the embedded model from nothing",
        description="Train the embedded model from nothing on synthetic clips and, where given, labelled stacks. "
        "A run that was interrupted goes on where its last checkpoint was.",
    )
    parser.add_argument("folder", type=Path, help="folder of the run: log.csv, checkpoint.pt, and in the end micro.safetensors")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="folders with image.tif and masks.tif, or folders of such")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long; the same command continues")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw clips (default: 1)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto (default)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    missing = [folder for folder in args.data if not folder.is_dir()]
    if missing:
        raise FileNotFoundError(f"there is no folder {missing[0]}")
    stacks = read_stacks(args.data)
    trainer = Trainer(MICRO, MICRO_RECIPE, args.folder, stacks, start_processes(args.device), num_workers=args.workers)
    print(f"{len(stacks)} labelled stacks, {trainer.steps_left} steps to go")
    with tqdm(total=trainer.steps_left, unit="step") as bar:
        for progress in trainer.run(60 * args.minutes):
            bar.update()
            bar.set_postfix_str(f"{progress.stage.name}, loss {progress.losses.get('core_loss', math.nan):.3f}")
    if trainer.steps_left == 0:
        print(trainer.export())
    else:
        print(f"stopped with {trainer.steps_left} steps to go; the same command continues")
