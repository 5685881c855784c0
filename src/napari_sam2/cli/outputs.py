"""What several commands write, and say of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from napari_sam2.cli.exit_codes import PartlyDone, sentence_of
from napari_sam2.cli.interruption import stop_on_interrupt
from napari_sam2.export.formats import write_each
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.errors import FrameReadError
from napari_sam2.session.methods import write_methods
from napari_sam2.session.session import Session

STOPS = (OSError, MemoryError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError)
"""Whatever may stop long work; that what was asked for cannot be, ``ValueError``, is said before it."""


class Shortfall:
    """What could not be done, for one sentence at the end.

    Attributes
    ----------
    errors : list of Exception
        Why.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def __bool__(self) -> bool:
        return bool(self.errors)

    @contextlib.contextmanager
    def noted(self, *kinds: type[Exception]) -> Iterator[None]:
        """Go on after errors of these kinds."""
        try:
            yield
        except kinds as error:
            self.errors.append(error)

    def sentence(self) -> str:
        """Say all of it, and nothing twice."""
        said = list(dict.fromkeys(sentence_of(error) for error in self.errors))
        return "; ".join(one for one in said if not any(one in other for other in said if other != one))

    def tell(self, remark: str = "") -> None:
        """Raise what could not be done, if there is anything.

        Raises
        ------
        PartlyDone
            If so; ``remark`` ends the sentence.
        """
        if self.errors:
            raise PartlyDone("; ".join(filter(None, [self.sentence(), remark])), self.errors)


@contextlib.contextmanager
def written_when_stopped(shortfall: Shortfall, remark: str = "") -> Iterator[threading.Event]:
    """Let Ctrl-C stop what is done inside, which writes what it has done at its end, and say then what could not be done.

    Parameters
    ----------
    shortfall : Shortfall
        What could not be done.
    remark : str
        Ends the sentence of what could not be done.

    Yields
    ------
    Event
        It is set when work is to stop.

    Raises
    ------
    KeyboardInterrupt
        At the end, if it was stopped; its text says that what is done is written, and what could not be.
    PartlyDone
        At the end, if something could not be done.
    """
    stop, is_written = threading.Event(), False
    try:
        with stop_on_interrupt(stop.set):
            yield stop
            is_written = True
    except KeyboardInterrupt as error:
        said = "what is done is written" if is_written else ""
        raise KeyboardInterrupt("; ".join(filter(None, [said, shortfall.sentence()]))) from error
    shortfall.tell(f"what is done is written{remark}")


def write_outputs(outputs: list[Path], result: Result, shortfall: Shortfall, frames: Collection[int] | None = None) -> list[Path]:
    """Write a result in several formats, each whether or not another can be written.

    Parameters
    ----------
    outputs : list of Path
        Results; the ends of their names say in which format.
    result : Result
        What was found.
    shortfall : Shortfall
        Receives what could not be written, and which frames of the image could not be read.
    frames : collection of int, optional
        Of the frames that could not be read, those that were wanted; all by default.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    Exception
        Why nothing could be written, where that is so of all outputs.
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
    """Write what a session has found, and say so.

    Parameters
    ----------
    session : Session
        With what was found.
    outputs : list of Path
        Results; the ends of their names say in which format.
    calibration : Calibration
        Size of pixels and time between frames.
    shortfall : Shortfall
        Receives what could not be written.
    where : str
        What is said after the number of frames, such as `` at each position of T``.
    is_partial : bool
        Not all frames are done: it is said how many.
    frames : collection of int, optional
        Frames that were wanted; all by default.
    methods, checkpoint : Path, optional
        Where the methods paragraph goes, and the file of the model for it.

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
    objects = f"{len(session.objects)} object{'' if len(session.objects) == 1 else 's'}"
    if written:
        print(f"{objects} on {frames_done}{where}: {', '.join(map(str, written))}")
