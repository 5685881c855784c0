"""Tensors travel without loss, and are known by what they hold."""

from __future__ import annotations

import gc
import pickle

import pytest
import torch

from napari_sam2.cluster.packed_tensors import Digests, PackedTensor, TensorCache

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32, torch.bool])
def test_a_tensor_comes_back_as_it_was(dtype: torch.dtype) -> None:
    tensor = (torch.arange(12, dtype=torch.float32).reshape(3, 4) / 3 % 2).to(dtype)[:, 1:]
    packed = pickle.loads(pickle.dumps(PackedTensor.pack(tensor)))
    assert torch.equal(packed.unpack(CPU), tensor)
    assert packed.unpack(CPU).dtype == dtype
    assert packed.num_bytes == tensor.numel() * tensor.element_size()
    assert packed.digest == PackedTensor.pack(tensor.clone()).digest


def test_digests_tell_values_shapes_and_types_apart() -> None:
    tensors = [torch.zeros(4), torch.ones(4), torch.zeros(2, 2), torch.zeros(4, dtype=torch.int32)]
    assert len({PackedTensor.pack(tensor).digest for tensor in tensors}) == len(tensors)


def test_a_digest_is_computed_once_for_a_tensor_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    digests, tensor = Digests(), torch.ones(4)
    expected = digests.of(tensor)
    monkeypatch.setattr(PackedTensor, "pack", lambda *_: pytest.fail("computed again"))
    assert digests.of(tensor) == expected
    other = torch.zeros(4)
    digests.note(other, b"given")
    assert digests.of(other) == b"given"
    del tensor, other
    gc.collect()
    assert len(digests._known) == 0


def test_the_least_recently_used_beyond_the_budget_is_dropped_unless_it_is_needed() -> None:
    cache = TensorCache(budget_bytes=8)
    for name in (b"a", b"b", b"c"):
        cache.put(name, torch.zeros(1, dtype=torch.float32))
    assert cache[b"a"].item() == 0  # b is the oldest now
    cache.shrink(needed=[b"b"])
    assert [name in cache for name in (b"a", b"b", b"c")] == [True, True, False]
    cache.put(b"a", torch.zeros(1, dtype=torch.float32))  # counted once
    cache.shrink()
    assert [name in cache for name in (b"a", b"b")] == [True, True]
