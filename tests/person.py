"""Somebody at a mouse and a keyboard: events of the X server, as from real devices, on a napari window that is on the screen."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QEventLoop, QObject, QPoint, QTimer
from qtpy.QtWidgets import QAbstractButton, QApplication, QMenu, QPushButton, QWidget
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

HAS_X_SERVER = bool(os.environ.get("DISPLAY")) and os.environ.get("QT_QPA_PLATFORM", "xcb") == "xcb"
SIDE_PX = (1280, 720)
LEFT, MIDDLE, RIGHT = 1, 2, 3
_SETTLE_S = 0.02
"""After each event: Qt sees it, and what it calls is done."""
_STILL_S, _PATIENCE_S = 0.3, 15.0
_READ_S, _NUM_LOOKS = 0.3, 3
"""So often somebody looks at a menu or a dialog that opened before clicking: it is on the screen by then."""
_KINDS_OF_EVENTS = {
    X.ButtonPress: (QEvent.MouseButtonPress, QEvent.MouseButtonDblClick),
    X.ButtonRelease: (QEvent.MouseButtonRelease,),
    X.KeyPress: (QEvent.ShortcutOverride, QEvent.KeyPress),
    X.KeyRelease: (QEvent.KeyRelease,),
}
"""What Qt makes of what the X server sends."""

World = Sequence[float] | np.ndarray


def pause(seconds: float) -> None:
    """Let the window live for so long."""
    loop = QEventLoop()
    QTimer.singleShot(max(1, round(seconds * 1000)), loop.quit)
    loop.exec()


def wait_until(is_so: Callable[[], bool], timeout_s: float = 60.0) -> float:
    """Let the window live until something is so; return how many seconds that took.

    Raises
    ------
    TimeoutError
        If it takes longer.
    """
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > timeout_s:
            raise TimeoutError(f"it is not so after {timeout_s:.0f} s")
        pause(0.005)
    return time.monotonic() - begun


def let_go() -> None:
    """Release buttons and keys that somebody held who was killed: the server repeats them for whoever comes next."""
    display = Display()
    for button in (LEFT, MIDDLE, RIGHT):
        xtest.fake_input(display, X.ButtonRelease, button)
    for name in ("g", "z", "Control_L", "Shift_L", "Alt_L"):
        xtest.fake_input(display, X.KeyRelease, int(display.keysym_to_keycode(XK.string_to_keysym(name))))
    display.sync()
    display.close()


class _Arrivals(QObject):
    """Counts the events of each kind that reached the window; on a busy machine they take their time."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: Counter[Any] = Counter()
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        self._numbers[event.type()] += 1
        return False

    def number(self, kind: int) -> int:
        """Return how many there were of a kind of the X server."""
        return sum(self._numbers[one] for one in _KINDS_OF_EVENTS[kind])

    def close(self) -> None:
        """Count no more."""
        application = QApplication.instance()
        if application is not None:
            application.removeEventFilter(self)


