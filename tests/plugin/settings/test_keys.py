import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Points

from napari_sam2.plugin.settings.keys import (
    CANCEL,
    CHOSEN,
    KEYS,
    LAYER_KEYS,
    NEXT_OBJECT,
    REVIEW_KEYS,
    UNDO,
    all_keys,
    bind_keys,
    normal_name,
    use_by_napari,
    without_conflicts,
)


class Pressed(list):
    def __getattr__(self, action):
        return lambda: self.append(action)


@pytest.fixture(autouse=True)
def _default_keys():
    yield
    CHOSEN.choose({})


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


def test_each_key_is_of_one_action():
    assert [key.setting for key in all_keys().values()] == [
        *(key.action for key in KEYS),
        "undo_on_layer",
        "redo",
        *(key.action for key in REVIEW_KEYS),
    ]
    assert without_conflicts({}) == ({}, {}), "the default ones are in no conflict"
    assert all(normal_name(key.default) == key.default for key in all_keys().values())


def test_keys_that_are_chosen_are_bound_in_place_of_the_others():
    viewer, pressed, mine = ViewerModel(), Pressed(), []
    for name in ("N", "Q"):
        viewer.bind_key(name, lambda _, name=name: mine.append(name))
    unbind = bind_keys(viewer, pressed, (NEXT_OBJECT, CANCEL))
    CHOSEN.choose({"next_object": "Q"})
    assert (NEXT_OBJECT.name, NEXT_OBJECT.shown, CANCEL.shown) == ("Q", "Q", "Esc")
    for name in ("Q", "N", "Escape"):
        press(viewer, name)
    assert (pressed, mine) == (["next_object", "cancel"], ["N"])
    unbind()
    CHOSEN.choose({"next_object": "W"})
    press(viewer, "Q")
    assert mine == ["N", "Q"]
    assert sorted(str(key) for key in viewer.keymap) == ["N", "Q"]


def test_keys_that_are_bound_twice_are_chosen_and_unbound():
    layer, pressed = Labels(np.zeros((4, 4), np.uint16)), Pressed()
    unbind, unbind_cancel = bind_keys(layer, pressed, LAYER_KEYS), bind_keys(layer, pressed, (CANCEL,))
    CHOSEN.choose({"undo_on_layer": "Ctrl+U", "cancel": "Q"})
    assert sorted(str(key) for key in layer.keymap) == ["Ctrl+Shift+Z", "Ctrl+U", "Q"]
    unbind_cancel()
    press(layer, "Q")
    assert pressed == ["cancel"]
    unbind()
    assert not layer.keymap


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("n", "N"),
        (" N ", "N"),
        ("Control-Z", "Ctrl+Z"),
        ("ctrl+shift+z", "Ctrl+Shift+Z"),
        ("esc", "Escape"),
        (",", ","),
        ("F5", "F5"),
    ],
)
def test_a_key_in_any_spelling(text, name):
    assert normal_name(text) == name


@pytest.mark.parametrize("text", ["", " ", "NN", "Foo", "Ctrl+", "Ctrl+K, K"])
def test_what_is_no_key(text):
    with pytest.raises(ValueError, match="write one key, such as N, F5 or Ctrl"):
        normal_name(text)
    names, faults = without_conflicts({"propagate": text})
    assert names == {}
    assert faults == {
        "propagate": f"The key to propagate all objects through the stack cannot be {text!r}: write one key, such as N, F5 or "
        "Ctrl+Shift+Z"
    }


def test_two_keys_are_exchanged():
    assert without_conflicts({"next_object": "T", "switch_side": "n"}) == ({"next_object": "T", "switch_side": "N"}, {})


def test_a_key_of_another_action_is_refused():
    names, faults = without_conflicts({"next_object": "F7", "switch_side": "F7"})
    assert names == {"next_object": "F7"}
    assert faults == {
        "switch_side": "The key to switch between clicks inside and outside the object cannot be F7, which is the key to begin "
        "a new object with the next click"
    }


def test_where_a_key_stays_what_it_is_another_may_not_have_it():
    names, faults = without_conflicts({"next_object": "T", "switch_side": "G"})
    assert names == {}
    assert list(faults) == ["switch_side", "next_object"]


def test_one_key_may_undo_everywhere():
    assert without_conflicts({"undo": "Ctrl+Z"}) == ({"undo": "Ctrl+Z"}, {})
    CHOSEN.choose({"undo": "Ctrl+Z"})
    assert UNDO.name == "Ctrl+Z"


def test_what_napari_does_with_a_key(monkeypatch):
    monkeypatch.setattr(Points, "class_keymap", dict(Points.class_keymap))
    Points.bind_key("Q", lambda _: None, overwrite=True)
    assert use_by_napari("Q") == "While a Points layer of others is selected, Q is napari's."
    assert use_by_napari("Ctrl+Y") == "Ctrl+Y is napari's to toggle ndisplay: it is ours while the widget is open."
    assert use_by_napari("Ctrl+Alt+Q") is None
