"""What is done to sessions on the worker, one job after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.refusal import ClusterError, WorkerLostError
from napari_sam2.plugin.jobs.job_status import JobStatus
from napari_sam2.plugin.layer_prompts.labels_to_link import LabelsToLink
from napari_sam2.plugin.notices import status_warning
from napari_sam2.plugin.options.everything_options import EverythingOptions
from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.prompts.commands import Command, LongCommand
from napari_sam2.plugin.reports.reports import (
    FramesMeasured,
    SessionsFound,
    StateChanged,
)
from napari_sam2.plugin.settings.machine import MachineSurveyed, SelfTested
from napari_sam2.plugin.settings.models import MODEL_NAMES, Downloaded, download_model
from napari_sam2.plugin.tasks.runner import Report, Runner, Task
from napari_sam2.plugin.tasks.work_queue import Job, JobKind, WorkQueue
from napari_sam2.plugin.worker.session_worker import SessionWorker
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

Read = Callable[["Session", Report], None]
"""Reads a session on the worker, and reports what it reads."""
Take = Callable[[Any], str | None]


@dataclass(frozen=True)
class JobCalls:
    """What jobs call.

    Attributes
    ----------
    changed : callable
        A job began or ended, or something else is to be shown.
    progressed : callable
        Called with how much is done of how much.
    status_changed : callable
        Called with a text for the person, empty for none.
    frame_described : callable
        Called with a text about a frame, which goes when another one is shown.
    downloaded : callable
        Called with the name of a model whose weights have come.
    machine_reported : callable
        Called with what was found out about the machine, see :mod:`~napari_sam2.plugin.settings.machine`.
    """

    changed: Callable[[], None]
    progressed: Callable[[int, int], None]
    status_changed: Callable[[str], None]
    frame_described: Callable[[str], None]
    downloaded: Callable[[str], None]
    machine_reported: Callable[[MachineSurveyed | SelfTested], None]


class SessionJobs:
    """Runs jobs on the sessions of workspaces.

    Parameters
    ----------
    runner : Runner
        Where.
    calls : JobCalls
        What is called.
    """

    def __init__(self, runner: Runner, calls: JobCalls) -> None:
        self._runner = runner
        self._calls = calls
        self._queue = WorkQueue(runner, self._job_started, self._item, self._job_ended)
        self._status = JobStatus(self._queue, calls.progressed, calls.status_changed, calls.frame_described)
        self._commands: tuple[Command, ...] = ()

    def close(self, workers: Iterable[SessionWorker] = (), last: Callable[[], None] = lambda: None) -> None:
        """Give up everything, and never call back again; sessions are closed after the step that one is at, then comes ``last``."""
        open_workers = tuple(workers)

        def close_sessions() -> None:
            for worker in open_workers:
                worker.close()
            last()

        self._queue.close(close_sessions)

    @property
    def is_busy(self) -> bool:
        """Something that can be stopped is running, or is about to."""
        return self._queue.is_busy

    @property
    def is_downloading(self) -> bool:
        """Weights are being fetched, or are about to."""
        return self._queue.has(JobKind.DOWNLOAD)

    @property
    def is_long_running(self) -> bool:
        """What runs can be stopped."""
        return self._queue.running is not None and self._queue.running.kind.takes_long

    @property
    def is_segmenting(self) -> bool:
        """Objects that nobody knows yet may be about to begin, such as those of a layer; of clicks they are known at once."""
        return any(map(self._queue.has, (JobKind.FIND, JobKind.LONG_COMMAND, JobKind.TRACK)))

    @property
    def is_tracking(self) -> bool:
        """Everything is being tracked, or is about to."""
        return self._queue.has(JobKind.TRACK)

    @property
    def is_idle(self) -> bool:
        """Nothing is running."""
        return self._queue.running is None

    # --- jobs ------------------------------------------------------------------------------------------------------

    def add_clicks(self, workspace: ImageWorkspace, with_refused: bool = False) -> None:
        """Send the clicks that are pending by now to the session."""
        pending = workspace.points.pending
        up_to = pending.next_id - 1

        def make_task() -> Task | None:
            if not self._is_decided(workspace):
                return None
            if workspace.kept.is_reopening:  # only then it is known which of these clicks the session has
                self.add_clicks(workspace, with_refused)
                return self._opening(workspace)
            clicks = pending.take_all() if with_refused else pending.take(up_to)
            return self._running(workspace, [*workspace.pending.take_drawn(), *clicks])

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, "Segmenting …"))

    def run(self, workspace: ImageWorkspace, commands: tuple[Command, ...], text: str = "Segmenting …") -> None:
        """Run commands that a person gave at one stroke, with a text that is shown meanwhile."""

        def make_task() -> Task | None:
            if not self._is_decided(workspace):
                return None
            if workspace.kept.is_reopening:
                self.run(workspace, commands, text)
                return self._opening(workspace)
            return self._running(workspace, [*workspace.boxes.take(), *commands])

        is_long = any(isinstance(command, LongCommand) for command in commands)
        self._queue.put(Job(JobKind.LONG_COMMAND if is_long else JobKind.COMMAND, make_task, workspace, text))

    def _running(self, workspace: ImageWorkspace, commands: list[Any]) -> Task | None:
        workspace.layers.show()
        self._commands = tuple(commands)
        return partial(workspace.worker.run, workspace.request(), self._commands) if commands else None

    # --- an earlier session ----------------------------------------------------------------------------------------

    def find(self, workspace: ImageWorkspace, chosen: Path | None) -> None:
        """Find an earlier session on the image, which is offered; one that is chosen is opened."""
        self._queue.put(Job(JobKind.COMMAND, lambda: partial(workspace.worker.find, workspace.request(), chosen), workspace))

    def continue_session(self, workspace: ImageWorkspace) -> None:
        """Open the session that is offered, and send it all pending clicks; if its model is not here, say what it needs."""
        if self._is_decided(workspace):
            has_pending = workspace.pending.are_waiting
            self._queue.put(Job(JobKind.COMMAND, lambda: self._opening(workspace), workspace, "Opening the earlier session …"))
            if has_pending:
                self.add_clicks(workspace, with_refused=True)
        self._calls.changed()

    def _opening(self, workspace: ImageWorkspace) -> Task | None:
        request = workspace.request()
        return None if request.continued is None else partial(workspace.worker.open, request)  # clicks may have opened it

    def begin_anew(self, workspace: ImageWorkspace) -> None:
        """Leave the session that is offered where it is, and send all pending clicks to a new one."""
        workspace.kept.begin_anew()
        if workspace.pending.are_waiting and workspace.is_model_here:
            self.add_clicks(workspace, with_refused=True)
        self._calls.changed()

    def _is_decided(self, workspace: ImageWorkspace) -> bool:
        """Continue the session that is offered, if there is one; return False where it needs a model that is not here."""
        offer = workspace.kept.offer
        if workspace.has_offer_of_other_frames:  # it stays where it is: what a person does on these frames is another one
            workspace.kept.begin_anew()
            return True
        if offer is None or workspace.continue_session():
            return True
        what = "download it" if offer.model in MODEL_NAMES else "put its file back"
        self._status.show(
            status_warning(
                f"The earlier session was made with {offer.model}, which is not on this machine: {what} to continue, or begin "
                "anew. Clicks are kept"
            )
        )
        return False

    def _sessions_found(self, workspace: ImageWorkspace, item: SessionsFound) -> None:
        if workspace.kept.offer is None:
            return
        if item.is_chosen:
            self.continue_session(workspace)
        elif workspace.kept.offer.is_in_use:
            workspace.kept.begin_anew()
            self._status.show("An earlier session on this image is open elsewhere: a new one begins with the first click.")

    def reopen(self, workspace: ImageWorkspace) -> None:
        """Begin the session anew on an image that is read in another way, if there is one, with all its prompts."""

        def make_task() -> Task | None:
            return partial(workspace.worker.open, workspace.request()) if workspace.worker.session is not None else None

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, "Reading the image anew …"))

    def rest(self, workspace: ImageWorkspace) -> None:
        """Release memory, as another position of the image is worked on."""
        self._queue.put(Job(JobKind.COMMAND, lambda: workspace.worker.rest, workspace))

    def show_input(self, workspace: ImageWorkspace, frame: int, is_wanted: Callable[[], bool]) -> None:
        """Find what the model sees of a frame, if that is still wanted when it is its turn."""

        def make_task() -> Task | None:
            return partial(workspace.worker.show_input, workspace.request(), frame) if is_wanted() else None

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace))

    def draw(self, workspace: ImageWorkspace) -> None:
        """Draw what a session had when it was opened and is not drawn yet, when there is nothing else to be done."""
        self._queue.put(Job(JobKind.DRAW, lambda: None if workspace.worker.is_drawn else workspace.worker.draw, workspace))

    def prepare(self, workspace: ImageWorkspace) -> None:
        """Load the model and open a session ahead of the first click, when there is nothing else to be done."""

        def make_task() -> Task | None:
            is_new = workspace.worker.session is None and workspace.kept.offer is None and workspace.kept.continued is None
            return partial(workspace.worker.prepare, workspace.request()) if is_new and workspace.is_model_here else None

        self._queue.put(Job(JobKind.PREPARE, make_task, workspace))

    def end_session(self, workspace: ImageWorkspace) -> None:
        """Close the session of an image that is not worked on any more; it is kept."""

        def close(_: Report) -> None:
            workspace.worker.close()

        self._queue.put(Job(JobKind.COMMAND, lambda: close))

    # --- commands --------------------------------------------------------------------------------------------------

    def undo(self, workspace: ImageWorkspace) -> None:
        """Withdraw the latest prompt that the session has not taken yet; if there is none, undo what was done last."""
        workspace.layers.show()
        before = workspace.points.pending.next_id
        if not workspace.pending.is_latest_on_its_way and workspace.withdraw_latest(before):
            workspace.refresh_history()
            self._status.show("Undone.")
            self._calls.changed()
            return

        def make_task() -> Task | None:
            workspace.layers.show()
            if workspace.withdraw_latest(before):  # it was on its way, and was refused
                self._status.show("Undone.")
                return None
            return workspace.worker.undo

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, ends_propagation=True))

    def redo(self, workspace: ImageWorkspace) -> None:
        """Redo what was undone last."""

        def make_task() -> Task:
            workspace.layers.show()
            return workspace.worker.redo

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, ends_propagation=True))

    def use_model(self, workspace: ImageWorkspace) -> None:
        """Go on with the model that is chosen, and send all pending clicks to it."""
        name = workspace.requested_model = workspace.model

        def make_task() -> Task | None:
            return partial(workspace.worker.use_model, name) if workspace.requested_model == name else None

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, f"Loading {name} …", True, name))
        if workspace.pending.are_waiting:
            self.add_clicks(workspace, with_refused=True)

    def propagate(self, workspace: ImageWorkspace, options: PropagationOptions) -> None:
        """Propagate objects through the stack."""
        self._go_over_frames(JobKind.PROPAGATE, workspace, workspace.worker.propagate, options)

    def track_everything(self, workspace: ImageWorkspace, options: TrackingOptions) -> None:
        """Find everything in the stack, and follow it."""
        self._go_over_frames(JobKind.TRACK, workspace, workspace.worker.track_everything, options, "Looking for objects …")

    def link_labels(self, workspace: ImageWorkspace, labels: LabelsToLink | None = None) -> None:
        """Link labels that were given frame by frame into tracks; by default those whose linking was stopped."""
        text = "Linking labels …" if labels is None else f"Linking the labels of {labels.layer} …"
        self._go_over_frames(JobKind.TRACK, workspace, workspace.worker.link_labels, labels, text)

    def _go_over_frames(
        self, kind: JobKind, workspace: ImageWorkspace, run: Callable[..., None], options: Any, text: str = ""
    ) -> None:
        """Send all pending prompts, then do the frames."""
        if not self.is_busy:
            self._status.forget_run()

        def make_task() -> Task | None:
            if not self._is_decided(workspace):
                return None
            workspace.layers.show()
            is_reopening = workspace.kept.is_reopening
            self._commands = () if is_reopening else (*workspace.pending.take_drawn(), *workspace.points.pending.take_all())
            return partial(run, workspace.request(), self._commands, options)

        self._queue.put(Job(kind, make_task, workspace, text))

    def read(self, workspace: ImageWorkspace, reading: Read, take: Take, kind: JobKind, text: str = "") -> None:
        """Let something read the session, such as an export; ``take`` takes what it reports, and returns a text to be shown."""
        self._queue.put(Job(kind, lambda: partial(workspace.worker.read, reading), workspace, text, take=take))

    def save(self, workspace: ImageWorkspace, path: Path) -> None:
        """Save the session under a name that somebody chose."""
        self._queue.put(Job(JobKind.COMMAND, lambda: partial(workspace.worker.save_as, path), workspace, f"Saving {path.name} …"))

    def find_everything(self, workspace: ImageWorkspace, frame: int, options: EverythingOptions) -> None:
        """Add an object for everything on a frame that belongs to none yet."""

        def make_task() -> Task | None:
            if not self._is_decided(workspace):
                return None
            workspace.layers.show()
            return partial(workspace.worker.find_everything, workspace.request(), frame, options)

        where = "" if workspace.stack.frame_axis is None else f" on frame {frame}"
        self._queue.put(Job(JobKind.FIND, make_task, workspace, f"Finding everything{where} …"))

    def download(self, name: str) -> None:
        """Fetch the weights of a model."""
        self._queue.put(Job(JobKind.DOWNLOAD, lambda: partial(self._download, name)))

    def _download(self, name: str, report: Callable[[Any], bool]) -> None:
        if download_model(name, report):
            report(_Here(name))

    def run_on_machine(self, task: Task, text: str = "") -> None:
        """Find out something about the machine, with a text that is shown meanwhile."""
        self._queue.put(Job(JobKind.COMMAND, lambda: task, None, text))

    def cancel(self) -> None:
        """Stop after the frame that is being done. What is done is kept."""
        if self.is_busy:
            self._status.show("Stopping …")
            self._queue.stop()
            self._calls.changed()

    def forget(self, workspace: ImageWorkspace) -> None:
        """Give up everything about an image."""
        self._queue.forget(workspace)

    def announce(self, workspace: ImageWorkspace, item: StateChanged | FramesMeasured) -> None:
        """Show what was done to a session elsewhere, such as at the console; called in the thread that did it."""
        self._runner.post(partial(self._announced, workspace, item))

    def _announced(self, workspace: ImageWorkspace, item: StateChanged | FramesMeasured) -> None:
        if not workspace.is_closed:
            workspace.apply(item)
            workspace.result.finish()
            workspace.refresh_history()
            self._calls.changed()

    # --- what the worker reports -----------------------------------------------------------------------------------

    def _job_started(self, job: Job) -> None:
        self._commands = ()
        self._status.job_started(job)
        self._calls.changed()

    def _item(self, job: Job, item: Any) -> None:
        if job.take is not None:
            if not job.workspace.is_closed and (text := job.take(item)):
                self._status.show(text)
        elif isinstance(item, Downloaded):
            self._calls.progressed(item.done_mb, item.total_mb)
            self._status.show(f"{item.done_mb} of {item.total_mb} MB")
        elif isinstance(item, _Here):
            self._calls.downloaded(item.name)
        elif isinstance(item, MachineSurveyed | SelfTested):
            if isinstance(item, SelfTested):
                self._status.show(f"{item.text[:1].upper()}{item.text[1:]}.")
            self._calls.machine_reported(item)
        elif job.workspace is not None and not job.workspace.is_closed:
            # of an image that was removed, reports may still be on their way
            is_news = job.workspace.apply(item)
            self._status.show_item(job, item, is_news)
            if isinstance(item, SessionsFound):
                self._sessions_found(job.workspace, item)

    def _job_ended(self, job: Job, error: BaseException | None) -> None:
        if job.workspace is not None and not job.workspace.is_closed:
            if error is not None:
                for command in self._commands:
                    job.workspace.reject(command, is_refused=False)
                if not isinstance(error, ClusterError | WorkerLostError):  # else it is opened once the other machine is reached
                    job.workspace.kept.not_continued()
            if job.model:
                job.workspace.model_changed(job.model, error is not None)
            job.workspace.job_ended()
            job.workspace.result.finish()
            if error is None and not job.workspace.worker.is_drawn:
                self.draw(job.workspace)
        if job.kind == JobKind.TRACK:
            job.workspace.is_tracking_stopped = self._queue.is_stopping
        self._status.job_ended(job, error)
        self._calls.changed()


@dataclass(frozen=True)
class _Here:
    """The weights of a model have come."""

    name: str
