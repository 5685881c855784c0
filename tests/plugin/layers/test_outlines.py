import warnings

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.outlines import LatestOutlines, Outlines, outlined
from widget_driving import camera_of

SQUARE = np.zeros((9, 9), np.uint16)
SQUARE[1:8, 1:8] = 3


def drawn(labels, width_px):
    return ["".join(".123"[value] for value in row) for row in outlined(labels, width_px)]


def test_outlines_lie_inside_objects():
    assert drawn(SQUARE, 1)[:4] == [".........", ".3333333.", ".3.....3.", ".3.....3."]
    assert drawn(SQUARE, 2)[:5] == [".........", ".3333333.", ".3333333.", ".33...33.", ".33...33."]
    assert "".join(drawn(SQUARE, 9)) == "".join(drawn(SQUARE, 4)), "a thick outline fills"


def test_objects_that_touch_have_an_outline_between_them():
    labels = np.full((3, 8), 1, np.uint16)
    labels[:, 4:] = 2
    assert drawn(labels, 1) == ["...12..."] * 3


@pytest.mark.parametrize("seed", range(5))
def test_where_labels_change_outlines_are_found_again(seed):
    rng, latest = np.random.default_rng(seed), LatestOutlines()
    labels = np.zeros(rng.integers(1, 40, 2), np.uint16)
    for _ in range(40):
        low, high = (np.sort(rng.integers(0, side + 1, 2)) for side in labels.shape)
        labels[low[0] : low[1], high[0] : high[1]] = rng.integers(0, 4)
        width_px = int(rng.integers(1, 4)) if rng.random() < 0.2 else 3
        np.testing.assert_array_equal(latest.outlined(labels, width_px), outlined(labels, width_px))


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 900, 900), np.uint8), name="movie")
    return viewer


@pytest.fixture
def layer(viewer):
    data = np.zeros((3, 900, 900), np.uint16)
    data[:, 100:300, 100:300] = 3
    layer = viewer.add_labels(data)
    layer.contour = 1
    return layer


def test_the_layer_is_drawn_by_them(viewer, layer):
    camera_of(viewer).zoom = 1
    outlines = Outlines(viewer, viewer.layers["movie"], ImageStack.of(viewer.layers["movie"]), layer)
    assert np.count_nonzero(layer._slice.image.view) == 4 * 199
    layer.paint((1, 500, 500), 3)
    assert np.count_nonzero(layer._slice.image.view) > 4 * 199
    layer.contour = 0
    assert np.count_nonzero(layer._slice.image.view) > 40_000, "a fill, as somebody wants it"
    outlines.close()
    assert "_calculate_contour" not in layer.__dict__


def test_they_are_as_wide_at_every_zoom_until_somebody_chooses(viewer, layer):
    camera_of(viewer).zoom = 0.3
    outlines = Outlines(viewer, viewer.layers["movie"], ImageStack.of(viewer.layers["movie"]), layer)
    widths = [layer.contour]
    for camera_of(viewer).zoom in (0.5, 1, 4, 0.001):
        widths.append(layer.contour)
    assert widths == [4, 2, 1, 1, 12]
    layer.contour = 3
    camera_of(viewer).zoom = 1
    assert layer.contour == 3
    outlines.close()


def test_there_are_none_in_three_dimensions_and_no_warning(viewer, layer):
    outlines = Outlines(viewer, viewer.layers["movie"], ImageStack.of(viewer.layers["movie"]), layer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        viewer.dims.ndisplay = 3
    assert np.count_nonzero(layer._slice.image.view) > 100_000
    outlines.close()


def test_napari_asks_for_outlines_where_it_is_expected():
    assert callable(Labels._calculate_contour)
