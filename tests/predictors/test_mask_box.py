from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.predictors.mask_box import bounding_box


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.integers(0, 5))
def test_the_box_of_a_mask(height: int, width: int, row: int, column: int) -> None:
    mask = np.zeros((20, 20), bool)
    assert bounding_box(mask) is None
    mask[row : row + height, column : column + width] = True
    assert bounding_box(mask) == (row, column, row + height, column + width)
