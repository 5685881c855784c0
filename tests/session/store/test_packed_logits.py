"""Logits of masks, packed and unpacked to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sam2.predictors.mask_postprocessing import LOGIT_STEP
from napari_sam2.session.store.packed_logits import STEP, pack_logits, unpack_logits

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=9)


@settings(deadline=None, max_examples=50)
@given(arrays(np.float32, SHAPES, elements=st.floats(width=32)))
def test_any_floats_come_back_to_the_bit(logits: np.ndarray) -> None:
    found = unpack_logits(pack_logits(logits), logits.shape)
    np.testing.assert_array_equal(found.view(np.int32), logits.view(np.int32))


@settings(deadline=None, max_examples=50)
@given(arrays(np.int32, SHAPES, elements=st.integers(-(2**24), 2**24)))
def test_multiples_of_the_step_come_back_to_the_bit(steps: np.ndarray) -> None:
    logits = steps.astype(np.float32) * np.float32(STEP)
    np.testing.assert_array_equal(unpack_logits(pack_logits(logits), logits.shape), logits)


def test_what_a_tracker_rounds_takes_half_the_room() -> None:
    rows, columns = np.mgrid[:80, :80]
    smooth = 8 - np.hypot(rows - 40, columns - 40) + np.random.default_rng(0).normal(0, 0.2, (80, 80))
    logits = smooth.astype(np.float32)
    rounded = np.round(logits / np.float32(LOGIT_STEP)) * np.float32(LOGIT_STEP)
    assert STEP == LOGIT_STEP
    assert len(pack_logits(rounded)) < 0.55 * logits.nbytes
    assert len(pack_logits(logits)) < 0.8 * logits.nbytes
    assert len(pack_logits(np.full((80, 80), -1024, np.float32))) < 300  # of an absent object


@pytest.mark.parametrize(
    "packed", [b"", b"\x00", pack_logits(np.ones((4, 4), np.float32))[:-3], pack_logits(np.ones((4, 5), np.float32))]
)
def test_damaged_ones_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a record is damaged$"):
        unpack_logits(packed, (4, 4))
