"""``napari-sam2 segment``: a stack and prompts in, labels out."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
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
from napari_sam2.cli.frames import FrameRanges
from napari_sam2.cli.outputs import STOPS, Shortfall, write_results, written_when_stopped
from napari_sam2.export.formats import check_outputs
from napari_sam2.export.result import known_axes, open_image
from napari_sam2.images.calibration import Calibration, calibration_of
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.stack import Stack
from napari_sam2.session.prompts_file import add_prompts, read_prompts
from napari_sam2.session.readable_frames import propagate_readable
from napari_sam2.session.session import Session
from napari_sam2.session.volumes.fuse_axes import AxisResult, check_axes, check_fusion, fuse_axes
from napari_sam2.session.volumes.propagate_each import PositionResult, check_each, propagate_each

logger = logging.getLogger(__name__)

FLAT = 2
"""A warning is logged if planes lie more than so many times as far apart as pixels."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "segment", help="propagate prompted objects through a stack", description="Propagate prompted objects through a stack."
    )
    add_image_argument(parser)
    parser.add_argument("--prompts", type=path_argument, required=True, help="JSON file of points, boxes and masks")
    add_output_argument(parser)
    add_methods_argument(parser)
    add_choice_arguments(parser)
    add_axes_arguments(parser, along="the first of --fuse, else T, else Z")
    parser.add_argument(
        "--each",
        metavar="AXIS",
        help="propagate objects at each position of another axis, T or Z; prompts are at --at (default: 0)",
    )
    parser.add_argument(
        "--fuse", metavar="AXES", help="propagate objects along several axes of a volume and take the mean of their logits, as ZYX"
    )
    add_calibration_arguments(parser)
    add_intensity_arguments(parser)
    parser.add_argument(
        "--direction",
        choices=("both", "forward", "backward"),
        default="both",
        help="forward leaves out what is before, backward what is after the prompted frames of an object",
    )
    parser.add_argument(
        "--frames",
        type=FrameRanges.parse,
        metavar="A:B",
        help="propagate objects to these frames alone: 0:6 (without 6), 3:, :6, 4, or several as 0:3,5: (default: all)",
    )
    add_model_arguments(parser)
    add_image_size_argument(parser)
    add_memories_argument(parser)
    add_compute_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    certificates = check_compute(args)
    stack = _open_stack(args)
    entries = read_prompts(args.prompts, stack)
    frames = None if args.frames is None else args.frames.frames(len(stack))
    if frames is not None:
        args.frames.check_prompts(entries, frames)
    inputs = [*args.image, *stack.files, args.prompts]
    check_outputs(args.output, inputs, "T" in known_axes(stack.axes), has_image=True, methods=args.methods)
    calibration = calibration_of(args.pixel_size, args.interval, stack.calibration)
    if args.fuse is not None:
        _warn_if_flat(calibration)
    with computing(args, certificates) as where:
        session = Session(
            stack,
            model=args.model,
            image_size=args.image_size,
            memories=args.memories,
            precision=args.precision,
            intensity_range=args.intensity_range,
            window=args.window,
            percentiles=args.percentiles,
            **where,
        )
        shortfall = Shortfall()
        with shortfall.noted(FrameReadError):
            add_prompts(session, entries)
        if not session.objects:
            raise shortfall.errors[0]
        _propagate_and_write(args, session, frames, calibration, shortfall)


def _propagate_and_write(
    args: argparse.Namespace, session: Session, frames: list[int] | None, calibration: Calibration, shortfall: Shortfall
) -> None:
    """Propagate objects as far as possible, or until Ctrl-C, and write the results, even if some frames failed."""
    is_plain = args.each is None and args.fuse is None
    remark = "; --frames leaves out what cannot be read" if is_plain and frames is None else ""
    with written_when_stopped(shortfall, remark) as stop:
        with shortfall.noted(*STOPS):
            if is_plain:
                propagate(session, args.direction, frames, stop.is_set)
            else:
                _propagate_volumes(session, args.each, args.fuse, stop.is_set)
        is_partial = bool(shortfall) or stop.is_set()
        where = "" if args.each is None else f" at {'some positions' if is_partial else 'each position'} of {args.each.upper()}"
        write_results(
            session,
            args.output,
            calibration,
            shortfall,
            where=where,
            is_partial=is_partial,
            frames=frames,
            methods=args.methods,
            checkpoint=checkpoint_of(args),
        )


