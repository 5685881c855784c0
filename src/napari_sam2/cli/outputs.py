"""Outputs of several commands, and what could not be written."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from napari_sam2.cli.errors import PartlyDone, sentence_of
from napari_sam2.cli.interruption import stop_on_interrupt
from napari_sam2.export.formats import write_each
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.errors import FrameReadError
from napari_sam2.session.methods import write_methods
from napari_sam2.session.session import Session
from napari_sam2.wording import counted

STOPS = (OSError, MemoryError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""Errors that may stop long work; ``ValueError``, for arguments that cannot be met, is raised before it."""


class Shortfall:
    """Collects errors of work that goes on, for one sentence at the end.

    Attributes
    ----------
    errors : list of Exception
        In order.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __bool__(self) -> bool:
        return bool(self.errors)

    @contextlib.contextmanager
    def noted(self, *kinds: type[Exception]) -> Iterator[None]:
        """Collect errors of these kinds and go on."""
        try:
            yield
        except kinds as error:
            self.errors.append(error)

    def sentence(self) -> str:
        """Return one sentence for all errors, without repetitions."""
        sentences = list(dict.fromkeys(sentence_of(error) for error in self.errors))
        return "; ".join(one for one in sentences if not any(one in other for other in sentences if other != one))

    def raise_if_any(self, remark: str = "") -> None:
        """Raise one error for all collected errors.

        Raises
        ------
        PartlyDone
            If there is an error; ``remark`` ends the sentence.
        """
        if self.errors:
            raise PartlyDone("; ".join(filter(None, [self.sentence(), remark])), self.errors)


@contextlib.contextmanager
def written_when_stopped(shortfall: Shortfall, remark: str = "") -> Iterator[threading.Event]:
    """Run work that Ctrl-C stops and that writes finished results at its end; then raise what could not be done.

    Parameters
    ----------
    shortfall : Shortfall
        Errors so far.
    remark : str
        Ends the sentence of the error.

    Yields
    ------
    Event
        Set when the work is to stop.

    Raises
    ------
    KeyboardInterrupt
        At the end, if it was stopped; its text has what was written and what could not be done.
    PartlyDone
        At the end, if something could not be done.
    """
    stop, is_written = threading.Event(), False
    try:
        with stop_on_interrupt(stop.set):
            yield stop
            is_written = True
    except KeyboardInterrupt as error:
        written = "what is done is written" if is_written else ""
        raise KeyboardInterrupt("; ".join(filter(None, [written, shortfall.sentence()]))) from error
    shortfall.raise_if_any(f"what is done is written{remark}")


def write_outputs(outputs: list[Path], result: Result, shortfall: Shortfall, frames: Collection[int] | None = None) -> list[Path]:
    """Write a result in several formats; one that cannot be written does not stop the others.

    Parameters
    ----------
    outputs : list of Path
        Output files; the end of each name chooses the format.
    result : Result
        The result.
    shortfall : Shortfall
        Receives errors of outputs, and frames of the image that could not be read.
    frames : collection of int, optional
        Of the frames that could not be read, those that were wanted; all by default.

    Returns
    -------
    list of Path
        The written outputs.

    Raises
    ------
    Exception
        If no output could be written.
    """
    failed = write_each(outputs, result)
    if len(outputs) == len(failed) == 1 and not shortfall:
        raise failed[outputs[0]]
    is_nothing_written = len(outputs) == len(failed) and not shortfall
    shortfall.errors += failed.values()
    if is_nothing_written:
        raise PartlyDone(shortfall.sentence(), shortfall.errors, is_something_written=False)
    unreadable = result.unreadable_frames(frames)
    if unreadable:
        shortfall.errors.append(FrameReadError(unreadable))
    return [path for path in outputs if path not in failed]


def write_results(
    session: Session,
    outputs: list[Path],
    calibration: Calibration,
    shortfall: Shortfall,
    *,
    where: str = "",
    is_partial: bool = False,
    frames: Collection[int] | None = None,
    methods: Path | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Write the results of a session, and print what was written.

    Parameters
    ----------
    session : Session
        The session.
    outputs : list of Path
        Output files; the end of each name chooses the format.
    calibration : Calibration
        Size of pixels and time between frames.
    shortfall : Shortfall
        Receives errors of outputs.
    where : str
        Printed after the number of frames, such as `` at each position of T``.
    is_partial : bool
        Not all frames are done: their number is printed.
    frames : collection of int, optional
        Frames that were wanted; all by default.
    methods, checkpoint : Path, optional
        File for the methods paragraph, and the file of the model that it names.

    Raises
    ------
    Exception
        See :func:`write_outputs`.
    """
    is_partial = is_partial or bool(shortfall) or frames is not None
    written = write_outputs(outputs, session.result(calibration), shortfall, frames)
    if methods is not None:
        with shortfall.noted(OSError, ValueError):
            write_methods(methods, session.document(), checkpoint)
    done = len(set[int]().union(*(item.shown_frames() for item in session.objects.values())))
    all_frames = f"{len(session.stack)} frame{'s' if len(session.stack) > 1 else ''}"
    frames_done = f"{done} of {all_frames}" if is_partial and done < len(session.stack) else all_frames
    objects = counted(len(session.objects), "object")
    if written:
        print(f"{objects} on {frames_done}{where}: {', '.join(map(str, written))}")
