"""Tensors are kept by what they hold, as long as there is room."""

from __future__ import annotations

import torch

from napari_sam2.cluster.tensor_cache import TensorCache
from napari_sam2.predictors.packed_tensor import PackedTensor


def test_the_least_recently_used_beyond_the_budget_is_dropped_unless_it_is_needed() -> None:
    cache = TensorCache(budget_bytes=8)
    a, b, c = (PackedTensor.pack(torch.full((1,), value)) for value in (1.0, 2.0, 3.0))
    for one in (a, b, c):
        cache.put(one)
    assert cache[a.digest] is a  # b is the oldest now
    cache.shrink(needed=[b.digest])
    assert [one.digest in cache for one in (a, b, c)] == [True, True, False]
    cache.put(PackedTensor.pack(torch.full((1,), 1.0)))  # counted once
    cache.shrink()
    assert [one.digest in cache for one in (a, b)] == [True, True]
