"""A form of options that opens below a button, and closes with a click beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui import magicgui
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFrame, QVBoxLayout, QWidget

_MAX_AREA_PX = 10**8


def area_field(label: str, tooltip: str) -> dict[str, Any]:
    """Describe the field of an area, for magicgui."""
    return {"label": label, "min": 0, "max": _MAX_AREA_PX, "tooltip": tooltip}


class OptionsForm(QFrame):  # type: ignore[misc]
    """Edits options made from the signature of a function.

    Parameters
    ----------
    make : callable
        Makes the options from the values of the fields.
    fields : dict
        What magicgui is told of each, by name.
    edited : callable
        Called with the options after each edit.
    parent : QWidget, optional
        From which it opens.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        fields: dict[str, dict[str, Any]],
        edited: Callable[[Any], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.form = magicgui(make, call_button=False, **fields)
        self.form.changed.connect(lambda: edited(self.form()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(2)
        layout.addWidget(self.form.native)

    def open_below(self, widget: QWidget) -> None:
        """Open below a widget, and not beyond its right edge."""
        self.adjustSize()
        self.move(widget.mapToGlobal(QPoint(max(0, widget.width() - self.width()), widget.height())))
        self.show()
