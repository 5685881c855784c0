from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2.plugin.canvas.tools.tool import Tool
from napari_sam2.plugin.options.tracking_options import TrackingLeft
from napari_sam2.plugin.qt.tool_row import KEYS_OF_TOOLS
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace
from widget_driving import camera_of

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


@pytest.fixture
def viewer(make_napari_viewer_proxy, blobs):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(blobs, name="movie")
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def widget(viewer, open_widget, opener, qtbot):
    widget = open_widget(viewer, opener)
    until_idle(qtbot, widget)
    return widget


def until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


def test_each_tool_by_its_key_and_its_button(viewer, widget, robot):
    robot, row = robot(viewer), widget._tools
    for tool, key in reversed(KEYS_OF_TOOLS.items()):
        robot.key(getattr(Qt.Key, f"Key_{key.name}"))
        assert [one for one, button in row.buttons.items() if button.isChecked()] == [tool]
        assert row.diameter.isVisible() == tool.has_size
        assert f"Key: {key.name}" in row.buttons[tool].toolTip()
    for tool, button in row.buttons.items():
        button.click()
        assert widget.controller.canvas.tool == tool
    row.diameter.setValue(33)
    assert widget.controller.canvas.diameter_px == 33
    robot.key(Qt.Key.Key_BracketRight)
    assert row.diameter.value() == 36


def test_a_real_drag_draws_with_the_tool_and_does_not_move_the_view(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    centre = tuple(camera_of(viewer).center)
    robot.key(Qt.Key.Key_8)
    widget.controller.canvas.choose_diameter(5)
    robot.drag((0, 35, 8), (0, 35, 20))
    until_idle(qtbot, widget)
    labels = viewer.layers["movie – objects"].data
    assert labels[0][35, 8:20].all()
    robot.drag((0, 35, 14), (0, 35, 24), button=RIGHT)
    until_idle(qtbot, widget)
    assert labels[0][35, 8:11].all()
    assert not labels[0][35, 14:].any()
    assert tuple(camera_of(viewer).center) == centre
    robot.key(Qt.Key.Key_Q)
    robot.drag((0, 35, 30), (0, 25, 30))
    assert tuple(camera_of(viewer).center) != centre
    robot.key(Qt.Key.Key_U)
    robot.key(Qt.Key.Key_U)
    until_idle(qtbot, widget)
    assert not labels.any()


def test_strokes_of_napari_on_the_result_are_prompts(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    robot.click((0, 10, 10))
    until_idle(qtbot, widget)
    result = viewer.layers["movie – objects"]
    before = result.data.copy()
    viewer.layers.selection.active = result
    result.mode, result.brush_size, result.selected_label = "paint", 4, 1
    robot.drag((0, 10, 14), (0, 10, 24))
    until_idle(qtbot, widget)
    assert (result.data[0][10, 5:23] == 1).all()
    assert widget.session.objects[1].prompts[0].packed_mask
    robot.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    until_idle(qtbot, widget)
    np.testing.assert_array_equal(result.data, before)


def test_keys_change_no_tool_of_a_shapes_layer(viewer, widget, robot):
    robot, controller = robot(viewer), widget.controller
    shapes = viewer.add_shapes(ndim=3)
    robot.key(Qt.Key.Key_T)
    assert (shapes.mode, controller.is_inside) == ("pan_zoom", False)
    shapes.mode = "add_rectangle"
    robot.key(Qt.Key.Key_T)
    assert (shapes.mode, controller.is_inside) == ("add_rectangle", False)
    shapes.mode = "pan_zoom"
    robot.key(Qt.Key.Key_J)
    robot.key(Qt.Key.Key_Escape)
    assert controller.canvas.tool == Tool.CLICK, "Esc is not that of the Shapes layer"


def test_space_moves_the_view(viewer, widget, robot):
    robot, centre = robot(viewer), tuple(camera_of(viewer).center)
    robot.key(Qt.Key.Key_J)
    QTest.keyPress(robot.native, Qt.Key.Key_Space)
    robot.drag((0, 35, 30), (0, 25, 30))
    QTest.keyRelease(robot.native, Qt.Key.Key_Space)
    QApplication.processEvents()
    assert tuple(camera_of(viewer).center) != centre
    assert widget.controller.canvas.is_ours


def test_the_cursor_is_that_of_the_tool_until_the_dock_is_closed(viewer, widget, robot):
    robot = robot(viewer)
    cursors = []
    for key in (Qt.Key.Key_Q, Qt.Key.Key_J, Qt.Key.Key_T):
        robot.key(key)
        cursors.append(robot.native.cursor().pixmap().toImage())
    assert all(one != other and not one.isNull() for one, other in pairwise(cursors))
    viewer.cursor.style = "pointing"
    QApplication.processEvents()
    assert robot.native.cursor().pixmap().toImage() == cursors[-1], "napari sets it often"
    points = viewer.add_points(ndim=3)
    points.mode = "add"
    QApplication.processEvents()
    assert robot.native.cursor().pixmap().toImage() != cursors[-1], "that of the layer's own tool"
    points.mode = "pan_zoom"
    viewer.window.remove_dock_widget(widget)
    assert robot.native.cursor().pixmap().isNull()


def test_icons_follow_the_theme(viewer, widget):
    button = widget._tools.buttons[Tool.BOX]
    dark = button.icon().pixmap(20, 20).toImage()
    viewer.theme = "light"
    QApplication.processEvents()
    QApplication.sendEvent(widget._tools, QEvent(QEvent.Type.StyleChange))
    assert button.icon().pixmap(20, 20).toImage() != dark


def test_no_tools_without_an_image(viewer, widget):
    viewer.layers.clear()
    assert not any(button.isEnabled() for button in widget._tools.buttons.values())


def test_words_of_the_button_that_tracks_make_the_dock_no_wider(widget, monkeypatch):
    controller, row = widget.controller, widget._tools
    before = widget.minimumSizeHint().width()
    monkeypatch.setattr(ImageWorkspace, "tracking_left", TrackingLeft(True, 2))
    controller.changed.emit()
    assert (row.track.text(), row.track.toolButtonStyle()) == ("Continue", Qt.ToolButtonStyle.ToolButtonTextOnly)
    assert widget.minimumSizeHint().width() == before
    controller.use_brush()
    assert row.track.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonIconOnly, "the size of the brush needs the room"
