"""The cursor on the canvas: it shows the tool and the sign."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QColor, QCursor
from qtpy.QtWidgets import QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.layers.sign_colours import SIGN_COLOURS
from napari_sam2.plugin.qt.tool_icons import tool_cursor

_CANVAS_CLASS = "CanvasBackendDesktop"
"""Name of the class of vispy's canvas, for which napari has no public name."""


class ToolCursor(QObject):  # type: ignore[misc]
    """Keeps the cursor of the canvas as it is to be, while the mouse belongs to a tool of ours; napari sets it very often.

    Parameters
    ----------
    controller : Controller
        Has the tool and the sign.
    parent : QObject, optional
        With which it goes.
    """

    def __init__(self, controller: Controller, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._canvas: QWidget | None = None
        self._cursors: dict[tuple[str, bool], QCursor] = {}
        self._is_setting = False
        # napari changes the cursor before the mode of a layer
        self._again = QTimer(self, singleShot=True, interval=0)
        self._again.timeout.connect(self.show)

    def follow(self, window: QWidget) -> None:
        """Take the canvas of a window."""
        self.leave()
        for widget in window.findChildren(QWidget):
            if type(widget).__name__ == _CANVAS_CLASS:
                self._canvas = widget
                widget.installEventFilter(self)
                widget.destroyed.connect(self._canvas_gone)
                self._controller.changed.connect(self.show)
                self.show()
                return

    def leave(self) -> None:
        """Leave the cursor to napari."""
        canvas, self._canvas = self._canvas, None
        if canvas is not None:
            self._controller.changed.disconnect(self.show)
            canvas.destroyed.disconnect(self._canvas_gone)
            canvas.removeEventFilter(self)
            canvas.unsetCursor()

    def _canvas_gone(self) -> None:
        """Forget the canvas: a window that is closed may lose it before its docks."""
        self._canvas = None
        self._controller.changed.disconnect(self.show)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Set the cursor again after napari did."""
        if event.type() == QEvent.Type.CursorChange and not self._is_setting:
            self._again.start()
        return bool(super().eventFilter(watched, event))

    def show(self) -> None:
        """Show what is chosen by now."""
        wanted = self._wanted()
        if self._canvas is not None and wanted is not None:
            self._is_setting = True
            try:
                self._canvas.setCursor(wanted)
            finally:
                self._is_setting = False

    def _wanted(self) -> QCursor | None:
        canvas = self._controller.canvas
        if self._controller.workspace is None or not canvas.is_ours:
            return None
        key = canvas.tool.value, canvas.is_inside
        if key not in self._cursors:
            self._cursors[key] = tool_cursor(key[0], "+" if key[1] else "−", QColor(SIGN_COLOURS[key[1]]))
        return self._cursors[key]
