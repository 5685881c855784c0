from itertools import combinations

import numpy as np
from napari.layers import Labels
from skimage.color import rgb2lab

from napari_sam2.plugin.layers.object_colours import DEFAULT_COLOURS, ObjectColours, default_colormap, default_colour


def lab(colour):
    """Return lightness, a* and b* of ``#rrggbb``."""
    return rgb2lab(np.array([[[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]]]))[0, 0]


def test_default_colours_are_light_and_differ():
    colours = [lab(colour) for colour in DEFAULT_COLOURS]
    assert all(58 <= lightness <= 90 for lightness, *_ in colours)
    assert min(np.linalg.norm(one - other) for one, other in combinations(colours[:12], 2)) > 38
    assert min(np.linalg.norm(one - other) for one, other in combinations(colours, 2)) > 27


def test_default_colours_are_those_of_the_layer():
    layer = Labels(np.zeros((4, 4), np.uint16), colormap=default_colormap())
    for object_id in (1, 2, len(DEFAULT_COLOURS), len(DEFAULT_COLOURS) + 1, 60_000):
        shown = [round(float(part) * 255) for part in layer.get_color(object_id)]
        assert shown == [*(int(default_colour(object_id)[at : at + 2], 16) for at in (1, 3, 5)), 255]
    assert default_colour(1) == default_colour(len(DEFAULT_COLOURS) + 1)


def test_chosen_colours_and_the_rest_as_before():
    layer = Labels(np.zeros((4, 4), np.uint16))
    before = layer.colormap
    of_napari = [layer.get_color(object_id) for object_id in (1, 2)]
    colours = ObjectColours(layer)
    colours.show({1: None, 2: None})
    assert layer.colormap is before
    colours.show({1: "#ff8000", 2: None})
    np.testing.assert_allclose(layer.get_color(1), (1, 128 / 255, 0, 1), atol=1e-6)
    np.testing.assert_allclose(layer.get_color(2), of_napari[1], atol=1e-6)
    chosen = layer.colormap
    colours.show({1: "#ff8000", 2: None})
    assert layer.colormap is chosen, "nothing is drawn again"
    colours.show({1: None, 2: None})
    np.testing.assert_array_equal([layer.get_color(object_id) for object_id in (1, 2)], of_napari)


def test_others_than_the_object_in_hand_are_fainter():
    layer = Labels(np.zeros((4, 4), np.uint16))
    colours = ObjectColours(layer)
    before = [layer.get_color(object_id) for object_id in (1, 2)]
    for _ in range(2):  # napari keeps the colours it reads: they are not to fade with each time
        colours.show({1: "#ff8000", 2: None}, in_hand=2)
        np.testing.assert_allclose(layer.get_color(1), (1, 128 / 255, 0, 0.4), atol=1e-6)
        np.testing.assert_allclose(layer.get_color(2), before[1], atol=1e-6)
        colours.show({1: "#ff8000", 2: None}, in_hand=1)
        np.testing.assert_allclose(layer.get_color(1), (1, 128 / 255, 0, 1), atol=1e-6)
        np.testing.assert_allclose(layer.get_color(2), [*before[1][:3], 0.4], atol=1e-6)
    colours.show({1: None, 2: None})
    np.testing.assert_array_equal([layer.get_color(object_id) for object_id in (1, 2)], before)
