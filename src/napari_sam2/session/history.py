"""One undo and redo over everything a session knows.

What a session knows lies in mappings with whole numbers as keys (records by frame, objects by id) whose values never change. Each
mapping notes, before it is changed, what it held. An action is what was noted while it was done; taking it back
exchanges what was noted for what is there now, and doing so twice changes nothing.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Generic, ParamSpec, TypeVar

V = TypeVar("V")
R = TypeVar("R")
P = ParamSpec("P")

MAX_ACTIONS = 200
"""So many actions can be taken back."""


class NotedMapping(MutableMapping[int, V]):
    """A mapping that tells a history what it held before a change.

    Parameters
    ----------
    history : History
        Which is told.
    make_store : callable
        Makes an empty mapping of the kind that the values are kept in, here and in the history: a dict, or a ``RecordStore``
        where there may be much.
    """

    def __init__(self, history: History, make_store: Callable[[], MutableMapping[int, V]] = dict) -> None:
        self._history = history
        self._values = make_store()
        self.make_store = make_store

    def __getitem__(self, key: int) -> V:
        return self._values[key]

    def __contains__(self, key: object) -> bool:
        # Looking a value up to see whether it is there might fetch it from disk.
        return key in self._values

    def __setitem__(self, key: int, value: V) -> None:
        self._history.note(self, key)
        self._values[key] = value

    def __delitem__(self, key: int) -> None:
        self._history.note(self, key)
        del self._values[key]

    def __iter__(self) -> Iterator[int]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def peek(self, key: int) -> V:
        """Return a value of which little is needed: where values lie on disk, it is not fetched."""
        peek = getattr(self._values, "peek", None)
        return self._values[key] if peek is None else peek(key)

    def refresh(self, key: int, value: V) -> None:
        """Put an equal value, which was only made ready for use, in the place of another: nothing that could be taken back."""
        self._values[key] = value

    def exchange(self, noted: Noted[V]) -> Noted[V]:
        """Put back what was noted, and return what that replaced."""
        replaced = Noted(self)
        for key in (*noted.absent, *noted.values):
            replaced.take(key)
        for key in noted.absent:
            self._values.pop(key, None)
        for key, value in noted.values.items():
            self._values[key] = value
        return replaced


class Noted(Generic[V]):
    """What one mapping held before an action, for the keys that changed."""

    def __init__(self, mapping: NotedMapping[V]) -> None:
        self.mapping = mapping
        self.absent: set[int] = set()
        self.values = mapping.make_store()

    def take(self, key: int) -> None:
        """Note what is there now; the first time counts."""
        if key in self.absent or key in self.values:
            return
        if key in self.mapping:
            self.values[key] = self.mapping[key]
        else:
            self.absent.add(key)

    @property
    def keys(self) -> set[int]:
        """All keys that were changed."""
        return {*self.absent, *self.values}


class Action:
    """Something done that can be taken back."""

    def __init__(self) -> None:
        # By identity: mappings compare by what they hold.
        self._noted: dict[int, Noted[Any]] = {}

    def note(self, mapping: NotedMapping[Any], key: int) -> None:
        """Note what a mapping holds."""
        if id(mapping) not in self._noted:
            self._noted[id(mapping)] = Noted(mapping)
        self._noted[id(mapping)].take(key)

    def changed(self, mapping: NotedMapping[Any]) -> set[int]:
        """Return the keys of a mapping that were changed."""
        noted = self._noted.get(id(mapping))
        return set() if noted is None else noted.keys

    def before(self, mapping: NotedMapping[V]) -> MutableMapping[int, V]:
        """Return what was replaced in a mapping."""
        noted = self._noted.get(id(mapping))
        return {} if noted is None else noted.values

    @property
    def is_empty(self) -> bool:
        """Nothing was changed."""
        return not self._noted

    def exchange(self) -> None:
        """Take it back; the second time, do it again."""
        self._noted = {number: noted.mapping.exchange(noted) for number, noted in self._noted.items()}

    def absorb(self, later: Action) -> None:
        """Become one with the action that came right after."""
        for number, noted in later._noted.items():
            if number not in self._noted:
                self._noted[number] = noted
                continue
            mine = self._noted[number]
            mine.absent.update(key for key in noted.absent if key not in mine.values)
            for key, value in noted.values.items():
                if key not in mine.absent and key not in mine.values:
                    mine.values[key] = value


class History:
    """What was done, and what was taken back.

    Parameters
    ----------
    finish : callable
        Is given each action that was done, taken back or done again, to bring what is shown up to date. If it fails, so does the
        action, and nothing is changed.
    """

    def __init__(self, finish: Callable[[Action], None]) -> None:
        self._finish = finish
        self._open: Action | None = None
        self._done: deque[Action] = deque(maxlen=MAX_ACTIONS)
        self._undone: list[Action] = []

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

    @contextlib.contextmanager
    def action(self, continued: Action | None = None) -> Iterator[Action]:
        """Do all of what is inside, or, if that fails, nothing. An action inside an action is part of it.

        Parameters
        ----------
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
        is_continued = continued is not None and bool(self._done) and self._done[-1] is continued
        try:
            yield continued if is_continued and continued is not None else action
            self._open = None
            self._finish(action)
        except BaseException:
            self._open = None
            action.exchange()
            raise
        if action.is_empty:
            return
        self._undone.clear()
        if is_continued and continued is not None:
            continued.absorb(action)
        else:
            self._done.append(action)

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
        try:
            self._finish(action)
        except BaseException:
            action.exchange()
            raise
        source.pop()
        target.append(action)
        return True


def action(method: Callable[P, R]) -> Callable[P, R]:
    """Make a method of what has a ``_history`` something that is done as a whole or not at all, and can be taken back."""

    @functools.wraps(method)
    def do(*args: P.args, **kwargs: P.kwargs) -> R:
        history: History = args[0]._history  # type: ignore[attr-defined]
        with history.action():
            return method(*args, **kwargs)

    return do
