"""Dictionaries whose changes can be undone: what they held before an action is recorded, and exchanged to undo or redo it.

Keys are whole numbers (frames, object ids), values never change. Undoing an action exchanges what was recorded for what is there
now; doing so twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Protocol, TypeVar

from napari_sam2.session.calls import LoggedCall

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Recorder(Protocol):
    """Records what a dictionary holds before it changes."""

    def record_change(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record what a dictionary holds at a key, if an action is open."""


class Stored(Protocol[V_co]):
    """A value that may lie on disk."""

    def get(self) -> V_co:
        """Return the value."""

    def header(self) -> V_co:
        """Return the value without what is large, if it lies on disk."""


class UndoableDict(MutableMapping[int, V]):
    """A dictionary whose changes can be undone.

    Parameters
    ----------
    recorder : Recorder
        Records what it holds before a change.
    put : callable, optional
        Stores a value, perhaps on disk; by default values are in memory.
    """

    def __init__(self, recorder: Recorder, put: Callable[[V], Stored[V]] | None = None) -> None:
        self._recorder = recorder
        self._put = put
        # Stored values: they pass between dictionaries and snapshots as they are, whether in memory or on disk.
        self._stored: dict[int, Any] = {}

    def __getitem__(self, key: int) -> V:
        return self._stored[key] if self._put is None else self._stored[key].get()

    def __contains__(self, key: object) -> bool:
        return key in self._stored

    def __setitem__(self, key: int, value: V) -> None:
        self._recorder.record_change(self, key)
        self.refresh(key, value)

    def __delitem__(self, key: int) -> None:
        self._recorder.record_change(self, key)
        del self._stored[key]

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._stored))

    def __len__(self) -> int:
        return len(self._stored)

    def clear(self) -> None:
        """Remove everything, without reading it."""
        for key in self:
            del self[key]

    def discard(self, key: int) -> None:
        """Remove a value, if it is there, without reading it."""
        if key in self._stored:
            del self[key]

    def header(self, key: int) -> V:
        """Return a value without what is large; where it lies on disk, it is not read."""
        return self._stored[key] if self._put is None else self._stored[key].header()

    def stored(self, key: int) -> Any:
        """Return the stored value, None where there is none."""
        return self._stored.get(key)

    def refresh(self, key: int, value: V) -> None:
        """Replace a value by an equal one that was only prepared for use: nothing to undo."""
        if self._put is None:
            self._stored[key] = value
        else:
            self._stored[key] = stored = self._put(value)
            stored.get()

    def move(self, key: int, to: UndoableDict[V]) -> None:
        """Move a value to another dictionary, if it is there, without reading it."""
        if key in self._stored:
            self._recorder.record_change(to, key)
            to._stored[key] = self._stored[key]
            del self[key]

    def exchange(self, snapshot: Snapshot) -> Snapshot:
        """Restore a snapshot, and return one of what that replaced."""
        replaced = Snapshot(self)
        for key in snapshot.stored:
            replaced.take(key)
        for key, stored in snapshot.stored.items():
            if stored is None:
                self._stored.pop(key, None)
            else:
                self._stored[key] = stored
        return replaced


class Snapshot:
    """What one dictionary held before an action, at the keys that changed; None where there was nothing."""

    def __init__(self, mapping: UndoableDict[Any]) -> None:
        self.mapping = mapping
        self.stored: dict[int, Any] = {}

    def take(self, key: int) -> None:
        """Record what is there now; the first time counts."""
        if key not in self.stored:
            self.stored[key] = self.mapping.stored(key)


class Action:
    """Something done that can be undone.

    Attributes
    ----------
    call : LoggedCall or None
        By which it was done.
    """

    def __init__(self) -> None:
        self.call: LoggedCall | None = None
        # By identity: dictionaries compare by what they hold.
        self._snapshots: dict[int, Snapshot] = {}

    def record_change(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record what a dictionary holds at a key."""
        if id(mapping) not in self._snapshots:
            self._snapshots[id(mapping)] = Snapshot(mapping)
        self._snapshots[id(mapping)].take(key)

    def changed(self, mapping: UndoableDict[Any]) -> set[int]:
        """Return the keys of a dictionary that were changed."""
        snapshot = self._snapshots.get(id(mapping))
        return set() if snapshot is None else set(snapshot.stored)

    def before(self, mapping: UndoableDict[V]) -> dict[int, V]:
        """Return what was replaced in a dictionary whose values are in memory."""
        snapshot = self._snapshots.get(id(mapping))
        return {} if snapshot is None else {key: value for key, value in snapshot.stored.items() if value is not None}

    @property
    def is_empty(self) -> bool:
        """Nothing was changed."""
        return not self._snapshots

    def exchange(self) -> None:
        """Undo it; the second time, redo it."""
        self._snapshots = {number: snapshot.mapping.exchange(snapshot) for number, snapshot in self._snapshots.items()}

    def absorb(self, later: Action) -> None:
        """Merge with the action that came right after."""
        self.call = later.call
        for number, snapshot in later._snapshots.items():
            if number not in self._snapshots:
                self._snapshots[number] = snapshot
                continue
            mine = self._snapshots[number]
            for key, stored in snapshot.stored.items():
                mine.stored.setdefault(key, stored)
