import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding

from napari_sam2.plugin.canvas.layer_keys import LayerKeys
from napari_sam2.plugin.canvas.rubber_band import PREVIEW_KEY
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY


class Pressed(list):
    def __init__(self):
        super().__init__()
        self.modes = []

    def __getattr__(self, action):
        return lambda: self.append(action)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def pressed():
    return Pressed()


@pytest.fixture
def keys(viewer, pressed):
    return LayerKeys(viewer, pressed, lambda: pressed.modes.append(1))


def bound(layer):
    return {str(key) for key in layer.keymap}


def press(layer, name):
    layer.keymap[coerce_keybinding(name)](layer)


def test_esc_is_ours_while_no_tool_of_the_layer_is_in_use(viewer, keys, pressed):
    layer = viewer.add_labels(np.zeros((4, 4), np.uint16))
    press(layer, "Escape")
    assert pressed == ["cancel"]
    layer.mode = "polygon"
    assert bound(layer) == set(), "it gives up the polygon"
    layer.mode = "pan_zoom"
    assert bound(layer) == {"Escape"}
    assert len(pressed.modes) == 2


def test_t_changes_no_tool_of_a_shapes_layer(viewer, keys, pressed):
    layer = viewer.add_shapes()
    press(layer, "T")
    layer.mode = "add_rectangle"
    press(layer, "T")
    assert pressed == ["switch_side", "keep_tool"]
    assert layer.mode == "add_rectangle"


def test_esc_stops_what_runs_whatever_is_in_use(viewer, keys, pressed):
    shapes, points = viewer.add_shapes(), viewer.add_points()
    shapes.mode = "add_polygon"
    keys.show_running(True)
    for layer in (shapes, points):
        press(layer, "Escape")
    assert pressed == ["cancel", "cancel"]
    keys.show_running(False)
    assert (bound(shapes), bound(points)) == ({"T"}, set())


def test_on_our_layers_keys_of_the_canvas_are_ours(viewer, keys, pressed):
    layer = viewer.add_labels(np.zeros((4, 4), np.uint16), metadata={IMAGE_KEY: 1})
    layer.mode = "paint"
    for name in ("[", "]"):
        press(layer, name)
    assert pressed == ["shrink_brush", "enlarge_brush"]
    boxes = viewer.add_shapes(metadata={IMAGE_KEY: 1})
    assert bound(boxes) == {"T", "[", "]"}
    preview = viewer.add_shapes(metadata={PREVIEW_KEY: True})
    assert bound(preview) == set()


def test_layers_have_their_own_keys_back(viewer, pressed):
    layers = [viewer.add_shapes(), viewer.add_points(), viewer.add_labels(np.zeros((4, 4), np.uint16))]
    mine = []
    layers[0].bind_key("T", lambda _: mine.append("T"))
    keys = LayerKeys(viewer, pressed, lambda: None)
    viewer.layers.remove(layers[2])
    assert bound(layers[2]) == set()
    keys.close()
    assert [bound(layer) for layer in layers] == [{"T"}, set(), set()]
    press(layers[0], "T")
    assert (mine, pressed) == (["T"], [])
    layers[0].mode = "add_path"
    assert bound(layers[0]) == {"T"}, "it follows no layer any more"
