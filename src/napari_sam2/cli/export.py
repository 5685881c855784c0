"""``napari-sam2 export``: a label stack in, any format out."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from napari_sam2.cli.arguments import add_calibration_arguments
from napari_sam2.session.calibration import calibration_of, read_calibration
from napari_sam2.session.export.formats import FORMATS, check_output, write_result
from napari_sam2.session.export.result import MAX_LABEL, Result, open_image, read_labels


def add_parser(commands: Any) -> None:
    """Add the command."""
    endings = "\n".join(f"  {item.ending.replace('_res', '_RES'):<13}{item.what}" for item in FORMATS)
    parser = commands.add_parser(
        "export",
        help="convert labels to other formats, tables, tracks and movies",
        description=f"Convert a label stack. The end of its name says what an output is:\n\n{endings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("labels", type=Path, help="TIFF or zarr: a label image, time-lapse or volume")
    parser.add_argument("output", nargs="+", type=Path, help="what to write, such as objects.csv outlines.mp4 01_RES")
    parser.add_argument("--image", type=Path, help="the image, for intensities, movies and the size of pixels")
    parser.add_argument("--axes", help="axes of the labels, such as TYX, ZYX or TZYX (default: what the files say)")
    parser.add_argument("--parents", type=Path, help="table of divisions: columns id and parent, 0 for none (.csv)")
    add_calibration_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    image = None if args.image is None else open_image(args.image)
    labels, axes = read_labels(args.labels, args.axes, image)
    known = read_calibration(args.image or args.labels)
    calibration = calibration_of(args.pixel_size, args.interval, known)
    parents = {} if args.parents is None else read_parents(args.parents)
    result = Result(labels, axes, calibration, parents, image, args.image)
    check_outputs(args.output, [args.labels, args.image], result.has_time, image is not None)
    for path in args.output:
        write_result(path, result)
        print(path)


def check_outputs(outputs: list[Path], inputs: list[Path | None], has_time: bool, has_image: bool) -> None:
    """Refuse before long work what cannot be written, and what would replace what it is made from.

    Raises
    ------
    ImportError, ValueError
        See :func:`~napari_sam2.session.export.formats.check_output`.
    """
    read = {path.resolve() for path in inputs if path is not None}
    for path in outputs:
        if path.resolve() in read:
            raise ValueError(f"{path} is what is read: give another name for what is written")
        check_output(path, has_time, has_image)


def read_parents(path: Path) -> dict[int, int]:
    """Read a table of divisions.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a table with whole numbers in the columns ``id`` and ``parent``.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no table {path}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            pairs = [(int(row["id"]), int(row["parent"] or 0)) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is not a table of divisions: whole numbers are needed in the columns id and parent") from error
    wrong = [pair for pair in pairs if not (0 < pair[0] <= MAX_LABEL and 0 <= pair[1] <= MAX_LABEL)]
    if wrong:
        raise ValueError(f"{path} has the object {wrong[0][0]} with the parent {wrong[0][1]}: ids are between 1 and {MAX_LABEL}")
    return {child: parent for child, parent in pairs if parent}
