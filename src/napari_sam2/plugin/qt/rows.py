"""Buttons in a row, as the panels have them: small, and never in the way of the keys of the viewer."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_sam2.plugin.keys import Key


def button(text: str, does: Key | str, act: Callable[[], None]) -> QPushButton:
    """Make a button that calls something; what it does is its tool tip."""
    tip = does if isinstance(does, str) else f"{does.description[:1].upper()}{does.description[1:]}. Key: {does.name}."
    made = QPushButton(text, toolTip=tip)
    made.setStyleSheet("padding: 3px 1px")  # of four in a row, in a narrow dock
    # the canvas keeps the focus, and with it the keys
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    made.clicked.connect(lambda: act())
    return made


def row(*widgets: QWidget, stretched: tuple[int, ...] = ()) -> QWidget:
    """Put widgets beside each other; those of some numbers share the room that is left."""
    made = QWidget()
    layout = QHBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, int(index in stretched))
    return made
