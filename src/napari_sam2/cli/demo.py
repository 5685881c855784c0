"""``napari-sam2 demo``: tracks the nuclei of a bundled time-lapse, offline."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.cli.arguments import add_image_size_argument, add_model_arguments, path_argument
from napari_sam2.cli.segment import propagate
from napari_sam2.data.samples import FLUO_MITOCHECK
from napari_sam2.export.movie import write_gif
from napari_sam2.export.pictures import outlined_frames, write_strip
from napari_sam2.export.table import tabulate, write_csv
from napari_sam2.export.tiff import write_tiff
from napari_sam2.files import atomic_path, check_writable
from napari_sam2.session.prompts_file import add_prompts, read_prompts
from napari_sam2.session.session import Session

STRIP_FRAMES = 6


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="track the nuclei of a bundled time-lapse",
        description=f"Track the nuclei of a bundled time-lapse from one click each. {FLUO_MITOCHECK.credit}",
    )
    parser.add_argument(
        "--output", type=path_argument, default=Path("napari-sam2-demo"), help="folder for the results (default: %(default)s)"
    )
    add_model_arguments(parser)
    add_image_size_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    entries = read_prompts(FLUO_MITOCHECK.prompts)
    session = Session(
        FLUO_MITOCHECK.image, model=args.model, device=args.device, image_size=args.image_size, precision=args.precision
    )
    args.output.mkdir(parents=True, exist_ok=True)
    check_writable(args.output / "labels.tif")
    print(f"{FLUO_MITOCHECK.title}: {len(session.stack)} frames, one click on each of {len(entries)} nuclei, model {args.model}")
    started = time.monotonic()
    add_prompts(session, entries)
    # Each nucleus is clicked on where it appears: before that it was its parent.
    propagate(session, "forward")
    seconds = time.monotonic() - started

    frames = list(range(len(session.stack)))
    pictures = outlined_frames(session.stack, session.labels, frames, zoom=3)
    shown = np.linspace(0, len(frames) - 1, STRIP_FRAMES).round().astype(int).tolist()
    result = session.result()
    write_tiff(args.output / "labels.tif", result)
    write_csv(args.output / "objects.csv", tabulate(result))
    write_gif(args.output / "outlines.gif", pictures)
    write_strip(args.output / "outlines.png", [pictures[i] for i in shown], [f"frame {i}" for i in shown], columns=3)
    for name, file in (("movie.tif", FLUO_MITOCHECK.image), ("prompts.json", FLUO_MITOCHECK.prompts)):
        with atomic_path(args.output / name) as partial:
            shutil.copyfile(file, partial)
    print(f"tracked {len(session.objects)} nuclei through {len(frames)} frames in {seconds:.0f} s")
    for name, what in (
        ("outlines.gif", "the movie, outlines over the raw frames"),
        ("outlines.png", f"{STRIP_FRAMES} of its frames side by side"),
        ("labels.tif", "one label per nucleus"),
        ("objects.csv", "size, position, brightness and score of each nucleus on each frame"),
        ("movie.tif", "the time-lapse itself, to try the other commands on"),
        ("prompts.json", "the clicks, for napari-sam2 segment"),
    ):
        print(f"  {args.output / name}: {what}")
    print(FLUO_MITOCHECK.credit)
