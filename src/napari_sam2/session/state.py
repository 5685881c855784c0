"""The state of a session, which has one owner: all else is a view of it."""

from __future__ import annotations

from napari_sam2.session.history import History
from napari_sam2.session.objects import ObjectInfo, PutRecord, SessionObject
from napari_sam2.session.undoable import UndoableDict


class SessionState:
    """Objects, prompts, records and lineage of a session: all that its file holds, in dictionaries whose changes can be undone.

    Parameters
    ----------
    history : History
        Records all changes.
    put : callable
        Keeps a record.

    Attributes
    ----------
    history : History
        Also the log of calls.
    infos, objects : mapping
        :class:`ObjectInfo` and :class:`SessionObject` by object id.
    places : mapping
        Packed label planes of other places, by their number.
    """

    def __init__(self, history: History, put: PutRecord) -> None:
        self.history = history
        self._put = put
        self.infos: UndoableDict[ObjectInfo] = UndoableDict(history)
        self.objects: UndoableDict[SessionObject] = UndoableDict(history)
        self.places: UndoableDict[tuple[bytes, ...]] = UndoableDict(history)

    def add(self, object_id: int, info: ObjectInfo) -> SessionObject:
        """Add an object of which nothing else is known yet, in the place of one with the same id."""
        self.infos[object_id] = info
        self.objects[object_id] = item = SessionObject(object_id, self.infos, self.history, self._put)
        return item
