"""Tensors are packed without loss, and are known by what they hold."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import torch

from napari_sam2.predictors.packed_tensor import PackedTensor, array_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32, torch.bool])
def test_a_tensor_comes_back_as_it_was(dtype: torch.dtype) -> None:
    tensor = (torch.arange(12, dtype=torch.float32).reshape(3, 4) / 3 % 2).to(dtype)[:, 1:]
    packed = pickle.loads(pickle.dumps(PackedTensor.pack(tensor)))
    assert torch.equal(packed.unpack(CPU), tensor)
    assert packed.unpack(CPU).dtype == dtype
    assert (packed.shape, packed.array.dtype) == ((3, 3), array_dtype(packed.dtype))
    assert packed.num_bytes == tensor.numel() * tensor.element_size()
    assert packed.digest == PackedTensor.pack(tensor.clone()).digest


def test_on_the_cpu_nothing_is_copied_to_compute() -> None:
    packed = PackedTensor.pack(torch.zeros(4, dtype=torch.bfloat16))
    packed.array[2] = 0x3F80
    assert packed.unpack(CPU).tolist() == [0, 0, 1, 0]


def test_one_that_is_read_only_is_unpacked_without_a_warning() -> None:
    packed = PackedTensor(np.frombuffer(b"\0\0\x80?", np.float32), "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert packed.unpack(CPU).tolist() == [1]
    assert packed.owned().array.flags.owndata


def test_tensors_of_a_batch_have_memory_of_their_own() -> None:
    batch = torch.arange(6, dtype=torch.float32).reshape(3, 2)
    packed = PackedTensor.pack_each(batch)
    batch[:] = 9
    assert [one.array.tolist() for one in packed] == [[0, 1], [2, 3], [4, 5]]
    assert all(one.array.base is None for one in packed)


def test_digests_tell_values_shapes_and_types_apart() -> None:
    tensors = [torch.zeros(4), torch.ones(4), torch.zeros(2, 2), torch.zeros(4, dtype=torch.int32)]
    assert len({PackedTensor.pack(tensor).digest for tensor in tensors}) == len(tensors)


def test_a_digest_is_computed_once_and_travels_along() -> None:
    packed = PackedTensor.pack(torch.ones(4))
    expected = packed.digest
    packed.array[0] = 2
    assert (packed.digest, pickle.loads(pickle.dumps(packed)).digest) == (expected, expected)
