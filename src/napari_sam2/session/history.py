"""One undo and redo over the whole state of a session, and the log of the calls that led to it."""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from napari_sam2.session.calls import LoggedCall
from napari_sam2.session.undoable import Action, UndoableDict

R = TypeVar("R")
P = ParamSpec("P")

MAX_ACTIONS = 200
"""So many actions can be taken back."""


class History:
    """What was done, and what was taken back.

    Parameters
    ----------
    finish : callable
        Is given each action that was done, taken back or done again, to bring what is shown up to date. If it fails, so does the
        action, and nothing is changed.
    keep : callable
        Is given the same afterwards, to write it down. If it fails, what was done stays done.
    """

    def __init__(self, finish: Callable[[Action], None], keep: Callable[[Action], None]) -> None:
        self._finish = finish
        self._keep = keep
        self._open: Action | None = None
        self._done: deque[Action] = deque()
        self._undone: list[Action] = []
        self.calls_before: list[LoggedCall] = []
        """Calls that can no longer be taken back."""
        self.num_changes = 0
        """Counts what was done, taken back and done again; by it long work sees that something else was done meanwhile."""

    @property
    def calls(self) -> list[LoggedCall]:
        """The calls that led here, without those that were taken back."""
        return [*self.calls_before, *(action.call for action in self._done if action.call is not None)]

    def record_change(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record what a dictionary holds at a key, if an action is open."""
        if self._open is not None:
            self._open.record_change(mapping, key)

    @property
    def can_undo(self) -> bool:
        """There is something to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """There is something to do again."""
        return bool(self._undone)

    def is_latest(self, action: Action) -> bool:
        """Nothing was done or taken back since."""
        return bool(self._done) and self._done[-1] is action

    def complete(self, action: Action, call: LoggedCall) -> None:
        """Write down that an action that was continued step by step has come to its end, unless something was done since."""
        if self.is_latest(action):
            action.call = call
            self._keep(Action())

    @contextlib.contextmanager
    def action(self, call: Callable[[], LoggedCall] | None = None, continued: Action | None = None) -> Iterator[Action]:
        """Do all of what is inside, or, if that fails, nothing. An action inside an action is part of it.

        Parameters
        ----------
        call : callable, optional
            Writes the call down by which it is done; asked when it is done, since only then its arguments are known to be good.
        continued : Action, optional
            If this is still the latest action, it is continued instead.

        Yields
        ------
        Action
            What will be in the history.
        """
        if self._open is not None:
            yield self._open
            return
        action = self._open = Action()
        latest = continued if continued is not None and self.is_latest(continued) else None
        try:
            yield action if latest is None else latest
            action.call = None if call is None else call()
        except BaseException:
            action.exchange()
            raise
        finally:
            self._open = None
        self._finish_or_take_back(action)
        if action.is_empty:
            return
        self._undone.clear()
        if latest is not None:
            latest.absorb(action)
        else:
            self._done.append(action)
            self._forget_old()
        self._keep(action)

    def _finish_or_take_back(self, action: Action) -> None:
        try:
            self._finish(action)
        except BaseException:
            action.exchange()
            # Some of what is shown is that of the action already. What failed is expected to fail again.
            with contextlib.suppress(Exception):
                self._finish(action)
            raise
        self.num_changes += not action.is_empty

    def _forget_old(self) -> None:
        while len(self._done) > MAX_ACTIONS:
            oldest = self._done.popleft()
            if oldest.call is not None:
                self.calls_before.append(oldest.call)

    def undo(self) -> bool:
        """Take the latest action back; tell whether there was one."""
        return self._move(self._done, self._undone)

    def redo(self) -> bool:
        """Do again what was taken back last; tell whether there was such a thing."""
        return self._move(self._undone, self._done)

    def _move(self, source: deque[Action] | list[Action], target: deque[Action] | list[Action]) -> bool:
        if not source:
            return False
        action = source[-1]
        action.exchange()
        self._finish_or_take_back(action)
        source.pop()
        target.append(action)
        self._keep(action)
        return True


def weakly(method: Callable[P, None]) -> Callable[P, None]:
    """Make a method something that can be called and does not keep its object alive.

    A session that nobody uses any more is then gone at once, and its file free for others, not only when cycles are collected.
    """
    reference = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        found = reference()
        if found is not None:
            found(*args, **kwargs)

    return call


def action(method: Callable[P, R]) -> Callable[P, R]:
    """Make a method of what has a ``_history`` something that is done as a whole or not at all, and can be taken back."""

    @functools.wraps(method)
    def do(*args: P.args, **kwargs: P.kwargs) -> R:
        history: History = args[0]._history  # type: ignore[attr-defined]
        with history.action(lambda: LoggedCall.of(method, args, kwargs)):
            return method(*args, **kwargs)

    return do
