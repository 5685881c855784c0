"""Tensors as they travel: bytes, known by their hash, so that none travels twice."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

_AS_NUMBERS = {torch.bfloat16: torch.int16}
"""NumPy has no bfloat16."""


@dataclass(frozen=True)
class PackedTensor:
    """A tensor of any device as an array, with its own name of its type."""

    array: npt.NDArray[np.generic]
    dtype: str

    @classmethod
    def pack(cls, tensor: Tensor) -> PackedTensor:
        """Pack a tensor."""
        plain = tensor.detach().to("cpu").contiguous()
        numbers = plain.view(_AS_NUMBERS[plain.dtype]) if plain.dtype in _AS_NUMBERS else plain
        return cls(numbers.numpy(), str(tensor.dtype).removeprefix("torch."))

    def unpack(self, device: torch.device) -> Tensor:
        """Make a tensor with memory of its own."""
        numbers = torch.from_numpy(np.array(self.array))
        return numbers.view(getattr(torch, self.dtype)).to(device)

    @property
    def num_bytes(self) -> int:
        """Bytes that travel."""
        return self.array.nbytes

    @property
    def digest(self) -> bytes:
        """16 bytes by which it is known."""
        digest = hashlib.blake2b(f"{self.dtype} {self.array.shape}".encode(), digest_size=16)
        digest.update(np.ascontiguousarray(self.array).data)
        return digest.digest()


class Digests:
    """Remembers the digests of tensors that are in use."""

    def __init__(self) -> None:
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def of(self, tensor: Tensor) -> bytes:
        """Return the digest of a tensor, which is computed once."""
        if tensor not in self._known:
            self._known[tensor] = PackedTensor.pack(tensor).digest
        digest: bytes = self._known[tensor]
        return digest

    def note(self, tensor: Tensor, digest: bytes) -> None:
        """Take a digest that was computed by somebody else."""
        self._known[tensor] = digest


class TensorCache:
    """Tensors by digest, within a budget; of those beyond it the least recently used are dropped.

    Parameters
    ----------
    budget_bytes : int
        The budget.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._held: OrderedDict[bytes, Tensor] = OrderedDict()
        self._num_bytes = 0

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._held

    def __getitem__(self, digest: bytes) -> Tensor:
        self._held.move_to_end(digest)
        return self._held[digest]

    def put(self, digest: bytes, tensor: Tensor) -> None:
        """Add a tensor."""
        if digest not in self._held:
            self._held[digest] = tensor
            self._num_bytes += tensor.numel() * tensor.element_size()
        self._held.move_to_end(digest)

    def shrink(self, needed: Iterable[bytes] = ()) -> None:
        """Drop what is beyond the budget, but not what is needed now."""
        kept = set(needed)
        for digest in list(self._held):
            if self._num_bytes <= self.budget_bytes:
                return
            if digest not in kept:
                tensor = self._held.pop(digest)
                self._num_bytes -= tensor.numel() * tensor.element_size()
