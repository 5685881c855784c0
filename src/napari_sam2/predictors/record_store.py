"""Keeps records of tracked frames in memory up to a budget, the others in a temporary file: length costs disk, not memory."""

from __future__ import annotations

import errno
import os
import weakref
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import IO

from napari_sam2.torch_threads import torch

from torch import Tensor

from napari_sam2.file_errors import os_error, reason_of
from napari_sam2.files import no_room, temporary_file
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View

MOST_BYTES = 512 * 2**20
"""However many records are needed at a time, not more is held."""


class RecordBudget:
    """Memory that records share, wherever they lie.

    Parameters
    ----------
    budget_bytes : int
        The least recently used records beyond it go to a temporary file, which ends with the process. Small, so that it is full
        soon: what fills up only after a thousand frames is growth to whoever watches.

    Attributes
    ----------
    num_needed : int
        So many of the latest records are held even beyond the budget, up to :data:`MOST_BYTES`: as many as a frame recalls of all
        its objects, lest each frame read them from disk again.
    """

    def __init__(self, budget_bytes: int = 16 * 2**20) -> None:
        self.budget_bytes = budget_bytes
        self.num_needed = 0
        self.held_bytes = 0
        # Weakly: a record that nobody uses any more must not live on in here.
        self._held: OrderedDict[int, tuple[weakref.ref[StoredRecord], int]] = OrderedDict()
        self._num_stored = 0
        self._file: IO[bytes] | None = None
        self._end = 0
        self._free: dict[int, list[int]] = {}
        # A few, shared by all records that lie on disk.
        self.layouts: dict[_Layout, _Layout] = {}

    def put(self, record: FrameRecord) -> StoredRecord:
        """Put a record into the store."""
        self._num_stored += 1
        return StoredRecord(self, self._num_stored, record)

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
        limit = max(self.budget_bytes, min(self.num_needed * num_bytes, MOST_BYTES))
        while self.held_bytes > limit and len(self._held) > 1:
            number, (reference, _) = next(iter(self._held.items()))
            oldest = reference()
            try:
                if oldest is not None:
                    oldest.spill()
            except OSError:
                if was_held:
                    return
                self.release(stored.number)
                raise
            self.release(number)

    def release(self, number: int) -> None:
        """Count a record no longer."""
        _, num_bytes = self._held.pop(number, (None, 0))
        self.held_bytes -= num_bytes

    def write(self, data: bytes) -> int:
        """Put bytes into the file and return their offset.

        Raises
        ------
        OSError
            If there is no folder for temporary files, or the disk is full.
        """
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
        return offset

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
        """Free an offset for the next of the same size."""
        self._free.setdefault(size, []).append(offset)


class StoredRecord:
    """A record, in memory or on disk; it goes when nobody uses it any more. Made by :meth:`RecordBudget.put`.

    Attributes
    ----------
    number : int
        No other record of the budget has it.
    """

    # Each frame of each object leaves one of these in memory for good.
    __slots__ = ("__weakref__", "_budget", "_in_memory", "_on_disk", "number")

    def __init__(self, budget: RecordBudget, number: int, record: FrameRecord) -> None:
        self.number = number
        self._budget = budget
        self._in_memory: FrameRecord | None = record
        self._on_disk: _OnDisk | None = None

    def __del__(self) -> None:
        self._budget.release(self.number)
        if self._on_disk is not None:
            self._budget.discard(self._on_disk.offset, self._on_disk.layout.num_bytes)

    @property
    def is_in_memory(self) -> bool:
        """It need not be fetched."""
        return self._in_memory is not None

    def get(self) -> FrameRecord:
        """Return the record, fetching it if need be."""
        if self._in_memory is None:
            assert self._on_disk is not None
            self._in_memory = self._on_disk.record(self._budget.read(self._on_disk.offset, self._on_disk.layout.num_bytes))
        record = self._in_memory
        try:
            self._budget.touch(self, record)
        except OSError:
            if self._on_disk is None:
                raise
            # There is no room to put others on disk, but this one is there already.
            self._in_memory = None
        return record

    def header(self) -> FrameRecord:
        """Return the record for its scores and its view alone: one on disk stays there, and its tensors are empty."""
        if self._in_memory is not None:
            return self._in_memory
        assert self._on_disk is not None
        return self._on_disk.shell()

    def spill(self) -> None:
        """Let the record be on disk alone; one that was there before need not be written again."""
        if self._in_memory is None:
            return
        if self._on_disk is None:
            # The record goes when it is written, not before: a disk may be full.
            offset = self._budget.write(b"".join(_raw(tensor) for tensor in _tensors(self._in_memory)))
            self._on_disk = _OnDisk.of(self._in_memory, offset, self._budget.layouts)
        self._in_memory = None


@dataclass(frozen=True)
class _Layout:
    """Shape, type and device of a record's logits, pointer and, where it has one, memory."""

    tensors: tuple[tuple[torch.Size, torch.dtype, torch.device], ...]

    @classmethod
    def of(cls, record: FrameRecord) -> _Layout:
        return cls(tuple((tensor.shape, tensor.dtype, tensor.device) for tensor in _tensors(record)))

    @property
    def num_bytes(self) -> int:
        return sum(shape.numel() * dtype.itemsize for shape, dtype, _ in self.tensors)


@dataclass(frozen=True, slots=True)
class _OnDisk:
    """Where a record lies in the file, and what is known of it without reading it."""

    offset: int
    layout: _Layout
    object_score: float
    predicted_iou: float
    view: View | None
    anchor_distance: int

    @classmethod
    def of(cls, record: FrameRecord, offset: int, layouts: dict[_Layout, _Layout]) -> _OnDisk:
        layout = _Layout.of(record)
        shared = layouts.setdefault(layout, layout)
        return cls(offset, shared, record.object_score, record.predicted_iou, record.view, record.anchor_distance)

    def record(self, data: bytearray) -> FrameRecord:
        """Return the record, of its bytes."""
        filled, offset = [], 0
        for shape, dtype, device in self.layout.tensors:
            values = torch.frombuffer(data, dtype=dtype, count=shape.numel(), offset=offset)
            filled.append(values.clone().reshape(shape).to(device))
            offset += values.numel() * dtype.itemsize
        return self._with(filled)

    def shell(self) -> FrameRecord:
        """Return the record without its contents: empty tensors that know shape, type and device."""
        return self._with(
            [torch.empty(1, dtype=dtype, device=device).expand(shape) for shape, dtype, device in self.layout.tensors]
        )

    def _with(self, tensors: list[Tensor]) -> FrameRecord:
        mask_logits, pointer, *rest = tensors
        memory = rest[0] if rest else None
        return FrameRecord(mask_logits, pointer, self.object_score, self.predicted_iou, memory, self.view, self.anchor_distance)


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


def _tensors(record: FrameRecord) -> list[Tensor]:
    return [tensor for tensor in (record.mask_logits, record.pointer, record.memory) if tensor is not None]


def _num_bytes(record: FrameRecord) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(record))


def _raw(tensor: Tensor) -> bytes:
    # NumPy knows no bfloat16: the bytes are taken as they are.
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
