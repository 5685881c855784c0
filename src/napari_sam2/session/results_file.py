"""The results of a session beside its file: what is known of each object on each frame, and what was done to get there.

An SQLite database. Each action is one transaction, so that whatever ends the program, the file holds the state after an action, and
during a propagation that after a frame. A record is written once, however often it passes from hand to hand.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from napari_sam2.torch_threads import torch

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import StoredRecord
from napari_sam2.predictors.zoom import View
from napari_sam2.session.results_refusals import refusal

TABLES = """
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE objects (id INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE calls (position INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE records (id INTEGER PRIMARY KEY, about TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE places (
    object INTEGER, kind TEXT, frame INTEGER, record INTEGER NOT NULL, PRIMARY KEY (frame, object, kind)
) WITHOUT ROWID;
CREATE TABLE label_planes (place INTEGER, frame INTEGER, data BLOB NOT NULL, PRIMARY KEY (place, frame)) WITHOUT ROWID;
CREATE INDEX places_of_records ON places (record);
"""
NAMES = ("mask_logits", "pointer", "memory")

Place = tuple[int, str, int]
"""Object id, kind of record, frame."""


class ResultsFile:
    """A results file that is open, and closed to all others.

    Parameters
    ----------
    path : Path
        The file; made if it is not there.
    is_read_only : bool
        It is there, and lies where nothing can be written.

    Raises
    ------
    ValueError
        If another session has it open, or it is something else.
    OSError
        If it may not be read or written, the disk is full, or fails.
    """

    def __init__(self, path: Path, is_read_only: bool = False) -> None:
        self.path = path
        # Ids in the file of records that are stored, by their number, and the other way round.
        self._ids: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        # A record that is taken from a place may be put at another one in the same action.
        self._left: set[int] = set()
        place = f"{path.absolute().as_uri()}?mode=ro&immutable=1" if is_read_only else path
        try:
            # The session may pass from one thread to another, but is never in two.
            self._database = sqlite3.connect(place, timeout=0, isolation_level=None, check_same_thread=False, uri=is_read_only)
            weakref.finalize(self, self._database.close)
            self._begin(is_read_only)
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes what it finds
            if hasattr(self, "_database"):
                self._database.close()
            raise refusal(path, error, f"{path} cannot be used for results", is_read_only) from error

    def _begin(self, is_read_only: bool) -> None:
        """Lock the file, make its tables if it is new, and see that they are its own."""
        if not is_read_only:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
        if not is_read_only and not self._database.execute("SELECT name FROM sqlite_master").fetchone():
            for statement in TABLES.split(";"):
                self._database.execute(statement)
        self._database.execute("SELECT object, kind, frame, record FROM places LIMIT 1")
        self._database.execute("SELECT place, frame, data FROM label_planes LIMIT 1")
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # --- writing ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of what is written inside, or nothing.

        Raises
        ------
        ValueError, OSError
            If it cannot be written.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._sweep()
            self._database.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                task = f"what was done is still there, but could not be saved to {self.path}"
                raise refusal(self.path, error, task) from error
            raise

    def write_state(self, **values: Any) -> None:
        """Write single values, as JSON."""
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        self._database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", rows)

    def write_objects(self, objects: dict[int, Any]) -> None:
        """Write what is said of objects, as JSON; None where there is no such object any more."""
        self._database.executemany("DELETE FROM objects WHERE id = ?", [(i,) for i, value in objects.items() if value is None])
        rows = [(object_id, json.dumps(value)) for object_id, value in objects.items() if value is not None]
        self._database.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?)", rows)

    def write_calls(self, start: int, calls: Sequence[Any]) -> None:
        """Write calls from a position on; there are none after them."""
        self._database.execute("DELETE FROM calls WHERE position >= ?", (start,))
        self._database.executemany("INSERT INTO calls VALUES (?, ?)", [(i, json.dumps(one)) for i, one in enumerate(calls, start)])

    def write_record(self, place: Place, stored: StoredRecord | None) -> None:
        """Write what is stored at a place; None where nothing is."""
        object_id, kind, frame = place
        found = self._database.execute("SELECT record FROM places WHERE object = ? AND kind = ? AND frame = ?", place).fetchone()
        if stored is None:
            self._database.execute("DELETE FROM places WHERE object = ? AND kind = ? AND frame = ?", place)
        else:
            if stored.number not in self._ids:
                row = self._database.execute("INSERT INTO records (about, data) VALUES (?, ?)", _packed(stored.get()))
                self.know(stored, row.lastrowid or 0)
            row_of = object_id, kind, frame, self._ids[stored.number]
            self._database.execute("INSERT OR REPLACE INTO places (object, kind, frame, record) VALUES (?, ?, ?, ?)", row_of)
        if found is not None:
            self._left.add(found[0])

    def _sweep(self) -> None:
        """Forget records that lie at no place any more."""
        find = "SELECT 1 FROM places WHERE record = ? LIMIT 1"
        gone = {record for record in self._left if self._database.execute(find, (record,)).fetchone() is None}
        self._database.executemany("DELETE FROM records WHERE id = ?", [(record,) for record in gone])
        self._left.clear()
        for record in gone:
            self._ids.pop(self._numbers.pop(record, 0), None)

    def forget_object(self, object_id: int) -> None:
        """Forget all records of an object."""
        self._left |= {record for (record,) in self._database.execute("SELECT record FROM places WHERE object = ?", (object_id,))}
        self._database.execute("DELETE FROM places WHERE object = ?", (object_id,))

    def write_label_planes(self, place: int, planes: Sequence[bytes] | None) -> None:
        """Write the packed label planes of another place; None where there are none."""
        self._database.execute("DELETE FROM label_planes WHERE place = ?", (place,))
        rows = [(place, frame, plane) for frame, plane in enumerate(planes or ())]
        self._database.executemany("INSERT INTO label_planes VALUES (?, ?, ?)", rows)

    def write_all_records(self, places: Iterator[tuple[Place, StoredRecord]]) -> None:
        """Write the records of a session anew."""
        self._database.execute("DELETE FROM places")
        self._database.execute("DELETE FROM records")
        for known in (self._ids, self._numbers, self._left):
            known.clear()
        for place, stored in places:
            self.write_record(place, stored)

    # --- reading ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Name the file where what is read inside cannot be understood, or does not fit.

        Raises
        ------
        ValueError
            If so.
        OSError
            If the disk fails.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except sqlite3.OperationalError as error:
            found = refusal(self.path, error, f"{self.path} cannot be read", is_read_only=True)
            raise (found if isinstance(found, OSError | MemoryError) else self._damaged()) from error
        # imagecodecs refuses some of what it cannot decode with a SystemError.
        except (sqlite3.DatabaseError, LookupError, AttributeError, TypeError, ValueError, RuntimeError, SystemError) as error:
            raise self._damaged() from error

    def _damaged(self) -> ValueError:
        return ValueError(f"{self.path} is damaged; without it, napari-sam2 replay finds the results again")

    def read_state(self, key: str) -> Any:
        """Read a single value; None where there is none."""
        found = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    def read_objects(self) -> dict[int, Any]:
        """Read what is said of objects."""
        return {object_id: json.loads(value) for object_id, value in self._database.execute("SELECT * FROM objects ORDER BY id")}

    def read_calls(self) -> list[Any]:
        """Read all calls in order."""
        return [json.loads(value) for (value,) in self._database.execute("SELECT value FROM calls ORDER BY position")]

    def read_label_planes(self) -> dict[int, tuple[bytes, ...]]:
        """Read the packed label planes of other places."""
        found: dict[int, tuple[bytes, ...]] = {}
        for place, plane in self._database.execute("SELECT place, data FROM label_planes ORDER BY place, frame"):
            found[place] = (*found.get(place, ()), plane)
        return found

    def read_records(self, device: torch.device) -> Iterator[tuple[Place, int, FrameRecord]]:
        """Read all records, frame by frame: where they lie, their id in the file, and what they hold."""
        columns = "object, kind, frame, record, about, data"
        query = f"SELECT {columns} FROM places JOIN records ON places.record = records.id ORDER BY frame"  # noqa: S608
        for object_id, kind, frame, record_id, about, data in self._database.execute(query):
            yield (object_id, kind, frame), record_id, _unpacked(about, data, device)

    def know(self, stored: StoredRecord, record_id: int) -> None:
        """Take a record for one that is in the file."""
        self._ids[stored.number], self._numbers[record_id] = record_id, stored.number


def _packed(record: FrameRecord) -> tuple[str, bytes]:
    tensors = {name: tensor for name in NAMES if (tensor := getattr(record, name)) is not None}
    parts = [_compressed(tensor) for tensor in tensors.values()]
    about = {
        "tensors": [
            {"name": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape), "bytes": len(part)}
            for (name, tensor), part in zip(tensors.items(), parts, strict=True)
        ],
        "scalars": {field.name: getattr(record, field.name) for field in fields(record) if field.name not in (*NAMES, "view")},
        "view": None if record.view is None else astuple(record.view),
    }
    return json.dumps(about), b"".join(parts)


def _compressed(tensor: torch.Tensor) -> bytes:
    import imagecodecs  # here and not above: a training machine may not have it

    # NumPy knows no bfloat16: the bytes are taken as they are.
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return bytes(imagecodecs.blosc_encode(raw, level=1, compressor="zstd", typesize=tensor.element_size(), shuffle=1))


def _unpacked(about: str, data: bytes, device: torch.device) -> FrameRecord:
    import imagecodecs

    told = json.loads(about)
    tensors: dict[str, Any] = {}
    start = 0
    for one in told["tensors"]:
        raw = imagecodecs.blosc_decode(data[start : start + one["bytes"]])
        dtype = getattr(torch, one["dtype"])
        tensors[one["name"]] = torch.frombuffer(bytearray(raw), dtype=dtype).reshape(one["shape"]).to(device)
        start += one["bytes"]
    view = None if told["view"] is None else View(*told["view"])
    return FrameRecord(**tensors, **told["scalars"], view=view)
