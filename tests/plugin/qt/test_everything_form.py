from types import SimpleNamespace

from qtpy.QtWidgets import QWidget

from napari_sam2.plugin.options.everything_options import EverythingOptions
from napari_sam2.plugin.qt.everything_form import EverythingForm


def test_the_form_edits_the_options_and_finds(qtbot):
    calls = []
    controller = SimpleNamespace(everything_options=None, find_everything=lambda: calls.append(1))
    form = EverythingForm(controller)
    qtbot.addWidget(form)
    assert form.form["least_iou"].native.text() == "automatic"
    form.form.points_per_side.value = 12
    form.form.least_iou.value = 0.6
    assert controller.everything_options == EverythingOptions(12, least_iou=0.6)
    button = QWidget()
    qtbot.addWidget(button)
    button.show()
    form.open_below(button)
    assert form.isVisible()
    form.find.click()
    assert (calls, form.isVisible()) == ([1], False)
