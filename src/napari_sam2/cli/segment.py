"""``napari-sam2 segment``: a stack and prompts in, labels out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from napari_sam2.cli.arguments import add_intensity_arguments, add_model_arguments
from napari_sam2.session.export import write_labels
from napari_sam2.session.files import check_writable
from napari_sam2.session.measure import measure, write_table
from napari_sam2.session.prompts_file import add_prompts, read_prompts
from napari_sam2.session.session import Session


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "segment", help="follow prompted objects through a stack", description="Follow prompted objects through a stack."
    )
    parser.add_argument("image", type=Path, help="TIFF or zarr: an image, a time-lapse or a volume")
    parser.add_argument("--prompts", type=Path, required=True, help="JSON file of points, boxes and masks")
    parser.add_argument("-o", "--output", type=Path, required=True, help="label image to write (.tif)")
    parser.add_argument("--table", type=Path, help="also write area and centroid of each object and frame (.csv)")
    parser.add_argument("--axes", help="axes of the image, such as TYX, ZYX or CYX (default: what the file says)")
    parser.add_argument(
        "--channel", type=int, action="append", help="channel to look at, counted from 0; up to three in colour (default: the first)"
    )
    parser.add_argument("--along", help="axis to follow objects along: T, Z, Y or X (default: T, else Z)")
    parser.add_argument("--at", type=_place, action="append", metavar="AXIS=INDEX", help="where to stay on another axis, as T=3")
    add_intensity_arguments(parser)
    parser.add_argument("--direction", choices=("both", "forward", "backward"), default="both", help="where to follow objects to")
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.output.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"labels are written as TIFF: give --output a name that ends in .tif, not {args.output.name}")
    for path in (args.output, args.table):
        if path is not None:
            check_writable(path)
    entries = read_prompts(args.prompts)
    session = Session(
        args.image,
        args.axes,
        model=args.model,
        channel=args.channel,
        along=args.along,
        at=None if args.at is None else dict(args.at),
        device=args.device,
        precision=args.precision,
        intensity_range=args.intensity_range,
        window=args.window,
    )
    add_prompts(session, entries)
    follow(session, args.direction)
    write_labels(args.output, session.labels, session.stack.axes)
    print(f"{len(session.objects)} objects on {len(session.stack)} frames: {args.output}")
    if args.table is not None:
        write_table(args.table, measure(session.labels))


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
