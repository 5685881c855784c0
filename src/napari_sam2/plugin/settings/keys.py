"""The keys. They are bound here, since napari ignores those of a manifest, and only while the widget is there.

Which key does what can be chosen, for the whole program: :data:`CHOSEN` has the names, which
:mod:`~napari_sam2.plugin.settings.settings` sets.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app_model.types import KeyBinding, KeyCode
from napari import layers
from napari.settings import get_settings
from psygnal import Signal

_SHORT = {"Escape": "Esc"}
_LAYER_TYPES = (layers.Image, layers.Labels, layers.Points, layers.Shapes, layers.Tracks)


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    default : str
        As napari writes it; what it is until somebody chooses another.
    action : str
        Method of whatever it is bound for, such as a :class:`~napari_sam2.plugin.controller.Controller`.
    description : str
        What it does, for tooltips.
    setting : str
        Its name among the settings; that of the action by default.
    """

    default: str
    action: str
    description: str
    setting: str = ""

    def __post_init__(self) -> None:
        if not self.setting:
            object.__setattr__(self, "setting", self.action)

    @property
    def name(self) -> str:
        """The key that is chosen, as napari writes it."""
        return CHOSEN.names.get(self.setting, self.default)

    @property
    def summary(self) -> str:
        """What it does, in few words."""
        return re.split("[;:,]", self.description)[0]

    @property
    def shown(self) -> str:
        """The key that is chosen, as people read it."""
        return _SHORT.get(self.name, self.name)


class ChosenKeys:
    """The keys that are chosen in the place of others.

    Attributes
    ----------
    names : mapping of str to str
        Keys as napari writes them, by :attr:`Key.setting`; what is not here has its default.
    """

    changed = Signal()
    """Other keys were chosen, and are bound."""

    def __init__(self) -> None:
        self.names: Mapping[str, str] = {}
        self._bound: list[weakref.ref[_BoundKeys]] = []

    def choose(self, names: Mapping[str, str]) -> None:
        """Choose keys; those that are bound are bound anew."""
        if dict(names) == self.names:
            return
        bound = [keys for reference in self._bound if (keys := reference()) is not None]
        for keys in reversed(bound):  # what was bound last has hidden what was bound before it
            keys.unbind()
        self.names = dict(names)
        for keys in bound:
            keys.bind()
        self.changed.emit()

    def add(self, keys: _BoundKeys) -> None:
        """Bind keys anew from now on, whenever others are chosen."""
        self._bound = [reference for reference in self._bound if reference() is not None] + [weakref.ref(keys)]

    def remove(self, keys: _BoundKeys) -> None:
        """Do not bind keys anew any more."""
        self._bound = [reference for reference in self._bound if reference() not in (None, keys)]


CHOSEN = ChosenKeys()
"""One for the program, as napari's own shortcuts are."""

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
TRACK_EVERYTHING = Key(
    "Shift+G",
    "track_everything",
    "find every object, follow it through the stack, with ends and divisions; no clicks needed",
)
TOOL_KEYS = (CLICK_TOOL, BOX_TOOL, LASSO_TOOL, SCRIBBLE_TOOL, BRUSH_TOOL, ERASER_TOOL, FIND_EVERYTHING, LARGER_BRUSH, SMALLER_BRUSH)
"""Of the tools on the canvas."""

KEYS = (NEXT_OBJECT, SWITCH_SIDE, UNDO, PROPAGATE, NEXT_UNCERTAIN, PREVIOUS_UNCERTAIN, CANCEL, TRACK_EVERYTHING, *TOOL_KEYS)
"""Of the viewer."""

UNDO_ON_LAYER = Key("Ctrl+Z", "undo", UNDO.description, "undo_on_layer")
REDO_ON_LAYER = Key("Ctrl+Shift+Z", "redo", "redo what was undone last")
LAYER_KEYS = (UNDO_ON_LAYER, REDO_ON_LAYER, CANCEL)
"""Of the image and of our layers: other layers keep their own."""

NEXT_ITEM = Key("PageDown", "next_item", "go to the next item of the review, and take its object in hand")
PREVIOUS_ITEM = Key("PageUp", "previous_item", "go to the item of the review before")
APPROVE = Key("Y", "approve", "approve the object in hand on this frame, and go to the next item of the review")
APPROVE_TO_HERE = Key("Shift+Y", "approve_to_here", "approve the object in hand from its nearest prompted frame to this one")
END_HERE = Key("H", "end_here", "let the object in hand end: it is absent from this frame on, or back from it before its prompts")
NEXT_PROMPTED = Key("Shift+PageDown", "next_prompted", "go to the next frame with prompts of the object in hand")
PREVIOUS_PROMPTED = Key("Shift+PageUp", "previous_prompted", "go to the frame with prompts before")
REVIEW_KEYS = (NEXT_ITEM, PREVIOUS_ITEM, APPROVE, APPROVE_TO_HERE, END_HERE, NEXT_PROMPTED, PREVIOUS_PROMPTED)
"""Of the viewer, for a :class:`~napari_sam2.plugin.review.review.Review`."""
JUDGE_RIGHT = Key("Y", "judge_right", "this mask of the sample is right")
JUDGE_WRONG = Key("N", "judge_wrong", "this mask of the sample is wrong")
JUDGE_KEYS = (JUDGE_RIGHT, JUDGE_WRONG)
"""Of the viewer, for an :class:`~napari_sam2.plugin.review.error_rate.ErrorRate`, while masks are judged."""


