"""``napari-sam2 train``: fine-tunes a model by a run file, or trains the embedded one by its recipe."""

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
from napari_sam2.training.fine_tuning import Findings, FineTuning, StackScores, overall
from napari_sam2.training.loss_curves import write_loss_curves
from napari_sam2.training.pacing import fit_to_time
from napari_sam2.training.processes import Processes, start_processes
from napari_sam2.training.real_stacks import LabelledStack, read_stacks
from napari_sam2.training.recipe import MICRO_RECIPE, Recipe
from napari_sam2.training.run_file import read_run_file
from napari_sam2.training.trainer import Trainer

DESCRIPTION = """\
There are two forms; each goes on where it was when it is given again.

  napari-sam2 train RUN.toml
      teaches a model your own cells: the file names labelled stacks, what to start from and how long to learn
      (docs/fine-tuning.md); scores, curves and pictures come out beside the checkpoint

  napari-sam2 train --recipe micro FOLDER [--data FOLDER ...] [--minutes M]
      trains the embedded model from nothing, on synthetic clips and labelled stacks, in the time given; or with
      --start and --lessons goes on from what it knows (docs/micro.md)
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="teach a model your own cells, or train the embedded one",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target", type=path_argument, metavar="RUN.toml|FOLDER", help="a run file, or with --recipe the folder of the run"
    )
    where = parser.add_argument_group("where to train")
    where.add_argument("--device", default="auto", help="cpu, cuda, mps, or auto (default)")
    where.add_argument("--precision", choices=PRECISIONS, help="in which the network computes (default: bfloat16 on CUDA)")
    where.add_argument("--workers", type=int, default=1, help="processes that draw clips (default: 1)")
    where.add_argument("--devices", type=int, default=1, help="GPUs of each machine, or processes on a CPU (default: 1)")
    where.add_argument("--nodes", type=int, default=1, help="machines, each with the same command under torchrun (default: 1)")
    recipe = parser.add_argument_group("training by a recipe")
    recipe.add_argument("--recipe", choices=("micro",), help="what to train")
    recipe.add_argument("--start", type=path_argument, metavar="CHECKPOINT", help="weights to begin with (default: none)")
    recipe.add_argument("--lessons", nargs="+", metavar="NAME", help="take only these of the recipe (default: all)")
    recipe.add_argument(
        "--data",
        type=path_argument,
        nargs="*",
        help="folders with image.tif and masks.tif, or folders of such; named twice, drawn twice as often",
    )
    recipe.add_argument("--minutes", type=float, help="how long it may take: steps are fitted to it (default: all steps)")
    recipe.add_argument("--batch-factor", type=int, help="batches so many times as large, for a GPU (default: 1)")
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


def _start(args: argparse.Namespace) -> Processes:
    return start_processes(args.device, args.devices, args.nodes, args.precision)


# --- by a run file -------------------------------------------------------------------------------------------------


def _fine_tune(args: argparse.Namespace) -> None:
    if args.target.suffix.lower() != ".toml":
        raise ValueError(f"{args.target} is not a run file, whose name ends in .toml; to train from nothing, add --recipe micro")
    for option in ("start", "lessons", "data", "minutes", "batch_factor"):
        if getattr(args, option) is not None:
            raise ValueError(f"--{option.replace('_', '-')} goes with --recipe, not with a run file")
    run_file = read_run_file(args.target)
    tuning = FineTuning(run_file, _start(args), args.workers)
    is_first = tuning.processes.rank == 0
    if is_first:
        _print_findings(tuning.findings, args.target)
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
    findings = tuning.findings
    with tqdm(total=findings.num_steps, initial=findings.steps_done, unit="step", disable=not is_first) as bar:
        for progress in tuning.train():
            bar.update()
            score = "" if progress.validation is None else f", validation IoU {progress.validation:.3f}"
            bar.set_postfix_str(f"loss {progress.losses['core_loss']:.3f}{score}")


def _print_findings(found: Findings, path: Path) -> None:
    print(
        f"{_count(found.num_stacks, 'stack')}, {_count(found.num_frames, 'frame')}, {_count(found.num_objects, 'object')}, "
        f"{_count(found.num_clips, 'place')} where a clip can begin"
    )
    print(f"held out: {found.held_out}")
    print(f"{found.num_trained / 1e6:.1f} of {found.num_parameters / 1e6:.1f} million parameters learn")
    for note in found.notes:
        print(note)
    if found.step_seconds is None:
        print(f"going on after step {found.steps_done} of {found.num_steps}")
        return
    assert found.validations_seconds is not None
    epoch, validations = found.steps_per_epoch * found.step_seconds, found.validations_seconds
    print(f"an epoch, as many clips as there are places: {found.steps_per_epoch} steps, about {_duration(epoch)}")
    print(
        f"{found.num_steps} steps of {found.step_seconds:.2f} s and {_duration(validations)} of validation: "
        f"about {_duration(found.num_steps * found.step_seconds + validations)} (measured in a few steps), then scoring"
    )
    if found.memory_bytes is not None:
        print(f"{found.memory_bytes / 1e9:.1f} GB of memory (measured in them, with the optimiser's share added)")
    print(f"Ctrl-C stops; napari-sam2 train {path} goes on")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
    if args.start is not None and not args.start.is_file():
        raise FileNotFoundError(f"there is no checkpoint {args.start}")
    stacks, processes = read_stacks(args.data or []), _start(args)
    recipe = _recipe(args, stacks, processes)
    trainer = Trainer(MICRO, recipe, args.target, stacks, processes, num_workers=args.workers, initial=args.start)
    if trainer.is_first_process:
        print(f"{len(stacks)} labelled stacks, {trainer.steps_left} steps to go")
    bar = tqdm(total=trainer.steps_left, unit="step", disable=not trainer.is_first_process)
    with stop_on_interrupt(trainer.stop), bar:
        for progress in trainer.run():
            bar.update()
            bar.set_postfix_str(f"{progress.lesson.name}, loss {progress.losses['core_loss']:.3f}")
    if not trainer.is_first_process:
        return
    if trainer.steps_left == 0:
        print(trainer.export())
    else:
        print(f"stopped with {trainer.steps_left} steps to go; the same command continues")
    write_loss_curves(args.target, args.target / "curves.png")


def _recipe(args: argparse.Namespace, stacks: list[LabelledStack], processes: Processes) -> Recipe:
    """The recipe of a run: the one it began with, if it did."""
    kept, command = args.target / "recipe.json", args.target / "command.json"
    if kept.exists():
        begun_with = parse(_Command, read_json(command, "the command of the run"), f"{command}: ")
        _check_same_command(args.target, begun_with, _Command.of(args))
        try:
            with reading(kept, "the recipe of the run"):
                return Recipe.from_json(kept.read_text())
        except ValueError as error:
            raise ValueError(f"{kept} is damaged: begin the run in another folder") from error
    recipe = MICRO_RECIPE if args.lessons is None else MICRO_RECIPE.only(args.lessons)
    recipe = recipe.with_batches(args.batch_factor or 1, processes.world_size)
    if args.minutes is not None:
        recipe = fit_to_time(MICRO, recipe, stacks, processes, args.workers, 60 * args.minutes)
    if processes.rank == 0:
        args.target.mkdir(parents=True, exist_ok=True)
        # Each whole at once, the recipe last: another process may look for it meanwhile.
        for path, text in ((command, to_json(_Command.of(args), indent=1)), (kept, recipe.to_json())):
            with atomic_path(path) as partial:
                partial.write_text(text)
    return recipe


@dataclass(frozen=True)
class _Command:
    """What a run goes by, beside where it runs."""

    start: str | None
    lessons: list[str] | None
    data: list[str]
    minutes: float | None
    batch_factor: int | None

    @classmethod
    def of(cls, args: argparse.Namespace) -> _Command:
        start = None if args.start is None else str(args.start.absolute())
        data = [str(folder.absolute()) for folder in args.data or []]
        return cls(start, args.lessons, data, args.minutes, args.batch_factor)


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
