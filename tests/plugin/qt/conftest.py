import os
import sys
from pathlib import Path

import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.qt.background import BackgroundRunner
from napari_sam2.plugin.qt.dock_widget import SegmentWidget

HAS_DISPLAY = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
NO_MODIFIER, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


def pytest_collection_modifyitems(items):
    if not HAS_DISPLAY:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs a display, such as xvfb-run's: Qt aborts the process without"))


class CanvasRobot:
    """Real mouse and key events on the canvas, addressed in world coordinates."""

    def __init__(self, viewer, qtbot):
        self.viewer = getattr(viewer, "__wrapped__", viewer)  # out of the proxy, which warns of what is private
        self.canvas = self.viewer.window._qt_viewer.canvas
        self.native = self.canvas.native
        qtbot.waitExposed(self.native)
        QApplication.processEvents()

    def at(self, world):
        view = self.canvas.view
        x, y = (view.transform * view.scene.transform).map([world[axis] for axis in self.viewer.dims.displayed][::-1])[:2]
        return QPoint(round(x), round(y))

    def click(self, world, button=LEFT, modifier=NO_MODIFIER):
        QTest.mouseClick(self.native, button, modifier, self.at(world))
        QApplication.processEvents()

    def drag(self, start, stop, modifier=NO_MODIFIER, before_release=lambda: None, num_moves=5, button=LEFT):
        first, last = self.at(start), self.at(stop)
        QTest.mousePress(self.native, button, modifier, first)
        for step in range(1, num_moves + 1):
            point = QPointF(first) + (QPointF(last) - QPointF(first)) * (step / num_moves)
            on_screen = QPointF(self.native.mapToGlobal(point))
            # QTest.mouseMove does not say which button is down
            move = QMouseEvent(QEvent.Type.MouseMove, point, on_screen, Qt.MouseButton.NoButton, button, modifier)
            QApplication.sendEvent(self.native, move)
            QApplication.processEvents()
        before_release()
        QTest.mouseRelease(self.native, button, modifier, last)
        QApplication.processEvents()

    def key(self, key, modifier=NO_MODIFIER):
        QTest.keyClick(self.native, key, modifier)
        QApplication.processEvents()


@pytest.fixture
def robot(qtbot):
    return lambda viewer: CanvasRobot(viewer, qtbot)


@pytest.fixture
def open_widget(make_napari_viewer_proxy, qtbot):
    """Open the widget in a viewer as napari does, and end its thread after the test."""
    runners = []

    def open_one(viewer, opener=None):
        runner = BackgroundRunner()
        runners.append(runner)
        widget = SegmentWidget(viewer, Controller(viewer, runner, opener))
        viewer.window.add_dock_widget(widget, name="SAM 2")
        return widget

    open_one.runners = runners
    yield open_one
    for runner in runners:
        runner.close()
        runner.wait()


@pytest.fixture
def viewer(make_napari_viewer_proxy, blobs):
    """A window with a movie in it, at its first frame."""
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(blobs, name="movie", axis_labels=("t", "y", "x"), scale=(60, 0.5, 0.5), units=("s", "um", "um"))
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def widget(viewer, open_widget, opener):
    """The dock in that window."""
    return open_widget(viewer, opener)
