"""Where each object is, how large and how bright."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from broken_images import BrokenArray
from napari_sam2.export.diameter import largest_diameter
from napari_sam2.export.measure import Measurement, measure
from napari_sam2.export.result import Result
from napari_sam2.images.stack import Stack
from phantoms import GEOMETRIES


@settings(deadline=None, max_examples=40)
@given(arrays(np.uint8, (2, 3, 6, 5), elements=st.integers(0, 3)))
def test_volumes_plane_by_plane_are_volumes_at_once(labels: np.ndarray) -> None:
    for row in measure(Result(labels, "TZYX")):
        inside = np.argwhere(labels[row.frame] == row.object_id)
        assert row.size_px == len(inside)
        np.testing.assert_allclose(row.centroid_px, inside.mean(0))
        assert row.bbox_px == (*inside.min(0), *(inside.max(0) + 1))
    assert len(measure(Result(labels, "TZYX"))) == sum(len(set(np.unique(volume)) - {0}) for volume in labels)


@settings(deadline=None, max_examples=40)
@given(arrays(np.uint8, (2, 3, 6, 5), elements=st.integers(0, 3)), st.integers(0, 2**32 - 1))
def test_intensities_are_those_of_its_voxels(labels: np.ndarray, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 1000, (2, 3, 2, 6, 5)).astype(np.uint16)
    for row in measure(Result(labels, "TZYX", stack=Stack.open(image, "TZCYX", along="Z", at={"T": 0}))):
        inside = labels[row.frame] == row.object_id
        for channel in range(2):
            values = image[row.frame, :, channel][inside]
            assert row.mean[channel] == pytest.approx(values.mean())
            assert (row.min[channel], row.max[channel]) == (values.min(), values.max())


def test_an_image_by_hand() -> None:
    labels = np.zeros((2, 4, 6), np.uint16)
    labels[0, 1:3, 2:5] = 7
    labels[1, 3, 0] = labels[0, 0, 0] = 2
    assert measure(Result(labels, "TYX")) == [
        Measurement(2, 0, 1, (0.0, 0.0), (0, 0, 1, 1), 0.0),
        Measurement(2, 1, 1, (3.0, 0.0), (3, 0, 4, 1), 0.0),
        Measurement(7, 0, 6, (1.5, 3.0), (1, 2, 3, 5), 6.0),
    ]


def test_only_a_volume_is_one_object_across_planes() -> None:
    labels = np.zeros((2, 4, 6), np.uint16)
    labels[0, 1:3, 2:5] = 7
    labels[1, 0, 0:2] = 7
    (row,) = measure(Result(labels, "ZYX"))
    assert (row.size_px, row.bbox_px, row.perimeter_px) == (8, (0, 0, 0, 2, 3, 5), None)
    assert row.centroid_px == pytest.approx((2 / 8, 9 / 8, (6 * 3 + 2 * 0.5) / 8))
    assert [item.size_px for item in measure(Result(labels, "TYX"))] == [6, 2]


def test_an_image_need_not_be_readable_where_no_object_is() -> None:
    labels = np.zeros((3, 4, 6), np.uint16)
    labels[[0, 2], 1, 1] = 5
    image = BrokenArray(np.full((3, 4, 6), 9, np.uint8), [1])
    result = Result(labels, "TYX", stack=Stack.open(image))
    assert [(row.frame, row.mean) for row in measure(result)] == [(0, (9.0,)), (2, (9.0,))]
    assert result.unreadable == set()


@settings(deadline=None, max_examples=25)
@given(arrays(np.uint8, (3, 6, 5), elements=st.integers(0, 2)), st.integers(0, 2**32 - 1))
def test_volumes_in_a_patient_have_deviations_and_diameters(labels: np.ndarray, seed: int) -> None:
    image = np.random.default_rng(seed).integers(-1000, 1000, (3, 6, 5)).astype(np.int16)
    geometry = GEOMETRIES["anisotropic"]
    result = Result(labels, "ZYX", geometry.calibration, stack=Stack.open(image, "ZYX"), geometry=geometry)
    for row in measure(result):
        inside = labels == row.object_id
        assert row.std == pytest.approx((image[inside].std(),))
        assert row.median == (np.median(image[inside]),)
        diameters = [largest_diameter(plane, 0.5, 0.5) if plane.any() else 0 for plane in inside]
        assert (row.diameter, row.diameter_plane) == (pytest.approx(max(diameters)), int(np.argmax(diameters)))


def test_without_an_image_there_are_diameters_alone() -> None:
    geometry = GEOMETRIES["anisotropic"]
    (row,) = measure(Result(np.ones((2, 1, 4), np.uint8), "ZYX", geometry.calibration, geometry=geometry))
    assert (row.mean, row.std, row.diameter, row.diameter_plane) == ((), (), pytest.approx(2), 0)
