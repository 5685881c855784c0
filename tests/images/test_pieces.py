"""Pieces read one by one give what NumPy gives of the whole array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.images.pieces import read_pieces

WHOLE = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)


def indices(size: int) -> st.SearchStrategy[Any]:
    return st.integers(0, size - 1) | st.builds(slice, st.integers(0, size - 1), st.none(), st.sampled_from([1, 2]))


@given(st.tuples(*(indices(size) for size in WHOLE.shape)), st.integers(0, 4), st.integers(0, 3))
def test_as_numpy(key: tuple[Any, ...], length: int, num_outer: int) -> None:
    read: list[tuple[int, ...]] = []

    def piece(place: tuple[int, ...], within: tuple[Any, ...]) -> np.ndarray:
        read.append(place)
        return WHOLE[place][within]

    np.testing.assert_array_equal(read_pieces(key[:length], WHOLE.shape, num_outer, piece), WHOLE[key[:length]])
    assert len(read) == len(set(read))


@pytest.mark.parametrize("key", [..., 1, slice(1, 2), ()])
def test_short_indices(key: Any) -> None:
    np.testing.assert_array_equal(read_pieces(key, WHOLE.shape, 2, lambda place, within: WHOLE[place][within]), WHOLE[key])
