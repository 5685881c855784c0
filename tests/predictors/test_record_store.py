"""Records on disk are the records that were put there."""

from __future__ import annotations

import errno
import gc
import io
import tracemalloc
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors import record_store
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.record_store import RecordBudget, RecordStore

ODD_VALUES = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e-40, 1 / 3, -1024.0]


def record(number: int, side: int = 2, remembered: bool = True) -> FrameRecord:
    logits = torch.full((side, side), float(number))
    memory = torch.full((3, side, side), number / 3, dtype=torch.bfloat16) if remembered else None
    return FrameRecord(logits, torch.tensor([number, -number, 0.1]), number + 0.25, number / 7, memory)


def num_bytes(one: FrameRecord) -> int:
    return sum(tensor.nbytes for tensor in (one.mask_logits, one.pointer, one.memory) if tensor is not None)


def bits(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else (tensor.dtype, tensor.shape, tensor.contiguous().view(torch.uint8).flatten().tolist())


def in_memory(store: RecordStore) -> dict[int, FrameRecord]:
    return {frame: stored.get() for frame, stored in store._stored.items() if stored.is_in_memory}


def contents(one: FrameRecord) -> Any:
    return bits(one.mask_logits), bits(one.pointer), one.object_score, one.predicted_iou, bits(one.memory)


@pytest.mark.parametrize("memory", [torch.bfloat16, torch.float16, torch.float32, torch.float64, None])
@pytest.mark.parametrize("logits", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_values", [8, 7])
def test_round_trip_is_exact_to_the_bit(logits: torch.dtype, memory: torch.dtype | None, num_values: int) -> None:
    values = torch.tensor(ODD_VALUES[:num_values])
    one = FrameRecord(
        values.to(logits)[None],
        values.to(logits).expand(3, -1)[:, ::2].T,
        -1.5,
        0.75,
        None if memory is None else values.to(memory)[:, None, None],
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


def test_nothing_is_lost_where_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = RecordBudget(num_bytes(record(0)))
    store = RecordStore(budget)
    store[0] = record(0)

    def no_space(data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(budget, "write", no_space)
    with pytest.raises(OSError, match="No space left"):
        store[1] = record(1)
    assert contents(store._stored[0].header()) == contents(record(0))
    monkeypatch.undo()
    assert [contents(store[frame]) for frame in (0, 1)] == [contents(record(frame)) for frame in (0, 1)]


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
    file = store._budget._file
    assert file is not None
    del store
    gc.collect()
    assert file.closed


records = st.builds(record, st.integers(0, 99), st.integers(1, 4), st.booleans())
places = st.tuples(st.integers(0, 1), st.integers(0, 5))
actions = st.one_of(
    st.tuples(st.just("set"), places, records),
    st.tuples(st.sampled_from(["get", "delete", "pop", "clear"]), places),
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
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
    end = budget._end
    del store
    assert budget.held_bytes == num_bytes(record(0))
    other[1], other[2] = record(3), record(4)
    assert budget._end == end, "the places of the first store are used again"
    assert [contents(other[frame]) for frame in range(3)] == [contents(record(number)) for number in (2, 3, 4)]


def test_a_record_is_written_once_and_shared() -> None:
    budget = RecordBudget(0)
    stored, other = budget.put(record(1)), budget.put(record(2))
    for one in (stored, other, stored, other):
        one.get()
    assert budget._end == 2 * num_bytes(record(1))
    assert not stored.is_in_memory
    assert (stored.header().object_score, stored.header().predicted_iou) == (1.25, 1 / 7)
    assert not stored.is_in_memory
    assert contents(stored.get()) == contents(record(1))
    assert stored.number != other.number


def test_so_many_records_as_are_needed_stay_whatever_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = RecordBudget(0)
    store = RecordStore(budget)
    budget.num_needed = 4
    store.update({frame: record(frame) for frame in range(10)})
    assert sorted(in_memory(store)) == [6, 7, 8, 9]
    monkeypatch.setattr(record_store, "MOST_BYTES", 2 * num_bytes(record(0)))
    store[10] = record(10)
    assert sorted(in_memory(store)) == [9, 10]


def num_tensors() -> int:
    gc.collect()
    return sum(type(one) is torch.Tensor for one in gc.get_objects())


def test_little_is_left_in_memory_of_a_record_on_disk() -> None:
    """A tensor takes half a kilobyte however empty it is, and thousands of them leave gaps everywhere: none is stored."""
    store = RecordStore(RecordBudget(0))
    store.update({frame: record(frame) for frame in range(100)})
    tensors = num_tensors()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        store.update({frame: record(frame) for frame in range(100, 1100)})
        assert (tracemalloc.get_traced_memory()[0] - before) / 1000 < 600
    finally:
        tracemalloc.stop()
    assert num_tensors() == tensors
    header = store.header(3)
    assert (header.object_score, header.mask_logits.shape, header.memory is None) == (3.25, (2, 2), False)
