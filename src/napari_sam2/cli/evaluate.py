"""``napari-sam2 evaluate``: scores of a model on labelled stacks."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from tqdm import tqdm

from napari_sam2.cli import score_table
from napari_sam2.cli.arguments import add_image_size_argument, add_intensity_arguments, add_model_arguments, path_argument
from napari_sam2.evaluation.corrections import CLICKS_PER_FRAME, MAX_CLICKS, PROTOCOLS, Corrections, simulate_corrections
from napari_sam2.evaluation.dataset import Dataset, read_datasets
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.review import simulate_review
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.evaluation.simulated_prompts import KINDS, with_promptable_objects
from napari_sam2.evaluation.tracks import check_installed, track_scores
from napari_sam2.evaluation.worst_objects import Scored, write_worst_objects
from napari_sam2.files import atomic_path, check_writable
from napari_sam2.images.intensity import choose_range
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.build import load_model
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.session import Session
from napari_sam2.structured import to_json

Result = TypeVar("Result")
Report = dict[str, Any]


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score a model on labelled stacks",
        description="Prompt each object of a labelled stack once, propagate it, and compare it with its true mask.",
    )
    parser.add_argument(
        "dataset", nargs="+", type=path_argument, help="folder with image.tif, masks.tif and, for stacks, objects.csv"
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="point",
        help="how objects are prompted, also first on each frame that --corrections annotates (default: point)",
    )
    parser.add_argument(
        "--axes", help="axes of the image, such as TYX, ZYX, CYX, or NYX for separate images (default: those of the file)"
    )
    parser.add_argument(
        "--channel",
        type=int,
        action="append",
        help="channel to use, counted from 0; up to three in colour (default: the first three)",
    )
    add_intensity_arguments(parser)
    parser.add_argument("--tracks", action="store_true", help="also SEG, DET and TRA of the Cell Tracking Challenge")
    parser.add_argument(
        "--corrections",
        choices=PROTOCOLS,
        help="also simulate a person who corrects, on the worst frame of all (offline) or on the next bad one (online)",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help="also simulate a person who reviews: N times, each object is corrected on its most uncertain frame",
    )
    parser.add_argument(
        "--max-clicks",
        type=int,
        help=f"clicks on each object that is corrected (default: {MAX_CLICKS}), or on each frame of a review ({CLICKS_PER_FRAME})",
    )
    parser.add_argument("--json", type=path_argument, metavar="FILE", help="write every object's scores (.json)")
    parser.add_argument(
        "--pictures", type=path_argument, metavar="FOLDER", help="write a picture of the worst objects of each data set"
    )
    add_model_arguments(parser)
    add_image_size_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    folders = [with_promptable_objects(read_datasets(folder, args.axes, args.channel)) for folder in args.dataset]
    _check(args, folders)
    model = load_model(args.model, args.device, **({} if args.image_size is None else {"image_size": args.image_size}))
    name_width = max(len("data set"), *(len(datasets[0].name) for datasets in folders))
    reports: list[Report] = []
    for datasets in folders:
        reports.append(_report(args, datasets, model))
        if len(reports) == 1:
            print(score_table.header(reports[0], name_width))
        print(score_table.row(reports[-1], name_width), flush=True)
        if args.json is not None:
            _write_json(args, reports)
    if args.corrections:
        print("\n".join(score_table.curves(reports, name_width)))
    if args.rounds:
        print("\n".join(score_table.review_curves(reports, name_width)))


def _check(args: argparse.Namespace, folders: Sequence[Sequence[Dataset]]) -> None:
    """Refuse before long work options that cannot be met."""
    first = [datasets[0] for datasets in folders]
    if args.max_clicks is not None and bool(args.corrections) == bool(args.rounds):
        raise ValueError("--max-clicks goes with --corrections or with --rounds, one of the two")
    if args.max_clicks is not None and args.max_clicks < 1:
        raise ValueError(f"--max-clicks must be at least 1, got {args.max_clicks}")
    if args.rounds is not None and args.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {args.rounds}")
    single = [
        f"{dataset.name} is a {'single image' if dataset.number is None else 'collection of images'}"
        for dataset in first
        if len(dataset.truth) == 1
    ]
    if args.rounds is not None and single:
        raise ValueError(f"--rounds reviews stacks: {single[0]}")
    if args.tracks:
        check_installed()
        if single:
            raise ValueError(f"--tracks scores stacks: {single[0]}")
    if args.json is not None:
        check_writable(args.json)
    if args.pictures is not None:
        names = [dataset.name for dataset in first]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two data sets are called {twice[0]}: their pictures would have the same name")
        args.pictures.mkdir(parents=True, exist_ok=True)
        check_writable(args.pictures / f"{names[0]}.png")


def _report(args: argparse.Namespace, datasets: Sequence[Dataset], model: SAM2VideoPredictor) -> Report:
    """Score one stack, or all images of a collection, each in a session of its own."""
    first = datasets[0]
    scored = [_scored(args, dataset, model) for dataset in _shown(datasets)]
    evaluation = Evaluation.joined([part.evaluation for part in scored])
    report: Report = evaluation.summary()
    if first.number is not None:
        report["images"] = len(datasets)
    if first.channels:
        report |= {"channels": list(first.channels), "num_channels": first.num_channels}
    report["rows"] = [asdict(row) | _number(part.dataset) for part in scored for row in part.evaluation.objects]
    if args.tracks:
        ids = [item.object_id for item in evaluation.objects]
        report["tracks"] = asdict(track_scores(first.truth, scored[0].labels, ids, first.lineage))
    if args.pictures is not None:
        write_worst_objects(args.pictures / f"{first.name}.png", scored)
    if args.corrections:
        parts = [_corrected(args, dataset, model) for dataset in _shown(datasets)]
        rows = [asdict(row) | _number(dataset) for part, dataset in zip(parts, datasets, strict=True) for row in part.objects]
        report["corrections"] = Corrections.joined(parts).summary() | {"rows": rows}
    if args.rounds:
        on_a_frame = args.max_clicks or CLICKS_PER_FRAME
        review_steps = simulate_review(_open(args, first.stack(), model), first, args.kind, args.rounds, on_a_frame)
        review = _last(review_steps, f"{first.name}, reviewed")
        report["review"] = asdict(review)
    return report


def _scored(args: argparse.Namespace, dataset: Dataset, model: SAM2VideoPredictor) -> Scored:
    session = _open(args, dataset.stack(), model)
    evaluation = _last(prompt_and_score(session, dataset, args.kind), dataset.name, dataset.number is None)
    # only pictures need it
    black_and_white = (0.0, 1.0) if args.pictures is None else choose_range(session.stack.frames, args.intensity_range, args.window)
    return Scored(session.stack, dataset, evaluation, session.labels, black_and_white)


def _corrected(args: argparse.Namespace, dataset: Dataset, model: SAM2VideoPredictor) -> Corrections:
    session = _open(args, dataset.stack(), model)
    steps = simulate_corrections(session, dataset, args.corrections, args.max_clicks or MAX_CLICKS, args.kind)
    return _last(steps, f"{dataset.name}, corrected", dataset.number is None)


def _number(dataset: Dataset) -> dict[str, int]:
    """Which image of a collection it is, for the rows of its objects."""
    return {} if dataset.number is None else {"image": dataset.number}


def _shown(datasets: Sequence[Dataset]) -> Iterable[Dataset]:
    """Go through the images of a collection with a progress bar."""
    return datasets if datasets[0].number is None else tqdm(datasets, unit="image", desc=datasets[0].name, leave=False)


def _open(args: argparse.Namespace, stack: Stack, model: SAM2VideoPredictor) -> Session:
    return Session(
        stack,
        model=model,
        precision=args.precision,
        intensity_range=args.intensity_range,
        window=args.window,
        percentiles=args.percentiles,
    )


def _last(steps: Iterable[int | Result], name: str, is_shown: bool = True) -> Result:
    """Go through the frames, with a progress bar unless images have one, and return what comes last."""
    results = [
        item for item in tqdm(steps, unit="frame", desc=name, leave=False, disable=not is_shown) if not isinstance(item, int)
    ]
    return results[-1]


def _write_json(args: argparse.Namespace, reports: Sequence[Report]) -> None:
    content = {"model": args.model, "kind": args.kind, "datasets": reports}
    with atomic_path(args.json) as partial:
        partial.write_text(to_json(content, indent=1))
