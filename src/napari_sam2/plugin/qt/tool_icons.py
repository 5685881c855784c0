"""Icons of the tools, drawn in the colours of the theme and of signs; as cursors, too."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QLineF, QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QCursor, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

_SIDE = 20.0
"""Side of the square in which icons are drawn; they are enlarged from there."""
_PEN = 1.7
_SHARPNESS = 2
_CURSOR_PX = 32
_HOT_PX = 8
"""Where in the cursor its point is, in both directions."""


def tool_icon(name: str, colour: QColor, disabled: QColor) -> QIcon:
    """Draw the icon of a tool.

    Parameters
    ----------
    name : str
        Value of a :class:`~napari_sam2.plugin.canvas.tools.tool.Tool`, "everything" or "track".
    colour, disabled : QColor
        Of its lines, and the same while it cannot be used.
    """
    icon = QIcon(_drawn(name, colour))
    icon.addPixmap(_drawn(name, disabled), QIcon.Mode.Disabled)
    return icon


def tool_cursor(name: str, sign: str, colour: QColor) -> QCursor:
    """Draw a cursor: a cross at its point, the sign beside it in its colour, and the tool.

    Parameters
    ----------
    name : str
        As of :func:`tool_icon`.
    sign : str
        "+" or "−".
    colour : QColor
        Of the sign.
    """
    pixmap = QPixmap(_CURSOR_PX * _SHARPNESS, _CURSOR_PX * _SHARPNESS)
    pixmap.setDevicePixelRatio(_SHARPNESS)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = _painter(pixmap)
    for line_colour, width in ((QColor("black"), 3.0), (QColor("white"), 1.2)):
        painter.setPen(QPen(line_colour, width))
        for gap, end in ((2, 7), (-2, -7)):
            painter.drawLine(QLineF(_HOT_PX + gap, _HOT_PX, _HOT_PX + end, _HOT_PX))
            painter.drawLine(QLineF(_HOT_PX, _HOT_PX + gap, _HOT_PX, _HOT_PX + end))
    for line_colour, width in ((QColor("black"), 4.6), (colour, 2.4)):
        painter.setPen(QPen(line_colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QLineF(18, 5, 26, 5))
        if sign == "+":
            painter.drawLine(QLineF(22, 1.6, 22, 9))
    if name != "click":
        painter.translate(15, 14)
        painter.scale(0.8, 0.8)
        for line_colour, width in ((QColor("black"), 3.6), (QColor("white"), _PEN)):
            _draw(painter, name, line_colour, width)
    painter.end()
    return QCursor(pixmap, _HOT_PX, _HOT_PX)


def _drawn(name: str, colour: QColor) -> QPixmap:
    pixmap = QPixmap(int(_SIDE) * _SHARPNESS, int(_SIDE) * _SHARPNESS)
    pixmap.setDevicePixelRatio(_SHARPNESS)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = _painter(pixmap)
    _draw(painter, name, colour, _PEN)
    painter.end()
    return pixmap


def _painter(pixmap: QPixmap) -> QPainter:
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return painter


def _draw(painter: QPainter, name: str, colour: QColor, width: float) -> None:
    pen = QPen(colour, width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    _DRAWN_BY[name](painter, colour)


def _polygon(*points: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(*point) for point in points])


def _dots(painter: QPainter, colour: QColor, radius: float, *points: tuple[float, float]) -> None:
    painter.setBrush(colour)
    for point in points:
        painter.drawEllipse(QPointF(*point), radius, radius)


def _draw_click(painter: QPainter, colour: QColor) -> None:
    _dots(painter, colour, 1.6, (5, 5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolygon(_polygon((9, 8), (9, 17.5), (11.6, 15.2), (13.6, 18.4), (15.2, 17.4), (13.4, 14.4), (16.4, 13.8)))


def _draw_box(painter: QPainter, colour: QColor) -> None:
    painter.drawRect(QRectF(4, 5, 12, 10))
    _dots(painter, colour, 1.1, (4, 5), (16, 5), (4, 15), (16, 15))


def _draw_lasso(painter: QPainter, _colour: QColor) -> None:
    painter.drawEllipse(QRectF(3, 3, 14, 9))
    tail = QPainterPath(QPointF(6, 11))
    tail.cubicTo(QPointF(2.5, 12), QPointF(3, 15.5), QPointF(6, 14.6))
    tail.cubicTo(QPointF(9, 13.6), QPointF(8.4, 16.4), QPointF(7, 18))
    painter.drawPath(tail)


def _draw_scribble(painter: QPainter, colour: QColor) -> None:
    line = QPainterPath(QPointF(3, 14))
    line.cubicTo(QPointF(5, 2), QPointF(8.5, 2), QPointF(8.5, 9))
    line.cubicTo(QPointF(8.5, 18), QPointF(12.5, 18), QPointF(13, 10))
    line.cubicTo(QPointF(13.3, 6.5), QPointF(15, 5), QPointF(17, 6))
    painter.drawPath(line)
    _dots(painter, colour, 1.2, (8.4, 8), (12.7, 12.4))


def _draw_brush(painter: QPainter, colour: QColor) -> None:
    painter.drawLine(QLineF(16.8, 3.2, 9.6, 10.6))
    tip = QPainterPath(QPointF(9.8, 10.2))
    tip.cubicTo(QPointF(6, 9.4), QPointF(6.6, 14), QPointF(3, 16.4))
    tip.cubicTo(QPointF(8, 17.6), QPointF(12, 15), QPointF(9.8, 10.2))
    painter.setBrush(colour)
    painter.drawPath(tip)


def _draw_eraser(painter: QPainter, colour: QColor) -> None:
    painter.drawPolygon(_polygon((8, 16), (3.4, 11.4), (11.4, 3.4), (17, 9), (10, 16)))
    painter.setBrush(colour)
    painter.drawPolygon(_polygon((8, 16), (3.4, 11.4), (7.2, 7.6), (12.9, 13.1), (10, 16)))
    painter.drawLine(QLineF(8, 17.4, 17, 17.4))


def _draw_everything(painter: QPainter, colour: QColor) -> None:
    painter.drawEllipse(QRectF(2.6, 3, 6.4, 5.4))
    painter.drawEllipse(QRectF(11, 4, 6, 7))
    painter.drawEllipse(QRectF(4, 11.4, 8, 5.6))
    _dots(painter, colour, 0.9, (5.8, 5.7), (14, 7.5), (8, 14.2), (15.6, 15))


def _draw_track(painter: QPainter, colour: QColor) -> None:
    for row, bend in ((4.5, 3.0), (15.5, -3.0)):
        line = QPainterPath(QPointF(6, row))
        line.cubicTo(QPointF(9, row + bend), QPointF(11, row - bend), QPointF(15, row))
        painter.drawPath(line)
    painter.drawLine(QLineF(6, 10, 10, 10))
    painter.drawLine(QLineF(10, 10, 14.5, 8.2))
    painter.drawLine(QLineF(10, 10, 14.5, 11.8))
    _dots(painter, colour, 2.0, (4.4, 4.5), (4.4, 10), (4.4, 15.5))
    _dots(painter, colour, 1.2, (16.4, 4.5), (16.4, 7.6), (16.4, 12.4), (16.4, 15.5))


_DRAWN_BY: dict[str, Callable[[QPainter, QColor], None]] = {
    "click": _draw_click,
    "box": _draw_box,
    "lasso": _draw_lasso,
    "scribble": _draw_scribble,
    "brush": _draw_brush,
    "eraser": _draw_eraser,
    "everything": _draw_everything,
    "track": _draw_track,
}
