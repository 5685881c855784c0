"""Tensors that a worker keeps, known by their digests, so that none travels twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from napari_sam2.predictors.packed_tensor import PackedTensor


class TensorCache:
    """Tensors by digest, within a budget; of those beyond it the least recently used are dropped.

    Parameters
    ----------
    budget_bytes : int
        The budget.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._held: OrderedDict[bytes, PackedTensor] = OrderedDict()
        self._num_bytes = 0

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._held

    def __getitem__(self, digest: bytes) -> PackedTensor:
        self._held.move_to_end(digest)
        return self._held[digest]

    def put(self, packed: PackedTensor) -> None:
        """Add a tensor."""
        if packed.digest not in self._held:
            self._held[packed.digest] = packed
            self._num_bytes += packed.num_bytes
        self._held.move_to_end(packed.digest)

    def shrink(self, needed: Iterable[bytes] = ()) -> None:
        """Drop what is beyond the budget, but not what is needed now."""
        kept = set(needed)
        for digest in list(self._held):
            if self._num_bytes <= self.budget_bytes:
                return
            if digest not in kept:
                self._num_bytes -= self._held.pop(digest).num_bytes
