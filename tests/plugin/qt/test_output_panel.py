import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

LEFT = Qt.MouseButton.LeftButton


def until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


@pytest.fixture
def widget(viewer, open_widget, opener, robot, qtbot):
    """With two objects on all frames, by mouse and key."""
    widget = open_widget(viewer, opener)
    for position in ((0, 10, 10), (0, 24, 35)):
        robot(viewer).click(viewer.layers["movie"].data_to_world(position))
        until_idle(qtbot, widget)
    robot(viewer).key(Qt.Key.Key_G)
    until_idle(qtbot, widget)
    return widget


def test_an_export_by_the_mouse(widget, qtbot, tmp_path, monkeypatch, blobs):
    panel = widget.output_panel
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a.tif"), ""))
    chosen = []

    def choose():
        menu = panel.exports
        action = next(action for action in menu.actions() if "(.tif)" in action.text())
        chosen.append(action.text())
        QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())

    QTimer.singleShot(300, choose)
    QTest.mouseClick(panel.export_button, LEFT)
    qtbot.waitUntil(lambda: (tmp_path / "a.tif").exists(), timeout=10_000)
    until_idle(qtbot, widget)
    assert chosen == ["Labels as an ImageJ hyperstack  (.tif) …"]
    expected = np.where(blobs == 200, 1, np.where(blobs == 150, 2, 0))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), expected)
    assert widget._status.text() == f"a.tif is written to {tmp_path}."


def test_tracks_lie_on_the_image(widget, viewer, qtbot):
    QTest.mouseClick(widget.output_panel.tracks_button, LEFT)
    until_idle(qtbot, widget)
    layer = viewer.layers["movie – tracks"]
    assert len(layer.data) == 6
    np.testing.assert_array_equal(layer.scale, viewer.layers["movie"].scale)
    widget.controller.undo()
    until_idle(qtbot, widget)
    qtbot.waitUntil(lambda: len(layer.data) == 2)
    viewer.window.remove_dock_widget(widget)
    assert "movie – tracks" in viewer.layers


def test_the_table_is_a_dock_where_a_click_goes_there(widget, viewer, qtbot):
    panel = widget.output_panel
    QTest.mouseClick(panel.table_button, LEFT)
    qtbot.waitUntil(lambda: panel.table.model.rowCount() == 6, timeout=10_000)
    assert "Measurements" in viewer.window.dock_widgets
    rect = panel.table.view.visualRect(panel.table.model.index(5, 0))
    QTest.mouseClick(panel.table.view.viewport(), LEFT, pos=rect.center())
    assert widget.controller.current_object == 2
    assert widget.controller.frame == 2
    assert [panel.table.model.headerData(n, Qt.Orientation.Horizontal) for n in (0, 3, 4)] == ["object", "time (s)", "area (µm²)"]
    widget.controller.undo()
    until_idle(qtbot, widget)
    qtbot.waitUntil(lambda: panel.table.model.rowCount() == 2, timeout=10_000)
    table = panel.table
    viewer.window.remove_dock_widget(table)
    assert panel.table is None
    assert not panel.output.is_table_wanted
    QTest.mouseClick(panel.table_button, LEFT)
    qtbot.waitUntil(lambda: panel.table.model.rowCount() == 2, timeout=10_000)
    assert panel.table is not table


def test_the_table_goes_with_the_widget(widget, viewer, qtbot):
    QTest.mouseClick(widget.output_panel.table_button, LEFT)
    until_idle(qtbot, widget)
    viewer.window.remove_dock_widget(widget)
    QApplication.processEvents()
    assert "Measurements" not in viewer.window.dock_widgets
