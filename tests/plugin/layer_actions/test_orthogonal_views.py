"""Orthogonal views are those of another plugin, which may not be here."""

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import DynamicPlugin

from napari_sam2.plugin.layer_actions.orthogonal_views import COMMAND, NEEDS_PLUGIN, show_orthogonal_views


@pytest.fixture
def shown():
    """Viewers of which the other plugin was asked for views."""
    viewers = []
    with DynamicPlugin("napari-orthogonal-views") as plugin:

        @plugin.contribute.command(id=COMMAND)
        def show(viewer):
            viewers.append(viewer)

        yield viewers


def viewer_with(*shape):
    viewer = ViewerModel()
    viewer.add_image(np.zeros(shape, np.uint8))
    return viewer


def test_the_other_plugin_shows_them(shown):
    viewer = viewer_with(3, 8, 8)
    show_orthogonal_views(viewer)
    assert shown == [viewer]


def test_a_single_image_has_none(shown):
    with pytest.raises(ValueError, match=r"^orthogonal views are of a volume: the image has two axes$"):
        show_orthogonal_views(viewer_with(8, 8))
    assert shown == []


def test_without_the_plugin_it_is_named():
    with pytest.raises(ValueError, match=f"^{NEEDS_PLUGIN}$"):
        show_orthogonal_views(viewer_with(3, 8, 8))
