"""Where voxels lie: spaces, spacing, oblique and tilted axes."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from napari_sam2.images.calibration import PIXELS, Calibration
from napari_sam2.images.geometry import Geometry, calibration_with, is_same_place
from phantoms import GEOMETRIES, SHAPE, TILTED


@pytest.mark.parametrize("name", GEOMETRIES)
def test_positions_are_those_of_the_affine_and_come_back(name: str) -> None:
    geometry = GEOMETRIES[name]
    voxels = np.array([[0, 0, 0], [6, 11, 9], [1.5, 2.25, 3.125]])
    expected = nibabel.affines.apply_affine(geometry.matrix, voxels[:, ::-1])
    np.testing.assert_allclose(geometry.world(voxels), expected, atol=1e-9)
    np.testing.assert_allclose(geometry.voxels(expected), voxels, atol=1e-9)
    np.testing.assert_allclose(geometry.world(voxels[2]), expected[2], atol=1e-9)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_other_space_turns_two_axes_of_the_world_and_no_voxel(name: str) -> None:
    geometry = GEOMETRIES[name]
    other = geometry.in_space("RAS")
    np.testing.assert_allclose(other.world([1, 2, 3]), geometry.world([1, 2, 3]) * [-1, -1, 1])
    assert other.in_space("LPS") == geometry == geometry.in_space("LPS")
    assert (other.spacing, other.orientation, other.is_oblique) == (geometry.spacing, geometry.orientation, geometry.is_oblique)
    assert "".join(nibabel.aff2axcodes(other.matrix)) == geometry.orientation  # whose letters are those of the growing ends
    assert is_same_place(geometry, other, 1e-9, SHAPE)
    assert not is_same_place(geometry, Geometry(geometry.affine, "RAS"), 1.0, SHAPE)


@pytest.mark.parametrize(
    ("name", "spacing", "orientation", "is_oblique"),
    [
        ("straight", (3.0, 0.75, 0.75), "LPS", False),
        ("flipped", (3.0, 0.5, 0.75), "RPI", False),
        ("sagittal", (1.5, 0.75, 0.75), "PIR", False),
        ("anisotropic", (6.0, 0.5, 0.5), "LPS", False),
        ("oblique", (2.0, 0.5, 0.75), "LPS", True),
    ],
)
def test_spacing_and_orientation(name: str, spacing: tuple[float, ...], orientation: str, is_oblique: bool) -> None:
    geometry = GEOMETRIES[name]
    assert geometry.spacing == pytest.approx(spacing)
    assert (geometry.orientation, geometry.is_oblique, geometry.is_sheared) == (orientation, is_oblique, False)
    z, y, x = spacing
    assert geometry.calibration.steps("ZYX") == pytest.approx((z, y, x))
    assert geometry.calibration.length_unit == "millimeter"
    assert geometry.volume_mm3 == pytest.approx(z * y * x)


def test_tilted_planes_are_as_far_apart_as_they_are_and_not_as_their_voxels() -> None:
    assert (TILTED.is_sheared, TILTED.is_oblique) == (True, True)
    assert TILTED.tilt_degrees == pytest.approx(15)
    assert TILTED.spacing[0] == pytest.approx(3 / np.cos(np.radians(15)))
    assert TILTED.calibration.z == pytest.approx(3)
    assert TILTED.volume_mm3 == pytest.approx(3 * 0.75**2)


def test_planes_by_name() -> None:
    assert [GEOMETRIES["straight"].axis_through(plane) for plane in ("axial", "coronal", "sagittal")] == ["Z", "Y", "X"]
    assert [GEOMETRIES["sagittal"].axis_through(plane) for plane in ("axial", "coronal", "sagittal")] == ["Y", "X", "Z"]
    with pytest.raises(ValueError, match=r"^planes are axial, coronal, sagittal, got 'oblique'$"):
        GEOMETRIES["straight"].axis_through("oblique")
    twisted = Geometry.of_axes([0, 0, 0], [[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match=r"^the volume is too oblique to have axial planes: give the axis, Z, Y or X$"):
        twisted.axis_through("axial")


def test_volumes_with_the_same_directions_lie_on_each_other_in_their_own_frame() -> None:
    geometry = GEOMETRIES["oblique"]
    shifted = Geometry.of_axes(geometry.world([2, 3, 4]), geometry.steps)
    steps = np.array(geometry.spacing) * [2, 3, 4]
    np.testing.assert_allclose(np.subtract(shifted.frame_origin, geometry.frame_origin), steps)
    down = Geometry.of_axes([0, 0, 90], [[1, 0, 0], [0, 1, 0], [0, 0, -2]])
    assert down.frame_origin == (-90, 0, 0)


def test_another_size_of_voxels() -> None:
    geometry = GEOMETRIES["oblique"]
    assert geometry.with_calibration(PIXELS) == geometry == geometry.with_calibration(geometry.calibration)
    larger = geometry.with_calibration(Calibration(1000, 1500, 4000, length_unit="micrometer"))
    assert larger.spacing == pytest.approx((4, 1, 1.5))
    np.testing.assert_allclose(larger.directions, geometry.directions)
    np.testing.assert_allclose(larger.origin, geometry.origin)
    assert Geometry.of_calibration(Calibration(500, 250, 2000, length_unit="micrometer")).spacing == (2, 0.5, 0.25)
    assert Geometry.of_calibration(PIXELS).spacing == (1, 1, 1)
    assert calibration_with(geometry, None, "second").time_unit == "frame"
    assert calibration_with(geometry, 2.5, "second").steps("T") == (2.5,)


@pytest.mark.parametrize(
    ("affine", "text"),
    [
        (np.zeros((4, 4)) + np.diag([0, 0, 0, 1.0]), "the affine of a volume is singular: its axes do not span space"),
        (np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "the affine of a volume is singular"),
        (np.full((4, 4), np.nan), "the affine of a volume has four rows and columns of numbers"),
        (np.eye(3), "the affine of a volume has four rows and columns of numbers"),
        (np.ones((4, 4)), "the affine of a volume has four rows and columns of numbers, the last row 0, 0, 0 and 1"),
    ],
)
def test_what_is_no_affine_is_refused(affine: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        Geometry.of(affine)


def test_an_unknown_space_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the space of a volume is LPS or RAS, got 'LAS'$"):
        Geometry.of(np.eye(4), "LAS")  # type: ignore[arg-type]
