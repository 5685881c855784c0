"""One undo and redo over everything a session knows.

What a session knows lies in mappings with whole numbers as keys (records by frame, objects by id) whose values never change. Each
mapping notes, before it is changed, what it held. An action is what was noted while it was done; taking it back
exchanges what was noted for what is there now, and doing so twice changes nothing.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, ParamSpec, Protocol, TypeVar

from napari_sam2.session.calls import Call

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)
R = TypeVar("R")
P = ParamSpec("P")

MAX_ACTIONS = 200
"""So many actions can be taken back."""


class Kept(Protocol[V_co]):
    """A value that may lie on disk."""

    def get(self) -> V_co:
        """Return the value."""

    def peek(self) -> V_co:
        """Return the value without what is large, if it lies on disk."""


class NotedMapping(MutableMapping[int, V]):
    """A mapping that tells a history what it held before a change.

    Parameters
    ----------
    history : History
        Which is told.
    keep : callable, optional
        Keeps a value, perhaps on disk; by default values are held in memory.
    """

    def __init__(self, history: History, keep: Callable[[V], Kept[V]] | None = None) -> None:
        self._history = history
        self._keep = keep
        # What is kept, not values: it passes between mappings and the history as it is, whether in memory or on disk.
        self._kept: dict[int, Any] = {}

    def __getitem__(self, key: int) -> V:
        return self._kept[key] if self._keep is None else self._kept[key].get()

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def __setitem__(self, key: int, value: V) -> None:
        self._history.note(self, key)
        self.refresh(key, value)

    def __delitem__(self, key: int) -> None:
        self._history.note(self, key)
        del self._kept[key]

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget everything, without fetching it."""
        for key in self:
            del self[key]

    def discard(self, key: int) -> None:
        """Forget a value, if it is there, without fetching it."""
        if key in self._kept:
            del self[key]

    def peek(self, key: int) -> V:
        """Return a value of which little is needed: where it lies on disk, it is not fetched."""
        return self._kept[key] if self._keep is None else self._kept[key].peek()

    def kept(self, key: int) -> Any:
        """Return what is kept, None where nothing is."""
        return self._kept.get(key)

    def refresh(self, key: int, value: V) -> None:
        """Put an equal value, which was only made ready for use, in the place of another: nothing that could be taken back."""
        if self._keep is None:
            self._kept[key] = value
        else:
            self._kept[key] = kept = self._keep(value)
            kept.get()

    def move(self, key: int, to: NotedMapping[V]) -> None:
        """Give another mapping of the same kind a value, if it is there, without fetching it."""
        if key in self._kept:
            self._history.note(to, key)
            to._kept[key] = self._kept[key]
            del self[key]

    def exchange(self, noted: Noted) -> Noted:
        """Put back what was noted, and return what that replaced."""
        replaced = Noted(self)
        for key in noted.kept:
            replaced.take(key)
        for key, kept in noted.kept.items():
            if kept is None:
                self._kept.pop(key, None)
            else:
                self._kept[key] = kept
        return replaced


class Noted:
    """What one mapping held before an action, for the keys that changed; None where nothing was."""

    def __init__(self, mapping: NotedMapping[Any]) -> None:
        self.mapping = mapping
        self.kept: dict[int, Any] = {}

    def take(self, key: int) -> None:
        """Note what is there now; the first time counts."""
        if key not in self.kept:
            self.kept[key] = self.mapping.kept(key)


class Action:
    """Something done that can be taken back.

    Attributes
    ----------
    call : Call or None
        By which it was done.
    """

    def __init__(self) -> None:
        self.call: Call | None = None
        # By identity: mappings compare by what they hold.
        self._noted: dict[int, Noted] = {}

    def note(self, mapping: NotedMapping[Any], key: int) -> None:
        """Note what a mapping holds."""
        if id(mapping) not in self._noted:
            self._noted[id(mapping)] = Noted(mapping)
        self._noted[id(mapping)].take(key)

    def changed(self, mapping: NotedMapping[Any]) -> set[int]:
        """Return the keys of a mapping that were changed."""
        noted = self._noted.get(id(mapping))
        return set() if noted is None else set(noted.kept)

    def before(self, mapping: NotedMapping[V]) -> dict[int, V]:
        """Return what was replaced in a mapping whose values are in memory."""
        noted = self._noted.get(id(mapping))
        return {} if noted is None else {key: value for key, value in noted.kept.items() if value is not None}

    @property
    def is_empty(self) -> bool:
        """Nothing was changed."""
        return not self._noted

    def exchange(self) -> None:
        """Take it back; the second time, do it again."""
        self._noted = {number: noted.mapping.exchange(noted) for number, noted in self._noted.items()}

    def absorb(self, later: Action) -> None:
        """Become one with the action that came right after."""
        self.call = later.call
        for number, noted in later._noted.items():
            if number not in self._noted:
                self._noted[number] = noted
                continue
            mine = self._noted[number]
            for key, kept in noted.kept.items():
                mine.kept.setdefault(key, kept)


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
        self.calls_before: list[Call] = []
        """Calls that can no longer be taken back."""
        self.num_changes = 0
        """Counts what was done, taken back and done again; by it long work sees that something else was done meanwhile."""

    @property
    def calls(self) -> list[Call]:
        """The calls that led here, without those that were taken back."""
        return [*self.calls_before, *(action.call for action in self._done if action.call is not None)]

    def note(self, mapping: NotedMapping[Any], key: int) -> None:
        """Note what a mapping holds, if something is being done."""
        if self._open is not None:
            self._open.note(mapping, key)

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

    def complete(self, action: Action, call: Call) -> None:
        """Write down that an action that was continued step by step has come to its end, unless something was done since."""
        if self.is_latest(action):
            action.call = call
            self._keep(Action())

    @contextlib.contextmanager
    def action(self, call: Callable[[], Call] | None = None, continued: Action | None = None) -> Iterator[Action]:
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
        with history.action(lambda: Call.of(method, args, kwargs)):
            return method(*args, **kwargs)

    return do
