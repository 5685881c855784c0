"""Records on disk are the records that were put there."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors import record_store
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.packed_tensor import PackedTensor
from napari_sam2.predictors.record_store import RecordBudget, RecordStore, StoredRecord, TemporaryRecords
from packed_records import contents, record_of
from thoroughness import examples

ODD_VALUES = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-40, 1 / 3, -1024.0]


def record(number: int, side: int = 2, remembered: bool = True) -> FrameRecord:
    logits = torch.full((side, side), float(number))
    memory = torch.full((3, side, side), number / 3, dtype=torch.bfloat16) if remembered else None
    return record_of(logits, [number, -number, 0.1], number + 0.25, number / 7, memory=memory)


def num_bytes(one: FrameRecord) -> int:
    return sum(tensor.num_bytes for tensor in record_store.packed_tensors(one))


def in_memory(store: RecordStore) -> dict[int, FrameRecord]:
    return {frame: stored.get() for frame, stored in store._stored.items() if stored.is_in_memory}


@pytest.mark.parametrize("memory", [torch.bfloat16, torch.float16, torch.float32, torch.float64, None])
@pytest.mark.parametrize("pointer", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_values", [8, 7])
def test_round_trip_is_exact_to_the_bit(pointer: torch.dtype, memory: torch.dtype | None, num_values: int) -> None:
    values = torch.tensor(ODD_VALUES[:num_values])
    one = record_of(
        values[None],
        values.to(pointer).expand(3, -1)[:, ::2].T,
        -1.5,
        0.75,
        memory=None if memory is None else values.to(memory)[:, None, None],
    )
    store = RecordStore(RecordBudget(0))
    store[0], store[1] = one, record(1)
    assert store[0] is not one
    assert contents(store[0]) == contents(one)
    assert contents(store[1]) == contents(record(1))


def test_records_in_memory_are_the_very_ones() -> None:
    store, one = RecordStore(RecordBudget()), record(1)
    store[4] = one
    assert store[4] is one


def test_the_least_recently_used_goes_first() -> None:
    size = num_bytes(record(0))
    store = RecordStore(RecordBudget(2 * size))
    stored = {frame: record(frame) for frame in range(3)}
    store[0], store[1] = stored[0], stored[1]
    assert store[0] is stored[0]
    store[2] = stored[2]
    assert store[0] is stored[0]
    assert store[1] is not stored[1]


def test_missing_records() -> None:
    store = RecordStore(RecordBudget(0))
    store[1], store[2] = record(1), record(2)
    assert store.get(3) is None
    assert store.pop(3, None) is None
    with pytest.raises(KeyError):
        store[3]
    with pytest.raises(KeyError):
        del store[3]
    assert sorted(store) == [1, 2]


class SmallDisk(io.BytesIO):
    """A file on a disk that is nearly full: of what is too much a part is written."""

    capacity = 2 * num_bytes(record(0)) + 5

    def write(self, data: Any) -> int:
        room = max(0, self.capacity - self.tell())
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:room])


def test_what_is_on_a_full_disk_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_store, "temporary_file", lambda purpose: SmallDisk())
    store = RecordStore(RecordBudget(num_bytes(record(0))))
    for frame in range(3):
        store[frame] = record(frame)
    for frame in (3, 4):
        with pytest.raises(
            OSError, match=r"^memories cannot be put into a temporary file in .*: the disk is full; make room, or set .*TMPDIR"
        ):
            store[frame] = record(frame)
    for frame in (0, 1, 2, 1, 0, 3, 4):
        if frame < 3:
            assert contents(store[frame]) == contents(record(frame))
        else:
            assert contents(store.header(frame)) == contents(record(frame))
    monkeypatch.setattr(SmallDisk, "capacity", 10**6)
    store[5] = record(5)
    assert [contents(store[frame]) for frame in range(6)] == [contents(record(frame)) for frame in range(6)]


def test_the_file_is_closed_with_the_budget() -> None:
    store = RecordStore(RecordBudget(0))
    store[0], store[1] = record(0), record(1)
    assert isinstance(store._budget.file, TemporaryRecords)
    file = store._budget.file._file
    assert file is not None
    del store
    gc.collect()
    assert file.closed


records = st.builds(record, st.integers(0, 99), st.integers(1, 4), st.booleans())
keys = st.tuples(st.integers(0, 1), st.integers(0, 5))
actions = st.one_of(
    st.tuples(st.just("set"), keys, records),
    st.tuples(st.sampled_from(["get", "delete", "pop", "clear"]), keys),
)


@settings(max_examples=examples(50), deadline=None, derandomize=True, database=None)
@given(st.integers(0, 400), st.lists(actions, max_size=40))
def test_behaves_as_dictionaries_within_a_budget(budget_bytes: int, sequence: list[tuple[Any, ...]]) -> None:
    budget = RecordBudget(budget_bytes)
    stores, dictionaries = (RecordStore(budget), RecordStore(budget)), ({}, {})
    largest = 0
    for kind, (which, frame), *value in sequence:
        store, dictionary = stores[which], dictionaries[which]
        if kind == "set":
            store[frame] = dictionary[frame] = value[0]
            largest = max(largest, num_bytes(value[0]))
        elif kind == "clear":
            store.clear()
            dictionary.clear()
        elif kind == "get":
            assert (frame in store) == (frame in dictionary)
            found, expected = store.get(frame), dictionary.get(frame)
            assert (found is None) == (expected is None)
            assert found is None or contents(found) == contents(expected)
        elif frame in dictionary:
            expected = dictionary.pop(frame)
            if kind == "pop":
                assert contents(store.pop(frame)) == contents(expected)
            else:
                del store[frame]
        held = sum(num_bytes(one) for one_store in stores for one in in_memory(one_store).values())
        assert budget.held_bytes == held
        assert held <= max(budget_bytes, largest)
        assert [sorted(one) for one in stores] == [sorted(one) for one in dictionaries]
        assert [len(one) for one in stores] == [len(one) for one in dictionaries]
    for store, dictionary in zip(stores, dictionaries, strict=True):
        assert {frame: contents(one) for frame, one in store.items()} == {frame: contents(one) for frame, one in dictionary.items()}


def test_a_record_that_nobody_keeps_leaves_nothing_behind() -> None:
    budget = RecordBudget(num_bytes(record(0)))
    store, other = RecordStore(budget), RecordStore(budget)
    store[0], store[1], other[0] = record(0), record(1), record(2)
    assert isinstance(budget.file, TemporaryRecords)
    end = budget.file._end
    del store
    assert budget.held_bytes == num_bytes(record(0))
    other[1], other[2] = record(3), record(4)
    assert budget.file._end == end, "the offsets of the first store are used again"
    assert [contents(other[frame]) for frame in range(3)] == [contents(record(number)) for number in (2, 3, 4)]


def test_so_many_records_as_are_needed_stay_whatever_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = RecordBudget(0)
    store = RecordStore(budget)
    budget.num_needed = 4
    store.update({frame: record(frame) for frame in range(10)})
    assert sorted(in_memory(store)) == [6, 7, 8, 9]
    monkeypatch.setattr(record_store, "MOST_BYTES", 2 * num_bytes(record(0)))
    store[10] = record(10)
    assert sorted(in_memory(store)) == [9, 10]


def num_arrays() -> int:
    gc.collect()
    return sum(type(one) in (PackedTensor, FrameRecord) for one in gc.get_objects())


def test_little_is_left_in_memory_of_a_record_on_disk() -> None:
    """Thousands of small things leave gaps everywhere: none is stored."""
    store = RecordStore(RecordBudget(0))
    store.update({frame: record(frame) for frame in range(100)})
    arrays = num_arrays()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        store.update({frame: record(frame) for frame in range(100, 1100)})
        assert (tracemalloc.get_traced_memory()[0] - before) / 1000 < 600
    finally:
        tracemalloc.stop()
    assert num_arrays() == arrays
    header = store.header(3)
    assert (header.object_score, header.mask_logits.shape, header.memory is None) == (3.25, (2, 2), False)


# --- a budget and its file ---------------------------------------------------------------------------------------------


class RowInMemory:
    """A row of :class:`RowsInMemory`."""

    def __init__(self, file: RowsInMemory, number: int) -> None:
        self.file, self.number = file, number

    def read(self) -> FrameRecord:
        self.file.check()
        self.file.read.append(self.number)
        return replace(self.file.rows[self.number])

    def header(self) -> FrameRecord:
        self.file.headers.append(self.number)
        return self.file.rows[self.number]

    def __del__(self) -> None:
        del self.file.rows[self.number]


class RowsInMemory:
    """A double for the file of a budget: notes which records are written, read and freed, by their number, and may fail."""

    def __init__(self) -> None:
        self.rows: dict[int, FrameRecord] = {}
        self.written: list[int] = []
        self.read: list[int] = []
        self.headers: list[int] = []
        self.is_failing = False

    def check(self) -> None:
        if self.is_failing:
            raise OSError(errno.ENOSPC, "no room")

    def write(self, one: FrameRecord) -> RowInMemory:
        self.check()
        number = round(one.object_score - 0.25)
        self.written.append(number)
        self.rows[number] = one
        return RowInMemory(self, number)


SIZE = num_bytes(record(0))


def budget_for(num_records: float) -> tuple[RecordBudget, RowsInMemory]:
    file = RowsInMemory()
    return RecordBudget(int(num_records * SIZE), file), file


def put(budget: RecordBudget, number: int) -> StoredRecord:
    """Put a record into a budget, as just used."""
    stored = budget.put(record(number))
    stored.get()
    return stored


def numbers(stored: Iterable[StoredRecord]) -> list[int]:
    """Numbers of the records among some that are in memory."""
    return [round(one.header().object_score - 0.25) for one in stored if one.is_in_memory]


def test_records_go_to_the_file_in_the_order_in_which_they_were_used() -> None:
    budget, file = budget_for(2)
    stored = [put(budget, number) for number in range(3)]
    assert file.written == [0]
    stored[1].get()
    stored.append(put(budget, 3))
    assert file.written == [0, 2], "1 was used after 2"
    stored[1].header()
    stored.append(put(budget, 4))
    assert file.written == [0, 2, 1], "its scores alone are no use of a record"
    assert (numbers(stored), file.read, budget.held_bytes) == ([3, 4], [], 2 * SIZE)


def test_what_is_put_and_not_used_is_not_counted() -> None:
    budget, file = budget_for(0)
    stored = budget.put(record(7))
    assert (stored.is_in_memory, budget.held_bytes, file.written) == (True, 0, [])


def test_a_record_is_written_once() -> None:
    budget, file = budget_for(0)
    stored = [put(budget, number) for number in range(2)]
    for number in (0, 1, 0, 1):
        assert contents(stored[number].get()) == contents(record(number))
    stored[1].spill()
    stored[1].save()
    assert (file.written, file.read) == ([0, 1], [0, 1, 0, 1])


def test_a_record_that_was_saved_is_spilled_without_being_written() -> None:
    budget, file = budget_for(1)
    stored = put(budget, 5)
    stored.save()
    assert stored.is_in_memory
    put(budget, 6)
    assert (stored.is_in_memory, file.written) == (False, [5])


def test_a_record_that_is_in_the_file_already_is_read_when_it_is_needed() -> None:
    budget, file = budget_for(1)
    row = file.write(record(3))
    stored = budget.restore(row)
    assert (stored.is_in_memory, budget.held_bytes) == (False, 0)
    assert (stored.header().object_score, file.read) == (3.25, [])
    assert contents(stored.get()) == contents(record(3))
    assert (budget.held_bytes, file.read) == (SIZE, [3])
    stored.get()
    put(budget, 4)
    assert (file.read, file.written) == ([3], [3])


def test_a_memory_that_is_added_is_there_as_long_as_the_record_is_in_memory() -> None:
    budget, file = budget_for(2)
    stored = budget.restore(file.write(record(3, remembered=False)))
    stored.remember(record(3).memory)
    assert contents(stored.get()) == contents(record(3))
    assert (budget.held_bytes, file.written) == (SIZE, [3]), "it is not written"
    others = [put(budget, 4), put(budget, 5)]
    assert stored.get().memory is None
    assert numbers(others) == [5]


def test_memories_that_are_recalled_and_for_which_there_is_no_room_are_in_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_store, "MOST_BYTES", 2 * SIZE)
    budget, file = budget_for(1)
    budget.num_needed = 4
    stored = [budget.restore(file.write(record(number, remembered=False))) for number in range(4)]
    for number, one in enumerate(stored):
        one.remember(record(number).memory)
    assert numbers(stored) == [2, 3]
    assert [contents(one.get()) for one in stored] == [contents(record(number)) for number in range(4)]


def test_records_that_a_frame_recalls_stay_whatever_else_is_used() -> None:
    budget, file = budget_for(1)
    budget.num_needed = 3
    recalled = [put(budget, number) for number in range(3)]
    budget.keep(recalled)
    others = [budget.restore(file.write(record(number, remembered=False))) for number in range(3, 12)]
    for other in others:
        other.get()
    assert numbers(recalled) == [0, 1, 2]
    assert all(one.get().memory is not None for one in recalled)
    budget.keep(())
    others[0].get()
    others[1].get()
    assert numbers(recalled) != [0, 1, 2]


def test_a_remembered_mask_is_counted() -> None:
    budget, _ = budget_for(3)
    mask = record(0).mask_logits - 1
    stored = budget.put(record(0).showing(mask))
    stored.get()
    assert budget.held_bytes == SIZE + mask.nbytes


def test_a_record_without_its_memory_does_not_lower_the_limit() -> None:
    budget, file = budget_for(1)
    budget.num_needed = 3
    held = [put(budget, number) for number in range(2)]
    budget.restore(file.write(record(3, remembered=False))).get()
    assert numbers(held) == [0, 1]


def test_a_memory_is_not_lost_silently_where_there_is_no_room() -> None:
    budget, file = budget_for(1)
    stored = budget.restore(file.write(record(3, remembered=False)))
    held = put(budget, 4)
    file.is_failing = True
    with pytest.raises(OSError, match="no room"):
        stored.remember(record(3).memory)
    assert (stored.is_in_memory, held.is_in_memory, budget.held_bytes) == (False, True, SIZE)


def test_its_row_is_freed_when_nobody_holds_a_record_any_more() -> None:
    budget, file = budget_for(1)
    one, other = put(budget, 1), put(budget, 2)
    held_twice = one
    assert set(file.rows) == {1}
    del one
    assert set(file.rows) == {1}
    del held_twice
    assert (set(file.rows), budget.held_bytes) == (set(), SIZE)
    del other
    assert budget.held_bytes == 0


def test_numbers_are_never_used_again() -> None:
    budget, file = budget_for(1)
    first = put(budget, 1).number
    row = file.write(record(2))
    assert first < budget.restore(row).number < put(budget, 3).number


def test_a_file_is_not_needed_where_there_is_room() -> None:
    budget, file = budget_for(3)
    file.is_failing = True
    stored = [put(budget, number) for number in range(3)]
    assert numbers(stored) == [0, 1, 2]


def test_where_the_file_is_full_nothing_new_is_taken_and_nothing_is_lost() -> None:
    budget, file = budget_for(1)
    held, new = put(budget, 0), budget.put(record(1))
    file.is_failing = True
    with pytest.raises(OSError, match="no room"):
        new.get()
    assert (held.is_in_memory, held.row, budget.held_bytes) == (True, None, SIZE)
    assert contents(held.get()) == contents(record(0)), "it was counted before"
    file.is_failing = False
    assert contents(new.get()) == contents(record(1))
    assert (numbers([held, new]), file.written) == ([1], [0])


def test_a_store_keeps_what_it_was_given_where_the_file_is_full() -> None:
    budget, file = budget_for(1)
    store = RecordStore(budget)
    store[0] = record(0)
    file.is_failing = True
    with pytest.raises(OSError, match="no room"):
        store[1] = record(1)
    assert contents(store._stored[0].header()) == contents(record(0))
    file.is_failing = False
    assert [contents(store[frame]) for frame in (0, 1)] == [contents(record(frame)) for frame in (0, 1)]


def test_what_was_counted_stays_beyond_the_budget_where_the_file_is_full() -> None:
    budget, file = budget_for(2)
    stored = [put(budget, number) for number in range(2)]
    file.is_failing = True
    budget.budget_bytes = SIZE
    assert contents(stored[1].get()) == contents(record(1))
    assert (numbers(stored), budget.held_bytes) == ([0, 1], 2 * SIZE)


def test_what_is_in_the_file_can_be_read_where_there_is_no_room_for_others() -> None:
    budget, file = budget_for(1)
    spilled, held = put(budget, 0), put(budget, 1)
    file.write = disk_full  # type: ignore[method-assign]
    assert contents(spilled.get()) == contents(record(0))
    assert (spilled.is_in_memory, held.is_in_memory, budget.held_bytes) == (False, True, SIZE)


def disk_full(one: FrameRecord) -> RowInMemory:
    raise OSError(errno.ENOSPC, "no room")


def test_what_cannot_be_read_or_written_is_as_before() -> None:
    budget, file = budget_for(1)
    spilled, held = put(budget, 0), put(budget, 1)
    file.is_failing = True
    with pytest.raises(OSError, match="no room"):
        spilled.get()
    for write in (held.save, held.spill):
        with pytest.raises(OSError, match="no room"):
            write()
    assert (spilled.is_in_memory, held.is_in_memory, held.row, budget.held_bytes) == (False, True, None, SIZE)
    file.is_failing = False
    assert [contents(one.get()) for one in (spilled, held)] == [contents(record(0)), contents(record(1))]


uses = st.one_of(
    st.tuples(st.just("put")),
    st.tuples(st.sampled_from(["get", "get", "header", "spill", "save", "forget"]), st.integers(0, 5)),
    st.tuples(st.just("full"), st.booleans()),
)


@settings(max_examples=examples(50), deadline=None, derandomize=True, database=None)
@given(st.integers(0, 3), st.lists(uses, max_size=40))
def test_any_use_of_a_budget(num_records: int, sequence: list[tuple[Any, ...]]) -> None:
    """Every record can be got as it was put, is written at most once, and leaves its row with whoever held it."""
    budget, file = budget_for(num_records)
    held: dict[int, StoredRecord] = {}
    num_put, was_full = 0, False
    for kind, *arguments in sequence:
        if kind == "full":
            file.is_failing = arguments[0]
            was_full |= file.is_failing
        elif kind == "put":
            held[num_put] = budget.put(record(num_put))
            num_put += 1
        elif held:
            number = sorted(held)[arguments[0] % len(held)]
            if kind == "forget":
                del held[number]
            else:
                with contextlib.suppress(OSError):
                    found = getattr(held[number], kind)()
                    assert found is None or contents(found) == contents(record(number))
        assert budget.held_bytes <= SIZE * len(numbers(held.values()))
        assert was_full or budget.held_bytes <= max(num_records, 1) * SIZE
        assert len(set(file.written)) == len(file.written)
        assert set(file.rows) == set(file.written) & set(held)
        assert all(one.is_in_memory or one.row is not None for one in held.values())
    file.is_failing = False
    assert {number: contents(one.get()) for number, one in held.items()} == {number: contents(record(number)) for number in held}
    held.clear()
    assert (budget.held_bytes, file.rows) == (0, {})
