"""The session of one image on the worker: opened with the first command; immutable values alone pass to the viewer."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.plugin.carried_prompts import carry_prompts
from napari_sam2.plugin.commands import AddClicks, Command
from napari_sam2.plugin.frame_measurements import FrameMeasurements
from napari_sam2.plugin.reports import (
    CommandRejected,
    FrameDone,
    FramesMeasured,
    HistoryMoved,
    ModelLoaded,
    ObjectSegmented,
    Proposal,
    SessionKept,
    SessionNotKept,
    SessionOpened,
    SessionsFound,
    StateChanged,
)
from napari_sam2.plugin.runner import Report
from napari_sam2.plugin.session_opener import SessionOpener, SessionRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam2.session.propagation.plan import Direction
    from napari_sam2.session.session import Session
    from napari_sam2.session.state.session_state import SessionState, StateChange

logger = logging.getLogger(__name__)

RETRY_S = 30.0
"""Where a session cannot be kept, that is tried again with the first click after so long."""
_MEASURED_EACH_S = 0.3


class SessionWorker:
    """The session of one image. All methods are called on the worker, one at a time.

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
        self._request: SessionRequest | None = None
        self._kept_at: Path | None = None
        self._is_kept = False
        self._retry_at_s = 0.0
        self._num_changes = 0
        self._num_changes_not_kept = -1

    @property
    def session(self) -> Session | None:
        """The session that is open, if one is. To be used while the worker rests."""
        return self._session

    def close(self) -> None:
        """Close the session, which stays in its file; one that could not be kept stays open for whoever has it."""
        session = self._session
        if session is None:
            return
        self._retry_at_s = 0.0
        self._keep(session)
        session.state.changed.disconnect(self._state_changed)
        self._session = self._measurements = None
        self._kept_at = None
        if session.saved_to is not None:
            try:
                session.close()
            except (ValueError, OSError, RuntimeError) as error:  # also where the console is using it
                logger.warning("the session could not be closed: %s", error)

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
            try:
                self._run_each(session, commands, report)
            finally:
                self._keep(session)

    def find(self, request: SessionRequest, chosen: Path | None, report: Report) -> None:
        """Find an earlier session on an image, and report it.

        Parameters
        ----------
        request : SessionRequest
            The image.
        chosen : Path, optional
            The file of the one that is wanted; where it is not there, the latest one is.
        report : callable
            Receives a :class:`SessionsFound`.

        Raises
        ------
        ValueError, OSError
            If there is one, but it cannot be read.
        """
        from napari_sam2.plugin.autosave import SessionSummary

        kept = self._opener.kept
        at = chosen if kept is None or chosen is None else kept.current(chosen)
        if at is not None and at.is_file():
            report(SessionsFound(SessionSummary.read(at), is_chosen=True))
            return
        found = self._opener.find(request)
        report(SessionsFound(next((one for one in found if not one.is_in_use), next(iter(found), None))))

    def open(self, request: SessionRequest, report: Report) -> None:
        """Open the session.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If it cannot be opened.
        """
        with self._reporting(report):
            self._open(request)

    def save(self, path: Path) -> None:
        """Save the session under a name that somebody chose, and from now on everything that is done to it.

        Raises
        ------
        ValueError, OSError
            If it cannot be saved, see :meth:`~napari_sam2.session.session.Session.save`.
        RuntimeError
            If it is at work.
        """
        if self._session is None:
            raise ValueError("there is no session yet: it begins with the first click")
        self._session.save(path)
        self._keep(self._session)

    def _run_each(self, session: Session, commands: Iterable[Command], report: Report) -> None:
        failed: Exception | None = None
        with session.grouped():
            for command in commands:
                self._command = command
                is_new = command.key.object_id not in session.objects
                before = session.state.history.num_changes
                try:
                    mask = command.run(session)
                except (ValueError, OSError) as error:
                    if session.state.history.num_changes > before:  # done, but not saved
                        self._not_kept(error)
                        report(CommandRejected(command, None))
                    elif isinstance(error, ValueError):
                        report(CommandRejected(command, str(error)))
                    else:
                        failed = failed or error
                        report(CommandRejected(command, None))
                except Exception as error:  # a frame that cannot be read keeps no other click from being answered
                    failed = failed or error
                    report(CommandRejected(command, None))
                else:
                    if mask is not None:
                        proposal = _proposal(session, command, mask) if is_new else None
                        report(ObjectSegmented(command.key, int(mask.sum()), proposal))
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
            self._move(True, report)

    def redo(self, report: Report) -> None:
        """Redo what was undone last.

        Raises
        ------
        FileNotFoundError, ValueError
            As :meth:`undo`.
        """
        with self._reporting(report):
            self._move(False, report)

    def _move(self, is_undo: bool, report: Report) -> None:
        session = self._session
        is_done = False
        if session is not None:
            is_done = session.can_undo if is_undo else session.can_redo
            with self._keeping(session):
                _ = session.undo() if is_undo else session.redo()
        report(HistoryMoved(is_undo, is_done))

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
                    network = self._opener.load(name)
                    with self._keeping(session):
                        session.use_model(network)
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
            try:
                self._run_each(session, commands, report)
            finally:
                self._keep(session)
            with self._keeping(session):
                self._propagate(session, direction, report)

    def _propagate(self, session: Session, direction: Direction, report: Report) -> None:
        propagation = session.propagate(direction)
        total, frames = len({step.frame for step in session.plan(direction)}), set[int]()
        with contextlib.closing(propagation):
            for result in propagation:
                self._num_changes = session.state.history.num_changes  # what fails now is not what was done until now
                frames.add(result.frame)
                if not report(FrameDone(result.frame, len(frames), max(total, len(frames)))):
                    break

    # --- the session -----------------------------------------------------------------------------------------------

    def _open(self, request: SessionRequest) -> Session:
        """Open the session, or return the one that is open. On other data of the image it begins anew, with all prompts."""
        before, is_continued = self._session, request.continued is not None
        if before is not None and (before.saved_to == request.continued if is_continued else request.image is self._image):
            return before
        session = self._opener.open(request)
        not_carried = {} if before is None or is_continued else carry_prompts(before, session)
        self.close()
        self._session, self._image, self._request = session, request.image, request
        self._is_kept, self._retry_at_s, self._num_changes_not_kept = False, 0.0, -1
        self._measurements = FrameMeasurements(session)
        session.state.changed.connect(self._state_changed)
        model = session.state.model.name if is_continued else request.model
        self._send(SessionOpened(model, session.labels, _whole(session.state), not_carried, is_continued))
        if is_continued:
            self._keep(session)
        self._measurements.measure_all()
        return session

    @contextlib.contextmanager
    def _keeping(self, session: Session) -> Iterator[None]:
        """Let the session be kept after what is done. If that was done, but could not be saved, it counts as done."""
        self._num_changes = session.state.history.num_changes
        try:
            yield
        except (ValueError, OSError) as error:
            if session.state.history.num_changes == self._num_changes or session.saved_to is None:
                raise
            self._not_kept(error)
        finally:
            self._keep(session)

    def _keep(self, session: Session) -> None:
        """Save the session where kept ones are, unless it is saved already, or nothing was done to it."""
        kept, fingerprint = self._opener.kept, None if self._request is None else self._request.fingerprint
        try:
            if session.saved_to is None and kept is not None and fingerprint is not None:
                if not (session.can_undo or session.can_redo) or time.monotonic() < self._retry_at_s:
                    return
                session.save(kept.new_path(fingerprint))
            if session.saved_to is None:
                return
            if kept is not None and self._kept_at not in (None, session.saved_to):
                kept.moved(self._kept_at, session.saved_to)
        except (ValueError, OSError, RuntimeError) as error:
            self._not_kept(error)
            return
        is_written = self._is_kept or session.state.history.num_changes > self._num_changes_not_kept
        if is_written and (not self._is_kept or self._kept_at != session.saved_to):
            self._is_kept, self._kept_at = True, session.saved_to
            self._send(SessionKept(session.saved_to))

    def _not_kept(self, error: Exception) -> None:
        logger.warning("the session is not kept: %s", error)
        self._is_kept, self._retry_at_s = False, time.monotonic() + RETRY_S
        if self._session is not None and self._session.saved_to is not None:  # it is written with what is done next
            self._num_changes_not_kept = self._session.state.history.num_changes
        self._send(SessionNotKept(str(error)))

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
        if self._measurements is not None and change.records:
            self._measurements.measure(change.records)
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


def _proposal(session: Session, command: Command, mask: npt.NDArray[np.bool_]) -> Proposal | None:
    """Tell whether what the first click of an object found is to be looked at."""
    record = session.objects[command.key.object_id].shown(command.key.frame)
    if not isinstance(command, AddClicks) or record is None or not mask.any():
        return None
    proposal = Proposal(float(mask.mean()), record.predicted_iou)
    return None if proposal.reason is None else proposal


def _whole(state: SessionState) -> StateChange:
    """Describe all that a session holds."""
    from napari_sam2.session.state.session_state import StateChange

    prompts = {(object_id, frame): prompts for object_id, item in state.objects.items() for frame, prompts in item.prompts.items()}
    return StateChange(dict(state.infos), prompts, model=state.model, error_samples=dict(state.error_samples))
