import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.view_centre import centre_on


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 40, 50), np.uint8), scale=(60, 0.5, 0.25), translate=(0, 7, 0))
    viewer.dims.set_point(0, 60)
    return viewer


def centre(viewer):
    return tuple(getattr(viewer, "scene", viewer).camera.center)[-2:]


def see(viewer, low, high):
    """Let the canvas show these rows and columns, as it tells the layer when it draws."""
    viewer.layers[0].corner_pixels = np.array([(1, *low), (1, *high)])


def test_what_is_in_view_stays_where_it_is(viewer):
    see(viewer, (0, 0), (20, 20))
    before = centre(viewer)
    assert not centre_on(viewer, viewer.layers[0], ImageStack.of(viewer.layers[0]), (20, 3))
    assert centre(viewer) == before
    assert centre_on(viewer, viewer.layers[0], ImageStack.of(viewer.layers[0]), (20, 21))
    assert centre(viewer) == pytest.approx((17, 5.25))
    assert viewer.dims.point[0] == 60


def test_what_is_not_drawn_yet_is_centred(viewer):
    see(viewer, (0, 0), (0, 0))
    assert centre_on(viewer, viewer.layers[0], ImageStack.of(viewer.layers[0]), (0, 0))
    assert centre(viewer) == pytest.approx((7, 0))


def test_of_a_multiscale_image_the_level_that_is_drawn(viewer):
    levels = [np.zeros((3, 400, 400), np.uint8), np.zeros((3, 100, 100), np.uint8)]
    layer = viewer.add_image(levels, multiscale=True)
    layer.data_level = 1
    layer.corner_pixels = np.array([(0, 10, 10), (0, 20, 20)])
    assert not centre_on(viewer, layer, ImageStack.of(layer), (79, 41))
    assert centre_on(viewer, layer, ImageStack.of(layer), (15, 15))


@pytest.mark.parametrize("change", [{"ndisplay": 3}, {"order": (1, 0, 2)}], ids=["3-D", "from the side"])
def test_where_other_axes_are_shown_nothing_moves(viewer, change):
    for name, value in change.items():
        setattr(viewer.dims, name, value)
    before = centre(viewer)
    assert not centre_on(viewer, viewer.layers[0], ImageStack.of(viewer.layers[0]), (100, 100))
    assert centre(viewer) == before
