"""Rows in which values lie: there for as long as somebody holds them, and written once."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import RecordBudget, StoredRecord
from napari_sam2.session.state.objects import ObjectInfo
from napari_sam2.session.state.undoable import InMemory
from napari_sam2.session.store.database import Database
from napari_sam2.session.store.rows import Rows, _remove
from napari_sam2.session.store.temporary import unsaved_folder
from packed_records import contents, record_of


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return Rows()


def record(value: float = 1) -> FrameRecord:
    return record_of(np.full((4, 4), value, np.float32), [value], value, 0.5)


def ids(rows: Rows) -> list[int]:
    assert rows.database is not None
    return [number for (number,) in rows.database.execute("SELECT id FROM stored ORDER BY id")]


def test_nothing_is_made_before_something_is_written(rows: Rows, tmp_path: Path) -> None:
    assert rows.database is None
    rows.close()
    assert not (tmp_path / "data").exists()


def test_a_record_that_is_spilled_is_read_back_and_not_written_again(rows: Rows) -> None:
    budget = RecordBudget(0, rows)
    first, second = budget.put(record(1)), budget.put(record(2))
    first.get()
    second.get()
    assert (first.is_in_memory, second.is_in_memory) == (False, True)
    assert ids(rows) == [1]
    assert first.header().object_score == 1
    assert contents(first.get()) == contents(record(1))
    assert (first.is_in_memory, second.is_in_memory) == (True, False)
    with rows.transaction():
        assert rows.number_of("anchor", first) == 1
        assert rows.number_of("tracked", second) == 2
    assert ids(rows) == [1, 2]
    rows.close()


def test_a_value_is_written_once(rows: Rows) -> None:
    info = InMemory(ObjectInfo("cell"))
    for _ in range(3):
        with rows.transaction():
            assert rows.number_of("info", info) == 1
    assert ids(rows) == [1]
    rows.close()


def test_a_row_that_nobody_holds_is_removed_with_the_next_transaction(rows: Rows) -> None:
    values: list[Any] = [InMemory(ObjectInfo(name)) for name in "abc"]
    with rows.transaction():
        assert [rows.number_of("info", value) for value in values] == [1, 2, 3]
    del values[1]
    gc.collect()
    assert (list(rows.unused), ids(rows)) == ([2], [1, 2, 3])
    with rows.transaction():
        pass
    assert (list(rows.unused), ids(rows)) == ([], [1, 3])
    rows.close()


def test_what_fails_is_written_the_next_time(rows: Rows) -> None:
    """An id that was given in vain is that of another row later, which must not be removed with the first."""
    kept, failed, unused = (InMemory(ObjectInfo(name)) for name in ("kept", "failed", "unused"))
    stored = RecordBudget(10**6, rows).put(record())
    with rows.transaction():
        rows.number_of("info", kept)
        rows.number_of("info", unused)
    del unused

    def fail() -> None:
        with rows.transaction():
            assert rows.number_of("info", failed) == 3
            assert rows.number_of("anchor", stored) == 4
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (failed.row, stored.row, stored.is_in_memory) == (None, None, True)
    assert (ids(rows), list(rows.unused)) == ([1, 2], [2])
    other = InMemory(ObjectInfo("other"))
    with rows.transaction():
        assert rows.number_of("info", other) == 3
    assert ids(rows) == [1, 3]
    with rows.transaction():
        assert rows.number_of("anchor", stored) == 4
    assert ids(rows) == [1, 3, 4]
    assert contents(rows.read_record(4, stored.row._header)) == contents(record())
    rows.close()


def test_it_goes_on_in_a_copy(rows: Rows, tmp_path: Path) -> None:
    """Ids are the same there; the temporary file is gone."""
    values = [InMemory(ObjectInfo(name)) for name in "abc"]
    with rows.transaction() as database:
        for value in values:
            rows.number_of("info", value)
        del values[0]
    with rows.transaction():
        pass
    database.copy_to(tmp_path / "a.sam2", "task")
    rows.replace(Database(tmp_path / "a.sam2"))
    assert not list(unsaved_folder().iterdir())
    with rows.transaction():
        assert [rows.number_of("info", value) for value in values] == [2, 3]
    rows.close()
    assert (tmp_path / "a.sam2").exists()


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("ends", ["closed", "gone"])
def test_a_temporary_file_is_removed(ends: str) -> None:
    rows: Rows | None = Rows()
    assert rows is not None
    rows.opened()
    assert len(list(unsaved_folder().glob("*.sam2"))) == 1
    if ends == "closed":
        rows.close()
    else:
        rows = None
        gc.collect()
    assert not list(unsaved_folder().iterdir())


def test_a_temporary_file_is_not_removed_by_a_process_that_was_forked(rows: Rows) -> None:
    database = rows.opened()
    _remove(database, os.getpid() + 1)
    assert database.path.exists()
    rows.close()
    assert not list(unsaved_folder().iterdir())


def test_nothing_is_read_or_written_once_it_is_closed(rows: Rows) -> None:
    budget = RecordBudget(10**6, rows)
    stored = budget.put(record())
    stored.spill()
    rows.close()
    with pytest.raises(ValueError, match=r"^the session is closed: open its file again to go on$"):
        stored.get()
    with pytest.raises(OSError, match=r"^the session is closed: open its file again to go on$"):
        budget.put(record()).spill()
    other = budget.put(record())
    assert isinstance(other, StoredRecord)
    assert other.get().object_score == 1