def all_keys() -> dict[str, Key]:
    """Return all keys that can be chosen, by their name among the settings."""
    return {key.setting: key for key in (*KEYS, *LAYER_KEYS, *REVIEW_KEYS)}


# --- which key -----------------------------------------------------------------------------------------------------


def normal_name(text: str) -> str:
    """Write a key as napari does.

    Raises
    ------
    ValueError
        If it is not one key, alone or with Ctrl, Shift, Alt or Meta.
    """
    stripped = text.strip()
    is_one = bool(stripped) and (stripped == "," or "," not in stripped)
    binding = KeyBinding.from_str("Escape" if stripped.lower() == "esc" else stripped) if is_one else None
    if binding is None or binding.part0.key in (None, KeyCode.UNKNOWN):
        raise ValueError(f"{text!r}: write one key, such as N, F5 or Ctrl+Shift+Z")
    return str(binding)


def without_conflicts(wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Choose among wanted keys: one key does not do two things.

    Parameters
    ----------
    wanted : mapping of str to str
        Keys by :attr:`Key.setting`, in any spelling.

    Returns
    -------
    names : dict of str to str
        Those that can be had, all others have their default.
    faults : dict of str to str
        A sentence on each that cannot, by :attr:`Key.setting`.
    """
    table, names, faults = all_keys(), dict[str, str](), dict[str, str]()
    for setting, key in table.items():
        try:
            name = normal_name(wanted.get(setting, key.default))
        except ValueError as error:
            faults[setting] = f"The key to {key.summary} cannot be {error}"
        else:
            if name != key.default:
                names[setting] = name
    while (refused := _conflict(names)) is not None:  # a default that comes back may be in the way of another
        setting, other = refused
        faults[setting] = (
            f"The key to {table[setting].summary} cannot be {names.pop(setting)}, which is the key to {table[other].summary}"
        )
    return names, faults


def _conflict(names: dict[str, str]) -> tuple[str, str] | None:
    """Find a chosen key that is in the way of another: the later of two, and a chosen one rather than a default."""
    table = all_keys()
    for setting in reversed(names):
        for other, key in table.items():
            is_another = other != setting and key.action != table[setting].action
            if is_another and names.get(other, key.default) == names[setting]:
                return setting, other
    return None


def use_by_napari(name: str) -> str | None:
    """Say in a sentence what napari does with a key; None if nothing.

    Parameters
    ----------
    name : str
        As napari writes it.
    """
    binding = KeyBinding.from_str(name)
    of_layers = [kind.__name__ for kind in _LAYER_TYPES if binding in kind.class_keymap]
    if of_layers:
        return f"While a {' or '.join(of_layers)} layer of others is selected, {name} is napari's."
    uses = [action for action, keys in get_settings().shortcuts.shortcuts.items() if binding in keys]
    return (
        f"{name} is napari's to {uses[0].split(':')[-1].replace('_', ' ')}: it is ours while the widget is open." if uses else None
    )


# --- bound ---------------------------------------------------------------------------------------------------------


def bind_keys(target: Any, actor: Any, keys: tuple[Key, ...] = KEYS) -> Callable[[], None]:
    """Bind keys on a viewer or a layer; where others are chosen, they are bound instead.

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
    bound = _BoundKeys(target, actor, keys)
    bound.bind()
    CHOSEN.add(bound)
    return bound.unbind_for_good


class _BoundKeys:
    """Keys that are bound on a viewer or a layer."""

    def __init__(self, target: Any, actor: Any, keys: tuple[Key, ...]) -> None:
        self._target, self._actor, self._keys = target, actor, keys
        self._names: list[str] = []
        self._before: dict[Any, Any] = {}

    def bind(self) -> None:
        """Bind the keys that are chosen by now."""
        self._names = [key.name for key in self._keys]
        bound = {KeyBinding.from_str(name) for name in self._names}
        self._before = {pressed: function for pressed, function in self._target.keymap.items() if pressed in bound}
        for key, name in zip(self._keys, self._names, strict=True):
            self._target.bind_key(name, _presser(self._actor, key.action), overwrite=True)

    def unbind(self) -> None:
        """Unbind them, and bind again what they did before."""
        for name in self._names:
            self._target.bind_key(name, None, overwrite=True)
        for pressed, function in self._before.items():
            self._target.bind_key(pressed, function, overwrite=True)

    def unbind_for_good(self) -> None:
        """Unbind them for good."""
        CHOSEN.remove(self)
        self.unbind()


def _presser(actor: Any, action: str) -> Callable[[Any], None]:
    def press(_target: Any) -> None:
        getattr(actor, action)()

    return press
