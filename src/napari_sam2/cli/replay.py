"""``napari-sam2 replay``: a session file in, the same labels out, without a display."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm

from napari_sam2.cli.arguments import add_methods_argument, add_output_argument, path_argument
from napari_sam2.cli.outputs import STOPS, Shortfall, write_results, written_when_stopped
from napari_sam2.export.formats import check_outputs
from napari_sam2.export.result import known_axes
from napari_sam2.session.replay import replay_steps
from napari_sam2.session.session import Session


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="replay a session",
        description="Replay a session without a display: all actions are done again, with the same labels. Its results are not "
        "used.",
    )
    parser.add_argument("session", type=path_argument, help="session file (.sam2), or its log (.json)")
    add_output_argument(parser)
    add_methods_argument(parser)
    parser.add_argument(
        "--propagate", action="store_true", help="then propagate what the session left, as where somebody only clicked"
    )
    parser.add_argument("--image", type=path_argument, help="the image, if it has been moved")
    parser.add_argument("--model", help="another model, or its checkpoint file (default: the one of the session)")
    parser.add_argument(
        "--device", help="cpu, cuda, mps, or auto (default: the kind on which the session computed; with --model, auto)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    session, results = replay_steps(args.session, args.image, args.model, args.device)
    image = args.image or session.image_path
    inputs = [args.session, image, *session.stack.files]
    check_outputs(args.output, inputs, "T" in known_axes(session.stack.axes), has_image=True, methods=args.methods)
    shortfall = Shortfall()
    with written_when_stopped(shortfall) as stop:
        with shortfall.noted(*STOPS):
            for _ in tqdm(_with_what_is_left(session, results) if args.propagate else results, unit="frame"):
                if stop.is_set():
                    break
        if shortfall and not any(item.shown_frames() for item in session.objects.values()):
            raise shortfall.errors[0]
        is_partial = bool(shortfall) or stop.is_set()
        write_results(session, args.output, session.stack.calibration, shortfall, is_partial=is_partial, methods=args.methods)


def _with_what_is_left(session: Session, results: Iterable[Any]) -> Iterator[Any]:
    """Replay, then propagate; what is left is known when all actions are done again."""
    yield from results
    yield from session.propagate()
