"""``napari-sam2 export``: labels or a session in, any format out."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from napari_sam2.cli.arguments import (
    add_calibration_arguments,
    add_choice_arguments,
    add_methods_argument,
    choice_of,
    path_argument,
)
from napari_sam2.cli.outputs import Shortfall, write_outputs
from napari_sam2.export.ctc import read_ctc_lineage
from napari_sam2.export.formats import FORMATS, check_outputs
from napari_sam2.export.result import Result, axes_of_labels, known_axes, open_image
from napari_sam2.file_errors import reading
from napari_sam2.images.calibration import calibration_of
from napari_sam2.images.choice import ANY
from napari_sam2.images.label_images import MAX_LABEL
from napari_sam2.session.methods import write_methods
from napari_sam2.session.saved_session import SavedSession
from napari_sam2.session.store.refusals import SUFFIX


def add_parser(commands: Any) -> None:
    """Add the command."""
    endings = "\n".join(f"  {item.ending.replace('_res', '_RES'):<13}{item.what}" for item in FORMATS)
    parser = commands.add_parser(
        "export",
        help="convert labels, or the results of a session, to other formats, tables, tracks and movies",
        description="Convert a label stack, or the results of a session, with their names, colours, scores and divisions. "
        f"The end of its name chooses the format of an output:\n\n{endings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        type=path_argument,
        help="TIFF, zarr, NIfTI, NRRD, …: a label image, time-lapse or volume; or a session file (.sam2)",
    )
    parser.add_argument("output", nargs="*", type=path_argument, help="outputs, such as objects.csv outlines.mp4 01_RES")
    parser.add_argument(
        "--image",
        type=path_argument,
        help="the image, for intensities, movies and the size of pixels (default: the one of the session)",
    )
    add_methods_argument(parser)
    add_choice_arguments(parser, "--image, or of the labels without it")
    parser.add_argument("--axes", help="axes of the labels, such as TYX, ZYX or TZYX (default: those of the files)")
    parser.add_argument("--parents", type=path_argument, help="table of divisions: columns id and parent, 0 for none (.csv)")
    add_calibration_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if not args.output and args.methods is None:
        raise ValueError("there is nothing to write: name outputs, such as objects.csv or outlines.mp4")
    if args.source.suffix.lower() in (SUFFIX, ".json"):
        _export_session(args)
    else:
        _export_labels(args)


def _export_labels(args: argparse.Namespace) -> None:
    if args.methods is not None:
        raise ValueError(f"--methods needs a session file: the labels {args.source} hold no methods")
    choice = choice_of(args)
    image = None if args.image is None else open_image(args.image, choice=choice)
    labels = open_image(args.source, args.axes, choice if image is None else ANY)
    axes = axes_of_labels(labels, args.axes, image)
    calibration = calibration_of(args.pixel_size, args.interval, (image or labels).calibration)
    lineage = read_ctc_lineage(args.source) if args.parents is None else read_lineage(args.parents)
    result = Result(labels.image, axes, calibration, lineage, image, args.image, geometry=(image or labels).geometry)
    files = [] if image is None else image.files
    check_outputs(args.output, [args.source, args.image, *files], result.has_time, image is not None)
    shortfall = Shortfall()
    _write(args.output, result, shortfall)
    shortfall.raise_if_any()


def _export_session(args: argparse.Namespace) -> None:
    has = (("axes", "its axes"), ("parents", "its divisions"), ("series", "its image"), ("image_name", "its image"))
    for name, own in has:
        if getattr(args, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} goes with labels only: a session file has {own}")
    saved = SavedSession.read(args.source, args.image)
    inputs = [args.source, saved.image_path, *saved.stack.files]
    check_outputs(args.output, inputs, "T" in known_axes(saved.stack.axes), saved.image_path is not None, args.methods)
    calibration = calibration_of(args.pixel_size, args.interval, saved.stack.calibration)
    shortfall = Shortfall()
    if args.output:
        _write(args.output, saved.result(calibration), shortfall)
    if args.methods is not None:
        with shortfall.noted(OSError, ValueError):
            write_methods(args.methods, saved.document)
            print(args.methods)
    shortfall.raise_if_any()


def _write(outputs: list[Path], result: Result, shortfall: Shortfall) -> None:
    for path in write_outputs(outputs, result, shortfall):
        print(path)


def read_lineage(path: Path) -> dict[int, int]:
    """Read a table of divisions.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a table with whole numbers in the columns ``id`` and ``parent``.
    """
    try:
        with reading(path, "the table"):
            if not path.exists():
                raise FileNotFoundError(f"there is no table {path}")
            file = path.open(newline="", encoding="utf-8-sig")
        with file, reading(path, "the table"):
            pairs = [(int(row["id"]), int(row["parent"] or 0)) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is not a table of divisions: whole numbers are needed in the columns id and parent") from error
    wrong = [pair for pair in pairs if not (0 < pair[0] <= MAX_LABEL and 0 <= pair[1] <= MAX_LABEL)]
    if wrong:
        raise ValueError(f"{path} has the object {wrong[0][0]} with the parent {wrong[0][1]}: ids are between 1 and {MAX_LABEL}")
    return {child: parent for child, parent in pairs if parent}
