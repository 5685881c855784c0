"""The session of one image on the worker: opened with the first command; immutable values alone pass to the viewer."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.plugin.layer_prompts.labels_to_link import LabelsToLink
from napari_sam2.plugin.options.everything_options import EverythingOptions
from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.prompts.commands import AddClicks, Command, LongCommand, Outcome
from napari_sam2.plugin.reports.reports import (
    CommandRejected,
    EverythingFound,
    FrameDone,
    FrameDrawn,
    FramesMeasured,
    HistoryMoved,
    ModelInput,
    ModelLoaded,
    ObjectSegmented,
    Proposal,
    SessionOpened,
    SessionsFound,
    StateChanged,
    StepDone,
)
from napari_sam2.plugin.sessions.session_opener import SessionOpener, SessionRequest
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.settings.settings import Settings
from napari_sam2.plugin.tasks.runner import Report
from napari_sam2.plugin.worker.prompt_transfer import carry_prompts
from napari_sam2.plugin.worker.session_drawing import SessionDrawing
from napari_sam2.plugin.worker.session_saving import SessionSaving
from napari_sam2.plugin.worker.tracking_steps import link_labels, track_everything
from napari_sam2.session.propagation.run_estimate import StepTimed, mask_bytes

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2.session.session import Session
    from napari_sam2.session.state.session_state import SessionState, StateChange

logger = logging.getLogger(__name__)


class SessionWorker:
    """The session of one image. All methods are called on the worker, one at a time.

    Parameters
    ----------
    opener : SessionOpener
        Opens the session.
    announce : callable
        Called with a :class:`StateChanged` of what is done to the session elsewhere, such as at the console, and with what was
        measured of it, in that thread.

    Attributes
    ----------
    shown_frame : int or None
        The frame that the viewer shows: of those that are not drawn yet, it comes first.
    """

    def __init__(self, opener: SessionOpener, announce: Callable[[StateChanged | FramesMeasured], None]) -> None:
        self._opener = opener
        self._announce = announce
        self._session: Session | None = None
        self._drawing: SessionDrawing | None = None
        self._report: Report | None = None
        self._reporting_thread = 0
        self._command: Command | None = None
        self._request: SessionRequest | None = None
        self._saving = SessionSaving(opener, self._send)
        self._prepared: tuple[SessionRequest, tuple[Settings, Place], Session] | None = None
        self.shown_frame: int | None = None

    @property
    def is_drawn(self) -> bool:
        """All frames of the session that is open, if one is, are drawn and measured."""
        return self._drawing is None or self._drawing.is_done

    @property
    def session(self) -> Session | None:
        """The session that is open, if one is. To be used while the worker rests."""
        return self._session

    def close(self) -> None:
        """Close the session, which stays in its file; one that could not be kept stays open for whoever has it."""
        self._take_prepared(None)
        session = self._session
        if session is None:
            return
        self._saving.end(session)
        session.state.changed.disconnect(self._state_changed)
        self._session = self._drawing = None
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
            self._run_each(self._open(request), commands, report)

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
        from napari_sam2.plugin.sessions.autosave import SessionSummary

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

    def prepare(self, request: SessionRequest, _: Report) -> None:
        """Do what the first click would wait for: load the model, and open a session that nobody sees before that click."""
        from napari_sam2.session.state.identity import weights_sha256

        if self._session is None and self._prepared is None:
            with contextlib.suppress(ValueError, OSError):  # the first click tells it
                session = self._opener.open(request)
                weights_sha256(session.model)  # which is kept with the model, and written when the session is
                self._prepared = request, (self._opener.settings, self._opener.place), session

    def _take_prepared(self, request: SessionRequest | None) -> Session | None:
        """Return the session that was prepared, if it is what is asked for; else it is closed."""
        prepared, self._prepared = self._prepared, None
        if prepared is None:
            return None
        as_asked, where, session = prepared
        if request is not None and request.opens_as(as_asked) and where == (self._opener.settings, self._opener.place):
            return session
        session.close()
        return None

    def rest(self, _: Report) -> None:
        """Release memory, as another position of the image is worked on."""
        if self._session is not None:
            self._session.release_features()

    def show_input(self, request: SessionRequest, frame: int, report: Report) -> None:
        """Report what the model sees of a frame; no session begins by that.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            If the model cannot be loaded, or the frame not be read.
        """
        session = self._session
        if session is not None and request.reads_as(self._request):
            report(ModelInput(frame, session.preview(frame)))
            return
        with contextlib.closing(self._opener.open(replace(request, labels=None, continued=None))) as other:
            report(ModelInput(frame, other.preview(frame)))

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
        self._saving.save(self._session)

    def save_as(self, path: Path, report: Report) -> None:
        """Save the session as :meth:`save`, and report it."""
        with self._reporting(report):
            self.save(path)

    def read(self, reading: Callable[[Session, Report], None], report: Report) -> None:
        """Let something read the session that is open, such as an export.

        Raises
        ------
        ValueError
            If there is none.
        Exception
            What reading it raises.
        """
        if self._session is None:
            raise ValueError("there is no session yet: it begins with the first click")
        reading(self._session, report)

    def draw(self, report: Report) -> None:
        """Draw and measure what the session had when it was opened, the shown frame first, until it is asked to stop.

        Raises
        ------
        OSError
            If a record cannot be read back, or the labels cannot be written.
        """
        with self._reporting(report):
            while self._drawing is not None and not self._drawing.is_done:
                if not report(FrameDrawn(self._drawing.draw_next(self.shown_frame))):
                    break
                self._drawing.send_if_due()

    def _draw_shown(self, report: Report) -> None:
        """Draw the frame that is shown, if it is not drawn yet, while something else takes long."""
        if self._drawing is not None and self.shown_frame in self._drawing.frames_left:
            report(FrameDrawn(self._drawing.draw_next(self.shown_frame)))

    def _run_each(self, session: Session, commands: Iterable[Command], report: Report) -> None:
        failed: list[Exception] = []
        with self._saving.after(session), session.grouped():
            for command in commands:
                self._run_one(session, command, report, failed)
        if failed:
            raise failed[0]

    def _run_one(self, session: Session, command: Command, report: Report, failed: list[Exception]) -> None:
        self._command, began_s = command, time.perf_counter()
        is_new = command.key.object_id not in session.objects
        try:
            if isinstance(command, LongCommand):
                done: Any = command.run_steps(session, lambda done, total: report(StepDone(done, total)))
            else:
                done = command.run(session)
        except ValueError as error:
            report(CommandRejected(command, str(error)))
        except Exception as error:  # a frame that cannot be read keeps no other click from being answered
            failed.append(error)
            report(CommandRejected(command, None))
        else:
            if isinstance(done, Outcome):
                report(done)
            elif done is not None:
                proposal = _proposal(session, command, done) if is_new else None
                step = _timed(session, 1, time.perf_counter() - began_s, False)
                report(ObjectSegmented(command.key, int(done.sum()), proposal, step))
        finally:
            self._command = None

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
            with self._saving.after(session):
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
                self._take_prepared(None)
                self._opener.load(name)
            elif session.state.model.name != name:
                try:
                    network = self._opener.load(name)
                    with self._saving.after(session):
                        session.use_model(network)
                except BaseException:
                    self._opener.keep(session.state.model.name, session.model)
                    raise
            report(ModelLoaded(name))

    def find_everything(self, request: SessionRequest, frame: int, options: EverythingOptions, report: Report) -> None:
        """Add an object for everything on a frame that belongs to none yet; if it is stopped, none is added.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            As :meth:`run`, if an option is not as it should be, or the frame cannot be read.
        """
        from napari_sam2.session.editing.everything import FindingStopped, watched

        with self._reporting(report):
            session = self._open(request)
            arguments = options.arguments((session.stack.height, session.stack.width))
            with contextlib.suppress(FindingStopped), self._saving.after(session):
                with watched(lambda done, total: report(StepDone(done, total))):
                    found = session.segment_everything(frame, **arguments)
                report(EverythingFound(frame, tuple(found)))

    def propagate(self, request: SessionRequest, commands: Iterable[Command], options: PropagationOptions, report: Report) -> None:
        """Propagate objects through the stack, after commands.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            As :meth:`run`, if there is nothing to propagate, or a frame cannot be read.
        """
        with self._reporting(report):
            session = self._open(request)
            self._run_each(session, commands, report)
            with self._saving.after(session):
                self._propagate(session, options, report)

    def _propagate(self, session: Session, options: PropagationOptions, report: Report) -> None:
        objects = None if options.objects is None else [one for one in options.objects if one in session.objects]
        where = options.direction, objects, options.frames(len(session.stack))
        propagation = session.propagate(*where)
        total, frames = len({step.frame for step in session.plan(*where)}), set[int]()
        with contextlib.closing(propagation):
            began_s = time.perf_counter()
            for result in propagation:
                seconds = time.perf_counter() - began_s
                self._saving.count(session)  # what fails now is not what was done until now
                frames.add(result.frame)
                step = _timed(session, len(result.scores), seconds, True)
                if not report(FrameDone(result.frame, len(frames), max(total, len(frames)), step)):
                    break
                self._draw_shown(report)
                began_s = time.perf_counter()

    def track_everything(
        self, request: SessionRequest, commands: Iterable[Command], options: TrackingOptions, report: Report
    ) -> None:
        """Find everything in the stack and follow it, after commands.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            As :meth:`run`, if an option is not as it should be, nothing is found, or a frame cannot be read.
        """
        from napari_sam2.session.editing.everything import FindingStopped, watched

        with self._reporting(report):
            session = self._open(request)
            self._run_each(session, commands, report)
            steps, watching = track_everything(session, options), watched(lambda done, total: report(StepDone(done, total)))
            with contextlib.suppress(FindingStopped), self._saving.after(session), contextlib.closing(steps), watching:
                self._go_over(session, steps, report)

    def link_labels(self, request: SessionRequest, commands: Iterable[Command], given: LabelsToLink | None, report: Report) -> None:
        """Link labels that were given frame by frame into tracks, by default those whose linking was stopped; after commands.

        Raises
        ------
        FileNotFoundError, ValueError, OSError
            As :meth:`run`, if the labels cannot be linked, or a frame cannot be read.
        """
        with self._reporting(report):
            session = self._open(request)
            self._run_each(session, commands, report)
            with self._saving.after(session), contextlib.closing(link_labels(session, given)) as steps:
                self._go_over(session, steps, report)

    def _go_over(self, session: Session, steps: Iterable[FrameDone], report: Report) -> None:
        """Report frames that are done, until it is asked to stop."""
        for step in steps:
            self._saving.count(session)  # what fails now is not what was done until now
            if not report(step):
                break
            self._draw_shown(report)

    # --- the session -----------------------------------------------------------------------------------------------

    def _open(self, request: SessionRequest) -> Session:
        """Open the session, or return the one that is open. On other data of the image it begins anew, with all prompts."""
        from napari_sam2.cluster.any_model import computes_on

        before, is_continued = self._session, request.continued is not None
        if before is not None and (before.saved_to == request.continued if is_continued else request.reads_as(self._request)):
            return before
        session = self._take_prepared(request) or self._opener.open(request)
        if before is not None and request.labels is not None and not is_continued:
            _clear_labels(session)
        not_carried = {} if before is None or is_continued else carry_prompts(before, session)
        self.close()
        channels = tuple(dict.fromkeys(session.stack.channels)) if request.channels else ()
        self._session, self._request = session, replace(request, channels=channels)
        self._saving.begin(request.fingerprint)
        self._drawing = SessionDrawing(session, self._send)
        session.state.changed.connect(self._state_changed)
        model = session.state.model.name if is_continued else request.model
        ranges, device = session.intensity_ranges, computes_on(session.model)
        drawn = session.labels_drawn
        self._send(SessionOpened(model, drawn, _whole(session.state), not_carried, is_continued, ranges, device, channels))
        if is_continued:
            self._saving.save(session)
        self._drawing.draw_at_once(self.shown_frame)
        return session

    @contextlib.contextmanager
    def _reporting(self, report: Report) -> Iterator[None]:
        self._report, self._reporting_thread = report, threading.get_ident()
        if self._drawing is not None:
            self._drawing.begin_job()
        try:
            yield
        finally:
            if self._drawing is not None:
                self._drawing.send()
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
        if self._drawing is not None and change.records:
            self._drawing.measure(change.records)
            if not is_elsewhere:
                self._drawing.send_if_due()
            elif (measured := self._drawing.take()) is not None:
                self._announce(measured)


def _clear_labels(session: Session) -> None:
    """Remove what an earlier session wrote at the position of this one."""
    planes = session.stack.planes(session.labels)
    for frame in range(len(planes)):
        planes[frame] = np.zeros(planes.shape[1:], np.uint16)


def _proposal(session: Session, command: Command, mask: npt.NDArray[np.bool_]) -> Proposal | None:
    """Tell whether what the first click of an object found is to be looked at."""
    record = session.objects[command.key.object_id].shown(command.key.frame)
    if not isinstance(command, AddClicks) or record is None or not mask.any():
        return None
    proposal = Proposal(float(mask.mean()), record.predicted_iou)
    return None if proposal.reason is None else proposal


def _timed(session: Session, num_objects: int, seconds: float, is_propagated: bool) -> StepTimed:
    room = mask_bytes(session.model.image_size, session.model.config.d_model)
    return StepTimed(session.state.model.name, num_objects, seconds, room, is_propagated)


def _whole(state: SessionState) -> StateChange:
    """Describe all that a session holds."""
    from napari_sam2.session.state.session_state import StateChange

    prompts = {(object_id, frame): prompts for object_id, item in state.objects.items() for frame, prompts in item.prompts.items()}
    return StateChange(dict(state.infos), prompts, model=state.model, error_samples=dict(state.error_samples))
