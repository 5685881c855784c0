import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.canvas.rubber_band import RubberBand
from napari_sam2.plugin.image.image_stack import ImageStack


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(1, 2, 3))
    return viewer


def test_one_box_is_shown_until_it_is_removed(viewer):
    image, band = viewer.layers["movie"], RubberBand(viewer)
    band.remove()
    for box in ((1, 2, 3, 4), (5, 6, 9, 10)):
        band.show(image, ImageStack.of(image), 2, box)
        assert viewer.layers.selection.active == image
    _, layer = viewer.layers
    (data,) = layer.data
    np.testing.assert_array_equal(data, [(2, 4.5, 5.5), (2, 4.5, 9.5), (2, 8.5, 9.5), (2, 8.5, 5.5)])
    assert tuple(layer.scale) == (1, 2, 3)
    band.clear()
    assert len(layer.data) == 0
    band.show(image, ImageStack.of(image), 1, (1, 2, 3, 4))
    assert (viewer.layers[-1], len(layer.data)) == (layer, 1), "the layer stays between boxes"
    assert layer.edge_color.tolist() == [[1, 1, 1, 1]]
    other = viewer.add_image(np.zeros((20, 20), np.uint8))
    band.show(other, ImageStack.of(other), 0, (1, 2, 3, 4))
    assert viewer.layers[-1].ndim == 2, "another image has another layer"
    band.remove()
    assert list(viewer.layers) == [image, other]
    assert viewer.layers.selection.active == other


def test_a_box_whose_layer_was_trashed(viewer):
    image, band = viewer.layers["movie"], RubberBand(viewer)
    band.show(image, ImageStack.of(image), 0, (1, 2, 3, 4))
    viewer.layers.remove(viewer.layers[-1])
    band.remove()
    assert list(viewer.layers) == [image]
