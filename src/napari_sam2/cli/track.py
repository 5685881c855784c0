"""``napari-sam2 track``: a stack in, everything in it found and tracked without a prompt, labels with lineage out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

from napari_sam2.cli.arguments import (
    add_axes_arguments,
    add_calibration_arguments,
    add_choice_arguments,
    add_image_argument,
    add_image_size_argument,
    add_intensity_arguments,
    add_memories_argument,
    add_methods_argument,
    add_model_arguments,
    add_output_argument,
    choice_of,
    path_argument,
)
from napari_sam2.cli.compute import add_compute_arguments, check_compute, checkpoint_of, computing
from napari_sam2.cli.estimate import PrintedEstimate
from napari_sam2.cli.outputs import STOPS, Shortfall, write_results, written_when_stopped
from napari_sam2.export.formats import check_outputs
from napari_sam2.export.result import known_axes
from napari_sam2.images.calibration import calibration_of
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.intensity import choose_ranges
from napari_sam2.images.label_images import open_labels
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.device import AUTO
from napari_sam2.session.editing.everything import NothingFoundError
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.session import Session
from napari_sam2.wording import counted


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "track",
        help="find and track everything in a stack, without prompts",
        description="Find and track everything in a stack, without prompts. In a time-lapse objects are found, followed, ended and "
        "divided; in a volume each is followed through its slices.",
    )
    add_image_argument(parser)
    add_output_argument(parser)
    add_methods_argument(parser)
    parser.add_argument(
        "--session",
        type=path_argument,
        metavar="FILE",
        help="session file (.sam2) in which each frame is saved as it is done, for napari; the same command goes on from it, also "
        "after it was stopped or killed",
    )
    add_choice_arguments(parser)
    add_axes_arguments(parser)
    add_calibration_arguments(parser)
    add_intensity_arguments(parser)
    parser.add_argument(
        "--area-px",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="least and largest area of what is found, in pixels of a frame (default: 1 and half of the frame)",
    )
    parser.add_argument(
        "--points-per-side",
        type=int,
        metavar="N",
        help="everything is looked for by a grid of N x N points: more find smaller objects, and take longer",
    )
    parser.add_argument(
        "--labels",
        type=path_argument,
        metavar="FILE",
        help="label image of the same shape, as of Cellpose or StarDist, whose numbers differ from frame to frame: its objects are "
        "linked, and nothing else is looked for",
    )
    add_model_arguments(parser)
    add_image_size_argument(parser)
    add_memories_argument(parser)
    add_compute_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    certificates = check_compute(args)
    stack = Stack.open(
        open_image_file(_image(args), choice_of(args)), args.axes, args.channel, args.along, dict(args.at or ()) or None
    )
    if args.labels is not None and (args.area_px, args.points_per_side) != (None, None):
        raise ValueError("--labels goes with neither --area-px nor --points-per-side: nothing is looked for")
    labels = None if args.labels is None else open_labels(args.labels).image
    inputs = [*args.image, *stack.files, args.session, args.labels]
    check_outputs(args.output, inputs, "T" in known_axes(stack.axes), has_image=True, methods=args.methods)
    calibration = calibration_of(args.pixel_size, args.interval, stack.calibration)
    with computing(args, certificates) as where:
        session = _open_session(args, stack, where)
        shortfall = Shortfall()
        with session, written_when_stopped(shortfall) as stop:
            with shortfall.noted(*STOPS):
                track(session, _results(args, session, labels), stop.is_set)
            if shortfall and not session.objects:
                raise shortfall.errors[0]
            write_results(
                session,
                args.output,
                calibration,
                shortfall,
                is_partial=bool(shortfall) or stop.is_set(),
                methods=args.methods,
                checkpoint=checkpoint_of(args),
            )


def _results(args: argparse.Namespace, session: Session, labels: Any) -> Iterable[FrameResult]:
    if labels is not None:
        return session.link_labels(labels)
    area_px = None if args.area_px is None else (args.area_px[0], args.area_px[1])
    options = {} if args.points_per_side is None else {"points_per_side": args.points_per_side}
    return in_words_of_the_shell(session.track_everything(area_px, **options))


def in_words_of_the_shell(results: Iterable[FrameResult]) -> Iterator[FrameResult]:
    """Say of results of tracking which options to try where nothing is found."""
    try:
        yield from results
    except NothingFoundError as error:
        raise ValueError(
            "nothing was found on any frame: try other intensities (--window or --intensity-range), more --points-per-side for "
            "small objects, or another --model; or prompt the objects, with napari-sam2 segment"
        ) from error


def _image(args: argparse.Namespace) -> Any:
    return args.image[0] if len(args.image) == 1 else args.image


def _open_session(args: argparse.Namespace, stack: Stack, where: dict[str, Any]) -> Session:
    """Begin a session, or open the one to go on with, and refuse options that are not those it was begun with."""
    if args.session is None or not args.session.exists():
        session = Session(
            stack,
            model=args.model,
            image_size=args.image_size,
            memories=args.memories,
            precision=args.precision,
            intensity_range=args.intensity_range,
            window=args.window,
            **where,
        )
        if args.session is not None:
            session.save(args.session)
        return session
    session = Session.open(args.session, _image(args), args.model, **where)
    saved = session.stack
    ranges = choose_ranges(stack, args.intensity_range, args.window)
    same = {
        "--axes, --channel, --along and --at": saved.layout == stack.layout,
        "--window and --intensity-range": session.intensity_ranges == ranges,
        "--image-size": args.image_size in (None, session.model.image_size),
        "--memories": args.memories in (None, session.memories),
        "--precision": args.precision in (AUTO, session.precision),
    }
    for options, is_same in same.items():
        if not is_same:
            session.close()
            raise ValueError(f"{args.session} was begun with other {options}: give the same ones, or another session file")
    return session


def track(session: Session, results: Iterable[FrameResult], is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Track with a progress bar, until it is stopped."""
    # In a volume it is not known before how many objects will be followed.
    total = len(session.stack) if session.stack.along in ("T", "N") else None
    with tqdm(results, total=total, unit="frame") as bar:
        estimate = PrintedEstimate(session, lambda text: bar.write(text, file=sys.stderr))
        for result in bar:
            if total is not None:
                bar.n = result.frame
                left = total - 1 - result.frame
                estimate.add(len(result.scores), left, left * len(result.scores))
            bar.set_postfix_str(counted(len(session.objects), "object"), refresh=False)
            if is_stopped():
                return
        bar.n = bar.n if total is None else total
