"""Keeps records of tracked frames in memory up to a budget, the others in a temporary file: length costs disk, not memory."""

from __future__ import annotations

import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import replace
from typing import IO

import torch
from torch import Tensor

from napari_sam2.predictors.memory_bank import FrameRecord


class RecordBudget:
    """Memory that several :class:`RecordStore` share.

    Parameters
    ----------
    budget_bytes : int
        The least recently used records beyond it go to a temporary file, which ends with the process.
    """

    def __init__(self, budget_bytes: int = 64 * 2**20) -> None:
        self.budget_bytes = budget_bytes
        self.held_bytes = 0
        # By the number of a store: a store that nobody holds any more must not live on in here.
        self._held: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._stores: weakref.WeakValueDictionary[int, RecordStore] = weakref.WeakValueDictionary()
        self._num_stores = 0
        self._file: IO[bytes] | None = None
        self._end = 0
        self._free: dict[int, list[int]] = {}

    def register(self, store: RecordStore) -> int:
        """Give a store its number."""
        self._num_stores += 1
        self._stores[self._num_stores] = store
        return self._num_stores

    def hold(self, store_number: int, frame: int, record: FrameRecord) -> None:
        """Count a record as just used, and spill others if need be."""
        self.release(store_number, frame)
        self._held[store_number, frame] = _num_bytes(record)
        self.held_bytes += self._held[store_number, frame]
        while self.held_bytes > self.budget_bytes and len(self._held) > 1:
            old_number, old_frame = next(iter(self._held))
            if old_number in self._stores:
                self._stores[old_number].spill(old_frame)
            self.release(old_number, old_frame)

    def release(self, store_number: int, frame: int) -> None:
        """Count a record no longer."""
        self.held_bytes -= self._held.pop((store_number, frame), 0)

    def release_store(self, store_number: int, in_memory: Iterable[int], on_disk: dict[int, tuple[int, int, FrameRecord]]) -> None:
        """Count nothing of a store any longer, and let its places be used again."""
        for frame in in_memory:
            self.release(store_number, frame)
        for place, size, _ in on_disk.values():
            self.discard(place, size)

    def write(self, data: bytes) -> int:
        """Put bytes into the file and return their place."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="napari-sam2-")  # noqa: SIM115 - lives as long as the budget
            weakref.finalize(self, self._file.close)
        places = self._free.get(len(data))
        place = places.pop() if places else self._end
        self._end = max(self._end, place + len(data))
        self._file.seek(place)
        self._file.write(data)
        return place

    def read(self, place: int, size: int) -> bytes:
        """Read bytes of the file."""
        assert self._file is not None
        self._file.seek(place)
        return self._file.read(size)

    def discard(self, place: int, size: int) -> None:
        """Let a place be used again."""
        self._free.setdefault(size, []).append(place)


class RecordStore(MutableMapping[int, FrameRecord]):
    """The records of one object by frame, as a mapping whose older entries may lie on disk."""

    def __init__(self, budget: RecordBudget) -> None:
        self._budget = budget
        self._in_memory: dict[int, FrameRecord] = {}
        self._on_disk: dict[int, tuple[int, int, FrameRecord]] = {}
        self._number = budget.register(self)
        ended = weakref.finalize(self, budget.release_store, self._number, self._in_memory, self._on_disk)
        ended.atexit = False

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __contains__(self, frame: object) -> bool:
        return frame in self._in_memory or frame in self._on_disk

    def __iter__(self) -> Iterator[int]:
        return iter([*self._in_memory, *self._on_disk])

    def __len__(self) -> int:
        return len(self._in_memory) + len(self._on_disk)

    def __getitem__(self, frame: int) -> FrameRecord:
        record = self._in_memory.get(frame)
        if record is None:
            place, size, shell = self._on_disk[frame]
            record = _from_bytes(self._budget.read(place, size), shell)
            self._forget_on_disk(frame)
            self._in_memory[frame] = record
        self._budget.hold(self._number, frame, record)
        return record

    def __setitem__(self, frame: int, record: FrameRecord) -> None:
        self._forget_on_disk(frame)
        self._in_memory[frame] = record
        self._budget.hold(self._number, frame, record)

    def __delitem__(self, frame: int) -> None:
        if frame not in self:
            raise KeyError(frame)
        self._forget_on_disk(frame)
        self._in_memory.pop(frame, None)
        self._budget.release(self._number, frame)

    def peek(self, frame: int) -> FrameRecord:
        """Return a record for its scores and its view alone: one on disk stays there, and its tensors are empty."""
        record = self._in_memory.get(frame)
        return self._on_disk[frame][2] if record is None else record

    def spill(self, frame: int) -> None:
        """Move a record to disk."""
        record = self._in_memory[frame]
        data = b"".join(_raw(tensor) for tensor in _tensors(record))
        # The record goes when it is written, not before: a disk may be full.
        self._on_disk[frame] = (self._budget.write(data), len(data), _shell(record))
        del self._in_memory[frame]

    def clear(self) -> None:
        """Forget all records, without fetching those on disk."""
        for frame in list(self):
            del self[frame]

    def _forget_on_disk(self, frame: int) -> None:
        if frame in self._on_disk:
            place, size, _ = self._on_disk.pop(frame)
            self._budget.discard(place, size)


def _tensors(record: FrameRecord) -> list[Tensor]:
    return [tensor for tensor in (record.mask_logits, record.pointer, record.memory) if tensor is not None]


def _num_bytes(record: FrameRecord) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(record))


def _raw(tensor: Tensor) -> bytes:
    # NumPy knows no bfloat16: the bytes are taken as they are.
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()


def _shell(record: FrameRecord) -> FrameRecord:
    """Return the record without its contents: empty tensors that know shape, type and device."""

    def empty(tensor: Tensor) -> Tensor:
        return tensor.new_empty(1).expand(tensor.shape)

    memory = None if record.memory is None else empty(record.memory)
    return replace(record, mask_logits=empty(record.mask_logits), pointer=empty(record.pointer), memory=memory)


def _from_bytes(data: bytes, shell: FrameRecord) -> FrameRecord:
    filled, offset = [], 0
    for tensor in _tensors(shell):
        count = tensor.numel()
        values = torch.frombuffer(bytearray(data), dtype=tensor.dtype, count=count, offset=offset)
        filled.append(values.clone().reshape(tensor.shape).to(tensor.device))
        offset += count * tensor.element_size()
    memory = filled[2] if shell.memory is not None else None
    return replace(shell, mask_logits=filled[0], pointer=filled[1], memory=memory)
