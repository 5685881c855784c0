"""Dictionaries whose changes can be undone: values before an action are recorded in a snapshot, and exchanged to undo or redo it.

Keys are whole numbers (frames, object ids, positions); values are immutable. Undo exchanges the recorded values for the current
ones; done twice, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NamedTuple, Protocol, TypeVar

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class Address(NamedTuple):
    """Identifies a dictionary of a session: its kind, and the object it belongs to; 0 where it belongs to none."""

    kind: str
    object_id: int


class Stored(Protocol[V_co]):
    """A value that may lie on disk."""

    def get(self) -> V_co:
        """Return the value."""

    def header(self) -> V_co:
        """Return the value, without large tensors if it lies on disk."""


class InMemory:
    """A small value, which stays in memory, even if it is on disk too.

    Attributes
    ----------
    value : Any
        The value.
    row : object or None
        Its row in a file; set by the code that writes it.
    """

    __slots__ = ("row", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.row: Any = None

    def get(self) -> Any:
        """Return the value."""
        return self.value

    header = get


class Recorder(Protocol):
    """Records the values of a dictionary before they change."""

    def record_change(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record the value of a dictionary at a key, if an action is open."""

    def record_refresh(self, mapping: UndoableDict[Any], key: int) -> None:
        """Record that a value is replaced by an equal one, which is not undone."""


class UndoableDict(MutableMapping[int, V]):
    """A dictionary whose changes can be undone.

    Parameters
    ----------
    recorder : Recorder
        Records values before they change.
    address : Address
        Identifies it in a file.
    put : callable
        Stores a value; by default in memory.
    """

    def __init__(self, recorder: Recorder, address: Address, put: Callable[[V], Stored[V]] = InMemory) -> None:
        self.address = address
        self._recorder = recorder
        self._put = put
        # Stored values: they pass between dictionaries and snapshots as they are, whether in memory or on disk.
        self._stored: dict[int, Stored[V]] = {}

    def __getitem__(self, key: int) -> V:
        return self._stored[key].get()

    def __contains__(self, key: object) -> bool:
        return key in self._stored

    def __setitem__(self, key: int, value: V) -> None:
        self._recorder.record_change(self, key)
        self._store(key, value)

    def __delitem__(self, key: int) -> None:
        self._recorder.record_change(self, key)
        del self._stored[key]

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._stored))

    def __len__(self) -> int:
        return len(self._stored)

    def clear(self) -> None:
        """Remove all values, without reading them."""
        for key in self:
            del self[key]

    def discard(self, key: int) -> None:
        """Remove a value, if it is there, without reading it."""
        if key in self._stored:
            del self[key]

    def header(self, key: int) -> V:
        """Return a value; where it lies on disk, without large tensors, which are not read."""
        return self._stored[key].header()

    def stored(self, key: int) -> Stored[V] | None:
        """Return the stored value, None where there is none."""
        return self._stored.get(key)

    def refresh(self, key: int, value: V) -> None:
        """Replace a value by an equal one, such as a record with its memory encoded; this is not undone."""
        self._recorder.record_refresh(self, key)
        self._store(key, value)

    def _store(self, key: int, value: V) -> None:
        self._stored[key] = stored = self._put(value)
        stored.get()  # counts it as used just now

    def restore(self, key: int, stored: Stored[V]) -> None:
        """Set a stored value from a file; this is not undone."""
        self._stored[key] = stored

    def move(self, key: int, to: UndoableDict[V]) -> None:
        """Move a value to another dictionary, if it is there, without reading it."""
        if key in self._stored:
            self._recorder.record_change(to, key)
            to._stored[key] = self._stored[key]
            del self[key]

    def exchange(self, snapshot: Snapshot) -> Snapshot:
        """Restore a snapshot, and return one of the replaced values."""
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
    """The values of one dictionary before an action, at the keys that changed; None where there was none."""

    def __init__(self, mapping: UndoableDict[Any]) -> None:
        self.mapping = mapping
        self.stored: dict[int, Stored[Any] | None] = {}

    def take(self, key: int) -> None:
        """Record the current value at a key, unless one is recorded already."""
        if key not in self.stored:
            self.stored[key] = self.mapping.stored(key)


class Snapshots:
    """Snapshots of several dictionaries before an action."""

    def __init__(self) -> None:
        # By identity: dictionaries compare by their contents.
        self._by_dictionary: dict[int, Snapshot] = {}

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self._by_dictionary.values())

    def __bool__(self) -> bool:
        return bool(self._by_dictionary)

    def of(self, mapping: UndoableDict[Any]) -> Snapshot:
        """Return the snapshot of a dictionary, an empty one where none was taken yet."""
        return self._by_dictionary.setdefault(id(mapping), Snapshot(mapping))

    def changed(self, mapping: UndoableDict[Any]) -> set[int]:
        """Return the keys of a dictionary that were changed."""
        snapshot = self._by_dictionary.get(id(mapping))
        return set() if snapshot is None else set(snapshot.stored)

    def before(self, mapping: UndoableDict[V]) -> dict[int, V]:
        """Return the replaced values of a dictionary."""
        snapshot = self._by_dictionary.get(id(mapping))
        return {} if snapshot is None else {key: value.get() for key, value in snapshot.stored.items() if value is not None}

    def stored_before(self, mapping: UndoableDict[V], key: int) -> Stored[V] | None:
        """Return what a dictionary held at a key before, whether it was changed or not, without reading it."""
        snapshot = self._by_dictionary.get(id(mapping))
        return mapping.stored(key) if snapshot is None or key not in snapshot.stored else snapshot.stored[key]

    def exchange(self) -> None:
        """Undo the action; the second time, redo it."""
        self._by_dictionary = {number: snapshot.mapping.exchange(snapshot) for number, snapshot in self._by_dictionary.items()}

    def absorb(self, later: Snapshots) -> None:
        """Merge with the snapshots of the step that followed."""
        for snapshot in later:
            mine = self.of(snapshot.mapping)
            for key, stored in snapshot.stored.items():
                mine.stored.setdefault(key, stored)
