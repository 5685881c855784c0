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
        Method of :class:`~napari_sam2.plugin.controller.Controller`.
    says : str
        What it does, for tooltips.
    """

    name: str
    action: str
    says: str


NEXT_OBJECT = Key("N", "next_object", "go on with the next object")
SWITCH_SIDE = Key("T", "switch_side", "switch between clicks inside and outside the object")
TAKE_BACK = Key("U", "take_back", "take back the latest click")
PROPAGATE = Key("G", "propagate", "carry all objects through the stack")
CANCEL = Key("Escape", "cancel", "stop, and keep what is done")
KEYS = (NEXT_OBJECT, SWITCH_SIDE, TAKE_BACK, PROPAGATE, CANCEL)


def bind_keys(target: Any, controller: Any, keys: tuple[Key, ...] = KEYS) -> Callable[[], None]:
    """Bind keys on a viewer or a layer.

    Parameters
    ----------
    target : Viewer or Layer
        Where.
    controller : Controller
        Whose methods are called.
    keys : tuple of Key
        Which.

    Returns
    -------
    callable
        Takes the keys away again and gives back what they did before.
    """
    before = dict(target.keymap)
    for key in keys:
        target.bind_key(key.name, _presser(controller, key.action), overwrite=True)

    def unbind() -> None:
        for key in keys:
            target.bind_key(key.name, None, overwrite=True)
        for pressed, function in before.items():
            if pressed not in target.keymap:
                target.bind_key(pressed, function, overwrite=True)

    return unbind


def _presser(controller: Any, action: str) -> Callable[[Any], None]:
    def press(_target: Any) -> None:
        getattr(controller, action)()

    return press
