"""Rows of a session file in which values lie: written once, however often a value passes from one place to another."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import RecordBudget, RecordHeader, RecordLayout, StoredRecord
from napari_sam2.session.state.undoable import InMemory, Stored
from napari_sam2.session.store.database import Database
from napari_sam2.session.store.file_lock import FileLock
from napari_sam2.session.store.temporary import new_unsaved_path, remove
from napari_sam2.session.store.values import pack, pack_record, unpack, unpack_header, unpack_record


class Row:
    """A row that is there for as long as somebody holds this.

    Attributes
    ----------
    number : int
        Its id in the file; 0 where it was taken back before it was written.
    """

    __slots__ = ("_rows", "number")

    def __init__(self, rows: Rows, number: int) -> None:
        self._rows = rows
        self.number = number

    def __del__(self) -> None:
        if self.number:
            self._rows.unused.append(self.number)


class RecordRow(Row):
    """A record in a session file."""

    __slots__ = ("_header",)

    def __init__(self, rows: Rows, number: int, header: RecordHeader) -> None:
        super().__init__(rows, number)
        self._header = header

    def read(self) -> FrameRecord:
        """Read the record; see :class:`~napari_sam2.predictors.record_store.SpilledRecord`."""
        return self._rows.read_record(self.number, self._header)

    def header(self) -> FrameRecord:
        """Return the record with empty tensors."""
        return self._header.empty()


class Rows:
    """Where values of a session are written to: its file, or, before it is saved, one in the user's data folder.

    Attributes
    ----------
    database : Database or None
        The file; None before anything was written.
    is_temporary : bool
        The file is removed when it is closed.
    is_closed : bool
        It was closed: nothing is read or written any more.
    unused : deque of int
        Ids of rows that nobody holds any more.
    """

    def __init__(self) -> None:
        self.database: Database | None = None
        self.is_temporary = True
        self.unused: deque[int] = deque()
        self._new: list[Any] | None = None
        self._end: weakref.finalize[Any, Any] | None = None
        self.is_closed = False
        # A few, shared by all records.
        self._layouts: dict[RecordLayout, RecordLayout] = {}

    def opened(self) -> Database:
        """Return the file; make a temporary one where there is none yet.

        Raises
        ------
        OSError, ValueError
            If that cannot be done, or it was closed.
        """
        if self.is_closed:
            raise ValueError("the session is closed: open its file again to go on")
        if self.database is None:
            path = new_unsaved_path()
            self.database = Database.create(path, FileLock(path))
            self.is_temporary = True
            # Also where nobody closes the session: only what a crash ends is found again.
            self._end = weakref.finalize(self, _remove, self.database, os.getpid())
        return self.database

    def replace(self, database: Database) -> None:
        """Go on in a copy of the file, in which rows have the same ids."""
        before, end = self.database, self._end
        self.database, self.is_temporary, self._end = database, False, None
        if end is not None:
            end()
        elif before is not None:
            before.close()

    def close(self) -> None:
        """Close the file; one that is temporary is gone then."""
        if self._end is not None:
            self._end()
        elif self.database is not None:
            self.database.close()
        self.database, self._end, self.is_closed = None, None, True

    # --- writing ---------------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, is_durable: bool = True) -> Iterator[Database]:
        """Write all of what is written inside, or nothing; rows that nobody holds any more are removed.

        Raises
        ------
        ValueError, OSError
            If it cannot be written.
        """
        database = self.opened()
        self._new = []
        removed: list[int] = []
        try:
            with database.transaction(is_durable):
                yield database
                while self.unused:
                    removed.append(self.unused.popleft())
                database.execute_many("DELETE FROM stored WHERE id = ?", ((number,) for number in removed))
        except BaseException:
            self.unused.extend(removed)
            for stored in self._new:
                stored.row.number = 0  # another row may get its id
                stored.row = None
            raise
        finally:
            self._new = None

    def write(self, record: FrameRecord) -> RecordRow:
        """Write a record; see :class:`~napari_sam2.predictors.record_store.RecordFile`."""
        about, data = pack_record(record)
        without_memory = replace(record, memory=None)
        header = RecordHeader.of(record, self._shared(RecordLayout.of(without_memory)))
        if self._new is not None:  # with an action that is being written
            return RecordRow(self, self._insert("record", about, data), header)
        try:
            database = self.opened()
            task = f"what was found does not fit into memory, and could not be written to {database.path}"
            with database.transaction(is_durable=False, task=task):
                number = self._insert("record", about, data)
        except ValueError as error:
            raise OSError(str(error)) from error
        return RecordRow(self, number, header)

    def number_of(self, kind: str, stored: Stored[Any]) -> int:
        """Return the id of a stored value, which is written if it was not before; inside a :meth:`transaction`."""
        assert isinstance(stored, StoredRecord | InMemory)
        if stored.row is None:
            if isinstance(stored, StoredRecord):
                stored.save()
            else:
                stored.row = Row(self, self._insert(kind, *pack(kind, stored.value)))
            if self._new is not None:
                self._new.append(stored)
        assert isinstance(stored.row, Row)
        return stored.row.number

    def _insert(self, kind: str, about: str, data: bytes | None) -> int:
        cursor = self.opened().execute("INSERT INTO stored (kind, about, data) VALUES (?, ?, ?)", (kind, about, data))
        return cursor.lastrowid or 0

    # --- reading ---------------------------------------------------------------------------------------------------

    def read_record(self, number: int, header: RecordHeader) -> FrameRecord:
        """Read a record.

        Raises
        ------
        OSError, ValueError
            If the disk fails, or the file is damaged.
        """
        database = self.opened()
        with database.reading():
            ((data,),) = database.execute("SELECT data FROM stored WHERE id = ?", (number,))
            return unpack_record(header, data)

    def read_all(self, budget: RecordBudget) -> dict[int, Stored[Any]]:
        """Read all rows by id; of records, scores alone.

        Raises
        ------
        ValueError
            If a value is damaged.
        """
        database = self.opened()
        found: dict[int, Stored[Any]] = {}
        query = "SELECT id, kind, about, CASE kind WHEN 'record' THEN NULL ELSE data END FROM stored"
        for number, kind, about, data in database.execute(query):
            if kind == "record":
                header = unpack_header(about)
                shared = replace(header, layout=self._shared(header.layout))
                found[number] = budget.restore(RecordRow(self, number, shared))
            else:
                small = InMemory(unpack(kind, about, data, f"{database.path.name}, row {number}"))
                small.row = Row(self, number)
                found[number] = small
        return found

    def _shared(self, layout: RecordLayout) -> RecordLayout:
        return self._layouts.setdefault(layout, layout)


def _remove(database: Database, process: int) -> None:
    """Close a temporary file and remove it; not in a process that was forked from the one that made it."""
    if os.getpid() == process:
        database.close()
        remove(database.path)
