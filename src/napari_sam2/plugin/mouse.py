"""Tells clicks on the canvas from drags, which move the view as ever, and from drags with Shift, which draw a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_REACH_PX = 5
_LEFT_BUTTON, _RIGHT_BUTTON = 1, 2
_OTHER_SIDE_KEYS = ("Alt", "Control")

World = tuple[float, ...]
"""A position in the viewer, (D,)."""


@dataclass(frozen=True)
class MouseCalls:
    """What the mouse calls.

    Attributes
    ----------
    clicked : callable
        Called with the position of a click, and whether it was one of the other kind: right, or with Alt or Ctrl.
    box_dragged : callable
        Called with two corners of a box while it is drawn.
    box_drawn : callable
        Called with two corners of a box that was drawn.
    box_cancelled : callable
        A box is drawn no more.
    """

    clicked: Callable[[World, bool], None]
    box_dragged: Callable[[World, World], None]
    box_drawn: Callable[[World, World], None]
    box_cancelled: Callable[[], None]


class ClickListener:
    """Listens to a viewer's canvas.

    Parameters
    ----------
    viewer : Viewer
        Whose canvas.
    calls : MouseCalls
        What is called.
    """

    def __init__(self, viewer: Any, calls: MouseCalls) -> None:
        self._viewer = viewer
        self._calls = calls
        self.is_on = True
        self.is_drawing = False
        viewer.mouse_drag_callbacks.append(self._drag)

    def close(self) -> None:
        """Listen no more."""
        self.cancel_box()
        if self._drag in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._drag)

    def cancel_box(self) -> bool:
        """Give up the box that is being drawn; return whether there was one."""
        was_drawing, self.is_drawing = self.is_drawing, False
        if was_drawing:
            self._calls.box_cancelled()
        return was_drawing

    def _drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        if not self.is_on or self._is_tool_active():
            return
        pressed_at, first = np.asarray(event.pos), tuple(event.position)
        is_other = event.button == _RIGHT_BUTTON or any(key in event.modifiers for key in _OTHER_SIDE_KEYS)
        has_shift = event.button == _LEFT_BUTTON and "Shift" in event.modifiers
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos) - pressed_at).max() > _REACH_PX:
                if has_shift:
                    yield from self._draw_box(first, event)
                return
            yield
        self._calls.clicked(first, is_other)

    def _draw_box(self, first: World, event: Any) -> Iterator[None]:
        self.is_drawing = True
        while event.type == "mouse_move" and self.is_drawing:
            self._calls.box_dragged(first, tuple(event.position))
            yield
        if not self.is_on:
            self.cancel_box()
        elif self.is_drawing:
            self.is_drawing = False
            self._calls.box_drawn(first, tuple(event.position))

    def _is_tool_active(self) -> bool:
        """The selected layer is being drawn or edited on: the mouse belongs to that."""
        selected = self._viewer.layers.selection.active
        return selected is not None and str(getattr(selected, "mode", "pan_zoom")) != "pan_zoom"
