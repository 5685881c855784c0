"""What cells of the table of objects show in the place of text: the colour of an object, an eye and a lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QRectF, Qt
from qtpy.QtGui import QPainter, QPalette, QPen
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QWidget

from napari_sam2.plugin.qt.object_model import COLOUR_ROLE


class Swatch(QStyledItemDelegate):  # type: ignore[misc]
    """Draws a colour as it is, also in a selected row, in which Qt would tint a decoration."""

    def paint(self, painter: QPainter, option: Any, index: QModelIndex) -> None:
        """Draw it."""
        super().paint(painter, option, index)
        colour = index.data(COLOUR_ROLE)
        if colour is not None:
            side = min(option.rect.height() - 6, option.rect.width() - 2)
            square = QRect(0, 0, side, side)
            square.moveCenter(option.rect.center())
            painter.fillRect(square, colour)


class Sign(QStyledItemDelegate):  # type: ignore[misc]
    """Draws a mark as a sign, faint where it is not set, and takes a click anywhere in its cell.

    Parameters
    ----------
    parent : QWidget
        The view.
    draw : callable
        Draws the sign into a square, as set or not.
    """

    def __init__(self, parent: QWidget, draw: Callable[[QPainter, QRectF, bool], None]) -> None:
        super().__init__(parent)
        self._draw = draw

    def paint(self, painter: QPainter, option: Any, index: QModelIndex) -> None:
        """Draw it."""
        self.initStyleOption(option, index)
        option.features &= ~option.ViewItemFeature.HasCheckIndicator
        option.widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        side = min(option.rect.height() - 6, option.rect.width() - 2)
        square = QRectF(0, 0, side, side)
        square.moveCenter(QRectF(option.rect).center())
        is_set = _is_checked(index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(1.0 if is_set else 0.35)
        painter.setPen(QPen(option.palette.color(QPalette.ColorRole.Text), 1.5))
        self._draw(painter, square, is_set)
        painter.restore()

    def editorEvent(self, event: Any, model: Any, _option: Any, index: QModelIndex) -> bool:  # noqa: N802
        """Set or clear the mark by a click."""
        if event.type() == event.Type.MouseButtonRelease and event.button() == Qt.MouseButton.LeftButton:
            turned = Qt.CheckState.Unchecked if _is_checked(index) else Qt.CheckState.Checked
            return bool(model.setData(index, turned.value, Qt.ItemDataRole.CheckStateRole))
        return False


def draw_eye(painter: QPainter, square: QRectF, is_open: bool) -> None:
    """Draw an eye, or one with a stroke through it."""
    painter.drawEllipse(square.adjusted(0, square.height() * 0.22, 0, -square.height() * 0.22))
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(square.center(), square.width() * 0.13, square.height() * 0.13)
    if not is_open:
        painter.drawLine(square.bottomLeft(), square.topRight())


def draw_lock(painter: QPainter, square: QRectF, is_closed: bool) -> None:
    """Draw a padlock, closed or open."""
    width, height = square.width(), square.height()
    body = square.adjusted(width * 0.12, height * 0.45, -width * 0.12, 0)
    arch = QRectF(square.left() + width * 0.26, square.top(), width * 0.48, height * 0.8)
    if not is_closed:
        arch.translate(width * 0.3, 0)
    painter.drawArc(arch, 0, 180 * 16)
    painter.fillRect(body, painter.pen().color())


def _is_checked(index: QModelIndex) -> bool:
    return bool(index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked.value)
