"""Logits in NumPy are enlarged, moved and reduced as PyTorch does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.predictors.logits import enlarge, enlarge_found, interpolate, label_image, logit_at, reduce

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
LOGITS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-8, 2, width=32))


def floats(values: list[list[float]]) -> np.ndarray:
    return np.array(values, np.float32)


# --- size --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(LOGITS, st.data())
def test_interpolation_is_that_of_pytorch_to_the_bit(logits: np.ndarray, data: st.DataObject) -> None:
    """Along each axis it is ``torch.lerp``, which rounds once where the processor has such an instruction."""
    rows, columns = (
        data.draw(hnp.arrays(np.float32, 8, elements=st.floats(0, cells - 1, width=32)).map(np.sort)) for cells in logits.shape
    )
    given = torch.from_numpy(logits)
    expected = lerp(lerp(given, torch.from_numpy(rows)).T.contiguous(), torch.from_numpy(columns)).T
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        np.testing.assert_allclose(interpolate(logits, rows, columns), expected, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(interpolate(logits, rows, columns), expected)


def lerp(values: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    before = positions.long()
    after = (before + 1).clamp(max=len(values) - 1)
    # as many numbers as vectors hold: what is left over is computed without the instruction
    weights = (positions - before)[:, None].expand(-1, values.shape[1])
    padded = [F.pad(one, (0, -one.shape[1] % 64)) for one in (values[before], values[after], weights)]
    return torch.lerp(*padded)[:, : values.shape[1]]


@settings(deadline=None)
@given(LOGITS, SIZES)
def test_enlarged_is_resized_as_the_network_does_it(logits: np.ndarray, size: tuple[int, int]) -> None:
    expected = F.interpolate(torch.from_numpy(logits)[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    enlarged = enlarge(logits, size)
    assert (enlarged.dtype, enlarged.shape) == (np.float32, size)
    np.testing.assert_allclose(enlarged, expected, rtol=1e-5, atol=1e-5)
    row, column = size[0] // 2, size[1] // 3
    assert logit_at(logits, size, (row, column)) == enlarged[row, column]


@settings(deadline=None)
@given(LOGITS, SIZES)
def test_what_was_found_is_enlarged_as_the_whole_would_be(logits: np.ndarray, size: tuple[int, int]) -> None:
    whole, found = enlarge(logits, size), enlarge_found(logits, size)
    if found is None:
        assert not (whole > 0).any()
        return
    part, row, column = found
    window = np.s_[row : row + part.shape[0], column : column + part.shape[1]]
    np.testing.assert_array_equal(part, whole[window])
    whole[window] = -1
    assert not (whole > 0).any()


def test_what_was_found_is_a_copy() -> None:
    logits = floats([[-1, 2], [-1, -1]])
    part, row, column = enlarge_found(logits, (2, 2)) or pytest.fail("nothing found")
    assert (row, column, part.tolist()) == (0, 0, [[-1.0, 2.0]])
    part[:] = 0
    assert logits[0, 1] == 2


@settings(deadline=None)
@given(LOGITS.filter(lambda logits: min(logits.shape) > 1), st.tuples(st.integers(2, 40), st.integers(2, 40)))
def test_reduced_is_resized_with_antialiasing(logits: np.ndarray, size: tuple[int, int]) -> None:
    """Single rows and columns are left out: PyTorch 2.13 gives each of them the same number."""
    given = torch.from_numpy(logits)[None, None]
    expected = F.interpolate(given, size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
    reduced = reduce(logits, size)
    assert (reduced.dtype, reduced.shape) == (np.float32, size)
    np.testing.assert_allclose(reduced, expected, rtol=1e-5, atol=1e-5)


# --- labels ------------------------------------------------------------------------------------------------------------

WHOLE = np.s_[:, :]


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 7), st.just(4), st.just(5)), elements=st.integers(-3, 3).map(float)))
def test_a_pixel_belongs_to_the_highest_logit_above_zero(planes: np.ndarray) -> None:
    ids = [3 * i + 5 for i in range(len(planes))]
    found = label_image(list(planes), [WHOLE] * len(ids), ids, (4, 5))
    expected = np.where(planes.max(0) > 0, np.array(ids)[planes.argmax(0)], 0)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)


def test_labels_reach_to_the_end_of_the_type() -> None:
    assert label_image([np.ones((3, 3), np.float32)], [WHOLE], [65535], (3, 3)).tolist() == [[65535] * 3] * 3


def test_a_mask_reaches_no_farther_than_its_window() -> None:
    masks = [floats([[1, 3]]), np.full((2, 2), 2, np.float32)]
    found = label_image(masks, [np.s_[1:2, 1:3], np.s_[0:2, 2:4]], [7, 9], (3, 4))
    assert found.tolist() == [[0, 0, 9, 9], [0, 7, 7, 9], [0, 0, 0, 0]]


def test_weights_decide_where_both_are_inside() -> None:
    weak, strong = floats([[0.5, -1, 0.5]]), floats([[9, 9, -9]])
    for order in ([0, 1], [1, 0]):
        masks, ids, weights = [weak, strong], [3, 4], [100.0, 1.0]
        found = label_image([masks[i] for i in order], [WHOLE] * 2, [ids[i] for i in order], (1, 3), [weights[i] for i in order])
        assert found.tolist() == [[3, 4, 3]]


def test_without_objects_there_are_no_labels() -> None:
    assert label_image([], [], [], (2, 3)).tolist() == [[0, 0, 0]] * 2
