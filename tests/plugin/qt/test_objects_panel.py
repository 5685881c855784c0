"""The table and the timeline in the dock, with the real session, by mouse and keys."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit, QToolButton

from measured_frames import measured
from napari_sam2.plugin.qt.object_model import Column
from napari_sam2.plugin.reports.frame_states import FrameState

NONE, FOUND, ABSENT, APPROVED, PROMPTED, STALE, UNCERTAIN = FrameState
LEFT, CONTROL, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NO_MODIFIER = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def panel(viewer, widget, until_idle):
    """Object 1, prompted on frame 0, and 2, prompted on frame 2, both propagated; frame 2 is shown, and 2 is in hand."""
    image = viewer.layers["movie"]
    widget.controller.keeps_object = True
    for object_id, position in ((1, (0, 10, 10)), (2, (2, 26, 35))):
        widget.controller.choose_object(object_id)
        widget.controller.click(image.data_to_world(position), True)
        until_idle()
    widget.controller.propagate()
    until_idle()
    widget.controller.go_to_frame(2)
    return widget._objects


@pytest.fixture
def until_idle(widget, qtbot):
    return lambda: qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


def click(panel, row, column, modifier=NO_MODIFIER):
    view = panel.table.view
    QTest.mouseClick(view.viewport(), LEFT, modifier, view.visualRect(view.model().index(row, column)).center())
    QApplication.processEvents()


def rows(panel):
    return {row.object_id: row for row in panel.table.value()}


def trigger(panel, text):
    (action,) = [action for action in panel.table.menu().actions() if action.text() == text]
    action.trigger()


def test_rows_and_states_are_those_of_the_session(panel, widget):
    session = widget.session
    for object_id, prompted in ((1, 0), (2, 2)):
        row, quality = rows(panel)[object_id], session.quality(object_id)
        worst = max(quality, key=lambda frame: (quality[frame].uncertainty, -frame))
        assert (row.num_found, row.prompted, row.worst_frame) == (3, (prompted,), worst)
        assert row.uncertainty == pytest.approx(quality[worst].uncertainty, abs=1e-5)
    assert panel.table.selected() == [2]
    assert panel.timeline.value()[2] == PROMPTED
    assert panel.timeline.frame() == 2


def test_a_row_takes_the_object_and_goes_to_its_prompts_if_it_is_not_on_the_shown_frame(panel, widget):
    controller = widget.controller
    click(panel, 0, Column.NAME)
    assert (controller.current_object, controller.frame) == (1, 2), "it is on the shown frame"
    controller.workspace.rows.show_measured(measured((2, 0, 1, 0, 0.25), (2, 1, 1, 96, 0.5), (2, 2, 1, 96, 0)))
    controller.go_to_frame(0)
    click(panel, 1, Column.NAME)
    assert (controller.current_object, controller.frame) == (2, 2)
    click(panel, 1, Column.WORST)
    assert controller.frame == 1
    controller.choose_object(1)
    assert panel.table.selected() == [1], "the table follows"


def test_a_click_on_the_timeline_goes_to_a_frame(panel, widget, viewer):
    timeline = panel.timeline
    QTest.mouseClick(timeline, LEFT, NO_MODIFIER, QPoint(timeline.column_of(1), timeline.height() // 2))
    assert (widget.controller.frame, timeline.frame()) == (1, 1)
    assert viewer.dims.point[0] == pytest.approx(60)
    viewer.dims.set_point(0, 0)
    assert timeline.frame() == 0


def test_with_nothing_in_hand_the_timeline_shows_all_objects(panel, widget):
    one, two = (panel._workspace.rows.frames.states_of(object_id) for object_id in (1, 2))
    widget.controller.put_down()
    assert panel.timeline.value().tolist() == np.maximum(one, two).tolist()
    at = panel.timeline.column_of(0)
    assert panel.timeline.tip_at(at, 15) == "Frame 0, all objects: uncertain ◆"
    widget.controller.choose_object(1)
    assert panel.timeline.tip_at(at, 15) == "Frame 0, object 1: prompted ◆"
    widget.controller.next_object()
    assert panel.timeline.value().tolist() == [NONE] * 3, "one that is to begin"


def test_several_objects_are_merged_hidden_and_ended_at_once(panel, widget, until_idle):
    session, controller = widget.session, widget.controller
    click(panel, 0, Column.NAME)
    click(panel, 1, Column.NAME, SHIFT)
    trigger(panel, "Hide")
    until_idle()
    assert not session.labels.any()
    trigger(panel, "Show")
    until_idle()
    assert np.unique(session.labels).tolist() == [0, 1, 2]
    controller.go_to_frame(1)
    trigger(panel, "End here")
    until_idle()
    lives = [(info.first_frame, info.end_frame) for info in (session.objects[object_id].info for object_id in (1, 2))]
    assert lives == [(0, 1), (2, None)], "the second one was clicked on later: it ends backward"
    controller.undo()
    until_idle()
    assert [session.objects[object_id].info.end_frame for object_id in (1, 2)] == [None, None], "one undo"


def test_names_marks_and_colours(panel, widget, until_idle, viewer):
    click(panel, 0, Column.NAME)
    QTest.keyClick(panel.table.view, Qt.Key.Key_F2)
    editor = panel.table.view.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "nucleus")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()
    until_idle()
    click(panel, 1, Column.SHOWN)
    until_idle()
    click(panel, 1, Column.LOCKED)
    until_idle()
    panel.table.coloured.emit(1, "#ff00ff")
    until_idle()
    one, two = rows(panel).values()
    assert (one.name, one.colour, two.is_hidden, two.is_locked) == ("nucleus", "#ff00ff", True, True)
    result = viewer.layers["movie – objects"]
    assert np.unique(result.data).tolist() == [0, 1]
    np.testing.assert_allclose(result.get_color(1), (1, 0, 1, 1))
    for _ in range(4):
        widget.controller.undo()
        until_idle()
    one, two = rows(panel).values()
    assert (one.name, one.colour, two.is_hidden, two.is_locked) == ("object 1", None, False, False)


def test_delete_removes_what_is_selected_and_one_undo_brings_it_back(panel, widget, until_idle, viewer, robot):
    before = viewer.layers["movie – objects"].data.copy()
    click(panel, 0, Column.NAME)
    click(panel, 1, Column.NAME, SHIFT)
    QTest.keyClick(panel.table.view, Qt.Key.Key_Delete)
    until_idle()
    assert panel.table.value() == []
    assert not viewer.layers["movie – objects"].data.any()
    assert panel.timeline.value().tolist() == [NONE] * 3
    QTest.keyClick(panel.table.view, Qt.Key.Key_U)
    until_idle()
    assert list(rows(panel)) == [1, 2], "a key that is not the table's is the viewer's"
    np.testing.assert_array_equal(viewer.layers["movie – objects"].data, before)


def test_what_the_menu_does(panel, widget, until_idle):
    session = widget.session
    click(panel, 0, Column.NAME)
    widget.controller.go_to_frame(1)
    trigger(panel, "Approve this frame")
    until_idle()
    assert (session.objects[1].anchors, rows(panel)[1].approved) == ([0, 1], (1,))
    assert panel.timeline.value()[1] == APPROVED
    trigger(panel, "Split here")
    until_idle()
    assert [session.objects[object_id].info.first_frame for object_id in (1, 3)] == [0, 1]
    assert list(rows(panel)) == [1, 2, 3]
    click(panel, 2, Column.NAME, CONTROL)
    trigger(panel, "Merge 1 into 3")
    until_idle()
    assert list(rows(panel)) == [2, 3]
    click(panel, 1, Column.NAME)
    widget.controller.go_to_frame(2)
    trigger(panel, "Divide here")
    until_idle()
    assert session.lineage == {4: 3, 5: 3}


def test_what_the_session_refuses_is_told(panel, widget, until_idle):
    click(panel, 0, Column.LOCKED)
    until_idle()
    click(panel, 0, Column.NAME)
    QTest.keyClick(panel.table.view, Qt.Key.Key_Delete)
    until_idle()
    assert widget._status.text() == "Object 1 is locked: unlock it first."
    assert list(rows(panel)) == [1, 2]


def test_keys_go_to_uncertain_frames(panel, widget, viewer, robot):
    controller = widget.controller
    controller.choose_object(1)
    controller.workspace.rows.show_measured(measured((1, 0, 1, 100, 0), (1, 1, 1, 100, 2.5), (1, 2, 1, 100, 0.1)))
    controller.go_to_frame(0)
    robot = robot(viewer)
    assert panel.timeline.value().tolist() == [PROMPTED, UNCERTAIN, FOUND]
    robot.key(Qt.Key.Key_Period)
    assert controller.frame == 1
    robot.key(Qt.Key.Key_Period)
    assert (controller.frame, widget._status.text()) == (1, "Object 1 has no uncertain frame after frame 1.")
    controller.go_to_frame(2)
    robot.key(Qt.Key.Key_Comma)
    assert controller.frame == 1
    robot.key(Qt.Key.Key_Comma)
    assert widget._status.text() == "Object 1 has no uncertain frame before frame 1."


def test_the_table_is_folded(panel, widget, qtbot):
    fold = panel.findChild(QToolButton)
    before = panel.height()
    fold.click()
    qtbot.waitUntil(lambda: panel.height() < before)
    assert not panel.table.isVisible()
    assert panel.timeline.isVisible()
    fold.click()
    qtbot.waitUntil(lambda: panel.height() >= before)
    assert panel.table.isVisible()


def test_it_fits_a_small_window(panel, viewer, widget):
    viewer.window.resize(1280, 720)
    QApplication.processEvents()
    assert viewer.window.geometry()[2:] == (1280, 720)
    bottom = widget._hint.mapTo(widget, QPoint(0, widget._hint.height())).y()
    assert bottom <= widget.height()
    assert panel.table.view.viewport().height() >= 3 * panel.table.view.rowHeight(0)


def test_images_have_rows_of_their_own(panel, widget, viewer, blobs):
    other = viewer.add_image(blobs[0], name="single")
    widget.controller.choose_image(other)
    assert panel.table.value() == []
    assert not panel.timeline.isVisible(), "a single image has no frames"
    widget.controller.choose_image(viewer.layers["movie"])
    assert list(rows(panel)) == [1, 2]
    assert panel.timeline.isVisible()
    viewer.layers.clear()
    assert panel.table.value() == []


def test_what_the_console_does_is_shown(panel, widget, qtbot):
    widget.session.rename_object(2, "from the console")
    widget.session.add_points(1, 1, [(10, 10)], [1])
    qtbot.waitUntil(lambda: rows(panel)[1].prompted == (0, 1))
    assert rows(panel)[2].name == "from the console"
    qtbot.waitUntil(lambda: rows(panel)[1].num_stale == 1)
