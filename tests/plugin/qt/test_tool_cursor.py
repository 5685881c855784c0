from types import SimpleNamespace

from psygnal import Signal
from qtpy.QtWidgets import QApplication, QWidget

from napari_sam2.plugin.canvas.tools.tool import Tool
from napari_sam2.plugin.qt.tool_cursor import ToolCursor


class Stub:
    changed = Signal()

    def __init__(self):
        self.workspace = object()
        self.canvas = SimpleNamespace(tool=Tool.LASSO, is_inside=True, is_ours=True)


class CanvasBackendDesktop(QWidget):
    pass


def test_the_cursor_is_kept_while_the_mouse_is_ours(qtbot):
    window, controller = QWidget(), Stub()
    qtbot.addWidget(window)
    canvas, cursor = CanvasBackendDesktop(window), ToolCursor(controller)
    cursor.follow(window)
    lasso = canvas.cursor().pixmap().toImage()
    assert not lasso.isNull()
    canvas.unsetCursor()
    QApplication.processEvents()
    assert canvas.cursor().pixmap().toImage() == lasso
    controller.canvas.is_inside = False
    controller.changed.emit()
    assert canvas.cursor().pixmap().toImage() != lasso
    controller.canvas.is_ours = False
    canvas.unsetCursor()
    QApplication.processEvents()
    assert canvas.cursor().pixmap().isNull()
    cursor.leave()
    controller.canvas.is_ours = True
    controller.changed.emit()
    assert canvas.cursor().pixmap().isNull()


def test_a_window_without_a_canvas(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    cursor = ToolCursor(Stub())
    cursor.follow(window)
    cursor.show()
    cursor.leave()
