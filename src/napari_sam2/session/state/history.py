"""One undo and redo over the whole state of a session, and the log of the calls that led to it."""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ParamSpec, TypeVar

from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.state.undoable import Address, Snapshots, UndoableDict

R = TypeVar("R")
P = ParamSpec("P")

MAX_ACTIONS = 200
"""So many actions can be undone."""


class SessionBusyError(RuntimeError):
    """The session is at work in another thread: nothing was done."""


@dataclass(eq=False)
class Action:
    """Something done that can be undone.

    Attributes
    ----------
    snapshots : Snapshots
        What was there before; after an undo, what was there after it.
    call : LoggedCall or None
        By which it was done.
    number : int
        Later actions have higher numbers.
    """

    snapshots: Snapshots = field(default_factory=Snapshots)
    call: LoggedCall | None = None
    number: int = 0


class Deed(Enum):
    """What happened to an action."""

    DONE = "done"
    CONTINUED = "continued"
    UNDONE = "undone"
    REDONE = "redone"
    COMPLETED = "completed"


@dataclass(frozen=True)
class Commit:
    """One step of a history, to be written to a file as a whole.

    Attributes
    ----------
    deed : Deed
        What happened.
    action : Action
        To which action.
    changed : Snapshots
        What changed by it; of an action that was continued, by its last step alone.
    """

    deed: Deed
    action: Action
    changed: Snapshots


class History:
    """What was done, and what was undone.

    Parameters
    ----------
    finish : callable
        Is given what an action changed when it was done, undone or redone, to bring what is shown up to date. If it fails, so does
        the action, and nothing is changed.
    keep : callable
        Is given the same afterwards, to write it down. If it fails, what was done stays done.
    """

    def __init__(self, finish: Callable[[Snapshots], None], keep: Callable[[Commit], None]) -> None:
        self._finish = finish
        self._keep = keep
        self._open: Action | None = None
        self._thread = threading.RLock()
        self.done: deque[Action] = deque()
        self.undone: list[Action] = []
        self.calls_before: list[LoggedCall] = []
        """Calls that can no longer be undone."""
        self.refreshed: set[tuple[Address, int]] = set()
        """Values that were replaced by equal ones since something was written last."""
        self.num_changes = 0
        """Counts what was done, undone and redone; by it long work sees that something else was done meanwhile."""
        self._latest_number = 0

    @property
    def calls(self) -> list[LoggedCall]:
        """The calls that led here, without those that were undone."""
        return [*self.calls_before, *(action.call for action in self.done if action.call is not None)]

    def record_change(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record what a dictionary holds at a key, if an action is open."""
        if self._open is not None:
            self._open.snapshots.of(mapping).take(key)

    def record_refresh(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record that a value is replaced by an equal one."""
        self.refreshed.add((mapping.address, key))

    def restore(self, done: list[Action], undone: list[Action], calls_before: list[LoggedCall]) -> None:
        """Take what a file holds: actions in order, those that were undone from the latest to the earliest."""
        self.done, self.undone, self.calls_before = deque(done), undone, calls_before
        self._latest_number = max((action.number for action in (*done, *undone)), default=len(calls_before))

    def is_latest(self, action: Action) -> bool:
        """Nothing was done or undone since."""
        return bool(self.done) and self.done[-1] is action

    def complete(self, action: Action, call: LoggedCall) -> None:
        """Write down that an action that was continued step by step has come to its end, unless something was done since."""
        with self.working():
            if self.is_latest(action):
                action.call = call
                self._keep(Commit(Deed.COMPLETED, action, Snapshots()))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Let no other thread change the session, or be refused if one does.

        Raises
        ------
        SessionBusyError
            If another thread is at work.
        """
        if not self._thread.acquire(blocking=False):
            raise SessionBusyError("the session is at work in another thread: try again when that is done, or stop it first")
        try:
            yield
        finally:
            self._thread.release()

    @contextlib.contextmanager
    def action(self, call: Callable[[], LoggedCall] | None = None, continued: Action | None = None) -> Iterator[Action]:
        """Do all of what is inside, or, if that fails, nothing. An action inside an action is part of it.

        Parameters
        ----------
        call : callable, optional
            Returns the call by which it is done; called when it is done, since only then its arguments are known to be good.
        continued : Action, optional
            If this is still the latest action, it is continued instead.

        Yields
        ------
        Action
            What will be in the history.

        Raises
        ------
        SessionBusyError
            If another thread is at work.
        """
        with self.working():
            if self._open is not None:
                yield self._open
                return
            step = self._open = Action()
            latest = continued if continued is not None and self.is_latest(continued) else None
            try:
                yield step if latest is None else latest
                step.call = None if call is None else call()
            except BaseException:
                step.snapshots.exchange()
                raise
            finally:
                self._open = None
            self._finish_or_exchange_back(step.snapshots)
            if not step.snapshots:
                return
            self.undone.clear()
            if latest is not None:
                latest.call = step.call
                latest.snapshots.absorb(step.snapshots)
                self._keep(Commit(Deed.CONTINUED, latest, step.snapshots))
            else:
                self._latest_number += 1
                step.number = self._latest_number
                self.done.append(step)
                self._forget_old()
                self._keep(Commit(Deed.DONE, step, step.snapshots))

    def _finish_or_exchange_back(self, snapshots: Snapshots) -> None:
        try:
            self._finish(snapshots)
        except BaseException:
            snapshots.exchange()
            # Some of what is shown is that of the action already. What failed is expected to fail again.
            with contextlib.suppress(Exception):
                self._finish(snapshots)
            raise
        self.num_changes += bool(snapshots)

    def _forget_old(self) -> None:
        while len(self.done) > MAX_ACTIONS:
            oldest = self.done.popleft()
            if oldest.call is not None:
                self.calls_before.append(oldest.call)

    def undo(self) -> bool:
        """Undo the latest action; return whether there was one.

        Raises
        ------
        SessionBusyError
            If another thread is at work.
        """
        return self._move(self.done, self.undone, Deed.UNDONE)

    def redo(self) -> bool:
        """Redo what was undone last; return whether there was such a thing.

        Raises
        ------
        SessionBusyError
            If another thread is at work.
        """
        return self._move(self.undone, self.done, Deed.REDONE)

    def _move(self, source: deque[Action] | list[Action], target: deque[Action] | list[Action], deed: Deed) -> bool:
        with self.working():
            if not source:
                return False
            action = source[-1]
            action.snapshots.exchange()
            self._finish_or_exchange_back(action.snapshots)
            source.pop()
            target.append(action)
            self._keep(Commit(deed, action, action.snapshots))
            return True


def weakly(method: Callable[P, R]) -> Callable[P, R]:
    """Make a method something that can be called and does not keep its object alive.

    A session that nobody uses any more is then gone at once, and its file free for others, not only when cycles are collected.
    """
    reference = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found = reference()
        if found is None:
            raise RuntimeError("the session is not there any more")
        return found(*args, **kwargs)

    return call


def action(method: Callable[P, R]) -> Callable[P, R]:
    """Make a method of what has a ``_history`` something that is done as a whole or not at all, and can be undone."""

    @functools.wraps(method)
    def do(*args: P.args, **kwargs: P.kwargs) -> R:
        history: History = args[0]._history  # type: ignore[attr-defined]
        with history.action(lambda: LoggedCall.of(method, args, kwargs)):
            return method(*args, **kwargs)

    return do
