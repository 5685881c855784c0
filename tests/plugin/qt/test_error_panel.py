"""The error measured in the dock, by mouse and keys, with the real session."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_sam2.plugin.prompts.clicks import ObjectFrame


def test_a_sample_is_judged_by_keys_and_buttons(viewer, widget, robot, qtbot):
    def until_idle():
        qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)
        QApplication.processEvents()

    robot = robot(viewer)
    robot.click(viewer.layers["movie"].data_to_world((0, 10, 10)))
    until_idle()
    robot.key(Qt.Key.Key_G)
    until_idle()
    review = widget._objects.review
    review.fold.click()
    review.measure.click()
    panel = review.errors
    assert (panel.isVisible(), review.view.isVisible()) == (True, False)
    assert not panel.right.isEnabled()
    assert not panel.go_on.isEnabled()
    for number in (panel.form.size.native, panel.form.seed.native):
        line = number.findChild(QLineEdit)
        assert line.width() >= line.fontMetrics().horizontalAdvance("1000"), "its digits are seen"
    panel.form.size.value = 2
    panel.form.call_button.native.click()
    until_idle()
    masks = widget.session.error_sample.masks
    assert (widget.controller.object_in_hand, widget.controller.frame) == masks[0]
    robot.key(Qt.Key.Key_N)
    until_idle()
    assert panel.text.text() == "1 of 2 judged, 1 wrong: 100 % (95 %: 21 to 100 %)."
    panel.go_on.click()
    assert panel.go_on.text() == "Go on"
    panel.go_on.click()
    panel.right.click()
    until_idle()
    assert widget.session.error_sample.is_wrong == (True, False)
    assert widget._status.text().startswith("The sample is judged: 2 of 2 judged, 1 wrong: 50 %")
    assert not panel.right.isEnabled()
    robot.key(Qt.Key.Key_U)
    until_idle()
    assert panel.text.text().startswith("1 of 2")
    assert widget.controller.review.error_rate.current == ObjectFrame(*masks[1])
    review.measure.click()
    assert (panel.isVisible(), review.view.isVisible()) == (False, True)
