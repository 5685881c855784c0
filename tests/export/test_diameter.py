"""The largest diameter of a mask."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.export.diameter import largest_diameter


def test_a_row_is_as_long_as_its_pixels() -> None:
    assert largest_diameter(np.ones((1, 10), bool), 1, 0.5) == pytest.approx(5)
    assert largest_diameter(np.ones((10, 1), bool), 0.3, 1) == pytest.approx(3)
    assert largest_diameter(np.ones((1, 1), bool), 2, 1) == pytest.approx(2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (0.5, 2)])
def test_a_rectangle(height: float, width: float) -> None:
    """The ends are the middles of edges: of a square of 20 along 19.5 rows and 20 columns, or the other way round."""
    mask = np.ones((20, 20), bool)
    expected = max(np.hypot(19 * height, 20 * width), np.hypot(20 * height, 19 * width))
    assert largest_diameter(mask, height, width) == pytest.approx(expected)


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 110])
def test_an_ellipse_however_it_lies_and_with_a_hole(degrees: float) -> None:
    rows, columns = (np.mgrid[:200, :200] - 100).astype(float)
    turn = np.radians(degrees)
    along, across = columns * np.cos(turn) + rows * np.sin(turn), rows * np.cos(turn) - columns * np.sin(turn)
    mask = (along / 80) ** 2 + (across / 30) ** 2 <= 1
    mask &= ~((along / 20) ** 2 + (across / 10) ** 2 <= 1)
    assert largest_diameter(mask, 1, 1) == pytest.approx(160, rel=0.01)


def test_two_parts_are_measured_together() -> None:
    mask = np.zeros((3, 30), bool)
    mask[1, [0, 29]] = True
    assert largest_diameter(mask, 1, 1) == pytest.approx(30)
