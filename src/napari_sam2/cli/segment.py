"""``napari-sam2 segment``: a stack and prompts in, labels out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from napari_sam2.cli.arguments import add_calibration_arguments, add_intensity_arguments, add_model_arguments, add_output_argument
from napari_sam2.cli.export import check_outputs
from napari_sam2.session.calibration import calibration_of, read_calibration
from napari_sam2.session.export.formats import write_result
from napari_sam2.session.export.result import Result, known_axes
from napari_sam2.session.files import check_writable
from napari_sam2.session.methods import write_methods
from napari_sam2.session.prompts_file import add_prompts, read_prompts
from napari_sam2.session.session import Session
from napari_sam2.session.stack import Stack
from napari_sam2.weights.load import find_weights


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "segment", help="follow prompted objects through a stack", description="Follow prompted objects through a stack."
    )
    parser.add_argument("image", type=Path, help="TIFF or zarr: an image, a time-lapse or a volume")
    parser.add_argument("--prompts", type=Path, required=True, help="JSON file of points, boxes and masks")
    add_output_argument(parser)
    parser.add_argument("--methods", type=Path, help="also write a paragraph for the methods section of a paper (.txt)")
    parser.add_argument("--axes", help="axes of the image, such as TYX, ZYX or CYX (default: what the file says)")
    parser.add_argument(
        "--channel",
        type=int,
        action="append",
        help="channel to look at, counted from 0; up to three in colour (default: the first)",
    )
    parser.add_argument("--along", help="axis to follow objects along: T, Z, Y or X (default: T, else Z)")
    parser.add_argument("--at", type=_place, action="append", metavar="AXIS=INDEX", help="where to stay on another axis, as T=3")
    add_calibration_arguments(parser)
    add_intensity_arguments(parser)
    parser.add_argument("--direction", choices=("both", "forward", "backward"), default="both", help="where to follow objects to")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.methods is not None:
        check_writable(args.methods)
    entries = read_prompts(args.prompts)
    stack = Stack.open(args.image, args.axes, args.channel, args.along, None if args.at is None else dict(args.at))
    check_outputs(args.output, [args.image, args.prompts], has_time="T" in known_axes(stack.axes), has_image=True)
    calibration = calibration_of(args.pixel_size, args.interval, read_calibration(args.image))
    session = Session(
        stack,
        model=args.model,
        device=args.device,
        precision=args.precision,
        intensity_range=args.intensity_range,
        window=args.window,
    )
    add_prompts(session, entries)
    follow(session, args.direction)
    result = Result.of(session, calibration=calibration, image_path=args.image)
    for path in args.output:
        write_result(path, result)
    print(f"{len(session.objects)} objects on {len(session.stack)} frames: {', '.join(map(str, args.output))}")
    if args.methods is not None:
        write_methods(args.methods, session, find_weights(args.model)[1])


def _place(text: str) -> tuple[str, int]:
    axis, _, index = text.partition("=")
    if len(axis) != 1 or not index.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an axis and an index, as T=3, got {text!r}")
    return axis, int(index)


def follow(session: Session, direction: str = "both") -> None:
    """Propagate with a progress bar."""
    total = len(session.plan(direction))  # type: ignore[arg-type]
    for _ in tqdm(session.propagate(direction), total=total, unit="frame", disable=total == 0):  # type: ignore[arg-type]
        pass
