import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.qt.tracking_button import TrackingButton
from widget_driving import LateRunner

IN_WORDS = Qt.ToolButtonStyle.ToolButtonTextOnly
WHAT = "Find every object, follow it through the stack, with ends and divisions; no clicks needed."


@pytest.fixture
def made(qtbot):
    """Makes the button of a controller, which shows each change."""
    connected = []

    def make(controller):
        button, opened = QToolButton(), []
        qtbot.addWidget(button)
        tracking = TrackingButton(controller, button, lambda: opened.append(1))

        def show():
            tracking.show(has_room=True)

        controller.changed.connect(show)
        connected.append((controller, show))
        show()
        return button, opened, tracking

    yield make
    for controller, show in connected:
        controller.changed.disconnect(show)


@pytest.mark.usefixtures("finding")
def test_options_stop_continue(viewer, opener, made):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    runner.finish()
    button, opened, tracking = made(controller)
    assert button.toolTip() == f"{WHAT} Opens its options. Key: Shift+G."
    button.click()
    assert (opened, controller.is_busy) == ([1], False)
    controller.track_everything()
    assert (button.text(), button.toolButtonStyle()) == ("Stop", IN_WORDS)
    runner.work()
    runner.deliver(6)
    button.click()
    assert runner.is_stopped
    runner.finish()
    controller.undo()
    runner.finish()

    controller.track_everything()
    controller.workspace.worker.session.state.changed.connect(stop := lambda _: runner.stop())
    runner.work()
    controller.workspace.worker.session.state.changed.disconnect(stop)
    button.click()
    runner.finish()
    assert (button.text(), button.toolButtonStyle()) == ("Continue", IN_WORDS)
    assert button.toolTip() == f"{WHAT} 2 frames left. Key: Shift+G."
    tracking.show(has_room=False)
    assert button.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonIconOnly
    button.click()
    assert controller.is_tracking
    runner.finish()
    assert (opened, button.text()) == ([1], "")
    assert controller.workspace.tracking_left.num_frames == 0


@pytest.mark.parametrize(
    ("pixels", "reading", "reason"),
    [
        (np.zeros((20, 30), np.uint8), None, "this is a single image"),
        (np.zeros((3, 20, 30), np.uint8), Reading(axes="NYX"), "the frames are separate images"),
    ],
)
def test_a_reason_where_nothing_can_be_tracked(shown, made, pixels, reading, reason):
    controller = shown(pixels, reading=reading)
    button, _, _ = made(controller)
    assert not button.isEnabled()
    assert button.toolTip() == f"{WHAT} Key: Shift+G. There is nothing to track through: {reason}."


def test_no_image(viewer, controller, made):
    button, _, _ = made(controller)
    assert button.isEnabled()
    viewer.layers.clear()
    assert not button.isEnabled()
    assert button.toolTip().endswith("There is nothing to track: open an image first.")
