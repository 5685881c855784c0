"""The session of one image on the worker: opened with the first command; immutable values alone pass to the viewer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from napari_sam2.plugin.carried_prompts import carry_prompts
from napari_sam2.plugin.commands import Command
from napari_sam2.plugin.frame_measurements import FrameMeasurements
from napari_sam2.plugin.reports import (
    CommandRejected,
    FrameDone,
    FramesMeasured,
    HistoryMoved,
    ModelLoaded,
    ObjectSegmented,
    SessionOpened,
    StateChanged,
)
from napari_sam2.plugin.runner import Report
from napari_sam2.plugin.session_opener import SessionOpener, SessionRequest

if TYPE_CHECKING:
    from napari_sam2.session.propagation.plan import Direction
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.session_state import SessionState, StateChange

_MEASURED_EACH_S = 0.3


class SessionWorker:
    """The session of one image. All methods but :meth:`close` are called on the worker, one at a time.

    Parameters
    ----------
    opener : SessionOpener
        Opens the session.
    announce : callable
        Called with a :class:`StateChanged` of what is done to the session elsewhere, such as at the console, and with what was
        measured of it, in that thread.
    """

    def __init__(self, opener: SessionOpener, announce: Callable[[StateChanged | FramesMeasured], None]) -> None:
        self._opener = opener
        self._announce = announce
        self._session: Session | None = None
        self._measurements: FrameMeasurements | None = None
        self._measured_at_s = 0.0
        self._image: object = None
        self._report: Report | None = None
        self._reporting_thread = 0
        self._command: Command | None = None

    @property
    def session(self) -> Session | None:
        """The session that is open, if one is. To be used while the worker rests."""
        return self._session

    def close(self) -> None:
        """Forward no more changes. The session stays open for whoever has it, and ends with the last one who does."""
        if self._session is not None:
            self._session.state.changed.disconnect(self._state_changed)
        self._session = self._measurements = None

    # --- commands --------------------------------------------------------------------------------------------------

    def run(self, request: SessionRequest, commands: Iterable[Command], report: Report) -> None:
        """Run commands that a person gave at one stroke. One that the session refuses keeps no other from being run.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If the session cannot be opened.
        Exception
            The first error by which a command failed.
        """
        with self._reporting(report):
            session = self._open(request)
            self._run_each(session, commands, report)

    def _run_each(self, session: Session, commands: Iterable[Command], report: Report) -> None:
        failed: Exception | None = None
        with session.grouped():
            for command in commands:
                self._command = command
                try:
                    mask = command.run(session)
                except ValueError as error:
                    report(CommandRejected(command, str(error)))
                except Exception as error:  # a frame that cannot be read keeps no other click from being answered
                    failed = failed or error
                    report(CommandRejected(command, None))
                else:
                    if mask is not None:
                        report(ObjectSegmented(command.key, int(mask.sum())))
                finally:
                    self._command = None
        if failed is not None:
            raise failed

    def undo(self, report: Report) -> None:
        """Undo what was done last.

        Raises
        ------
        FileNotFoundError, ValueError
            If the model was changed by it, and the one before cannot be loaded any more.
        """
        with self._reporting(report):
            report(HistoryMoved(True, self._session is not None and self._session.undo()))

    def redo(self, report: Report) -> None:
        """Redo what was undone last.

        Raises
        ------
        FileNotFoundError, ValueError
            As :meth:`undo`.
        """
        with self._reporting(report):
            report(HistoryMoved(False, self._session is not None and self._session.redo()))

    def use_model(self, name: str, report: Report) -> None:
        """Go on with another model; without a session it is only loaded.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If it cannot be loaded, or the session refuses it: the session goes on as it was.
        """
        with self._reporting(report):
            session = self._session
            if session is None:
                self._opener.load(name)
            elif session.state.model.name != name:
                try:
                    session.use_model(self._opener.load(name))
                except BaseException:
                    self._opener.keep(session.state.model.name, session.model)
                    raise
            report(ModelLoaded(name))

    def propagate(self, request: SessionRequest, commands: Iterable[Command], direction: Direction, report: Report) -> None:
        """Propagate all objects through the stack, after commands.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            As :meth:`run`, if there is nothing to propagate, or a frame cannot be read.
        """
        with self._reporting(report):
            session = self._open(request)
            self._run_each(session, commands, report)
            propagation = session.propagate(direction)
            total, frames = len({step.frame for step in session.plan(direction)}), set[int]()
            with contextlib.closing(propagation):
                for result in propagation:
                    frames.add(result.frame)
                    if not report(FrameDone(result.frame, len(frames), max(total, len(frames)))):
                        break

    # --- the session -----------------------------------------------------------------------------------------------

    def _open(self, request: SessionRequest) -> Session:
        """Open the session, or return the one that is open. On other data of the image it begins anew, with all prompts."""
        if self._session is not None and request.image is self._image:
            return self._session
        before, session = self._session, self._opener.open(request)
        not_carried = {} if before is None else carry_prompts(before, session)
        self.close()
        self._session, self._image, self._measurements = session, request.image, FrameMeasurements(session)
        session.state.changed.connect(self._state_changed)
        self._send(SessionOpened(request.model, session.labels, _whole(session.state), not_carried))
        self._measurements.measure_all()
        return session

    @contextlib.contextmanager
    def _reporting(self, report: Report) -> Iterator[None]:
        self._report, self._reporting_thread, self._measured_at_s = report, threading.get_ident(), time.monotonic()
        try:
            yield
        finally:
            self._send_measurements()
            self._report = None

    def _send(self, item: object) -> None:
        if self._report is not None:
            self._report(item)

    def _state_changed(self, change: StateChange) -> None:
        is_elsewhere = self._report is None or threading.get_ident() != self._reporting_thread
        if is_elsewhere:
            self._announce(StateChanged(change))
        else:
            added = None if self._command is None else self._command.addition
            is_taken = added is not None and added.key in change.prompts
            self._send(StateChanged(change, added.ids if added is not None and is_taken else frozenset()))
        if self._measurements is not None and change.masks:
            self._measurements.measure(change.masks)
            if is_elsewhere:
                if (measured := self._measurements.take()) is not None:
                    self._announce(measured)
            elif time.monotonic() - self._measured_at_s >= _MEASURED_EACH_S:
                # a propagation of many objects is measured with each frame, and shown less often
                self._send_measurements()

    def _send_measurements(self) -> None:
        measured = None if self._measurements is None else self._measurements.take()
        if measured is not None:
            self._send(measured)
            self._measured_at_s = time.monotonic()


def _whole(state: SessionState) -> StateChange:
    """Describe all that a session holds."""
    from napari_sam2.session.state.session_state import StateChange

    prompts = {(object_id, frame): prompts for object_id, item in state.objects.items() for frame, prompts in item.prompts.items()}
    return StateChange(dict(state.infos), prompts, model=state.model)
