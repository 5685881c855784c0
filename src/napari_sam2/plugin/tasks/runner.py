"""Where tasks are run: a seam, so that the controller knows no threads and its tests need none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Report = Callable[[Any], bool]
"""Reports something to the viewer; False asks to stop."""

Task = Callable[[Report], None]
"""Something to compute. It touches no layer and no viewer."""


class Runner(Protocol):
    """Runs one task at a time."""

    def run(self, task: Task, on_item: Callable[[Any], None], on_end: Callable[[BaseException | None], None]) -> None:
        """Start a task. What it reports goes to ``on_item``, its end to ``on_end``, both where layers may be touched."""

    def post(self, function: Callable[[], None]) -> None:
        """Call a function where layers may be touched, after everything that was reported before; from any thread."""

    def stop(self) -> None:
        """Ask the running task to stop after what it is at."""

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Stop, and never call back again. ``last`` is called when nothing runs any more, where tasks are run."""


class DirectRunner:
    """Runs a task at once, while the caller waits: for scripts and tests."""

    def __init__(self) -> None:
        self._is_stopped = self._is_running = False
        self._last: Callable[[], None] | None = None

    def run(self, task: Task, on_item: Callable[[Any], None], on_end: Callable[[BaseException | None], None]) -> None:
        """Run a task to its end."""
        self._is_stopped, self._is_running = False, True

        def report(item: Any) -> bool:
            on_item(item)
            return not self._is_stopped

        error: BaseException | None = None
        try:
            task(report)
        except Exception as raised:  # handed to the controller, which tells the person
            error = raised
        self._is_running = False
        if self._last is not None:
            self._last()
        on_end(error)

    def post(self, function: Callable[[], None]) -> None:
        """Call a function."""
        function()

    def stop(self) -> None:
        """Ask the running task to stop."""
        self._is_stopped = True

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Stop, also from inside a task, which ends first."""
        self._is_stopped = True
        if self._is_running:
            self._last = last
        elif last is not None:
            last()
