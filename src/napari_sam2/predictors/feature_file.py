"""Features of frames in a temporary file, so that a second pass over a stack does not encode it again."""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import IO

from napari_sam2.torch_threads import torch

import numpy as np
from torch import Tensor

from napari_sam2.files import temporary_file

logger = logging.getLogger(__name__)


class FeatureFile:
    """Keeps tensors of equal shapes by key, the most recently written or read ones, in a file that is gone with the process.

    Nothing depends on it: where there is no room for a file, nothing is kept.

    Parameters
    ----------
    budget_bytes : int
        Size of the file.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._file: IO[bytes] | None = None
        self._form: list[tuple[torch.Size, torch.dtype]] = []
        self._slots: OrderedDict[Hashable, int] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._slots

    def put(self, key: Hashable, tensors: Sequence[Tensor]) -> None:
        """Keep tensors of the CPU; the least recently used ones make room where there is none."""
        form = [(tensor.shape, tensor.dtype) for tensor in tensors]
        if form != self._form:
            self._slots.clear()
            self._form = form
        num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        room = self._budget_bytes // num_bytes
        if key in self._slots or not room:
            return
        slot = len(self._slots) if len(self._slots) < room else self._slots.popitem(last=False)[1]
        try:
            if self._file is None:
                self._file = temporary_file("features cannot be put into a temporary file")
                weakref.finalize(self, self._file.close)
            self._file.seek(slot * num_bytes)
            for tensor in tensors:
                content = tensor.contiguous().flatten().view(torch.uint8).numpy().data
                while content:  # a file without a buffer may take a part only
                    content = content[self._file.write(content) :]
        except OSError as error:
            logger.info("features of frames are not kept any more: %s", error)
            self.close()
            self._budget_bytes = 0
            return
        self._slots[key] = slot

    def get(self, key: Hashable) -> list[Tensor] | None:
        """Return the tensors of a key; None where they are not kept, or cannot be read: then all are forgotten."""
        if key not in self._slots or self._file is None:
            return None
        self._slots.move_to_end(key)
        sizes = [shape.numel() * dtype.itemsize for shape, dtype in self._form]
        content = np.empty(sum(sizes), np.uint8)
        try:
            self._file.seek(self._slots[key] * len(content))
            left = content.data
            while left:
                count = self._file.readinto(left)  # type: ignore[attr-defined]
                if not count:
                    raise OSError("the file ends too early")
                left = left[count:]
        except OSError as error:
            logger.info("features of frames are encoded again: %s", error)
            self.close()
            return None
        parts = torch.from_numpy(content).split(sizes)
        return [part.view(dtype).view(shape) for part, (shape, dtype) in zip(parts, self._form, strict=True)]

    def close(self) -> None:
        """Forget everything, and the file."""
        self._slots.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
