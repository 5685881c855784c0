"""The keys. They are bound here, since napari ignores those of a manifest, and only while the widget is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
CANCEL = Key("Escape", "cancel", "stop, and keep what is done; with nothing to stop, put down the object in hand")
KEYS = (NEXT_OBJECT, SWITCH_SIDE, UNDO, PROPAGATE, NEXT_UNCERTAIN, PREVIOUS_UNCERTAIN, CANCEL)
"""Of the viewer."""

UNDO_ON_LAYER = Key("Control-Z", "undo", UNDO.description)
REDO_ON_LAYER = Key("Control-Shift-Z", "redo", "redo what was undone last")
LAYER_KEYS = (UNDO_ON_LAYER, REDO_ON_LAYER, CANCEL)
"""Of the image and of our layers: other layers keep their own."""

NEXT_ITEM = Key("PageDown", "next_item", "go to the next item of the review, and take its object in hand")
PREVIOUS_ITEM = Key("PageUp", "previous_item", "go to the item of the review before")
APPROVE = Key("Y", "approve", "approve the object in hand on this frame, and go to the next item of the review")
APPROVE_TO_HERE = Key("Shift-Y", "approve_to_here", "approve the object in hand from its nearest prompted frame to this one")
END_HERE = Key("H", "end_here", "let the object in hand end: it is absent from this frame on")
NEXT_PROMPTED = Key("Shift-PageDown", "next_prompted", "go to the next frame with prompts of the object in hand")
PREVIOUS_PROMPTED = Key("Shift-PageUp", "previous_prompted", "go to the frame with prompts before")
REVIEW_KEYS = (NEXT_ITEM, PREVIOUS_ITEM, APPROVE, APPROVE_TO_HERE, END_HERE, NEXT_PROMPTED, PREVIOUS_PROMPTED)
"""Of the viewer, for a :class:`~napari_sam2.plugin.review.Review`."""
JUDGE_RIGHT = Key("Y", "judge_right", "this mask of the sample is right")
JUDGE_WRONG = Key("N", "judge_wrong", "this mask of the sample is wrong")
JUDGE_KEYS = (JUDGE_RIGHT, JUDGE_WRONG)
"""Of the viewer, for an :class:`~napari_sam2.plugin.error_rate.ErrorRate`, while masks are judged."""


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
    before = dict(target.keymap)
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
