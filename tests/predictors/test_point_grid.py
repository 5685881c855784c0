"""Points lie in the middles of equal cells."""

from __future__ import annotations

from napari_sam2.predictors.point_grid import build_point_grid


def test_points_of_a_grid() -> None:
    assert build_point_grid(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