class Person:
    """Works on a viewer.

    Parameters
    ----------
    viewer : Viewer
        On an X server.
    side_px : tuple of int
        Width and height of the window.

    Attributes
    ----------
    num_clicks, num_keys : int
        Clicks and drags, and keys, until now; what a person counts.
    """

    def __init__(self, viewer: Any, side_px: tuple[int, int] = SIDE_PX) -> None:
        self.viewer = getattr(viewer, "__wrapped__", viewer)
        self.window = self.viewer.window._qt_window
        self.window.setGeometry(0, 0, *side_px)
        self._canvas = self.viewer.window._qt_viewer.canvas
        self._display = Display()
        self._arrivals = _Arrivals()
        self.num_clicks = self.num_keys = 0
        let_go()
        self.settle()

    def settle(self) -> None:
        """Wait until the window has the focus, and its canvas has not moved for a while: on a busy machine that takes its time."""
        begun = since = time.monotonic()
        before: Any = None
        while time.monotonic() - since < _STILL_S and time.monotonic() - begun < _PATIENCE_S:
            canvas = self._canvas.native
            seen = canvas.size(), canvas.mapToGlobal(QPoint(0, 0)), self.window.isActiveWindow()
            if seen != before or not self.window.isActiveWindow():
                before, since = seen, time.monotonic()
                self.window.activateWindow()
                self.window.raise_()
            pause(0.03)

    def leave(self) -> None:
        """Let go of mouse and keyboard, and of the viewer."""
        self._arrivals.close()
        self._display.close()
        self.viewer = self.window = self._canvas = None

    # --- mouse -----------------------------------------------------------------------------------------------------

    def on_screen(self, world: World) -> tuple[int, int]:
        """Return where on the screen a position of the viewer is, (x, y) in pixels."""
        at = [world[axis] for axis in self.viewer.dims.displayed][::-1]
        view = self._canvas.view
        x, y = (view.transform * view.scene.transform).map(at)[:2]
        point = self._canvas.native.mapToGlobal(QPoint(round(x), round(y)))
        return point.x(), point.y()

    def click(self, world: World, button: int = LEFT, held: Iterable[str] = ()) -> None:
        """Click on a position of the viewer."""
        self._click(*self.on_screen(world), button, tuple(held))

    def click_on(self, widget: QWidget, at: QPoint | None = None, button: int = LEFT) -> None:
        """Click on a widget, in its middle by default."""
        point = widget.mapToGlobal(widget.rect().center() if at is None else at)
        self._click(point.x(), point.y(), button, ())

    def drag(self, path: Sequence[World], button: int = LEFT, held: Iterable[str] = (), num_moves: int = 8) -> None:
        """Press at the first position of the viewer, move along the others, and release at the last."""
        corners = [np.asarray(self.on_screen(world), float) for world in path]
        held = tuple(held)
        self._move(*corners[0])
        for key in held:
            self._send(X.KeyPress, self._code(key))
        self._send(X.ButtonPress, button)
        for start, stop in itertools.pairwise(corners):
            for step in range(1, num_moves + 1):
                self._move(*(start + (stop - start) * step / num_moves))
        self._send(X.ButtonRelease, button)
        for key in held[::-1]:
            self._send(X.KeyRelease, self._code(key))
        self.num_clicks += 1

    def _click(self, x: float, y: float, button: int, held: tuple[str, ...]) -> None:
        self._move(x, y)
        for key in held:
            self._send(X.KeyPress, self._code(key))
        self._send(X.ButtonPress, button)
        self._send(X.ButtonRelease, button)
        for key in held[::-1]:
            self._send(X.KeyRelease, self._code(key))
        self.num_clicks += 1

    def _move(self, x: float, y: float) -> None:
        xtest.fake_input(self._display, X.MotionNotify, x=round(x), y=round(y))
        self._display.sync()
        pause(_SETTLE_S)

    # --- keyboard --------------------------------------------------------------------------------------------------

    def press(self, name: str, held: Iterable[str] = ()) -> None:
        """Press a key by the name that X has for it, such as ``g``, ``Escape``, ``Control_L``, while others are held."""
        held = tuple(held)
        for key in held:
            self._send(X.KeyPress, self._code(key))
        self._send(X.KeyPress, self._code(name))
        self._send(X.KeyRelease, self._code(name))
        for key in held[::-1]:
            self._send(X.KeyRelease, self._code(key))
        self.num_keys += 1

    def _code(self, name: str) -> int:
        return int(self._display.keysym_to_keycode(XK.string_to_keysym(name)))

    def _send(self, kind: int, detail: int) -> None:
        before = self._arrivals.number(kind)
        xtest.fake_input(self._display, kind, detail)
        self._display.sync()
        wait_until(lambda: self._arrivals.number(kind) > before, _PATIENCE_S)
        pause(_SETTLE_S)

    # --- menus and dialogs -----------------------------------------------------------------------------------------

    def choose(self, button: QAbstractButton, item: str, is_done: Callable[[], bool]) -> None:
        """Open the menu of a button, click on the item whose text begins so, and confirm each dialog that it opens.

        Menus and dialogs may wait in loops of their own, where only timers come.
        """
        seen = Counter[QWidget]()

        def answer() -> None:
            shown = QApplication.activePopupWidget() or QApplication.activeModalWidget()
            seen[shown] += 1
            if shown is None or seen[shown] != _NUM_LOOKS:
                return
            if isinstance(shown, QMenu):
                action = next(one for one in shown.actions() if one.text().startswith(item))
                self._click_at_once(shown.mapToGlobal(shown.actionGeometry(action).center()))
            else:
                default = next(one for one in shown.findChildren(QPushButton) if one.isDefault())
                self._click_at_once(default.mapToGlobal(default.rect().center()))

        timer = QTimer(interval=round(_READ_S * 1000))
        timer.timeout.connect(answer)
        timer.start()
        self._click_at_once(button.mapToGlobal(button.rect().center()))
        try:
            wait_until(is_done)
        finally:
            timer.stop()

    def _click_at_once(self, point: QPoint) -> None:
        """Click, and do not wait for what comes of it."""
        xtest.fake_input(self._display, X.MotionNotify, x=point.x(), y=point.y())
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._display, kind, LEFT)
        self._display.sync()
        self.num_clicks += 1

    # --- what is on the screen -------------------------------------------------------------------------------------

    def button(self, text: str) -> QAbstractButton:
        """Return the visible button whose text begins so.

        Raises
        ------
        LookupError
            If there is none.
        """
        for button in self.window.findChildren(QAbstractButton):
            if button.isVisible() and button.text().replace("&", "").startswith(text):
                return button
        raise LookupError(f"no button is called {text}")

    def photograph(self, path: str | Path) -> None:
        """Save what the screen shows."""
        pause(0.2)
        self.window.screen().grabWindow(0, 0, 0, self.window.width(), self.window.height()).save(str(path))
