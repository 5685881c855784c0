"""What a person reads of jobs: while they run, of what they report, and at their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.plugin.jobs.job_texts import PropagationRun, TrackingRun, everything_text, found_text
from napari_sam2.plugin.notices import notify_error, status_warning
from napari_sam2.plugin.prompts.commands import Outcome
from napari_sam2.plugin.reports.reports import (
    CommandRejected,
    EverythingFound,
    FrameDone,
    HistoryMoved,
    ObjectSegmented,
    SessionNotKept,
    SessionOpened,
    StepDone,
)
from napari_sam2.plugin.tasks.work_queue import Job, JobKind, WorkQueue
from napari_sam2.wording import counted

_RUNS: dict[JobKind, type[PropagationRun]] = {JobKind.PROPAGATE: PropagationRun, JobKind.TRACK: TrackingRun}


class JobStatus:
    """Writes the status of jobs; a run over the frames that commands interrupt is one.

    Parameters
    ----------
    queue : WorkQueue
        Tells whether what runs is being stopped, and what waits.
    progressed : callable
        Called with how much is done of how much.
    status_changed : callable
        Called with a text, empty for none.
    frame_described : callable
        Called with a text about a frame, which goes when another one is shown.
    """

    def __init__(
        self,
        queue: WorkQueue,
        progressed: Callable[[int, int], None],
        status_changed: Callable[[str], None],
        frame_described: Callable[[str], None],
    ) -> None:
        self._queue = queue
        self._progressed = progressed
        self._status_changed = status_changed
        self._frame_described = frame_described
        self._run: PropagationRun | None = None
        self._is_text_of_job = False
        self._standing_text = ""

    def show(self, text: str) -> None:
        """Show a text."""
        self._is_text_of_job, self._standing_text = False, ""
        self._status_changed(text)

    def _describe_frame(self, text: str) -> None:
        self._is_text_of_job, self._standing_text = False, ""
        self._frame_described(text)

    def forget_run(self) -> None:
        """Let the next run over the frames be another one."""
        self._run = None

    def job_started(self, job: Job) -> None:
        """Show what begins."""
        make_run = _RUNS.get(job.kind)
        if make_run is not None and (type(self._run) is not make_run or self._run.workspace is not job.workspace):
            self._run = make_run(job.workspace)  # else it goes on after a command
        self._is_text_of_job = bool(job.text)
        if job.text:
            self._status_changed(job.text)

    def show_item(self, job: Job, item: Any, is_news: bool) -> None:
        """Show what a job on an image reports, where that is news to the person."""
        has_frames = job.workspace.stack.frame_axis is not None
        if isinstance(item, FrameDone):
            self._frame_done(item)
        elif isinstance(item, ObjectSegmented):
            where = f" on frame {item.key.frame}" if has_frames else ""
            self._describe_frame(f"Object {item.key.object_id}{found_text(item, where)}")
        elif isinstance(item, EverythingFound):
            self._describe_frame(everything_text(item, has_frames))
        elif isinstance(item, StepDone):
            if item.total:  # else it only asks whether to stop
                self._progressed(item.done, item.total)
            if job.kind == JobKind.LONG_COMMAND and not self._queue.is_stopping:
                self.show(f"Segmenting: {item.done} of {item.total} done")
        elif isinstance(item, Outcome):
            self.show(item.text)
        elif isinstance(item, CommandRejected):
            if item.reason is not None and is_news:
                self._describe_frame(status_warning(item.reason))
        elif isinstance(item, SessionOpened):
            if item.is_continued:
                text = f"Continued where you were: {counted(len(job.workspace.objects.infos), 'object')}."
                self.show(text)
                self._standing_text = text
        elif isinstance(item, SessionNotKept):
            if is_news:
                self.show(status_warning(f"The session is not saved: {item.reason}"))
        elif isinstance(item, HistoryMoved):
            done, what = ("Undone.", "undo") if item.is_undo else ("Redone.", "redo")
            self.show(done if item.is_done else f"There is nothing to {what}.")

    def _frame_done(self, item: FrameDone) -> None:
        run = self._run
        if run is None:
            return
        run.add(item)
        self._progressed(*run.progress)
        if not self._queue.is_stopping:
            self.show(f"Frame {item.frame}: {run.progress_text}")

    def job_ended(self, job: Job, error: BaseException | None) -> None:
        """Show what came of a job, unless its image is gone."""
        run = self._run
        if job.kind.goes_over_frames and not (self._queue.is_waiting(job) and error is None):
            self._run = None
        if job.workspace is not None and job.workspace.is_closed:
            return  # nobody asks any more
        if error is not None:
            self.show(notify_error(error))
        elif self._queue.is_stopping and job.kind == JobKind.LONG_COMMAND:
            pass  # what was done until then is shown
        elif self._queue.is_stopping:
            kept = {JobKind.EXPORT: "Stopped. Nothing was written."}
            is_run = job.kind.goes_over_frames and run is not None
            self.show(run.stopped_text if is_run and run is not None else kept.get(job.kind, "Stopped."))
        elif job.kind.goes_over_frames and self._run is None and run is not None:
            self.show(run.done_text)
        elif self._is_text_of_job:
            self.show(self._standing_text)  # nothing was shown since the job began
