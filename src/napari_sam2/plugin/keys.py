"""The keys. They are bound here, since napari ignores those of a manifest, and only while the widget is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.utils.key_bindings import coerce_keybinding


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    name : str
        As napari writes it.
    action : str
        Method of whatever it is bound for, such as a :class:`~napari_sam2.plugin.controller.Controller`.
    description : str
        What it does, for tooltips.
    """

    name: str
    action: str
    description: str


NEXT_OBJECT = Key("N", "next_object", "begin a new object with the next click, wherever it is")
SWITCH_SIDE = Key("T", "switch_side", "switch between clicks inside and outside the object")
UNDO = Key("U", "undo", "undo what was done last: a click, an edit, a propagation, another model")
PROPAGATE = Key("G", "propagate", "propagate all objects through the stack")
NEXT_UNCERTAIN = Key(".", "next_uncertain", "go to the next uncertain frame of the object")
PREVIOUS_UNCERTAIN = Key(",", "previous_uncertain", "go to the uncertain frame before")
CANCEL = Key("Escape", "cancel", "stop, and keep what is done; with nothing to stop, put the tool away, then the object in hand")

# of the letters and digits those that no layer of napari has a use for
CLICK_TOOL = Key("Q", "use_click", "click: a new object, or take one in hand and add to it; drags move the view")
BOX_TOOL = Key("W", "use_box", "drag a box around an object")
LASSO_TOOL = Key("J", "use_lasso", "drag the outline of an object; with the right button, cut off what it encloses")
SCRIBBLE_TOOL = Key("K", "use_scribble", "drag a line inside an object; with the right button, outside it")
BRUSH_TOOL = Key("8", "use_brush", "paint what belongs to the object in hand; with the right button, remove it")
ERASER_TOOL = Key("9", "use_eraser", "remove from the object in hand by painting; with the right button, add to it")
LARGER_BRUSH = Key("]", "enlarge_brush", "make the brush larger")
SMALLER_BRUSH = Key("[", "shrink_brush", "make the brush smaller")
FIND_EVERYTHING = Key("0", "find_everything", "find everything on this frame that is no object yet")
TOOL_KEYS = (CLICK_TOOL, BOX_TOOL, LASSO_TOOL, SCRIBBLE_TOOL, BRUSH_TOOL, ERASER_TOOL, FIND_EVERYTHING, LARGER_BRUSH, SMALLER_BRUSH)
"""Of the tools on the canvas."""

KEYS = (NEXT_OBJECT, SWITCH_SIDE, UNDO, PROPAGATE, NEXT_UNCERTAIN, PREVIOUS_UNCERTAIN, CANCEL, *TOOL_KEYS)
"""Of the viewer."""

UNDO_ON_LAYER = Key("Control-Z", "undo", UNDO.description)
REDO_ON_LAYER = Key("Control-Shift-Z", "redo", "redo what was undone last")
LAYER_KEYS = (UNDO_ON_LAYER, REDO_ON_LAYER, CANCEL)
"""Of the image and of our layers: other layers keep their own."""


def bind_keys(target: Any, actor: Any, keys: tuple[Key, ...] = KEYS) -> Callable[[], None]:
    """Bind keys on a viewer or a layer.

    Parameters
    ----------
    target : Viewer or Layer
        Where.
    actor : Any
        Whose methods are called.
    keys : tuple of Key
        Which.

    Returns
    -------
    callable
        Unbinds the keys and binds again what they did before.
    """
    pressed_keys = [coerce_keybinding(key.name) for key in keys]
    before = {pressed: function for pressed, function in target.keymap.items() if pressed in pressed_keys}
    for key in keys:
        target.bind_key(key.name, _presser(actor, key.action), overwrite=True)

    def unbind() -> None:
        for key in keys:
            target.bind_key(key.name, None, overwrite=True)
        for pressed, function in before.items():
            if pressed not in target.keymap:
                target.bind_key(pressed, function, overwrite=True)

    return unbind


def _presser(actor: Any, action: str) -> Callable[[Any], None]:
    def press(_target: Any) -> None:
        getattr(actor, action)()

    return press
