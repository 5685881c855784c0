"""Keeps records of tracked frames in memory up to a budget, the others on disk: length costs disk, not memory."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import weakref
from collections import OrderedDict
from collections.abc import Collection, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt

from napari_sam2.file_errors import os_error, reason_of
from napari_sam2.files import no_room, temporary_file
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin
from napari_sam2.predictors.packed_tensor import PackedTensor, array_dtype
from napari_sam2.predictors.zoom import View

MOST_BYTES = 512 * 2**20
"""However many records are needed at a time, not more is held."""


class SpilledRecord(Protocol):
    """A record on disk. Its row there is free again when this object is deleted."""

    def read(self) -> FrameRecord:
        """Read the record, with or without its memory.

        Raises
        ------
        OSError
            If the disk fails.
        """
        ...

    def header(self) -> FrameRecord:
        """Return the record for its scores and its view alone: its tensors are empty, and nothing is read."""
        ...


class RecordFile(Protocol):
    """Where records go for which there is no room in memory."""

    def write(self, record: FrameRecord) -> SpilledRecord:
        """Write a record.

        Raises
        ------
        OSError
            If there is no folder for the file, or the disk is full.
        """
        ...


class RecordBudget:
    """Memory that records share, wherever they lie.

    Parameters
    ----------
    budget_bytes : int
        The least recently used records beyond it go to disk. Small, so that it is full soon: what fills up only after a thousand
        frames is growth to whoever watches.
    file : RecordFile, optional
        Where they go; by default a temporary file, which ends with the process.

    Attributes
    ----------
    num_needed : int
        So many of the latest records are held even beyond the budget, up to :data:`MOST_BYTES`: as many as a frame recalls of all
        its objects, lest each frame read them from disk again.
    """

    def __init__(self, budget_bytes: int = 16 * 2**20, file: RecordFile | None = None) -> None:
        self.budget_bytes = budget_bytes
        self.file = TemporaryRecords() if file is None else file
        self.num_needed = 0
        self.held_bytes = 0
        self._largest_bytes = 0
        self._kept_numbers: frozenset[int] = frozenset()
        # Memories that are recalled and not held: to encode them again for each frame would take longer than to read them.
        self._memories: OrderedDict[int, SpilledRecord] = OrderedDict()
        self._memory_file = TemporaryRecords()
        # Weakly: a record that nobody uses any more must not live on in here.
        self._held: OrderedDict[int, tuple[weakref.ref[StoredRecord], int]] = OrderedDict()
        self._num_stored = 0

    def put(self, record: FrameRecord) -> StoredRecord:
        """Put a record into the store."""
        self._num_stored += 1
        return StoredRecord(self, self._num_stored, record)

    def restore(self, row: SpilledRecord) -> StoredRecord:
        """Take a record that is on disk already."""
        self._num_stored += 1
        return StoredRecord(self, self._num_stored, None, row)

    def touch(self, stored: StoredRecord, record: FrameRecord) -> None:
        """Count a record as just used, and spill others if need be.

        Raises
        ------
        OSError
            If that cannot be done: then it is counted only if it was before.
        """
        was_held = stored.number in self._held
        self.release(stored.number)
        num_bytes = _num_bytes(record)
        self._held[stored.number] = weakref.ref(stored), num_bytes
        self.held_bytes += num_bytes
        # Not those of this record: one whose memory is not there is small.
        self._largest_bytes = max(self._largest_bytes, num_bytes)
        needed_bytes = self.num_needed * self._largest_bytes
        limit = max(self.budget_bytes, min(needed_bytes, MOST_BYTES))
        while self.held_bytes > limit:
            number = next((one for one in self._held if one != stored.number and one not in self._kept_numbers), None)
            if number is None:
                return
            oldest = self._held[number][0]()
            try:
                if oldest is not None:
                    oldest.spill(is_needed=needed_bytes > MOST_BYTES)
            except OSError:
                if was_held:
                    return
                self.release(stored.number)
                raise
            self.release(number)

    def keep(self, records: Collection[StoredRecord]) -> None:
        """Keep records in memory until others are named, if there is room for them: those that a frame recalls."""
        fits = len(records) * self._largest_bytes <= MOST_BYTES
        self._kept_numbers = frozenset(stored.number for stored in records) if fits else frozenset()

    def keep_memory(self, number: int, record: FrameRecord) -> None:
        """Keep the memory of a record that is spilled; of as many as are needed the latest, if there is room for them."""
        with contextlib.suppress(OSError):
            self._memories[number] = self._memory_file.write(record)
            self._memories.move_to_end(number)
        while len(self._memories) > self.num_needed:
            self._memories.popitem(last=False)

    def memory_of(self, number: int) -> PackedTensor | None:
        """Return the memory of a record, if it was kept and can be read."""
        if number not in self._memories:
            return None
        self._memories.move_to_end(number)
        with contextlib.suppress(OSError):
            return self._memories[number].read().memory
        return None

    def release(self, number: int) -> None:
        """Count a record no longer."""
        _, num_bytes = self._held.pop(number, (None, 0))
        self.held_bytes -= num_bytes


class StoredRecord:
    """A record, in memory, on disk or both; it goes when nobody uses it any more. Made by a :class:`RecordBudget`.

    Attributes
    ----------
    number : int
        No other record of the budget has it.
    row : SpilledRecord or None
        The record on disk, if it is there.
    """

    # Each frame of each object leaves one of these in memory for good.
    __slots__ = ("__weakref__", "_budget", "_in_memory", "number", "row")

    def __init__(self, budget: RecordBudget, number: int, record: FrameRecord | None, row: SpilledRecord | None = None) -> None:
        self.number = number
        self.row = row
        self._budget = budget
        self._in_memory = record

    def __del__(self) -> None:
        self._budget.release(self.number)

    @property
    def is_in_memory(self) -> bool:
        """It need not be read."""
        return self._in_memory is not None

    def get(self) -> FrameRecord:
        """Return the record, reading it if need be.

        Raises
        ------
        OSError
            If there is no room on disk for others, or it cannot be read.
        """
        if self._in_memory is None:
            assert self.row is not None
            record, memory = self.row.read(), self._budget.memory_of(self.number)
            self._in_memory = record if memory is None else record.with_memory(memory)
        record = self._in_memory
        try:
            self._budget.touch(self, record)
        except OSError:
            if self.row is None:
                raise
            # There is no room to put others on disk, but this one is there already.
            self._in_memory = None
        return record

    def header(self) -> FrameRecord:
        """Return the record for its scores and its view alone: one on disk stays there, and its tensors are empty."""
        if self._in_memory is not None:
            return self._in_memory
        assert self.row is not None
        return self.row.header()

    @property
    def budget(self) -> RecordBudget:
        """The memory that it shares."""
        return self._budget

    def remember(self, memory: PackedTensor) -> None:
        """Add the memory to the record as long as it is in memory.

        Raises
        ------
        OSError
            As :meth:`get`.
        """
        record = self._in_memory = self.get().with_memory(memory)
        try:
            self._budget.touch(self, record)
        except OSError:
            self._in_memory = None
            raise

    def spill(self, is_needed: bool = False) -> None:
        """Let the record be on disk alone; one that was there before need not be written again.

        Parameters
        ----------
        is_needed : bool
            Its memory is soon recalled.

        Raises
        ------
        OSError
            If it cannot be written; it stays in memory.
        """
        if self._in_memory is None:
            return
        self.save()
        if is_needed and self._in_memory.memory is not None:
            self._budget.keep_memory(self.number, self._in_memory)
        self._in_memory = None
        self._budget.release(self.number)

    def save(self) -> None:
        """Let the record be on disk too.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self.row is None:
            assert self._in_memory is not None
            self.row = self._budget.file.write(self._in_memory)


