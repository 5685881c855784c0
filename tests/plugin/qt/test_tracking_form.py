from types import SimpleNamespace

from qtpy.QtWidgets import QWidget

from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.qt.tracking_form import TrackingForm


def test_the_form_edits_the_options_and_tracks(qtbot):
    calls = []
    controller = SimpleNamespace(tracking_options=None, track_everything=lambda: calls.append(1))
    form = TrackingForm(controller)
    qtbot.addWidget(form)
    assert form.form() == TrackingOptions()
    form.form.points_per_side.value = 12
    form.form.least_area_px.value = 30
    form.form.largest_area_px.value = 900
    assert controller.tracking_options == TrackingOptions(12, 30, 900)
    assert form.track.text() == "Track everything (Shift+G)"
    button = QWidget()
    qtbot.addWidget(button)
    button.show()
    form.open_below(button)
    assert form.isVisible()
    form.track.click()
    assert (calls, form.isVisible()) == ([1], False)
