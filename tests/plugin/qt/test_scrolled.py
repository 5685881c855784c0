"""The scrolled column, without a viewer."""

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QTableView, QVBoxLayout

from napari_sam2.plugin.qt.scrolled import Scrolled


@pytest.fixture
def scrolled(qtbot):
    """A list of choices, a text, and a table that takes the room that is left."""
    scrolled = Scrolled()
    qtbot.addWidget(scrolled)
    layout = QVBoxLayout(scrolled.column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(0)
    combo = QComboBox()
    combo.addItems(["a", "b"])
    label = QLabel("text")
    label.setFixedSize(120, 200)
    for part in (combo, label, QTableView()):
        layout.addWidget(part)
    scrolled.resize(200, 600)
    scrolled.show()
    QApplication.processEvents()
    return scrolled


def wheel(widget):
    centre = QPointF(widget.rect().center())
    on_screen = QPointF(widget.mapToGlobal(centre.toPoint()))
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(centre, on_screen, QPoint(), QPoint(0, -120), *none, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(widget, event)


def test_a_table_takes_the_room_that_is_left(scrolled):
    table, bar = scrolled.findChild(QTableView), scrolled.verticalScrollBar()
    combo_px = scrolled.findChild(QComboBox).height()
    assert (table.height(), bar.maximum()) == (600 - 200 - combo_px, 0)
    least_px = table.minimumSizeHint().height()
    scrolled.resize(200, 200 + combo_px + least_px)
    QApplication.processEvents()
    assert (table.height(), bar.maximum()) == (least_px, 0), "it is as low as it can be before anything is scrolled"
    scrolled.resize(200, 200 + combo_px + least_px - 30)
    QApplication.processEvents()
    assert (table.height(), bar.maximum()) == (least_px, 30)


def test_it_asks_for_width_and_for_no_height(scrolled):
    assert scrolled.minimumSizeHint().height() < 100
    room_px = scrolled.minimumSizeHint().width() - scrolled.verticalScrollBar().sizeHint().width()
    assert room_px == scrolled.column.minimumSizeHint().width() >= 120
    scrolled.findChild(QLabel).setFixedWidth(300)
    QApplication.processEvents()
    assert scrolled.minimumSizeHint().width() == 300 + scrolled.verticalScrollBar().sizeHint().width()


def test_the_wheel_scrolls_and_chooses_nothing(scrolled):
    scrolled.resize(200, 150)
    QApplication.processEvents()
    combo = scrolled.findChild(QComboBox)
    wheel(combo)
    assert (combo.currentText(), scrolled.verticalScrollBar().maximum() > 0) == ("a", True)
    assert scrolled.verticalScrollBar().value() > 0
