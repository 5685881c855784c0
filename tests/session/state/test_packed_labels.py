"""Packed label planes are the planes, in little memory."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_sam2.session.state.packed_labels import pack_plane, replace_label, unpack_plane

labels = st.sampled_from([0, 0, 0, 1, 2, 255, 256, 65535])
planes = arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=labels)


@settings(derandomize=True, database=None)
@given(planes, st.sampled_from(["C", "F"]), st.sampled_from(["<u2", ">u2"]))
def test_packed_and_back(plane: np.ndarray, order: str, dtype: str) -> None:
    packed = pack_plane(np.asarray(plane, dtype, order=order))  # type: ignore[call-overload]
    assert (packed == b"") == (not plane.any())
    assert packed == pack_plane(plane), "equal planes are equal bytes"
    found = unpack_plane(packed, plane.shape)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, plane)
    assert (found.dtype, found.dtype.isnative, found.flags.writeable) == (np.uint16, True, True)


@settings(derandomize=True, database=None)
@given(planes, labels.filter(bool), labels)
def test_a_label_replaced(plane: np.ndarray, label: int, by: int) -> None:
    packed = pack_plane(plane)
    found = replace_label(packed, label, by)
    np.testing.assert_array_equal(unpack_plane(found, plane.shape), np.where(plane == label, by, plane))  # type: ignore[arg-type]
    assert label in plane or found is packed
    assert found or not np.where(plane == label, by, plane).any()


def test_little_is_left_of_a_large_plane_with_few_objects() -> None:
    plane = np.zeros((2000, 2000), np.uint16)
    plane[100:140, 200:260] = 3
    assert len(pack_plane(plane)) < plane.nbytes / 200


@pytest.mark.parametrize(
    "packed",
    [
        b"no",
        zlib.compress(b"\0" * 11),
        zlib.compress(b"\0" * 10),
        zlib.compress(b"\0" * 14),
        pack_plane(np.ones((2, 3), "u2"))[:-2],
    ],
    ids=["not compressed", "half a pixel", "too few", "too many", "cut off"],
)
def test_damaged(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a packed label plane is damaged$"):
        unpack_plane(packed, (2, 3))
