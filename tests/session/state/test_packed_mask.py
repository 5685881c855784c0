"""Packed masks are the masks, in little memory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_sam2.session.state.packed_mask import PackedMask

masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20), fill=st.just(False))


@settings(derandomize=True, database=None)
@given(masks)
def test_packed_and_back(mask: np.ndarray) -> None:
    packed = PackedMask.pack(mask)
    np.testing.assert_array_equal(packed.unpack(), mask)
    assert packed.unpack().dtype == np.bool_
    assert packed == PackedMask.pack(np.asfortranarray(mask))
    assert hash(packed) == hash(PackedMask.pack(mask.copy()))
    assert packed.shape == mask.shape
    row0, col0, row1, col1 = packed.box
    assert mask[row0:row1, col0:col1].sum() == mask.sum()
    if mask.any():
        edges = [mask[row0, col0:col1], mask[row1 - 1, col0:col1], mask[row0:row1, col0], mask[row0:row1, col1 - 1]]
        assert all(edge.any() for edge in edges), "the box is tight"
    else:
        assert packed.box == (0, 0, 0, 0)


def test_little_is_left_of_an_object_in_a_large_image() -> None:
    mask = np.zeros((5000, 5000), bool)
    mask[100:140, 200:260] = True
    assert len(PackedMask.pack(mask).bits) < 50


MASK = PackedMask.pack(np.pad(np.ones((3, 5), bool), ((2, 1), (1, 4))))
DAMAGED: dict[str, dict[str, Any]] = {
    "not compressed": {"bits": b"no"},
    "cut off": {"bits": MASK.bits[:-2]},
    "no pixels": {"bits": zlib.compress(b"")},
    "too few pixels": {"bits": zlib.compress(b"\xff")},
    "too many pixels": {"bits": zlib.compress(b"\xff" * 3)},
    "a shape that cannot be": {"shape": (-6, 10)},
    "a box to the right": {"box": (2, 6, 5, 11)},
    "a box of one column to the right": {"box": (2, 10, 5, 11), "bits": zlib.compress(b"\xe0")},
    "a box outside": {"box": (4, 1, 7, 6)},
    "a box before": {"box": (-3, 1, 0, 6)},
    "a box upside down": {"box": (5, 1, 2, 6)},
    "a box that is all upside down": {"box": (5, 6, 2, 1)},
    "a small box": {"box": (2, 1, 3, 6)},
    "a large box": {"box": (0, 0, 6, 10)},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(name: str) -> None:
    assert (MASK.shape, MASK.box) == ((6, 10), (2, 1, 5, 6))
    with pytest.raises(ValueError, match=r"^a packed mask is damaged$"):
        replace(MASK, **DAMAGED[name]).unpack()