class TemporaryRecords:
    """Records in a temporary file, which ends with the process."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0
        self._free: dict[int, list[int]] = {}
        # A few, shared by all records that lie on disk.
        self._layouts: dict[RecordLayout, RecordLayout] = {}

    def write(self, record: FrameRecord) -> _InTemporaryFile:
        """Write a record; see :class:`RecordFile`."""
        data = b"".join(tensor.array.tobytes() for tensor in packed_tensors(record))
        purpose = "memories cannot be put into a temporary file"
        if self._file is None:
            self._file = temporary_file(purpose)
            weakref.finalize(self, self._file.close)
        offsets = self._free.get(len(data))
        offset = offsets[-1] if offsets else self._end
        try:
            self._file.seek(offset)
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise no_room(purpose, error) from error
        if offsets:
            offsets.pop()
        self._end = max(self._end, offset + len(data))
        layout = RecordLayout.of(record)
        return _InTemporaryFile(self, offset, RecordHeader.of(record, self._layouts.setdefault(layout, layout)))

    def read(self, offset: int, size: int) -> bytearray:
        """Read bytes of the file.

        Raises
        ------
        OSError
            If the disk fails.
        """
        assert self._file is not None
        try:
            self._file.seek(offset)
            return bytearray(self._file.read(size))
        except OSError as error:
            raise os_error(f"memories cannot be read back from a temporary file: {reason_of(error)}", error.errno) from error

    def discard(self, offset: int, size: int) -> None:
        """Free an offset for the next record of the same size."""
        self._free.setdefault(size, []).append(offset)


@dataclass(frozen=True)
class RecordLayout:
    """Shape and type of a record's logits, pointer and, where it has one, memory."""

    tensors: tuple[tuple[tuple[int, ...], str], ...]

    @classmethod
    def of(cls, record: FrameRecord) -> RecordLayout:
        """Describe a record."""
        return cls(tuple((tensor.shape, tensor.dtype) for tensor in packed_tensors(record)))

    @property
    def num_bytes(self) -> int:
        """Size of the tensors, without anything else."""
        return sum(math.prod(shape) * array_dtype(dtype).itemsize for shape, dtype in self.tensors)

    def split(self, data: bytes | bytearray) -> list[PackedTensor]:
        """Make the tensors of their bytes, which lie one after another; each has memory of its own."""
        found, offset = [], 0
        for shape, dtype in self.tensors:
            numbers = np.frombuffer(data, array_dtype(dtype), math.prod(shape), offset)
            found.append(PackedTensor(numbers.reshape(shape).copy(), dtype))
            offset += numbers.nbytes
        return found


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """A record without the contents of its tensors."""

    layout: RecordLayout
    object_score: float
    predicted_iou: float
    view: View | None
    anchor_distance: int
    origin: MaskOrigin

    @classmethod
    def of(cls, record: FrameRecord, layout: RecordLayout) -> RecordHeader:
        """Describe a record."""
        return cls(layout, record.object_score, record.predicted_iou, record.view, record.anchor_distance, record.origin)

    def empty(self) -> FrameRecord:
        """Return the record with empty tensors that have its shapes and types."""
        return self.with_tensors(
            [PackedTensor(np.broadcast_to(np.zeros(1, array_dtype(dtype)), shape), dtype) for shape, dtype in self.layout.tensors]
        )

    def with_tensors(self, tensors: Sequence[PackedTensor], remembered: npt.NDArray[np.float32] | None = None) -> FrameRecord:
        """Return the record with logits, pointer and, where it has one, memory, and the remembered mask where that is another."""
        logits, pointer, *rest = tensors
        memory = rest[0] if rest else None
        mask_logits: npt.NDArray[np.float32] = logits.array  # type: ignore[assignment]
        scores = self.object_score, self.predicted_iou
        return FrameRecord(mask_logits, pointer, *scores, memory, self.view, self.anchor_distance, self.origin, remembered)


