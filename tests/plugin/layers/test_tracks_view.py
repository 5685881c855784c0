import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Tracks

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import SPATIAL
from napari_sam2.plugin.layers.tracks_view import TracksView, is_tracks_layer_of

DATA = np.array([(1, 0, 10, 20), (1, 1, 11, 21), (2, 2, 9, 20), (7, 2, 12, 24.5)])
GRAPH = {2: [1], 7: [1]}
COLOURS = {1: (1, 0, 0), 2: (0, 1, 0), 7: (0, 0, 1)}


def view_on(viewer):
    image = viewer.layers[0]
    view = TracksView(viewer, image, ImageStack.of(image))
    view.is_wanted = True
    return view


@pytest.fixture
def view(viewer):
    return view_on(viewer)


def test_a_layer_exactly_on_the_image(viewer, view):
    image = viewer.layers["movie"]
    viewer.layers.selection.active = image
    view.show(DATA, GRAPH, COLOURS.get)
    layer = viewer.layers["movie – tracks"]
    assert isinstance(layer, Tracks)
    assert is_tracks_layer_of(layer, image)
    np.testing.assert_array_equal(layer.data, DATA)
    assert layer.graph == GRAPH
    assert viewer.layers.selection.active == image
    for name in ("scale", "translate", "units", "axis_labels", "rotate"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(image, name))
    for row in DATA:
        np.testing.assert_allclose(layer.data_to_world(row[1:]), image.data_to_world(row[1:]))
    np.testing.assert_array_equal(layer.track_colors[:, :3], [COLOURS[int(one)] for one in DATA[:, 0]])


def test_it_follows_the_image(viewer, view):
    view.show(DATA, GRAPH)
    image = viewer.layers["movie"]
    image.scale, image.translate, image.units = (2, 3, 4), (5, 6, 7), ("s", "mm", "mm")
    layer = viewer.layers["movie – tracks"]
    np.testing.assert_array_equal(layer.scale, (2, 3, 4))
    np.testing.assert_array_equal(layer.translate, (5, 6, 7))
    assert layer.units == image.units
    view.close()
    image.scale = (1, 1, 1)
    np.testing.assert_array_equal(layer.scale, (2, 3, 4))


def test_shown_again_in_the_same_layer(viewer, view):
    view.show(DATA[:2], {}, COLOURS.get)
    layer = view.layer
    layer.tail_length = 3
    view.show(DATA, GRAPH, COLOURS.get)
    assert view.layer is layer
    assert (layer.tail_length, layer.graph) == (3, GRAPH)
    np.testing.assert_array_equal(layer.track_colors[:, :3], [COLOURS[int(one)] for one in DATA[:, 0]])
    layer.color_by = "track_id"
    view.show(DATA[:3], {2: [1]}, COLOURS.get)
    assert layer.color_by == "track_id", "what a person chose stays"


def test_nothing_to_show(viewer, view):
    view.show(DATA[:0], {})
    assert view.layer is None
    view.show(DATA, GRAPH)
    view.show(DATA[:0], {})
    assert "movie – tracks" not in viewer.layers
    view.show(DATA, GRAPH)
    assert "movie – tracks" in viewer.layers, "it comes back with the tracks"


def test_removed_by_a_person_it_stays_away(viewer, view):
    view.show(DATA, GRAPH)
    viewer.layers.remove("movie – tracks")
    assert not view.is_wanted
    view.show(DATA, GRAPH)
    assert "movie – tracks" not in viewer.layers


def test_a_later_widget_goes_on_with_it(viewer, view):
    view.show(DATA, GRAPH)
    layer = view.layer
    view.close()
    later = TracksView(viewer, viewer.layers["movie"], ImageStack.of(viewer.layers["movie"]))
    assert (later.layer, later.is_wanted) == (layer, True)


@pytest.mark.parametrize("shape", [(1, 3, 40, 50), (3, 1, 40, 50), (1, 3, 1, 40, 50)])
def test_axes_of_length_1(shape):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape), scale=range(2, 2 + len(shape)), translate=range(len(shape)))
    view = view_on(viewer)
    view.show(DATA, GRAPH)
    stack = ImageStack.of(image)
    assert view.layer.data[:, 1].tolist() == [0, 1, 2, 2], "napari takes the first axis for time"
    for row, placed in zip(DATA, view.layer.data, strict=True):
        at = np.zeros(len(shape))
        at[[stack.frame_axis, -2, -1]] = row[1:]
        world = image.data_to_world(at)
        np.testing.assert_allclose(view.layer.data_to_world(placed[1:]), world[stack.frame_axis :])


def test_every_part_of_the_place_is_followed(viewer, view):
    view.show(DATA, GRAPH)
    assert set(view._spatial_metadata()) == set(SPATIAL)
