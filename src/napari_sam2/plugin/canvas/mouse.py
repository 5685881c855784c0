"""Tells clicks on the canvas from drags: those that draw, and those that move the view as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

import numpy as np

_REACH_PX = 5
_LEFT_BUTTON, _RIGHT_BUTTON = 1, 2
_OTHER_SIDE_KEYS = ("Alt", "Control")

World = tuple[float, ...]
"""A position in the viewer, (D,)."""


class DrawingBegins(Enum):
    """When a press of the mouse begins to draw."""

    NEVER = auto()
    """It is a click, or a drag that moves the view."""
    MOVED = auto()
    """When the mouse moves; else it is a click."""
    PRESSED = auto()
    """At once."""


@dataclass(frozen=True)
class Press:
    """A press of the mouse.

    Attributes
    ----------
    position : World
        Where.
    is_other : bool
        It is one of the other kind: with the right button, or with Alt or Ctrl.
    has_shift, has_alt : bool
        The key is held; Shift counts with the left button only.
    """

    position: World
    is_other: bool = False
    has_shift: bool = False
    has_alt: bool = False

    @classmethod
    def of(cls, event: Any) -> Press:
        """Read an event of napari."""
        is_other = event.button == _RIGHT_BUTTON or any(key in event.modifiers for key in _OTHER_SIDE_KEYS)
        has_shift = event.button == _LEFT_BUTTON and "Shift" in event.modifiers
        return cls(tuple(event.position), is_other, has_shift, "Alt" in event.modifiers)


class Drawing(Protocol):
    """Something that is being drawn."""

    def move(self, world: World) -> None:
        """Draw on to a position."""

    def finish(self) -> None:
        """Let it count."""

    def cancel(self) -> None:
        """Give it up."""


@dataclass(frozen=True)
class MouseCalls:
    """What the mouse calls.

    Attributes
    ----------
    clicked : callable
        Called with a press that was released where it was.
    begins : callable
        Tells when a press begins to draw.
    begin : callable
        Called when it does; returns what is being drawn, or None where that cannot be.
    """

    clicked: Callable[[Press], None]
    begins: Callable[[Press], DrawingBegins]
    begin: Callable[[Press], Drawing | None]


class ClickListener:
    """Listens to a viewer's canvas.

    Parameters
    ----------
    viewer : Viewer
        Whose canvas.
    calls : MouseCalls
        What is called.

    Attributes
    ----------
    is_on : bool
        Clicks and drawings count.
    is_paused : bool
        Drags move the view, whatever is chosen, and clicks do not count.
    """

    def __init__(self, viewer: Any, calls: MouseCalls) -> None:
        self._viewer = viewer
        self._calls = calls
        self._drawing: Drawing | None = None
        self.is_on = True
        self.is_paused = False
        viewer.mouse_drag_callbacks.append(self._drag)

    def close(self) -> None:
        """Listen no more."""
        self.cancel_drawing()
        if self._drag in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._drag)

    @property
    def is_drawing(self) -> bool:
        """Something is being drawn."""
        return self._drawing is not None

    def cancel_drawing(self) -> bool:
        """Give up what is being drawn; return whether there was something."""
        drawing, self._drawing = self._drawing, None
        if drawing is not None:
            drawing.cancel()
        return drawing is not None

    @property
    def is_canvas_ours(self) -> bool:
        """No tool of the selected layer is in use: the mouse would belong to that."""
        selected = self._viewer.layers.selection.active
        return selected is None or str(getattr(selected, "mode", "pan_zoom")) == "pan_zoom"

    def _drag(self, _viewer: Any, event: Any) -> Iterator[None]:
        if not self.is_on or self.is_paused or not self.is_canvas_ours or event.button not in (_LEFT_BUTTON, _RIGHT_BUTTON):
            return
        pressed_at, press = np.asarray(event.pos), Press.of(event)
        begins = self._calls.begins(press)
        with self._view_held(begins != DrawingBegins.NEVER):
            if begins == DrawingBegins.PRESSED:
                yield from self._draw(press, event)
                return
            yield
            while event.type == "mouse_move":
                if np.abs(np.asarray(event.pos) - pressed_at).max() > _REACH_PX:
                    if begins == DrawingBegins.MOVED:
                        yield from self._draw(press, event)
                    return
                yield
        self._calls.clicked(press)

    def _draw(self, press: Press, event: Any) -> Iterator[None]:
        self._drawing = drawing = self._calls.begin(press)
        if event.type == "mouse_press":
            yield
        while event.type == "mouse_move":
            self._hold_view()  # another layer may have been selected, which lets the view move again
            if drawing is not None and self._drawing is drawing:
                drawing.move(tuple(event.position))
            yield
        if drawing is None or self._drawing is not drawing:
            return
        if not self.is_on:
            self.cancel_drawing()
            return
        self._drawing = None
        drawing.move(tuple(event.position))
        drawing.finish()

    # --- the view --------------------------------------------------------------------------------------------------

    @property
    def _camera(self) -> Any:
        # the camera moved in napari 0.9
        return getattr(self._viewer, "scene", self._viewer).camera

    def _hold_view(self) -> None:
        self._camera.mouse_pan = False

    @contextmanager
    def _view_held(self, is_held: bool) -> Iterator[None]:
        """Keep a drag from moving the view."""
        if not is_held:
            yield
            return
        before = self._camera.mouse_pan
        self._hold_view()
        try:
            yield
        finally:
            self._camera.mouse_pan = before
