"""The tools on the canvas, as a row of buttons."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QSignalBlocker, QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QSpinBox, QToolButton, QWidget

from napari_sam2.plugin.canvas.tools.brush import MAX_DIAMETER_PX
from napari_sam2.plugin.canvas.tools.tool import Tool
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.layers.sign_colours import SIGN_COLOURS
from napari_sam2.plugin.qt.everything_form import EverythingForm
from napari_sam2.plugin.qt.key_texts import show_key
from napari_sam2.plugin.qt.rows import make_narrow
from napari_sam2.plugin.qt.tool_icons import tool_icon
from napari_sam2.plugin.qt.tracking_button import ICON, TrackingButton
from napari_sam2.plugin.qt.tracking_form import TrackingForm
from napari_sam2.plugin.settings.keys import (
    BOX_TOOL,
    BRUSH_TOOL,
    CLICK_TOOL,
    ERASER_TOOL,
    FIND_EVERYTHING,
    LARGER_BRUSH,
    LASSO_TOOL,
    SCRIBBLE_TOOL,
    SMALLER_BRUSH,
    TRACK_EVERYTHING,
    Key,
)

KEYS_OF_TOOLS = {
    Tool.CLICK: CLICK_TOOL,
    Tool.BOX: BOX_TOOL,
    Tool.LASSO: LASSO_TOOL,
    Tool.SCRIBBLE: SCRIBBLE_TOOL,
    Tool.BRUSH: BRUSH_TOOL,
    Tool.ERASER: ERASER_TOOL,
}
_ICON_PX = 20
_HOLD = "Hold Space to move the view."
_STYLE = """
QToolButton { padding: 2px; border: 1px solid transparent; border-radius: 3px; background: transparent; }
QToolButton:hover { background: rgba(128, 128, 128, 60); }
QToolButton:checked { background: rgba(128, 128, 128, 90); border-color: rgba(128, 128, 128, 200); }
"""


class ToolRow(QWidget):  # type: ignore[misc]
    """Shows the tools, and hands the one that is chosen to the controller.

    Parameters
    ----------
    controller : Controller
        What does the work.
    """

    _is_made = False

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._shown: tuple[object, ...] = ()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)  # buttons have a padding of their own, and the row is narrow
        self.buttons: dict[Tool, QToolButton] = {}
        for tool, key in KEYS_OF_TOOLS.items():
            button = self.buttons[tool] = _button(tool.value, key, "" if tool == Tool.CLICK else _HOLD)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, action=key.action: getattr(controller, action)())
            layout.addWidget(button)
        self.diameter = QSpinBox(minimum=1, maximum=MAX_DIAMETER_PX, suffix=" px")
        self.diameter.setToolTip(f"Diameter of the brush. Keys: {SMALLER_BRUSH.name} {LARGER_BRUSH.name}")
        self.diameter.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.diameter.setKeyboardTracking(False)
        make_narrow(self.diameter)  # there are keys
        self.diameter.valueChanged.connect(lambda diameter_px: controller.canvas.choose_diameter(diameter_px))
        self.everything = _button("everything", FIND_EVERYTHING, "Opens its options.")
        self.track = _button(ICON, TRACK_EVERYTHING, "")
        layout.addWidget(self.everything)
        layout.addWidget(self.track)
        layout.addWidget(self.diameter)
        layout.addStretch()
        self.form = EverythingForm(controller, self)
        self.everything.clicked.connect(lambda: self.form.open_below(self))
        self.tracking_form = TrackingForm(controller, self)
        self._tracking = TrackingButton(controller, self.track, lambda: self.tracking_form.open_below(self))
        controller.changed.connect(self._show)
        self._is_made = True
        self._show()

    def tear_down(self) -> None:
        """Disconnect from the controller."""
        self._controller.changed.disconnect(self._show)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Draw the icons anew in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and self._is_made:
            self._show()

    def _show(self) -> None:
        controller, canvas = self._controller, self._controller.canvas
        with QSignalBlocker(self.diameter):
            self.diameter.setValue(canvas.diameter_px)
        self.diameter.setVisible(canvas.tool.has_size)
        self._tracking.show(has_room=not canvas.tool.has_size)
        text = self.palette().color(self.foregroundRole())
        is_there = controller.workspace is not None
        shown = canvas.tool, canvas.is_inside, text.rgba(), is_there
        if shown == self._shown:
            return
        self._shown = shown
        faint = QColor(text)
        faint.setAlphaF(0.35)
        sign = QColor(SIGN_COLOURS[canvas.is_inside])
        if text.lightness() < 128:
            sign = sign.darker(150)
        for tool, button in self.buttons.items():
            is_chosen = tool == canvas.tool
            button.setChecked(is_chosen)
            button.setEnabled(is_there)
            button.setIcon(tool_icon(tool.value, sign if is_chosen else text, faint))
        self.everything.setIcon(tool_icon("everything", text, faint))
        self.everything.setEnabled(is_there)
        self.track.setIcon(tool_icon(ICON, text, faint))


def _button(name: str, key: Key, more: str) -> QToolButton:
    button = QToolButton(objectName=name, autoRaise=True)
    button.setStyleSheet(_STYLE)
    button.setIconSize(QSize(_ICON_PX, _ICON_PX))
    show_key(button, "", key, more)
    # the canvas keeps the focus, and with it the keys
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button
