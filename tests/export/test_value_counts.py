"""The median of an object is that of all its pixels, however they are spread over planes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.export.value_counts import ValueCounts


@given(
    st.lists(
        hnp.arrays(st.sampled_from([np.int16, np.float32]), st.integers(1, 9), elements=st.integers(-1100, 3000)),
        min_size=1,
        max_size=5,
    )
)
def test_the_median_of_parts_is_that_of_the_whole(parts: list[np.ndarray]) -> None:
    found = ValueCounts.joined([ValueCounts.of(part) for part in parts])
    assert found.median == pytest.approx(float(np.median(np.concatenate(parts))))
    assert found.counts.sum() == sum(map(len, parts))


def test_what_has_no_median() -> None:
    assert np.isnan(ValueCounts.of(np.array([1, np.nan, 2])).median)
    assert np.isnan(ValueCounts.of(np.array([], np.int16)).median)


def test_numbers_beyond_the_type_of_the_image() -> None:
    assert ValueCounts.of(np.array([32766, 32767], np.int16)).median == 32766.5
