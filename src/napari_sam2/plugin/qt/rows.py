"""Buttons and lists as the panels have them, alone or in a row: they make no dock wide, and never take the keys of the viewer."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_sam2.plugin.qt.key_texts import show_key
from napari_sam2.plugin.settings.keys import Key

# with NoButtons, a number with a style sheet has no room for its digits in Qt 6.11.3 and 6.12.0
_NARROW_NUMBER = """
QAbstractSpinBox { padding: 1px 3px; min-width: 40px; max-width: 48px }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0px; border: none; image: none }
"""


def button(text: str, does: Key | str, act: Callable[[], None] | None = None) -> QPushButton:
    """Make a button that calls something; what it does is its tool tip, with the key.

    Parameters
    ----------
    text : str
        What stands on it, in which ``{key}`` is the key.
    does : Key or str
        What it does, for the tool tip.
    act : callable, optional
        What it calls.
    """
    made = QPushButton(text)
    if isinstance(does, Key):
        show_key(made, text, does)
    else:
        made.setToolTip(does)
    # the canvas keeps the focus, and with it the keys
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if act is not None:
        made.clicked.connect(lambda: act())
    return made


def narrow_button(text: str, does: Key | str, act: Callable[[], None]) -> QPushButton:
    """Make one of four in a row, in a narrow dock; see :func:`button`."""
    made = button(text, does, act)
    made.setStyleSheet("padding: 3px 1px")
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return made


def make_narrow(number: QAbstractSpinBox) -> None:
    """Take the buttons of a number away, and leave room for six letters: the dock stays narrow."""
    number.setStyleSheet(_NARROW_NUMBER)


def combo(tool_tip: str, num_letters: int = 8) -> QComboBox:
    """Make a list to choose from, with room for so many letters at least: long names do not make the dock wide."""
    made = QComboBox(toolTip=tool_tip)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(num_letters)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    # the canvas keeps the focus, and with it the keys
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return made


def row(*widgets: QWidget, stretched: tuple[int, ...] = (), spacing_px: int = 4) -> QWidget:
    """Put widgets beside each other; those of some numbers share the room that is left."""
    made = QWidget()
    layout = QHBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing_px)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, int(index in stretched))
    return made
