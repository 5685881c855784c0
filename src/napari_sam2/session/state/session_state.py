"""The state of a session, the only owner of its objects and prompts: labels, layers, tables and the file are views of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from psygnal import EmitLoopError, Signal

from napari_sam2.checks import check_whole, check_wholes
from napari_sam2.session.state.error_sample import ErrorSample
from napari_sam2.session.state.history import History
from napari_sam2.session.state.identity import ModelIdentity
from napari_sam2.session.state.objects import SHOWN_KINDS, ObjectInfo, ObjectsById, PutRecord, SessionObject
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.undoable import Address, Snapshots, UndoableDict

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StateChange:
    """The changes of one action, undo or redo, as immutable values: they may be passed to other threads.

    Attributes
    ----------
    infos : mapping of int to ObjectInfo or None
        By id, of objects that were added or changed; None of those that were removed.
    prompts : mapping
        :class:`FramePrompts` by object id and frame; None where they were removed.
    masks : frozenset
        Pairs of object id and frame whose shown mask changed.
    records : frozenset
        Object ids and frames whose records changed, also where the same mask is shown: it may be stale now, or no longer.
    positions : frozenset of int
        Numbers of positions on other axes whose labels changed.
    model : ModelIdentity or None
        The new model, if it was replaced.
    error_samples : mapping of int to ErrorSample or None
        Under 0, the sample of masks that are judged, if another was drawn or one was judged; None if there is none any more.
    """

    infos: Mapping[int, ObjectInfo | None] = field(default_factory=dict)
    prompts: Mapping[tuple[int, int], FramePrompts | None] = field(default_factory=dict)
    masks: frozenset[tuple[int, int]] = frozenset()
    records: frozenset[tuple[int, int]] = frozenset()
    positions: frozenset[int] = frozenset()
    model: ModelIdentity | None = None
    error_samples: Mapping[int, ErrorSample | None] = field(default_factory=dict)

    @property
    def frames(self) -> set[int]:
        """Frames whose labels changed."""
        return {frame for _, frame in self.masks}


class SessionState:
    """Objects, prompts, records and lineage of a session, in dictionaries whose changes can be undone.

    Parameters
    ----------
    history : History
        Records all changes.
    put : callable
        Stores a record.

    Attributes
    ----------
    history : History
        Also the log of calls.
    infos : mapping
        :class:`ObjectInfo` by object id.
    objects : ObjectsById
        :class:`SessionObject` by object id.
    positions : mapping
        Packed label planes of positions on other axes, by their number.
    models : mapping
        Under 0, the :class:`ModelIdentity` of the model that made the records.
    error_samples : mapping
        Under 0, the :class:`ErrorSample` that is judged, if one was drawn.
    changed : Signal
        Emits a :class:`StateChange` after each action, undo and redo, in the thread that did it.
    """

    changed = Signal(StateChange)

    def __init__(self, history: History, put: PutRecord) -> None:
        self.history = history
        self.infos: UndoableDict[ObjectInfo] = UndoableDict(history, Address("info", 0))
        self.positions: UndoableDict[tuple[bytes, ...]] = UndoableDict(history, Address("planes", 0))
        self.models: UndoableDict[ModelIdentity] = UndoableDict(history, Address("model", 0))
        self.error_samples: UndoableDict[ErrorSample] = UndoableDict(history, Address("sample", 0))
        self.objects = ObjectsById(self.infos, history, put)

    @property
    def _shared(self) -> tuple[UndoableDict[Any], ...]:
        """Dictionaries that belong to no object."""
        return self.infos, self.positions, self.models, self.error_samples

    @property
    def model(self) -> ModelIdentity:
        """The model that made the records."""
        return self.models[0]

    @property
    def lineage(self) -> dict[int, int]:
        """The parent of each object that came from a division, by object id, in order; those without one are left out."""
        return {object_id: info.parent for object_id, info in sorted(self.infos.items()) if info.parent is not None}

    # --- lookup by the arguments of a call -------------------------------------------------------------------------

    def object(self, object_id: int, argument: str = "object_id") -> SessionObject:
        """Return an object.

        Raises
        ------
        ValueError
            If there is none with that id, or it is no whole number.
        """
        object_id = check_whole(argument, object_id)
        if object_id not in self.infos:
            raise ValueError(f"there is no object {object_id}; objects are {sorted(self.infos)}")
        return self.objects[object_id]

    def unlocked(self, object_id: int, argument: str = "object_id") -> SessionObject:
        """Return an object that may be changed.

        Raises
        ------
        ValueError
            If there is none, or it is locked.
        """
        item = self.object(object_id, argument)
        if item.info.is_locked:
            raise ValueError(f"object {object_id} is locked: unlock it first")
        return item

    def ordered(self, object_ids: Iterable[int] | None = None) -> list[SessionObject]:
        """Return objects in the order of given ids; all in the order of their ids by default.

        Raises
        ------
        ValueError
            If there is none with one of the ids.
        """
        wanted = sorted(self.infos) if object_ids is None else check_wholes("objects", object_ids)
        return [self.object(object_id) for object_id in dict.fromkeys(wanted)]

    # --- changed ---------------------------------------------------------------------------------------------------

    def add(self, object_id: int, info: ObjectInfo) -> SessionObject:
        """Add an object without prompts."""
        self.infos[object_id] = info
        return self.objects[object_id]

    def remove(self, object_id: int) -> None:
        """Remove an object with its prompts and records."""
        self.objects[object_id].clear()
        del self.infos[object_id]

    def mapping(self, address: Address) -> UndoableDict[Any]:
        """Return the dictionary at an address.

        Raises
        ------
        LookupError
            If there is none.
        """
        shared: dict[str, UndoableDict[Any]] = {one.address.kind: one for one in self._shared}
        if address.kind in shared:
            return shared[address.kind]
        item = self.objects.made(address.object_id)
        return item.prompts if address.kind == "prompts" else item.records[address.kind]

    def mappings(self) -> list[UndoableDict[Any]]:
        """Return all dictionaries of the state."""
        found = [*self._shared]
        for item in self.objects.values():
            found += [item.prompts, *item.records.values()]
        return found

    def emit(self, change: StateChange) -> None:
        """Emit a change to all views, if there is one. The error of a view is logged: the change stays done."""
        if change == StateChange():
            return
        try:
            self.changed.emit(change)
        except EmitLoopError as error:
            logger.error("a view of the session failed", exc_info=error)

    def change_of(self, snapshots: Snapshots) -> StateChange:
        """Summarize the changes of an action."""
        infos: dict[int, ObjectInfo | None] = {}
        prompts: dict[tuple[int, int], FramePrompts | None] = {}
        masks, records, positions, model = set[tuple[int, int]](), set[tuple[int, int]](), set[int](), None
        error_samples: dict[int, ErrorSample | None] = {}
        for snapshot in snapshots:
            kind, object_id = snapshot.mapping.address
            keys = snapshot.stored
            if kind == "info":
                infos |= {key: self.infos.get(key) for key in keys}
                before = snapshots.before(self.infos).items()
                turned = {key for key, info in before if key in self.infos and self.infos[key].is_hidden != info.is_hidden}
                masks |= {(key, frame) for key in turned for frame in self.objects[key].shown_frames()}
                positions |= set(self.positions) if turned else set()
            elif kind == "prompts":
                prompts |= {(object_id, frame): snapshot.mapping.get(frame) for frame in keys}
            elif kind == "planes":
                positions |= set(keys)
            elif kind == "model":
                model = self.model
            elif kind == "sample":
                error_samples = {key: self.error_samples.get(key) for key in keys}
            elif kind in SHOWN_KINDS:
                records |= {(object_id, frame) for frame in keys}
                masks |= {(object_id, frame) for frame in keys if self._shows_another(object_id, frame, snapshots)}
        return StateChange(infos, prompts, frozenset(masks), frozenset(records), frozenset(positions), model, error_samples)

    def _shows_another(self, object_id: int, frame: int, snapshots: Snapshots) -> bool:
        """Return whether another record is shown than before; one that became stale is the same."""
        mappings = self.objects.made(object_id).record_mappings
        shown = (stored for mapping in mappings if (stored := mapping.stored(frame)) is not None)
        before = (stored for mapping in mappings if (stored := snapshots.stored_before(mapping, frame)) is not None)
        return next(shown, None) is not next(before, None)
