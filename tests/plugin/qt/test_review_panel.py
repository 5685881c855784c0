"""The review in the dock, with the real session, by mouse and keys."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolButton

from measured_frames import measured
from napari_sam2.plugin.qt.review_panel import Column
from napari_sam2.plugin.reports.reports import RecordKind
from napari_sam2.session.review.track_measurements import ReviewReason

LEFT, NO_MODIFIER = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def until_idle(widget, qtbot):
    def wait():
        qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)
        widget._objects.review.show_queue()

    return wait


@pytest.fixture
def panel(viewer, widget, until_idle):
    """Object 1, prompted on frame 0, and 2, prompted on frame 2, both propagated: the double is sure of prompted masks alone."""
    image = viewer.layers["movie"]
    widget.controller.keeps_object = True
    for object_id, position in ((1, (0, 10, 10)), (2, (2, 26, 35))):
        widget.controller.choose_object(object_id)
        widget.controller.click(image.data_to_world(position), True)
        until_idle()
    widget.controller.propagate()
    until_idle()
    widget.controller.keeps_object = False
    widget.controller.put_down()
    widget._objects.review.fold.click()
    return widget._objects.review


def cells(panel):
    model = panel.model
    return [[model.index(row, column).data() for column in Column] for row in range(model.rowCount())]


def items(panel):
    return [(int(row[Column.OBJECT]), int(row[Column.FRAME].removeprefix("frame "))) for row in cells(panel)]


def click(panel, row, modifier=NO_MODIFIER):
    view = panel.view
    QTest.mouseClick(view.viewport(), LEFT, modifier, view.visualRect(view.model().index(row, Column.REASON)).center())
    QApplication.processEvents()


def shown(widget):
    return widget.controller.object_in_hand, widget.controller.frame


def test_a_click_goes_there_and_takes_the_object_in_hand(panel, widget):
    assert sorted(items(panel)) == [(1, 1), (1, 2), (2, 0), (2, 1)]
    assert {row[Column.REASON] for row in cells(panel)} == {"a doubtful mask"}
    assert panel.fold.text() == "Review: 4"
    for row in (1, 3, 0):
        click(panel, row)
        assert shown(widget) == items(panel)[row] == panel.selected()[0]
    widget.controller.go_to_frame(2 - shown(widget)[1])
    assert panel.selected() == [] or shown(widget) == panel.selected()[0], "the list follows"


def test_a_review_by_keys_alone(panel, widget, robot, viewer, until_idle):
    """Accept, next, back, end here, undo."""
    robot, before = robot(viewer), items(panel)
    robot.key(Qt.Key.Key_PageDown)
    assert shown(widget) == before[0]
    robot.key(Qt.Key.Key_Y)
    until_idle()
    first = widget.session.objects[before[0][0]]
    assert first.prompts[before[0][1]].is_approved
    assert before[0] not in items(panel)
    assert shown(widget) == before[1] == panel.selected()[0]
    robot.key(Qt.Key.Key_U)
    until_idle()
    assert items(panel) == before, "undo brings it back"
    robot.key(Qt.Key.Key_PageDown)
    robot.key(Qt.Key.Key_PageUp)
    assert shown(widget) == before[1]
    panel.view.setFocus()
    widget.controller.review.go_to(type(panel.model.queue[0].key)(1, 1))
    QTest.keyClick(panel.view, Qt.Key.Key_H)
    until_idle()
    assert widget.session.objects[1].info.end_frame == 1, "a letter that is not the list's is the viewer's"
    assert sorted(items(panel)) == [(2, 0), (2, 1)]
    assert shown(widget)[0] == 2


def test_several_are_selected_and_accepted_together(panel, widget, until_idle):
    before = items(panel)
    click(panel, 0)
    click(panel, 3, SHIFT)
    assert panel.selected() == before
    panel.accept.click()
    until_idle()
    assert (items(panel), panel.fold.text()) == ([], "Review: nothing")
    assert all(widget.session.objects[i].anchors == [0, 1, 2] for i in (1, 2))
    widget.controller.undo()
    until_idle()
    assert items(panel) == before


def test_without_a_selection_the_buttons_are_about_the_shown_object(panel, widget, until_idle):
    widget.controller.choose_object(1)
    widget.controller.go_to_frame(0)
    assert panel.selected() == []
    panel.correct.click()
    assert shown(widget) == items(panel)[0]
    panel.correct.click()
    assert widget._status.text() == "Click where it is, right-click where it is not."
    widget.controller.review.go_to(type(panel.model.queue[0].key)(1, 2))
    panel.to_here.click()
    until_idle()
    assert widget.session.objects[1].anchors == [0, 1, 2]
    click(panel, 0)
    panel.end.click()
    until_idle()
    assert widget.session.objects[2].info.end_frame is None
    assert "object 2" in widget._status.text().casefold(), "there is nothing of it before its first frame"


def test_kinds_are_told_apart(panel, widget):
    rows = widget.controller.workspace.rows
    kinds = (1, 1, RecordKind.CURRENT, 40, 2.0, ReviewReason.JUMP), (2, 1, RecordKind.CURRENT, 40, 1.0, ReviewReason.OVERLAP, 1)
    rows.show_measured(measured(*kinds))
    panel.show_queue()
    texts = [panel.kinds.itemText(i) for i in range(panel.kinds.count())]
    assert texts[0] == "all kinds"
    assert {"a jump · 1", "two objects on one cell · 1", "a doubtful mask · 2", "leaves? · 0"} <= set(texts)
    panel.kinds.setCurrentIndex(texts.index("two objects on one cell · 1"))
    panel.kinds.activated.emit(panel.kinds.currentIndex())
    assert cells(panel) == [["2", "frame 1", "two objects on one cell (object 1)"]]
    assert panel.fold.text() == "Review: 1"
    panel.kinds.setCurrentIndex(0)
    panel.kinds.activated.emit(0)
    assert len(items(panel)) == 4


def test_it_follows_by_itself(panel, widget, qtbot):
    widget.session.approve(1, 1)
    qtbot.waitUntil(lambda: (1, 1) not in items(panel))
    assert panel.fold.text() == "Review: 3"
    assert panel.model.data(panel.model.index(2, 0), Qt.ItemDataRole.ForegroundRole) is not None, "a stale mask is faint"
    widget.controller.choose_image(None)
    assert (items(panel), panel.fold.text()) == ([], "Review: nothing")


def test_one_of_both_is_open_and_fits_a_small_window(panel, viewer, widget, qtbot):
    assert panel.isVisible()
    assert not widget._objects.table.isVisible()

    def is_small():
        viewer.window.resize(1280, 720)
        QApplication.processEvents()
        return viewer.window.geometry()[2:] == (1280, 720)

    qtbot.waitUntil(is_small)
    assert widget._hint.mapTo(widget, QPoint(0, widget._hint.height())).y() <= widget.height()
    assert panel.view.viewport().height() >= 2 * panel.view.rowHeight(0)
    widget._objects.findChild(QToolButton).click()
    assert not panel.isVisible()
    assert widget._objects.table.isVisible()
    panel.fold.click()
    panel.fold.click()
    assert not panel.isVisible()
    assert not widget._objects.table.isVisible()
