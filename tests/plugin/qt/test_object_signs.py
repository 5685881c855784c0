import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QTableView

from napari_sam2.plugin.qt.object_model import Column, ObjectModel
from napari_sam2.plugin.qt.object_signs import Sign, Swatch, draw_eye, draw_lock
from napari_sam2.plugin.reports.object_rows import ObjectRow

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot):
    """One object with a colour, shown and unlocked, and one without, hidden and locked."""
    view = QTableView()
    qtbot.addWidget(view)
    view.model_of_rows = ObjectModel(lambda _: None)
    view.model_of_rows.set_rows([ObjectRow(1, "a", "#ff0080"), ObjectRow(2, "b", is_hidden=True, is_locked=True)])
    view.setModel(view.model_of_rows)
    view.setItemDelegateForColumn(Column.COLOUR, Swatch(view))
    view.setItemDelegateForColumn(Column.SHOWN, Sign(view, draw_eye))
    view.setItemDelegateForColumn(Column.LOCKED, Sign(view, draw_lock))
    view.resize(900, 200)
    view.show()
    qtbot.waitExposed(view)
    return view


def picture(view, row, column):
    rect = view.visualRect(view.model().index(row, column))
    return view.viewport().grab(rect).toImage()


def test_a_swatch_has_the_colour_also_in_a_selected_row(view):
    view.selectRow(0)
    image = picture(view, 0, Column.COLOUR)
    assert image.pixelColor(image.width() // 2, image.height() // 2).name() == "#ff0080"


@pytest.mark.parametrize("column", [Column.SHOWN, Column.LOCKED])
def test_signs_differ_by_whether_they_are_set(view, column):
    assert picture(view, 0, column) != picture(view, 1, column)


def test_a_click_anywhere_in_a_cell_turns_the_mark(view):
    told = []
    view.model_of_rows.shown_changed.connect(lambda *values: told.append(("shown", *values)))
    view.model_of_rows.locked_changed.connect(lambda *values: told.append(("locked", *values)))
    for row in range(2):
        for column in (Column.SHOWN, Column.LOCKED):
            QTest.mouseClick(view.viewport(), LEFT, pos=view.visualRect(view.model().index(row, column)).bottomLeft())
    assert told == [("shown", 1, False), ("locked", 1, True), ("shown", 2, True), ("locked", 2, False)]
