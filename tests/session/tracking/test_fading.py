"""What is as dark as what is around it is left out of a mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.session.tracking.fading import brightness_of, smoothed, without_faded
from napari_sam2.session.tracking.regions import Region
from thoroughness import examples

SHAPE = 40, 50
NOTHING = np.zeros(SHAPE, bool)


def square(row=15, column=20, side=10):
    plane = np.zeros(SHAPE, bool)
    plane[row : row + side, column : column + side] = True
    return Region.of_plane(plane)


@given(st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=examples(20), deadline=None, derandomize=True, database=None)
def test_inside_and_around_are_medians(inside, around):
    image = np.where(square().plane(SHAPE), float(inside), float(around))
    seen = brightness_of(square(), image, NOTHING)
    assert seen == (inside, around)
    assert seen.contrast == inside - around


def test_other_objects_are_not_around_it():
    others = np.zeros(SHAPE, bool)
    others[:, 33:] = others[:, :17] = others[:12] = True
    image = np.where(others, 200.0, 10.0)
    assert brightness_of(square(), image, others).around == 10
    assert brightness_of(square(), image, ~square().plane(SHAPE)) is None
    assert brightness_of(Region(0, 0, np.zeros((0, 0), bool)), image, NOTHING) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mask_keeps_what_is_brighter_or_darker_as_the_object_is(sign):
    image = np.full(SHAPE, 100.0)
    image[15:25, 20:24] += sign * 30
    image[15:25, 24:30] -= sign * 30
    left = without_faded(square(), image, 100.0, sign * 20.0)
    assert left.area_px == 40
    assert left.plane(SHAPE)[15:25, 20:24].all()
    assert without_faded(square(), image, 100.0, sign * 40.0).area_px == 0


def test_a_speck_of_noise_is_no_brightness():
    image = np.zeros(SHAPE)
    image[20, 20] = 100
    assert smoothed(image).max() < 20
