import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.qt import propagate_panel
from napari_sam2.plugin.qt.propagate_panel import PropagatePanel, progress
from napari_sam2.session.propagation.run_estimate import RunEstimate
from widget_driving import plain_click

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def table(qtbot):
    from napari_sam2.plugin.qt.object_table import ObjectTable

    table = ObjectTable(lambda object_id: None)
    qtbot.addWidget(table)
    return table


@pytest.fixture
def panel(controller, table, qtbot):
    panel = PropagatePanel(controller, table)
    qtbot.addWidget(panel)
    controller.workspace.rows.changed.connect(table.updateValue)
    yield panel
    panel.tear_down()


@pytest.fixture
def two(controller, panel):
    """Two objects, prompted on the first of three frames."""
    plain_click(controller, (0, 10, 10))
    plain_click(controller, (0, 24, 35))
    return panel


def shown(panel):
    return panel._shown.currentWidget()


def press(panel):
    QTest.mouseClick(panel.button, LEFT)


@pytest.fixture
def _in_42_s(monkeypatch):
    monkeypatch.setattr(RunEstimate, "seconds", lambda self, num_frames, num_masks: 42.0)


@pytest.mark.usefixtures("_in_42_s")
def test_before_and_after(controller, panel):
    assert panel.button.text() == "Propagate (G)"
    assert panel.estimate.text() == ""
    plain_click(controller, (0, 10, 10))
    plain_click(controller, (0, 24, 35))
    assert panel.button.text() == "Propagate 2 frames (G)"
    assert panel.estimate.text() == "4 masks: about 42 s, at most 1 MB on disk."
    press(panel)
    assert panel.button.text() == "Propagate (G)"
    assert panel.estimate.text() == ""
    assert controller.workspace.worker.session.plan() == []


def test_stop_and_continue(controller, two, texts):
    seen = []

    def stop(done, total):
        seen.append((two.button.text(), shown(two) is two.bar, two.bar.value(), two.bar.maximum()))
        press(two)

    controller.progressed.connect(stop)
    press(two)
    assert seen == [("Stop (Esc)", True, 1, 2)]
    assert texts[-1] == "Stopped: 1 frame done and kept, 1 left."
    assert two.button.text() == "Continue 1 frame (G)"
    assert shown(two) is two.estimate
    controller.progressed.disconnect(stop)
    press(two)
    assert texts[-1].startswith("1 frame done in ")
    assert two.button.text() == "Propagate (G)"


@pytest.mark.usefixtures("finding")
def test_what_tracks_everything_is_continued_elsewhere(controller, panel):
    def stop(_done, total):
        if total == 3:
            controller.cancel()

    controller.progressed.connect(stop)
    controller.track_everything()
    assert controller.workspace.tracking_left.num_frames == 2
    assert panel.button.text() == "Propagate 2 frames (G)"
    controller.progressed.disconnect(stop)
    controller.track_everything()
    assert panel.button.text() == "Propagate (G)", "nothing is left to be done"


def test_how_much_is_left_is_not_always_known(controller, panel):
    panel._show_progress(0, 0)
    assert panel.bar.maximum() == 0
    panel._show_activity()
    panel._show_progress(1, 2)
    panel._show_activity()
    assert (panel.bar.value(), panel.bar.maximum()) == (1, 2)


def test_a_correction_is_continued_and_a_new_object_is_not(controller, two):
    press(two)
    controller.choose_object(1)
    plain_click(controller, (1, 6, 6))
    assert two.button.text() == "Continue 1 frame (G)"
    press(two)
    controller.put_down()
    plain_click(controller, (0, 35, 5))
    assert two.button.text() == "Propagate 2 frames (G)"


def test_a_range_and_a_direction(controller, two):
    form = two.form
    assert (form.first_frame.value, form.last_frame.value) == (0, 2)
    form.last_frame.value = 1
    assert controller.propagation == PropagationOptions("both", 0, 1)
    assert two.button.text() == "Propagate 1 frame (G)"
    assert form.first_frame.max == 1
    press(two)
    labels = controller.workspace.result.layer.data
    assert labels.any((1, 2)).tolist() == [True, True, False]
    call = controller.workspace.worker.session.document().calls[-1].arguments
    assert (call["direction"], call["frames"]) == ("both", [0, 1])
    form.last_frame.value = 2
    assert two.button.text() == "Continue 1 frame (G)"
    form.direction.value = "backward"
    assert controller.propagation == PropagationOptions("backward")
    assert two.button.text() == "Propagate (G)"


def test_frames_that_would_be_left_out(two):
    two.form.first_frame.value = 2
    assert two.estimate.text().endswith("on disk. 1 frame up to the nearest prompt would be left out: objects may be lost.")


def test_selected_objects(controller, two, table, texts):
    two.form.objects.value = "selected"
    table.view.clearSelection()
    assert controller.propagation.objects == ()
    assert two.button.text() == "Propagate (G)"
    press(two)
    assert texts[-1] == "No object is selected in the table: select some, or propagate all objects."
    table.setCurrent(2)
    assert controller.propagation.objects == (2,)
    assert two.estimate.text().startswith("2 masks")
    press(two)
    assert np.unique(controller.workspace.result.layer.data[1:]).tolist() == [0, 2]


def test_names_of_the_choices(panel):
    names = [["both ways", "forward", "backward"], ["all objects", "selected objects"]]
    for field, expected in zip(("direction", "objects"), names, strict=True):
        native = panel.form[field].native
        assert [native.itemText(index) for index in range(native.count())] == expected
    assert panel.form.direction.value == "both"
    assert panel.form.objects.value == "all"


def test_it_is_folded_at_first(panel):
    panel.show()
    assert not panel.form.direction.native.isVisible()
    QTest.mouseClick(panel._fold, LEFT)
    assert all(panel.form[name].native.isVisible() for name in ("direction", "first_frame", "last_frame", "objects"))


def test_another_image(controller, two, viewer):
    two.form.first_frame.value = 1
    picture = viewer.add_image(np.zeros((20, 30)), name="picture")
    controller.choose_image(picture)
    assert not two.button.isEnabled()
    assert two.button.text() == "Propagate (G)"
    assert two.estimate.text() == ""
    controller.choose_image(viewer.layers["movie"])
    assert two.button.isEnabled()
    assert two.button.text() == "Propagate 2 frames (G)"
    assert controller.propagation == PropagationOptions()
    viewer.layers.clear()
    assert not two.button.isEnabled()
    assert two.estimate.text() == ""


@pytest.mark.usefixtures("_in_42_s")
def test_a_disk_that_is_too_small(controller, two, monkeypatch, tmp_path):
    controller.workspace.kept.saved_to = tmp_path / "a.sam2"
    monkeypatch.setattr(propagate_panel.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    two._show()
    assert two.estimate.text() == "4 masks: about 42 s, at most 1 MB on disk, of which 0 MB are free."


def test_the_activity_dock(panel, qtbot, controller, monkeypatch):
    monkeypatch.setattr(propagate_panel, "_ACTIVITY_MS", 0)
    panel._show_progress(1, 2)
    qtbot.waitUntil(lambda: panel._activity is not None)
    assert (panel._activity.n, panel._activity.total) == (1, 2)
    panel._show_progress(3, 4)
    qtbot.waitUntil(lambda: panel._activity.n == 3)
    assert panel._activity.total == 4
    assert panel._activity in progress._all_instances
    panel._show()
    assert panel._activity is None
    assert not progress._all_instances
    QApplication.processEvents()
