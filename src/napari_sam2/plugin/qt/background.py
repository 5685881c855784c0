"""The one background thread. Its results are handed to the thread that made the runner, the one of the windows."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal

from napari_sam2.plugin.tasks.runner import Task

_MOST_PENDING = 4
_PATIENCE_S = 0.1


def _leave_one_core() -> bool:
    """Leave a core to the windows, if PyTorch is loaded: where models compute on another machine, it never is.

    Said in the worker thread, as convolutions do not hear it from elsewhere.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    return True


class BackgroundRunner(QObject):  # type: ignore[misc]
    """Runs one task at a time in a thread of its own."""

    _reported = Signal(object, object)
    _ended = Signal(object, object)
    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="napari-sam2")
        self._run: _Run | None = None
        self._is_closed = self._leaves_core = False
        self._reported.connect(self._on_reported, Qt.ConnectionType.QueuedConnection)
        self._ended.connect(self._on_ended, Qt.ConnectionType.QueuedConnection)
        # queued also from the thread of the windows: what was reported before comes first
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)

    def run(self, task: Task, on_item: Callable[[Any], None], on_end: Callable[[BaseException | None], None]) -> None:
        """Start a task; see :class:`~napari_sam2.plugin.tasks.runner.Runner`."""
        if self._run is not None:
            raise RuntimeError("a task is running already")
        if self._is_closed:
            return
        self._run = _Run(self, on_item, on_end)
        self._pool.submit(self._run.work, task)

    def post(self, function: Callable[[], None]) -> None:
        """Call a function in the thread of the windows; see :class:`~napari_sam2.plugin.tasks.runner.Runner`."""
        if not self._is_closed:
            self._posted.emit(function)

    def stop(self) -> None:
        """Ask the running task to stop after what it is at."""
        if self._run is not None:
            self._run.is_stopped.set()

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Stop, and never call back again. The thread ends after what it is at, and after ``last``."""
        if self._is_closed:
            return
        self.stop()
        self._is_closed, self._run = True, None
        if last is not None:
            try:
                self._pool.submit(last)
            except RuntimeError:  # the program comes to its end, and its threads have ended
                last()
        self._pool.shutdown(wait=False, cancel_futures=last is None)

    def wait(self) -> None:
        """Wait until a closed runner's thread has ended."""
        self._pool.shutdown(wait=True)

    def leave_one_core(self) -> None:
        """Leave a core to the windows, in the background thread; once, since a person may have another wish later."""
        self._leaves_core = self._leaves_core or _leave_one_core()

    def _on_posted(self, function: Callable[[], None]) -> None:
        if not self._is_closed:
            function()

    def _on_reported(self, run: _Run, item: Any) -> None:
        run.taken.release()
        if run is self._run:
            run.on_item(item)

    def _on_ended(self, run: _Run, error: BaseException | None) -> None:
        if run is self._run:
            self._run = None
            run.on_end(error)


class _Run:
    """One task on its way."""

    def __init__(
        self, runner: BackgroundRunner, on_item: Callable[[Any], None], on_end: Callable[[BaseException | None], None]
    ) -> None:
        self.runner = runner
        self.on_item = on_item
        self.on_end = on_end
        self.is_stopped = threading.Event()
        # without a bound, everything is done before a slow window has shown the first of it
        self.taken = threading.Semaphore(_MOST_PENDING)

    def report(self, item: Any) -> bool:
        """Hand something over; wait while too much was not taken yet."""
        while not self.taken.acquire(timeout=_PATIENCE_S):
            if self.is_stopped.is_set():
                break
        self._emit(self.runner._reported, item)
        return not self.is_stopped.is_set()

    def work(self, task: Task) -> None:
        """Run a task; an exception is its end, not that of the thread."""
        error: BaseException | None = None
        self.runner.leave_one_core()
        try:
            task(self.report)
        except Exception as raised:  # handed to the controller, which tells the person
            error = raised
        self._emit(self.runner._ended, error)

    def _emit(self, signal: Any, payload: Any) -> None:
        if self.runner._run is self:
            signal.emit(self, payload)