@dataclass(frozen=True, slots=True)
class _InTemporaryFile:
    file: TemporaryRecords
    offset: int
    about: RecordHeader

    def read(self) -> FrameRecord:
        layout = self.about.layout
        return self.about.with_tensors(layout.split(self.file.read(self.offset, layout.num_bytes)))

    def header(self) -> FrameRecord:
        return self.about.empty()

    def __del__(self) -> None:
        self.file.discard(self.offset, self.about.layout.num_bytes)


class RecordStore(MutableMapping[int, FrameRecord]):
    """The records of one object by frame, as a mapping whose older entries may lie on disk."""

    def __init__(self, budget: RecordBudget) -> None:
        self._budget = budget
        self._stored: dict[int, StoredRecord] = {}

    def __contains__(self, frame: object) -> bool:
        return frame in self._stored

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._stored))

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, frame: int) -> FrameRecord:
        return self._stored[frame].get()

    def __setitem__(self, frame: int, record: FrameRecord) -> None:
        self._stored[frame] = stored = self._budget.put(record)
        self._budget.touch(stored, record)

    def __delitem__(self, frame: int) -> None:
        del self._stored[frame]

    def header(self, frame: int) -> FrameRecord:
        """Return a record for its scores and its view alone: one on disk stays there, and its tensors are empty."""
        return self._stored[frame].header()

    def clear(self) -> None:
        """Forget all records, without fetching those on disk."""
        self._stored.clear()


def packed_tensors(record: FrameRecord) -> list[PackedTensor]:
    """Return logits, pointer and, where there is one, memory of a record."""
    logits = PackedTensor(record.mask_logits, record.mask_logits.dtype.name)
    return [logits, record.pointer] if record.memory is None else [logits, record.pointer, record.memory]


def _num_bytes(record: FrameRecord) -> int:
    remembered_bytes = 0 if record.remembered is None else record.remembered.nbytes
    return remembered_bytes + sum(tensor.num_bytes for tensor in packed_tensors(record))
