"""An object of one intensity in another one looks like itself there, and like nothing where both are the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2.session.tracking.appearance import MAX_LOG_RATIO, NUM_BINS, Appearance

MASK = np.zeros((20, 20), bool)
MASK[5:11, 6:14] = True
BRIGHT, DARK, UNSEEN = (np.float64((index + 0.5) / NUM_BINS) for index in (24, 5, 15))


def learnt(inside: float, around: float) -> Appearance:
    appearance = Appearance.of(np.where(MASK, inside, around), MASK)
    assert appearance is not None
    return appearance


@pytest.mark.parametrize(("inside", "around"), [(BRIGHT, DARK), (DARK, BRIGHT)])
def test_an_intensity_of_its_own_tells_all(inside: float, around: float) -> None:
    appearance = learnt(inside, around)
    assert appearance.difference == pytest.approx(1)
    expected = [[MAX_LOG_RATIO, -MAX_LOG_RATIO, 0]]
    np.testing.assert_allclose(appearance.logits(np.array([[inside, around, UNSEEN]])), expected, atol=1e-9)


def test_what_is_around_with_the_same_intensity_tells_nothing() -> None:
    appearance = learnt(BRIGHT, BRIGHT)
    assert appearance.difference == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(appearance.logits(np.array([[BRIGHT, DARK, UNSEEN]])), 0, atol=1e-12)


def test_pixels_next_to_the_object_are_neither() -> None:
    image = np.where(MASK, BRIGHT, DARK)
    image[4, 6:14] = UNSEEN
    appearance = Appearance.of(image, MASK)
    assert appearance is not None
    np.testing.assert_array_equal(appearance.log_ratios, learnt(BRIGHT, DARK).log_ratios)


@pytest.mark.parametrize("mask", [np.zeros((20, 20), bool), np.ones((20, 20), bool)], ids=["absent", "everywhere"])
def test_nothing_is_learnt_where_one_of_both_is_missing(mask: np.ndarray) -> None:
    assert Appearance.of(np.zeros((20, 20)), mask) is None


@given(hnp.arrays(np.int64, (20, 20), elements=st.integers(0, NUM_BINS - 1)))
def test_bright_and_dark_are_the_same_the_other_way_round(bins: np.ndarray) -> None:
    """Whatever the image: no pixel says more than the object differs from what is around it."""
    image = (bins + 0.5) / NUM_BINS
    appearance, mirrored = Appearance.of(image, MASK), Appearance.of(1 - image, MASK)
    assert appearance is not None
    assert mirrored is not None
    assert 0 <= appearance.difference <= 1 + 1e-12
    assert np.abs(appearance.logits(image)).max() <= appearance.difference * MAX_LOG_RATIO
    np.testing.assert_allclose(appearance.logits(image), mirrored.logits(1 - image), atol=1e-9)
