import numpy as np
from napari.layers import Labels

from napari_sam2.plugin.object_colours import ObjectColours


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
