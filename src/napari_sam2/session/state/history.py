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
    """The session is busy in another thread: the call was refused, and nothing changed."""


@dataclass(eq=False)
class Action:
    """A change that can be undone as a whole.

    Attributes
    ----------
    snapshots : Snapshots
        The values before it; after an undo, those after it.
    call : LoggedCall or None
        The call that made it.
    number : int
        Later actions have higher numbers.
    is_joined : bool
        It is undone and redone together with the one before it.
    """

    snapshots: Snapshots = field(default_factory=Snapshots)
    call: LoggedCall | None = None
    number: int = 0
    is_joined: bool = False


class CommitKind(Enum):
    """What a commit does with an action."""

    DONE = "done"
    CONTINUED = "continued"
    UNDONE = "undone"
    REDONE = "redone"
    COMPLETED = "completed"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class Commit:
    """One step of a history, to be written to a file as a whole.

    Attributes
    ----------
    kind : CommitKind
        What it does with the action.
    action : Action
        The action.
    changed : Snapshots
        The values that it replaced; of an action that was continued, by its last step only.
    """

    kind: CommitKind
    action: Action
    changed: Snapshots


class History:
    """The actions of a session, done and undone.

    Parameters
    ----------
    finish : callable
        Called with the values that an action, an undo or a redo replaced, to update the labels. If it fails, so does the action,
        and nothing is changed.
    keep : callable
        Called afterwards with the commit, to write it to a file. If it fails by an OSError or a ValueError, the action stays done.
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
        """Values that were replaced by equal ones since the last write."""
        self.num_changes = 0
        """Counts actions, undos and redos, so that a propagation can detect other changes between its steps."""
        self._latest_number = 0
        self._group_begins_after: int | None = None
        self._is_error_postponed = False
        self._postponed: Exception | None = None

    @property
    def calls(self) -> list[LoggedCall]:
        """The log: all calls in order, without those that were undone."""
        return [*self.calls_before, *(action.call for action in self.done if action.call is not None)]

    def record_change(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record the value of a dictionary at a key, if an action is open."""
        if self._open is not None:
            self._open.snapshots.of(mapping).take(key)

    def record_refresh(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record that a value is replaced by an equal one."""
        self.refreshed.add((mapping.address, key))

    def restore(self, done: list[Action], undone: list[Action], calls_before: list[LoggedCall]) -> None:
        """Restore the actions of a file, in order; undone ones from the latest to the earliest."""
        self.done, self.undone, self.calls_before = deque(done), undone, calls_before
        self._latest_number = max((action.number for action in (*done, *undone)), default=len(calls_before))

    def clear(self) -> None:
        """Forget all actions, at the end of the session.

        Their values refer to dictionaries that refer to the history: memories of objects, also those on a GPU, would stay until
        Python looks for such cycles.
        """
        self.done.clear()
        self.undone.clear()

    def mark_written(self) -> None:
        """Record that everything that was done is in the file."""
        self.refreshed.clear()
        self._postponed = None

    def is_latest(self, action: Action) -> bool:
        """No action was done, undone or redone since."""
        return bool(self.done) and self.done[-1] is action

    def complete(self, action: Action, call: LoggedCall) -> None:
        """Commit the end of an action that was continued step by step, unless another action was done since."""
        with self.working():
            if self.is_latest(action):
                action.call = call
                self._write(Commit(CommitKind.COMPLETED, action, Snapshots()))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Lock the session for this thread.

        Raises
        ------
        SessionBusyError
            If another thread is using it.
        """
        if not self._thread.acquire(blocking=False):
            raise SessionBusyError("the session is busy in another thread: try again when that has finished, or stop it first")
        try:
            yield
        finally:
            self._thread.release()

    @contextlib.contextmanager
    def action(self, call: Callable[[], LoggedCall] | None = None, continued: Action | None = None) -> Iterator[Action]:
        """Make the changes inside an action, or, if they fail, none of them. An action inside an action is part of it.

        Parameters
        ----------
        call : callable, optional
            Returns the call for the log; called at the end, when its arguments have proved valid.
        continued : Action, optional
            If this is still the latest action, it is continued instead.

        Yields
        ------
        Action
            The action that will be in the history.

        Raises
        ------
        SessionBusyError
            If another thread is using the session.
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
                self._write(Commit(CommitKind.CONTINUED, latest, step.snapshots))
            else:
                self._latest_number += 1
                step.number = self._latest_number
                step.is_joined = self._group_begins_after is not None and step.number > self._group_begins_after + 1
                self.done.append(step)
                self._forget_old()
                self._write(Commit(CommitKind.DONE, step, step.snapshots))

    def _write(self, commit: Commit) -> None:
        """Write a commit to the file; inside a group, an error is raised at its end."""
        try:
            self._keep(commit)
        except (OSError, ValueError) as error:
            if not self._is_error_postponed:
                raise
            self._postponed = self._postponed or error

    @contextlib.contextmanager
    def _postponing_errors(self) -> Iterator[None]:
        """Raise the first error of writing at the end, unless a later step has written everything."""
        if self._is_error_postponed:
            yield
            return
        self._is_error_postponed, self._postponed = True, None
        try:
            yield
        finally:
            self._is_error_postponed = False
            error, self._postponed = self._postponed, None
        if error is not None:
            raise error

    def _finish_or_exchange_back(self, snapshots: Snapshots) -> None:
        try:
            self._finish(snapshots)
        except BaseException:
            snapshots.exchange()
            # Some labels are those of the action already. The step that failed is expected to fail again.
            with contextlib.suppress(Exception):
                self._finish(snapshots)
            raise
        self.num_changes += bool(snapshots)

    def _forget_old(self) -> None:
        while len(self.done) > MAX_ACTIONS:
            oldest = self.done.popleft()
            if oldest.call is not None:
                self.calls_before.append(oldest.call)

    @contextlib.contextmanager
    def grouped(self) -> Iterator[None]:
        """Let all actions that are done inside be undone and redone together; if one of them fails, none of them is done.

        Raises
        ------
        SessionBusyError
            If another thread is using the session.
        OSError, ValueError
            At the end of the outermost group, if the file could not be written; all actions stay done.
        """
        with self.working(), self._postponing_errors():
            begins_after, outer = self._latest_number, self._group_begins_after
            self._group_begins_after = begins_after if outer is None else outer
            try:
                yield
            except BaseException:
                while self.done and self.done[-1].number > begins_after:
                    self._move_one(self.done, self.undone, CommitKind.DISCARDED)
                    self.undone.pop()
                raise
            finally:
                self._group_begins_after = outer

    def undo(self) -> bool:
        """Undo the latest action, and those that are joined with it; return whether there was one.

        Raises
        ------
        SessionBusyError
            If another thread is using the session.
        OSError, ValueError
            If the file could not be written; all of them are undone.
        """
        with self.working(), self._postponing_errors():
            if not self.done:
                return False
            while self.done:
                is_joined = self.done[-1].is_joined
                self._move_one(self.done, self.undone, CommitKind.UNDONE)
                if not is_joined:
                    break
            return True

    def redo(self) -> bool:
        """Redo what was undone last; return whether there was such a thing.

        Raises
        ------
        SessionBusyError
            If another thread is using the session.
        OSError, ValueError
            If the file could not be written; all of it is redone.
        """
        with self.working(), self._postponing_errors():
            if not self.undone:
                return False
            self._move_one(self.undone, self.done, CommitKind.REDONE)
            while self.undone and self.undone[-1].is_joined:
                self._move_one(self.undone, self.done, CommitKind.REDONE)
            return True

    def _move_one(self, source: deque[Action] | list[Action], target: deque[Action] | list[Action], kind: CommitKind) -> None:
        action = source[-1]
        action.snapshots.exchange()
        self._finish_or_exchange_back(action.snapshots)
        source.pop()
        target.append(action)
        self._write(Commit(kind, action, action.snapshots))


def weakly(method: Callable[P, R]) -> Callable[P, R]:
    """Return a callable that calls a method without keeping its object alive.

    A session without other references is then closed at once, and its file is free, not only when cycles are collected.
    """
    reference = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        found = reference()
        if found is None:
            raise RuntimeError("the session does not exist any more")
        return found(*args, **kwargs)

    return call


def action(method: Callable[P, R]) -> Callable[P, R]:
    """Make a method of an object with a ``_history`` an action: done as a whole or not at all, logged, and undoable."""

    @functools.wraps(method)
    def do(*args: P.args, **kwargs: P.kwargs) -> R:
        history: History = args[0]._history  # type: ignore[attr-defined]
        with history.action(lambda: LoggedCall.of(method, args, kwargs)):
            return method(*args, **kwargs)

    return do
