"""Objects as segments, and where labels lie."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.export.result import Result
from napari_sam2.export.segments import Segment, found_labels, geometry_of, segments_of
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.geometry import Geometry
from phantoms import GEOMETRIES


def test_objects_are_segments_with_name_and_colour() -> None:
    labels = np.zeros((2, 3, 4), np.uint16)
    labels[1, 0, :3] = 7, 2, 7
    result = Result(labels, "ZYX", names={2: "liver"}, colours={7: "#0a0b0c"})
    assert found_labels(result) == [2, 7]
    first, second = segments_of(result, [2, 7])
    assert (first.label, first.name) == (2, "liver")
    assert second == Segment(7, "7", (10, 11, 12))
    assert second.hex_colour == "#0a0b0c"


def test_labels_lie_where_the_image_does_or_have_its_size() -> None:
    labels = np.ones((2, 3, 4), np.uint16)
    pixel = Calibration(2000, 1000, 5000, length_unit="micrometer")
    assert geometry_of(Result(labels, "ZYX", pixel)) == Geometry.of(np.diag([1, 2, 5, 1]))
    placed = geometry_of(Result(labels, "ZYX", pixel, geometry=GEOMETRIES["oblique"]))
    assert placed.spacing == pytest.approx((5, 2, 1))
    np.testing.assert_allclose(placed.directions, GEOMETRIES["oblique"].directions)
    assert geometry_of(Result(labels, "ZYX", geometry=GEOMETRIES["oblique"])) == GEOMETRIES["oblique"]
