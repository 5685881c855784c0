"""The surface of objects in volumes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.export.measure import measure
from napari_sam2.export.result import Result
from napari_sam2.export.surface import surface_areas
from napari_sam2.images.geometry import Geometry


def test_a_box_but_for_its_edges_which_are_cut() -> None:
    labels = np.zeros((30, 40, 50), np.uint16)
    labels[5:25, 5:35, 5:45] = 3
    geometry = Geometry.of(np.diag([0.5, 1, 2, 1]))
    result = Result(labels, "ZYX", geometry.calibration, geometry=geometry)
    sides = np.array([20 * 2, 30 * 1, 40 * 0.5])
    whole = 2 * (sides[0] * sides[1] + sides[1] * sides[2] + sides[0] * sides[2])
    (found,) = surface_areas(result, measure(result))
    assert 0.93 * whole < found < whole


@pytest.mark.parametrize("shear", [0, 0.4])
def test_a_ball_whose_voxels_are_tilted_or_not(shear: float) -> None:
    """Marching cubes of a mask have steps: the surface of a ball is about a tenth too large, in any geometry."""
    geometry = Geometry.of_axes([0, 0, 0], [[1, 0, 0], [0, 1, 0], [0, shear, 1]])
    centre, radius = geometry.world([20, 20, 20]), 12
    voxels = np.stack(np.meshgrid(*(np.arange(41),) * 3, indexing="ij"), -1)
    ball = np.linalg.norm(geometry.world(voxels) - centre, axis=-1) <= radius
    labels = np.stack([ball, ~ball & (voxels[..., 0] < 2)]).astype(np.uint16)
    labels[1] *= 2
    result = Result(labels, "TZYX", geometry.calibration, geometry=geometry)
    rows = measure(result)
    first, _ = surface_areas(result, rows)
    assert first == pytest.approx(4 * np.pi * radius**2, rel=0.13)
    assert first > 4 * np.pi * radius**2
    assert rows[0].size_px * geometry.volume_mm3 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)
