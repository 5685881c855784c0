"""The line about the image and the form under it, with a real session and without a window of napari."""

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QComboBox, QToolButton

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.qt.image_panel import ImagePanel
from napari_sam2.plugin.selection.image_summary import Intensities
from widget_driving import plain_click


@pytest.fixture
def controller(blobs, opener):
    viewer = ViewerModel()
    viewer.add_image(np.stack([blobs, np.zeros_like(blobs)], 1), name="movie", axis_labels=tuple("tcyx"), contrast_limits=(3, 77))
    viewer.dims.set_point([0, 1], [0, 0])
    return Controller(viewer, opener=opener)


@pytest.fixture
def panel(controller, qtbot):
    panel = ImagePanel(controller, QComboBox(), QToolButton())
    qtbot.addWidget(panel)
    panel.resize(260, 400)
    panel.show()
    yield panel
    panel.tear_down()


def unfold(panel, qtbot):
    qtbot.mouseClick(panel.line, Qt.MouseButton.LeftButton)


def apply(panel, qtbot):
    qtbot.mouseClick(panel.button, Qt.MouseButton.LeftButton)


def test_one_line_folded(panel, controller):
    assert panel.line.full_text == "movie · TCYX along T · channel 0, 1 · intensities automatic · micro"
    assert not panel.body.isVisible()
    assert panel.form is None
    assert panel.line.text().endswith("…")
    assert panel.line.full_text in panel.line.toolTip()
    plain_click(controller, (0, 0, 10, 10))
    assert panel.line.full_text.endswith("micro · cpu")


def test_a_click_unfolds_the_form(panel, qtbot):
    unfold(panel, qtbot)
    form = panel.form
    QApplication.processEvents()
    assert panel.body.isVisible()
    assert (form.axes.value, form.along.value, form.red.value, form.green.value, form.blue.value) == ("TCYX", "T", 0, 1, None)
    assert [widget.name for widget in form if widget.visible] == ["axes", "red", "green", "blue", "intensities"]
    form.intensities.value = Intensities.PERCENTILES
    assert (form.low.visible, form.low.value, form.high.value) == (True, 0.1, 99.9)
    unfold(panel, qtbot)
    assert not panel.body.isVisible()


def test_guesses_are_changed(panel, controller, qtbot):
    plain_click(controller, (0, 0, 10, 10))
    unfold(panel, qtbot)
    panel.form.green.value = None
    panel.form.intensities.value = Intensities.RANGE
    panel.form.low.value, panel.form.high.value = 10, 90
    apply(panel, qtbot)
    assert controller.workspace.source.reading == Reading(channels=(0,), intensity_range=(10, 90))
    assert controller.session.intensity_ranges == ((10, 90),)
    assert panel.line.full_text == "movie · TCYX along T · channel 0 · 10 – 90 · micro · cpu"
    panel.form.intensities.value = Intensities.CONTRAST
    apply(panel, qtbot)
    assert controller.session.intensity_ranges == ((3, 77),)
    panel.form.axes.value = "zcyx"
    apply(panel, qtbot)
    assert controller.workspace.stack.along == "Z"


def test_axes_that_are_typed_offer_their_directions(panel, controller, qtbot):
    unfold(panel, qtbot)
    QApplication.processEvents()
    assert not panel.form.along.visible, "along T alone"
    panel.form.axes.value = "ZCYX"
    assert panel.form.along.visible
    assert panel.form.along.choices == ("Z", "Y", "X")
    panel.form.along.value = "X"
    apply(panel, qtbot)
    assert (controller.workspace.stack.letters, controller.workspace.stack.along) == (("Z", "C", "Y", "X"), "X")
    panel.form.axes.value = "nonsense"
    panel.form.axes.value = "YX"
    assert not panel.form.along.visible


def test_what_does_not_fit_is_told_and_the_form_stays(panel, controller, qtbot, notices):
    unfold(panel, qtbot)
    panel.form.axes.value = "TYX"
    apply(panel, qtbot)
    assert notices()[-1][1].startswith("'movie' has 4 axes")
    assert controller.workspace.source.reading == Reading()
    panel.form.axes.value = "TCYX"
    panel.form.intensities.value = Intensities.RANGE
    panel.form.low.value, panel.form.high.value = 9, 9
    apply(panel, qtbot)
    assert "the lower one first" in notices()[-1][1]


def test_another_image_and_none(panel, controller, qtbot):
    unfold(panel, qtbot)
    viewer = controller._viewer
    viewer.add_image([np.zeros((40, 50)), np.zeros((20, 25))], name="pyramid", multiscale=True)
    controller.choose_image(viewer.layers["pyramid"])
    QApplication.processEvents()
    assert [widget.name for widget in panel.form if widget.visible] == ["axes", "resolution", "intensities"]
    viewer.layers.clear()
    assert panel.line.full_text == "no image · micro"
    assert panel.form is None
    assert not panel.button.isEnabled()
