"""Tells clicks on the canvas from drags, which move the view as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_REACH_PX = 5
_RIGHT_BUTTON = 2
_OTHER_SIDE_KEYS = ("Alt", "Control")


class ClickListener:
    """Listens to a viewer's canvas.

    Parameters
    ----------
    viewer : Viewer
        Whose canvas.
    on_click : callable
        Called with the position in the viewer, (D,), and whether it was a click of the other kind: right, or with Alt or Ctrl.
    """

    def __init__(self, viewer: Any, on_click: Callable[[tuple[float, ...], bool], None]) -> None:
        self._viewer = viewer
        self._on_click = on_click
        self.is_on = True
        viewer.mouse_drag_callbacks.append(self._drag)

    def close(self) -> None:
        """Listen no more."""
        if self._drag in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._drag)

    def _drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        if not self.is_on or self._is_tool_active():
            return
        pressed_at, world = np.asarray(event.pos), tuple(event.position)
        is_other = event.button == _RIGHT_BUTTON or any(key in event.modifiers for key in _OTHER_SIDE_KEYS)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos) - pressed_at).max() > _REACH_PX:
                return
            yield
        self._on_click(world, is_other)

    def _is_tool_active(self) -> bool:
        """The selected layer is being drawn or edited on: the mouse belongs to that."""
        selected = self._viewer.layers.selection.active
        return selected is not None and str(getattr(selected, "mode", "pan_zoom")) != "pan_zoom"
