"""``napari-sam2 report``: scores the models that are here on bundled and own labelled stacks, and writes a page to share."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from napari_sam2.cli import score_table
from napari_sam2.cli.arguments import add_device_arguments, path_argument
from napari_sam2.cli.info import facts
from napari_sam2.evaluation.dataset import read_datasets
from napari_sam2.evaluation.model_report import LabelledStack, ReportedModel, StackScores, bundled_stacks, own_stack, score_stack
from napari_sam2.evaluation.report_page import Report, page
from napari_sam2.evaluation.simulated_prompts import KINDS
from napari_sam2.files import atomic_path, check_writable
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.device import resolve_precision
from napari_sam2.weights.download import find_checkpoint
from napari_sam2.weights.load import find_weights
from napari_sam2.weights.registry import RELEASED, is_model_name

_EMBEDDED = "micro"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "report",
        help="score your models on labelled stacks, and write a page to share",
        description="Score every released model that is downloaded, and micro, on the stacks that come with the package and on "
        "your own, and write one HTML page. It has no paths and no names of files, and pictures of the bundled stacks only.",
    )
    parser.add_argument(
        "stacks",
        nargs="*",
        type=path_argument,
        metavar="STACK",
        help="your own: folders with image.tif, masks.tif and, for stacks, objects.csv, as for `napari-sam2 evaluate`",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_argument,
        default=Path("napari-sam2-report.html"),
        help="the page (.html; default: %(default)s)",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="MODEL",
        help="a model or a checkpoint file; may be repeated (default: micro, and all released models that are downloaded)",
    )
    parser.add_argument("--kind", choices=KINDS, default="point", help="how objects are prompted (default: point)")
    parser.add_argument("--axes", help="axes of your own stacks, such as TYX or ZYX (default: those of the files)")
    parser.add_argument(
        "--channel", type=int, action="append", help="channel of your own stacks, counted from 0; up to three times"
    )
    parser.add_argument("--pictures", action="store_true", help="also show pictures of your own stacks: not for data of patients")
    add_device_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command; the page is written anew after each stack, so that what is done is kept."""
    if args.output.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{args.output} is to be a page: its name should end in .html")
    check_writable(args.output)
    own = [own_stack(i, read_datasets(path, args.axes, args.channel), args.pictures) for i, path in enumerate(args.stacks, 1)]
    stacks = [*bundled_stacks(), *own]
    for path, stack in zip(args.stacks, own, strict=True):
        print(f"{stack.name}: {path}")
    names = list(dict.fromkeys(args.model or [_EMBEDDED, *(name for name in RELEASED if find_checkpoint(name))]))
    for name in names:
        find_weights(name)
    machine, models, scores = list(facts()), list[ReportedModel](), list[StackScores]()
    for name in names:
        started = time.perf_counter()
        model = load_model(name, args.device)
        is_own = not is_model_name(name) or Path(name).expanduser().is_file()
        number = 1 + sum(one.name.startswith("own checkpoint") for one in models) if is_own else None
        models.append(ReportedModel.of(model, number, time.perf_counter() - started))
        print(f"{models[-1].name}{f': {name}' if is_own else ''}, on {models[-1].device}")
        for stack in stacks:
            steps = score_stack(model, models[-1].name, stack, args.kind, args.precision)
            scores.append(_last(steps, stack))
            _print_row(scores[-1], stacks, is_first=stack is stacks[0])
            report = Report(args.kind, resolve_precision(args.precision, model.device), stacks, models, scores, machine)
            with atomic_path(args.output) as partial:
                partial.write_text(page(report), encoding="utf-8")
    print(f"{args.output}: one page, without paths and names of your files; look at it before you share it")
    if args.model is None and names == [_EMBEDDED]:
        print("no released model is downloaded: `napari-sam2 weights download sam2.1_hiera_tiny` fetches one")


def _last(steps: Any, stack: LabelledStack) -> StackScores:
    """Go through the frames with a progress bar, and return the scores."""
    found: list[StackScores] = [
        step for step in tqdm(steps, unit="frame", desc=stack.name, leave=False) if isinstance(step, StackScores)
    ]
    return found[-1]


def _print_row(scores: StackScores, stacks: Sequence[LabelledStack], is_first: bool) -> None:
    width = max(len("data set"), *(len(stack.name) for stack in stacks))
    if is_first:
        print(score_table.header(scores.summary, width))
    print(f"{score_table.row(scores.summary, width)}{scores.seconds:8.1f} s", flush=True)
