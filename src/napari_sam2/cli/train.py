"""``napari-sam2 train``: fine-tunes a model by a run file, or trains the embedded model by its recipe."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from napari_sam2.cli.arguments import path_argument
from napari_sam2.cli.interruption import stop_on_interrupt
from napari_sam2.file_errors import reading
from napari_sam2.files import atomic_path, read_json
from napari_sam2.model.config import MICRO
from napari_sam2.predictors.device import PRECISIONS
from napari_sam2.structured import parse, to_json
from napari_sam2.training.distributed import ProcessGroup, start_process_group
from napari_sam2.training.fine_tuning import FineTuning, RunSummary, StackScores, overall
from napari_sam2.training.loss_curves import write_loss_curves
from napari_sam2.training.real_stacks import LabelledStack, read_stacks
from napari_sam2.training.recipe import MICRO_RECIPE, Recipe
from napari_sam2.training.run_file import read_run_file
from napari_sam2.training.step_budget import fit_to_time
from napari_sam2.training.trainer import Trainer
from napari_sam2.wording import counted

DESCRIPTION = """\
There are two forms; given again, each resumes an interrupted run.

  napari-sam2 train RUN.toml
      fine-tunes a model on your own cells: the run file names labelled stacks, the initial checkpoint and the
      duration (docs/fine-tuning.md); writes a checkpoint, scores, curves and pictures

  napari-sam2 train --recipe micro FOLDER [--data FOLDER ...] [--minutes M]
      trains the embedded model from random weights, on synthetic clips and labelled stacks, in the given time;
      --init-checkpoint and --stages continue from existing weights (docs/micro.md)
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="fine-tune a model on your own cells, or train the embedded one",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target", type=path_argument, metavar="RUN.toml|FOLDER", help="a run file, or with --recipe the folder of the run"
    )
    where = parser.add_argument_group("where to train")
    where.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto (default)")
    where.add_argument("--precision", choices=PRECISIONS, help="precision of the network (default: bfloat16 on CUDA)")
    where.add_argument("--workers", type=int, default=1, help="data-loading workers, which draw clips (default: 1)")
    where.add_argument("--devices", type=int, default=1, help="GPUs per machine, or processes on a CPU (default: 1)")
    where.add_argument("--nodes", type=int, default=1, help="machines; run the same command on each under torchrun (default: 1)")
    recipe = parser.add_argument_group("training by a recipe")
    recipe.add_argument("--recipe", choices=("micro",), help="the recipe")
    recipe.add_argument(
        "--init-checkpoint", type=path_argument, metavar="CHECKPOINT", help="weights to start from (default: random weights)"
    )
    recipe.add_argument("--stages", nargs="+", metavar="NAME", help="training stages of the recipe to run (default: all)")
    recipe.add_argument(
        "--data",
        type=path_argument,
        nargs="*",
        help="folders with image.tif and masks.tif, or folders of such; one given twice is sampled twice as often",
    )
    recipe.add_argument("--minutes", type=float, help="duration; the number of steps is fitted to it (default: all steps)")
    recipe.add_argument("--batch-factor", type=int, help="factor of the batch size, for a GPU (default: 1)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.workers < 0:
        raise ValueError(f"--workers must be 0 or more, got {args.workers}")
    for option in ("minutes", "batch_factor"):
        if getattr(args, option) is not None and getattr(args, option) <= 0:
            raise ValueError(f"--{option.replace('_', '-')} must be above 0, got {getattr(args, option)}")
    if args.recipe is None:
        _fine_tune(args)
    else:
        _train_by_recipe(args)


def _process_group(args: argparse.Namespace) -> ProcessGroup:
    return start_process_group(args.device, args.devices, args.nodes, args.precision)


# --- by a run file -------------------------------------------------------------------------------------------------


def _fine_tune(args: argparse.Namespace) -> None:
    if args.target.suffix.lower() != ".toml":
        raise ValueError(
            f"{args.target} is not a run file, whose name ends in .toml; to train the embedded model, add --recipe micro"
        )
    for option in ("init_checkpoint", "stages", "data", "minutes", "batch_factor"):
        if getattr(args, option) is not None:
            raise ValueError(f"--{option.replace('_', '-')} goes with --recipe, not with a run file")
    run_file = read_run_file(args.target)
    tuning = FineTuning(run_file, _process_group(args), args.workers)
    is_first = tuning.process_group.rank == 0
    if is_first:
        _print_summary(tuning.summary, args.target)
    with stop_on_interrupt(tuning.stop):
        _show_progress(tuning, is_first)
    if not is_first:
        return
    for _ in tqdm(tuning.finish(), total=tuning.frames_to_score, unit="frame", desc="scoring before and after", leave=False):
        pass
    _print_scores(tuning.scores)
    print(f"{tuning.checkpoint}: the model, for --model, or in napari: Model, from a file")
    print(f"{tuning.run.out}: scores.csv, curves.png, pictures_1.png and on, run.toml, log.csv, tensorboard")


def _show_progress(tuning: FineTuning, is_first: bool) -> None:
    summary = tuning.summary
    with tqdm(total=summary.num_steps, initial=summary.steps_done, unit="step", disable=not is_first) as bar:
        for progress in tuning.train():
            bar.update()
            score = "" if progress.validation is None else f", validation IoU {progress.validation:.3f}"
            bar.set_postfix_str(f"loss {progress.losses['core_loss']:.3f}{score}")


def _print_summary(summary: RunSummary, path: Path) -> None:
    print(
        f"{counted(summary.num_stacks, 'stack')}, {counted(summary.num_frames, 'frame')}, "
        f"{counted(summary.num_objects, 'object')}, {counted(summary.num_clips, 'clip')}"
    )
    print(f"held out: {summary.held_out}")
    print(f"{summary.num_trainable / 1e6:.1f} of {summary.num_parameters / 1e6:.1f} million parameters are trainable")
    for note in summary.notes:
        print(note)
    if summary.step_seconds is None:
        print(f"resuming after step {summary.steps_done} of {summary.num_steps}")
        return
    assert summary.validations_seconds is not None
    epoch, validations = summary.steps_per_epoch * summary.step_seconds, summary.validations_seconds
    print(f"an epoch, each clip once on average: {summary.steps_per_epoch} steps, about {_duration(epoch)}")
    print(
        f"{summary.num_steps} steps of {summary.step_seconds:.2f} s and {_duration(validations)} of validation: "
        f"about {_duration(summary.num_steps * summary.step_seconds + validations)} (measured in a few steps), then scoring"
    )
    if summary.memory_bytes is not None:
        print(f"{summary.memory_bytes / 1e9:.1f} GB of memory (measured in these steps, plus the state of the optimiser)")
    print(f"Ctrl-C stops; napari-sam2 train {path} resumes")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _print_scores(scores: list[StackScores]) -> None:
    width = max(len(row.name) for row in [*scores, overall(scores)])
    print("mean IoU of held-out objects after one click, on the clicked frame and on all frames, before > after")
    for row in [*scores, overall(scores)]:
        print(
            f"{row.name:{width}}  {row.num_objects:4d} objects  {row.clicked_before:.3f} > {row.clicked_after:.3f}"
            f"  {row.mean_before:.3f} > {row.mean_after:.3f}"
        )


# --- by a recipe ---------------------------------------------------------------------------------------------------


def _train_by_recipe(args: argparse.Namespace) -> None:
    if args.init_checkpoint is not None and not args.init_checkpoint.is_file():
        raise FileNotFoundError(f"there is no checkpoint {args.init_checkpoint}")
    stacks, process_group = read_stacks(args.data or []), _process_group(args)
    recipe = _recipe(args, stacks, process_group)
    trainer = Trainer(
        MICRO, recipe, args.target, stacks, process_group, num_workers=args.workers, init_checkpoint=args.init_checkpoint
    )
    if trainer.is_first_process:
        print(f"{len(stacks)} labelled stacks, {trainer.steps_left} steps to go")
    bar = tqdm(total=trainer.steps_left, unit="step", disable=not trainer.is_first_process)
    with stop_on_interrupt(trainer.stop), bar:
        for progress in trainer.run():
            bar.update()
            bar.set_postfix_str(f"{progress.stage.name}, loss {progress.losses['core_loss']:.3f}")
    if not trainer.is_first_process:
        return
    if trainer.steps_left == 0:
        print(trainer.export())
    else:
        print(f"stopped with {trainer.steps_left} steps to go; the same command resumes the run")
    write_loss_curves(args.target, args.target / "curves.png")


def _recipe(args: argparse.Namespace, stacks: list[LabelledStack], process_group: ProcessGroup) -> Recipe:
    """The recipe of a run: the stored one if the run has begun, else one for the options."""
    stored, command = args.target / "recipe.json", args.target / "command.json"
    if stored.exists():
        begun_with = parse(_Command, read_json(command, "the command of the run"), f"{command}: ")
        _check_same_command(args.target, begun_with, _Command.of(args))
        try:
            with reading(stored, "the recipe of the run"):
                return Recipe.from_json(stored.read_text())
        except ValueError as error:
            raise ValueError(f"{stored} is damaged: begin the run in another folder") from error
    recipe = MICRO_RECIPE if args.stages is None else MICRO_RECIPE.with_stages(args.stages)
    recipe = recipe.with_batches(args.batch_factor or 1, process_group.world_size)
    if args.minutes is not None:
        recipe = fit_to_time(MICRO, recipe, stacks, process_group, args.workers, 60 * args.minutes)
    if process_group.rank == 0:
        args.target.mkdir(parents=True, exist_ok=True)
        # Each file atomically, the recipe last, as other processes may read it at the same time.
        for path, text in ((command, to_json(_Command.of(args), indent=1)), (stored, recipe.to_json())):
            with atomic_path(path) as partial:
                partial.write_text(text)
    return recipe


@dataclass(frozen=True)
class _Command:
    """The options that define a run, without those of the machine."""

    init_checkpoint: str | None
    stages: list[str] | None
    data: list[str]
    minutes: float | None
    batch_factor: int | None

    @classmethod
    def of(cls, args: argparse.Namespace) -> _Command:
        init_checkpoint = None if args.init_checkpoint is None else str(args.init_checkpoint.absolute())
        data = [str(folder.absolute()) for folder in args.data or []]
        return cls(init_checkpoint, args.stages, data, args.minutes, args.batch_factor)


def _check_same_command(folder: Path, begun_with: _Command, given: _Command) -> None:
    for name in (field.name for field in fields(_Command)):
        before, now = getattr(begun_with, name), getattr(given, name)
        if before != now:
            old, new = _option(name, before), _option(name, now)
            raise ValueError(
                f"{folder} holds a run that was begun with {old}, not with {new}: "
                "give another folder, or the command it was begun with"
            )


def _option(name: str, value: Any) -> str:
    option = f"--{name.replace('_', '-')}"
    values = value if isinstance(value, list) else [value]
    return f"{option} {' '.join(map(str, values))}" if value else f"no {option}"
