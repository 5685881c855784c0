"""What is done to sessions on the worker, one job after another, and what the person reads of it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.commands import Command
from napari_sam2.plugin.image_workspace import ImageWorkspace
from napari_sam2.plugin.models import Downloaded, download_model
from napari_sam2.plugin.notices import notify_error, notify_warning
from napari_sam2.plugin.reports import CommandRejected, FrameDone, FramesMeasured, HistoryMoved, ObjectSegmented, StateChanged
from napari_sam2.plugin.runner import Runner, Task
from napari_sam2.plugin.work_queue import Job, JobKind, WorkQueue

if TYPE_CHECKING:
    from napari_sam2.session.propagation.plan import Direction


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
    downloaded : callable
        Called with the name of a model whose weights have come.
    """

    changed: Callable[[], None]
    progressed: Callable[[int, int], None]
    status_changed: Callable[[str], None]
    downloaded: Callable[[str], None]


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
        self._commands: tuple[Command, ...] = ()
        self._started_s = 0.0
        self._num_done = 0
        self._is_text_of_job = False

    def close(self) -> None:
        """Give up everything, and never call back again."""
        self._queue.close()

    @property
    def is_busy(self) -> bool:
        """Something that can be stopped is running, or is about to."""
        return self._queue.is_busy

    @property
    def is_long_running(self) -> bool:
        """What runs can be stopped."""
        return self._queue.running is not None and self._queue.running.kind.takes_long

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
            return self._running(workspace, pending.take_all() if with_refused else pending.take(up_to))

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, "Segmenting …"))

    def run(self, workspace: ImageWorkspace, commands: tuple[Command, ...], text: str = "Segmenting …") -> None:
        """Run commands that a person gave at one stroke, with a text that is shown meanwhile."""
        self._queue.put(Job(JobKind.COMMAND, lambda: self._running(workspace, list(commands)), workspace, text))

    def _running(self, workspace: ImageWorkspace, commands: list[Any]) -> Task | None:
        workspace.show_layers()
        self._commands = tuple(commands)
        return partial(workspace.worker.run, workspace.request(), self._commands) if commands else None

    def undo(self, workspace: ImageWorkspace) -> None:
        """Withdraw the latest click that the session has not taken yet; if there is none, undo what was done last."""
        workspace.show_layers()
        pending = workspace.points.pending
        before = pending.next_id
        if not pending.is_latest_on_its_way and workspace.points.withdraw_latest(before):
            self._show_status("Undone.")
            return

        def make_task() -> Task | None:
            workspace.show_layers()
            if workspace.points.withdraw_latest(before):  # it was on its way, and was refused
                self._show_status("Undone.")
                return None
            return workspace.worker.undo

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, ends_propagation=True))

    def redo(self, workspace: ImageWorkspace) -> None:
        """Redo what was undone last."""

        def make_task() -> Task:
            workspace.show_layers()
            return workspace.worker.redo

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, ends_propagation=True))

    def use_model(self, workspace: ImageWorkspace) -> None:
        """Go on with the model that is chosen, and send all pending clicks to it."""
        name = workspace.requested_model = workspace.model

        def make_task() -> Task | None:
            return partial(workspace.worker.use_model, name) if workspace.requested_model == name else None

        self._queue.put(Job(JobKind.COMMAND, make_task, workspace, f"Loading {name} …", True, name))
        if workspace.points.pending.by_id:
            self.add_clicks(workspace, with_refused=True)

    def propagate(self, workspace: ImageWorkspace, direction: Direction) -> None:
        """Propagate all objects through the stack."""

        def make_task() -> Task:
            workspace.show_layers()
            self._commands = tuple(workspace.points.pending.take_all())
            return partial(workspace.worker.propagate, workspace.request(), self._commands, direction)

        self._queue.put(Job(JobKind.PROPAGATE, make_task, workspace))

    def download(self, name: str) -> None:
        """Fetch the weights of a model."""
        self._queue.put(Job(JobKind.DOWNLOAD, lambda: partial(self._download, name)))

    def _download(self, name: str, report: Callable[[Any], bool]) -> None:
        if download_model(name, report):
            report(_Here(name))

    def cancel(self) -> None:
        """Stop after the frame that is being done. What is done is kept."""
        if self.is_busy:
            self._show_status("Stopping …")
            self._queue.stop()
            self._calls.changed()

    def forget(self, workspace: ImageWorkspace) -> None:
        """Give up everything about an image."""
        self._queue.forget(workspace)

    def announce(self, workspace: ImageWorkspace, item: StateChanged | FramesMeasured) -> None:
        """Show what was done to a session elsewhere, such as at the console; called in the thread that did it."""
        self._runner.post(partial(self._announced, workspace, item))

    def _announced(self, workspace: ImageWorkspace, item: StateChanged | FramesMeasured) -> None:
        if workspace.worker.session is not None:
            workspace.apply(item)
            workspace.result.finish()
            self._calls.changed()

    # --- what the worker reports -----------------------------------------------------------------------------------

    def _job_started(self, job: Job) -> None:
        self._started_s, self._num_done, self._commands = time.monotonic(), 0, ()
        self._is_text_of_job = bool(job.text)
        if job.text:
            self._calls.status_changed(job.text)
        self._calls.changed()

    def _item(self, job: Job, item: Any) -> None:
        if isinstance(item, Downloaded):
            self._calls.progressed(item.done_mb, item.total_mb)
            self._show_status(f"{item.done_mb} of {item.total_mb} MB")
        elif isinstance(item, _Here):
            self._calls.downloaded(item.name)
        elif job.workspace is not None and not job.workspace.is_closed:
            # of an image that was removed, reports may still be on their way
            is_news = job.workspace.apply(item)
            self._show(job.workspace, item, is_news)

    def _show(self, workspace: ImageWorkspace, item: Any, is_news: bool) -> None:
        if isinstance(item, FrameDone):
            self._frame_done(item)
        elif isinstance(item, ObjectSegmented):
            where = "" if workspace.stack.frame_axis is None else f" on frame {item.key.frame}"
            found = f"{item.area_px} px{where}" if item.area_px else f"nothing found{where}; click on it again"
            self._show_status(f"Object {item.key.object_id}: {found}")
        elif isinstance(item, CommandRejected):
            if item.reason is not None and is_news:
                self._show_status(notify_warning(item.reason))
        elif isinstance(item, HistoryMoved):
            done, what = ("Undone.", "undo") if item.is_undo else ("Redone.", "redo")
            self._show_status(done if item.is_done else f"There is nothing to {what}.")

    def _frame_done(self, item: FrameDone) -> None:
        self._num_done = item.done
        self._calls.progressed(item.done, item.total)
        if not self._queue.is_stopping:
            left_s = (time.monotonic() - self._started_s) / item.done * (item.total - item.done)
            self._show_status(f"Frame {item.frame}: {item.done} of {item.total} done, {_duration(left_s)} left")

    def _job_ended(self, job: Job, error: BaseException | None) -> None:
        if job.workspace is not None and not job.workspace.is_closed:
            if error is not None:
                for command in self._commands:
                    job.workspace.points.reject(command, is_refused=False)
            if job.model:
                job.workspace.model_changed(job.model, error is not None)
            job.workspace.result.finish()
        self._show_end(job, error)
        self._calls.changed()

    def _show_end(self, job: Job, error: BaseException | None) -> None:
        if error is not None:
            self._show_status(notify_error(error))
        elif self._queue.is_stopping:
            self._show_status("Stopped. What is done is kept." if job.kind == JobKind.PROPAGATE else "Stopped.")
        elif job.kind == JobKind.PROPAGATE and not self._queue.is_waiting(job):
            took = _duration(time.monotonic() - self._started_s)
            self._show_status(f"{self._num_done} frames done in {took}." if self._num_done else "Everything is up to date already.")
        elif self._is_text_of_job:
            self._show_status("Ready.")  # nothing was shown since the job began

    def _show_status(self, text: str) -> None:
        self._is_text_of_job = False
        self._calls.status_changed(text)


@dataclass(frozen=True)
class _Here:
    """The weights of a model have come."""

    name: str


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