def _open_stack(args: argparse.Namespace) -> Stack:
    """Open the image, and refuse before long work options that do not fit it."""
    if args.direction != "both" and (args.each, args.fuse) != (None, None):
        raise ValueError(f"--direction {args.direction} goes with neither --each nor --fuse: these propagate objects both ways")
    if args.frames is not None and (args.each, args.fuse) != (None, None):
        raise ValueError("--frames goes with neither --each nor --fuse: these propagate objects through all frames")
    opened = open_image_file(args.image[0] if len(args.image) == 1 else args.image, choice_of(args))
    at = {} if args.each is None else {_check_each(args, opened): 0}
    along = args.along if args.fuse is None else args.along or check_axes(args.fuse)[0]
    stack = Stack.open(opened, args.axes, args.channel, along, at | dict(args.at or ()))
    if args.each is not None:
        check_each(stack, args.each)
    if args.fuse is not None:
        check_fusion(stack, args.fuse)
    return stack


def _check_each(args: argparse.Namespace, opened: OpenedImage) -> str:
    """Check that an axis is left to go through: where it is not, a stack at one position of it cannot be opened."""
    each, along = args.each.upper(), (args.along or "").upper()
    axes = "".join(axis for axis in open_image(opened, args.axes).layout.axes if axis not in "CS")
    if len(axes) < 4:
        raise ValueError(f"--each {each} takes a stack with a fourth axis, such as TZYX: the image has axes {axes}")
    left = [axis for axis in axes if axis not in {"Y", "X", along}]
    if each not in left:
        raise ValueError(f"--each {each} cannot be: of the axes {axes}, {' or '.join(left)} is left to go through")
    return str(each)


def _warn_if_flat(calibration: Calibration) -> None:
    if calibration.z is None or not calibration.has_lengths:
        logger.warning(
            "the size of voxels is not known: if planes lie much farther apart than pixels, objects are seen flat from the side, "
            "and fused axes may be worse than Z alone"
        )
    elif calibration.z > FLAT * calibration.y:
        logger.warning(
            "planes lie %.3g times as far apart as pixels: objects are seen flat from the side, and fused axes may be worse than "
            "Z alone",
            calibration.z / calibration.y,
        )


def propagate(
    session: Session, direction: str = "both", frames: list[int] | None = None, is_stopped: Callable[[], bool] = lambda: False
) -> None:
    """Propagate with a progress bar, to all frames that can be read, until it is stopped."""
    steps = session.plan(direction, frames=frames)  # type: ignore[arg-type]
    results = propagate_readable(session, direction, frames=frames)  # type: ignore[arg-type]
    num_left = len(steps)
    masks_left = sum(len(step.object_ids) for step in steps)
    with tqdm(results, total=num_left, unit="frame", disable=not steps) as bar:
        estimate = PrintedEstimate(session, lambda text: bar.write(text, file=sys.stderr))
        for result in bar:
            num_left, masks_left = num_left - 1, masks_left - len(result.scores)
            estimate.add(len(result.scores), num_left, masks_left)
            if is_stopped():
                break


def _propagate_volumes(session: Session, each: str | None, fuse: str | None, is_stopped: Callable[[], bool]) -> None:
    """Propagate objects at each position, along several axes, or both, with a progress bar, until it is stopped."""
    results: Any = fuse_axes(session, fuse or "") if each is None else propagate_each(session, each, fuse=fuse)
    with tqdm(results, unit="frame") as bar:
        for done in bar:
            if isinstance(done, PositionResult):
                bar.set_description_str(f"{(each or '').upper()} {done.position}", refresh=False)
            elif isinstance(done, AxisResult):
                bar.set_description_str(f"along {done.axis}", refresh=False)
            if is_stopped():
                break
