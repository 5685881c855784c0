import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_sam2.plugin.keys import KEYS, LAYER_KEYS, bind_keys


class Pressed(list):
    def __getattr__(self, action):
        return lambda: self.append(action)


def press(viewer, name):
    (function,) = [function for key, function in viewer.keymap.items() if str(key) == name]
    function(viewer)


def test_keys_call_the_controller():
    viewer, pressed = ViewerModel(), Pressed()
    bind_keys(viewer, pressed)
    for key in KEYS:
        press(viewer, key.name)
    assert pressed == [key.action for key in KEYS]


def test_keys_of_others_come_back():
    viewer, pressed, mine = ViewerModel(), Pressed(), []
    viewer.bind_key("N", lambda _: mine.append("N"))
    unbind = bind_keys(viewer, pressed)
    press(viewer, "N")
    unbind()
    press(viewer, "N")
    assert (pressed, mine) == (["next_object"], ["N"])
    assert [str(key) for key in viewer.keymap] == ["N"]


def test_undo_of_a_labels_layer_is_ours_while_it_is_bound():
    layer, pressed = Labels(np.zeros((4, 4), np.uint16)), Pressed()
    unbind = bind_keys(layer, pressed, LAYER_KEYS)
    assert {"Ctrl+Z", "Ctrl+Shift+Z"} <= {str(key) for key in type(layer).class_keymap}, "napari binds the same ones"
    for name in ("Ctrl+Z", "Ctrl+Shift+Z", "Escape"):
        press(layer, name)
    assert pressed == ["undo", "redo", "cancel"]
    unbind()
    assert not layer.keymap
