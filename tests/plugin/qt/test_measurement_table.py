import time

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2.plugin.qt.measurement_table import MeasurementTable, title_of

TABLE = {
    "object_id": np.array([1, 1, 2, 10]),
    "name": np.array(["b", "b", "a", "c"]),
    "frame": np.array([0, 1, 0, 5]),
    "area_um2": np.array([2.5, 20.123456789, np.nan, 3.0]),
}


@pytest.fixture
def table(qtbot):
    table = MeasurementTable()
    qtbot.addWidget(table)
    table.setValue(TABLE)
    table.resize(500, 300)
    table.show()
    return table


def column(table, number):
    model = table.model
    return [model.data(model.index(row, number)) for row in range(model.rowCount())]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("object_id", "object"),
        ("area_um2", "area (µm²)"),
        ("volume_nm3", "volume (nm³)"),
        ("centroid_y_px", "centroid y (px)"),
        ("time_s", "time (s)"),
        ("intensity_mean_c0", "intensity mean c0"),
        ("frame", "frame"),
        ("predicted_iou", "predicted iou"),
    ],
)
def test_titles_have_units(name, title):
    assert title_of(name) == title


def test_cells(table):
    assert column(table, 0) == ["1", "1", "2", "10"]
    assert column(table, 3) == ["2.5", "20.123", "", "3"]
    assert table.count.text() == "4 rows: objects on frames"
    assert table.model.headerData(3, Qt.Orientation.Horizontal) == "area (µm²)"


def test_sorted_as_numbers_and_what_is_not_known_last(table):
    header = table.view.horizontalHeader()

    def press_header(number):
        x = header.sectionViewportPosition(number) + 8
        QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=header.viewport().rect().topLeft() + _point(x, 5))

    press_header(3)
    assert column(table, 3) == ["2.5", "3", "20.123", ""]
    press_header(3)
    assert column(table, 3) == ["20.123", "3", "2.5", ""]
    assert table.model.key_at(0) == (1, 1)
    table.setValue({**TABLE, "area_um2": np.array([1.0, 2.0, 3.0, 4.0])})
    assert column(table, 0) == ["10", "2", "1", "1"], "it stays sorted"
    press_header(0)
    assert column(table, 0) == ["1", "1", "2", "10"]
    press_header(1)
    assert column(table, 1) == ["a", "b", "b", "c"]


def _point(x, y):
    from qtpy.QtCore import QPoint

    return QPoint(x, y)


def test_a_click_tells_object_and_frame(table, qtbot):
    rect = table.view.visualRect(table.model.index(3, 2))
    with qtbot.waitSignal(table.rowChosen) as chosen:
        QTest.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert chosen.args == [10, 5]


def test_copied_for_a_spreadsheet(table, qtbot):
    table.copy_button.click()
    assert QApplication.clipboard().text().splitlines() == [
        "object_id\tname\tframe\tarea_um2",
        "1\tb\t0\t2.5",
        "1\tb\t1\t20.12346",
        "2\ta\t0\t",
        "10\tc\t5\t3",
    ]
    table.view.selectRow(2)
    table.copy()
    assert QApplication.clipboard().text() == "object_id\tname\tframe\tarea_um2\n2\ta\t0\t\n"
    with qtbot.waitSignal(table.saveRequested):
        table.save_button.click()


def test_nothing_was_found_yet(table):
    table.setValue({})
    assert table.count.text() == "No object was found yet."
    assert not table.copy_button.isEnabled()
    assert not table.save_button.isEnabled()


def test_what_is_looked_at_stays_when_the_table_changes(table):
    many = {"object_id": np.repeat(np.arange(1, 101), 10), "frame": np.tile(np.arange(10), 100)}
    table.setValue(many)
    table.view.selectRow(505)
    table.view.verticalScrollBar().setValue(500)
    table.setValue({name: values[10:] for name, values in many.items()})
    assert [index.row() for index in table.view.selectionModel().selectedRows()] == [495]
    assert table.model.key_at(495) == (51, 5)
    assert table.view.verticalScrollBar().value() == 500
    table.setValue({name: values[600:] for name, values in many.items()})
    assert not table.view.selectionModel().hasSelection(), "the object is not there any more"


def test_300_objects_on_300_frames_are_quick(table, qtbot):
    count = 90_000
    large = {
        "object_id": np.repeat(np.arange(300), 300),
        "frame": np.tile(np.arange(300), 300),
        **{f"intensity_mean_c{number}": np.random.default_rng(number).random(count) for number in range(15)},
    }
    start = time.perf_counter()
    table.setValue(large)
    table.model.sort(5)
    table.view.scrollToBottom()
    QApplication.processEvents()
    assert time.perf_counter() - start < 0.5
    assert table.model.rowCount() == count
