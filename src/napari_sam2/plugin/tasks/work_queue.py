"""What is to be computed, one job after another: what a person waits for comes first, and interrupts what takes long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from napari_sam2.plugin.tasks.runner import Runner, Task


class JobKind(IntEnum):
    """Kinds of jobs, in the order in which they are done; those of one kind are done in the order in which they were given."""

    DOWNLOAD = 0
    COMMAND = 1
    FIND = 2
    LONG_COMMAND = 3
    PROPAGATE = 4
    TRACK = 5
    DRAW = 6
    EXPORT = 7
    MEASURE = 8
    PREPARE = 9

    @property
    def takes_long(self) -> bool:
        """A person may want to stop it."""
        return self not in (JobKind.COMMAND, JobKind.DRAW, JobKind.MEASURE, JobKind.PREPARE)

    @property
    def goes_over_frames(self) -> bool:
        """It follows objects from frame to frame, and goes on from there when it begins again."""
        return self in (JobKind.PROPAGATE, JobKind.TRACK)

    @property
    def begins_once(self) -> bool:
        """Of several about the same image that wait, the latest is enough."""
        return self.goes_over_frames or self in (JobKind.DOWNLOAD, JobKind.FIND, JobKind.DRAW, JobKind.MEASURE, JobKind.PREPARE)

    def gives_way_to(self, other: JobKind) -> bool:
        """Whether it is interrupted by another, and begins again after that."""
        if self.goes_over_frames:
            return other in (JobKind.COMMAND, JobKind.FIND, JobKind.LONG_COMMAND)
        return self in (JobKind.DRAW, JobKind.MEASURE) and other < self


@dataclass(frozen=True)
class Job:
    """Something to be computed.

    Attributes
    ----------
    kind : JobKind
        What.
    make_task : callable
        Called when it begins; returns None if nothing is left to be done then.
    workspace : ImageWorkspace or None
        Which image it is about.
    text : str
        What is shown while it runs.
    ends_propagation : bool
        What goes over the frames of that image does not go on after it.
    model : str
        The model that it is to change to, if so.
    take : callable or None
        Takes what it reports, in the place of the workspace, and returns a text to be shown, if there is one.
    """

    kind: JobKind
    make_task: Callable[[], Task | None]
    workspace: Any = None
    text: str = ""
    ends_propagation: bool = False
    model: str = ""
    take: Callable[[Any], str | None] | None = None

    def is_about_the_same(self, other: Job) -> bool:
        """Tell whether one of the two is enough: each command counts, a propagation begins once."""
        return self.kind.begins_once and self.kind == other.kind and self.workspace is other.workspace


class WorkQueue:
    """Runs jobs one after another.

    Parameters
    ----------
    runner : Runner
        Where.
    on_start : callable
        Called with a job that begins.
    on_item : callable
        Called with the running job and what it reports.
    on_end : callable
        Called with a job that ended, and why if it failed.
    """

    def __init__(
        self,
        runner: Runner,
        on_start: Callable[[Job], None],
        on_item: Callable[[Job, Any], None],
        on_end: Callable[[Job, BaseException | None], None],
    ) -> None:
        self.running: Job | None = None
        self.is_stopping = False
        self._runner = runner
        self._on_start = on_start
        self._on_item = on_item
        self._on_end = on_end
        self._waiting: list[Job] = []

    @property
    def is_busy(self) -> bool:
        """Something that takes long is running or waiting."""
        return any(job.kind.takes_long for job in self._waiting) or (self.running is not None and self.running.kind.takes_long)

    def has(self, kind: JobKind) -> bool:
        """Tell whether a job of a kind is running or waiting."""
        return any(job.kind == kind for job in (*self._waiting, *filter(None, [self.running])))

    def is_waiting(self, job: Job) -> bool:
        """Tell whether such a job is waiting."""
        return any(job.is_about_the_same(other) for other in self._waiting)

    def put(self, job: Job) -> None:
        """Add a job, in the place of one about the same that is still waiting."""
        running = None if self.is_stopping else self.running
        begins_anew = job.kind != JobKind.DOWNLOAD and not job.kind.goes_over_frames
        if running is not None and not begins_anew and job.is_about_the_same(running):
            return
        self._waiting = [other for other in self._waiting if not other.is_about_the_same(job)] + [job]
        if job.ends_propagation:
            self._end_propagation(job.workspace)
        elif running is not None and running.kind.gives_way_to(job.kind):
            # it begins again after that, and finds only the rest to do
            if not self.is_waiting(running):
                self._waiting.append(running)
            self._runner.stop()
        self._start_next()

    def _end_propagation(self, workspace: Any) -> None:
        self._waiting = [job for job in self._waiting if not job.kind.goes_over_frames or job.workspace is not workspace]
        running = self.running
        if running is not None and running.kind.goes_over_frames:
            if running.workspace is workspace:
                self.is_stopping = True
            elif not self.is_stopping and not self.is_waiting(running):
                self._waiting.append(running)
            self._runner.stop()

    def stop(self) -> None:
        """Give up what takes long. Commands that wait are still run."""
        self._waiting = [job for job in self._waiting if not job.kind.takes_long]
        if self.running is not None and self.running.kind.takes_long:
            self.is_stopping = True
            self._runner.stop()

    def forget(self, workspace: Any) -> None:
        """Give up everything about an image."""
        self._waiting = [job for job in self._waiting if job.workspace is not workspace]
        if self.running is not None and self.running.workspace is workspace:
            self.is_stopping = True
            self._runner.stop()

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Give up everything, and never call back again; ``last`` is called on the worker when nothing runs any more."""
        self._waiting.clear()
        self._runner.close(last)

    def _start_next(self) -> None:
        if self.running is not None or not self._waiting:
            return
        job = min(self._waiting, key=lambda waiting: waiting.kind)
        self._waiting.remove(job)
        self.running, self.is_stopping = job, False
        self._on_start(job)
        task = job.make_task()
        if task is None:
            self._end(None)
        else:
            self._runner.run(task, self._item, self._end)

    def _item(self, item: Any) -> None:
        if self.running is not None:
            self._on_item(self.running, item)

    def _end(self, error: BaseException | None) -> None:
        job, self.running = self.running, None
        if job is None:
            return
        if error is not None and job.kind.begins_once:
            self._waiting = [waiting for waiting in self._waiting if not waiting.is_about_the_same(job)]
        self._on_end(job, error)
        self._start_next()
