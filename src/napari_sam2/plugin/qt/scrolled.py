"""A column that is scrolled where the window is too low for it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QScrollArea, QTableView, QWidget

_LEAST_HEIGHT_PX = 60
_CHOICES = QComboBox, QAbstractSpinBox


class _Column(QWidget):  # type: ignore[misc]
    """What is scrolled: only once its tables are as low as they can be."""

    def heightForWidth(self, width_px: int) -> int:  # noqa: N802
        tables = [table for table in self.findChildren(QTableView) if table.isVisibleTo(self)]
        spare_px = sum(table.sizeHint().height() - table.minimumSizeHint().height() for table in tables)
        return int(self.layout().heightForWidth(width_px) - spare_px)


class Scrolled(QScrollArea):  # type: ignore[misc]
    """Scrolls a column up and down, never sideways, and asks for no height of its own.

    Attributes
    ----------
    column : QWidget
        Which is scrolled, for whoever gives it a layout.
    """

    def __init__(self) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # the canvas keeps the focus, and with it the keys
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.column = _Column()
        self.setWidget(self.column)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size without scroll bars."""
        return QSize(self._width_px(), self.column.sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the width of the column and its scroll bar, and a small height."""
        return QSize(self._width_px(), _LEAST_HEIGHT_PX)

    def _width_px(self) -> int:
        return int(self.column.minimumSizeHint().width() + self.verticalScrollBar().sizeHint().width())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Follow the width of the column; let the wheel scroll, and choose nothing in the lists and numbers that it passes."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, _CHOICES):
            QApplication.sendEvent(self.verticalScrollBar(), event)
            return True
        if watched is self.column and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
            for kind in _CHOICES:
                for part in self.column.findChildren(kind):
                    part.installEventFilter(self)
        return bool(super().eventFilter(watched, event))
