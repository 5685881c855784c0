import time

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QColorDialog, QLineEdit

from napari_sam2.plugin.qt.object_model import Column
from napari_sam2.plugin.qt.object_table import ObjectTable
from napari_sam2.plugin.reports.object_rows import ObjectRow

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
DISPLAY = Qt.ItemDataRole.DisplayRole
SIGNALS = (
    *("objectChosen", "frameChosen", "renamed", "coloured", "shownChanged", "lockedChanged"),
    *("removed", "merged", "splitHere", "dividedHere", "endedHere", "approvedHere"),
)
ROWS = (
    ObjectRow(1, "nucleus", "#102030", 51, 30, 1.25, num_uncertain=3, prompted=(0,)),
    ObjectRow(2, "Cell", None, 5, num_stale=7, prompted=(4, 9), approved=(12,), is_locked=True),
    ObjectRow(7, "bud", None, 9, 2, 0.5, approved=(1, 2), is_hidden=True),
)


@pytest.fixture
def table(qtbot):
    table = ObjectTable({2: "#aabbcc"}.get)
    qtbot.addWidget(table)
    table.resize(400, 240)
    table.setValue(ROWS)
    table.show()
    qtbot.waitExposed(table)
    return table


@pytest.fixture
def told(table):
    told = []
    for name in SIGNALS:
        getattr(table, name).connect(lambda *values, name=name: told.append((name, *values)))
    return told


def index_at(table, row, column):
    return table.view.model().index(row, column)


def click(table, row, column, modifier=Qt.KeyboardModifier.NoModifier):
    at = table.view.visualRect(index_at(table, row, column)).center()
    QTest.mouseClick(table.view.viewport(), LEFT, modifier, at)
    QApplication.processEvents()


def column_texts(table, column):
    return [index_at(table, row, column).data(DISPLAY) for row in range(table.view.model().rowCount())]


def test_what_is_shown(table):
    assert table.value() == list(ROWS)
    assert column_texts(table, Column.ID) == ["1", "2", "7"]
    assert column_texts(table, Column.NAME) == ["nucleus", "Cell", "bud"]


def test_all_columns_have_room(table):
    widths = [table.view.columnWidth(column) for column in Column]
    assert sum(widths) <= table.view.viewport().width()
    assert table.view.columnWidth(Column.NAME) >= 60
    table.resize(table.minimumSizeHint().width(), 240)
    QApplication.processEvents()
    assert table.view.columnWidth(Column.NAME) >= table.view.fontMetrics().horizontalAdvance("object 10") + 8


def test_a_click_takes_an_object_and_goes_to_its_worst_frame(table, told):
    click(table, 1, Column.NAME)
    assert told == [("objectChosen", 2)]
    click(table, 1, Column.ID)
    assert told[1:] == [("objectChosen", 2)], "again, as another frame may be shown"
    click(table, 1, Column.WORST)
    assert told[2:] == [("objectChosen", 2)], "no frame is uncertain"
    click(table, 0, Column.WORST)
    assert told[3:] == [("objectChosen", 1), ("frameChosen", 30)]
    assert table.selected() == [1]


def test_marks_are_set_without_taking_the_object(table, told):
    table.setCurrent(1)
    click(table, 1, Column.SHOWN)
    click(table, 2, Column.SHOWN)
    click(table, 1, Column.LOCKED)
    click(table, 2, Column.LOCKED)
    expected = [("shownChanged", (2,), False), ("shownChanged", (7,), True)]
    assert told == [*expected, ("lockedChanged", (2,), False), ("lockedChanged", (7,), True)]
    assert table.selected() == [1]
    assert table.value() == list(ROWS), "what is shown is what is so"


def test_a_colour_is_chosen(table, told, qtbot):
    click(table, 0, Column.COLOUR)
    (dialog,) = table.findChildren(QColorDialog)
    assert (dialog.windowTitle(), dialog.currentColor().name()) == ("Colour of object 1", "#102030")
    (html,) = [line for line in dialog.findChildren(QLineEdit) if line.text() == "#102030"]
    html.selectAll()
    QTest.keyClicks(html, "#00ff7f")
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: told == [("coloured", 1, "#00ff7f")])


def test_renaming_in_place(table, told):
    at = table.view.visualRect(index_at(table, 1, Column.NAME)).center()
    QTest.mouseClick(table.view.viewport(), LEFT, pos=at)
    QTest.mouseDClick(table.view.viewport(), LEFT, pos=at)
    editor = table.view.findChild(QLineEdit)
    assert editor.text() == "Cell"
    editor.selectAll()
    QTest.keyClicks(editor, "  mother 3 ")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # the editor is closed by a queued call
    assert told[1:] == [("renamed", 2, "mother 3")]
    assert column_texts(table, Column.NAME)[1] == "Cell", "until it is so"


def test_several_rows_and_delete(table, told):
    click(table, 0, Column.NAME)
    click(table, 2, Column.NAME, CONTROL)
    assert (table.selected(), told) == ([1, 7], [("objectChosen", 1), ("objectChosen", 7)])
    QTest.keyClick(table.view, Qt.Key.Key_Delete)
    assert told[2:] == [("removed", (1, 7))]
    table.view.clearSelection()
    QTest.keyClick(table.view, Qt.Key.Key_Delete)
    assert len(told) == 3, "nothing is selected"


def test_the_menu(table, told):
    def state():
        return {action.text(): action.isEnabled() for action in table.menu().actions() if action.text()}

    def trigger(text):
        (action,) = [action for action in table.menu().actions() if action.text() == text]
        action.trigger()

    names = ["Split here", "Divide here", "Approve this frame", "End here", "Hide", "Lock", "Remove"]
    assert state() == dict.fromkeys(["Merge selected objects", *names], False)
    click(table, 0, Column.NAME)
    assert state() == {"Merge selected objects": False, **dict.fromkeys(names, True)}
    for text in names:
        trigger(text)
    here = [("splitHere", 1), ("dividedHere", 1), ("approvedHere", (1,)), ("endedHere", (1,))]
    assert told[1:] == [*here, ("shownChanged", (1,), False), ("lockedChanged", (1,), True), ("removed", (1,))]
    click(table, 2, Column.NAME, CONTROL)
    assert state() == {
        "Merge 1 into 7": True,
        "Split here": False,
        "Divide here": False,
        "Approve this frame": True,
        "End here": True,
        "Show": True,
        "Lock": True,
        "Remove": True,
    }
    for text in ("Merge 1 into 7", "Approve this frame", "Show"):
        trigger(text)
    assert told[-3:] == [("merged", 7, (1,)), ("approvedHere", (1, 7)), ("shownChanged", (1, 7), True)]
    click(table, 1, Column.NAME, CONTROL)
    trigger("Merge 2 objects into 2")
    assert told[-1] == ("merged", 2, (1, 7))


def test_a_mark_of_one_of_several_is_set_for_all(table, told):
    click(table, 0, Column.NAME)
    click(table, 1, Column.NAME, CONTROL)
    click(table, 1, Column.LOCKED)
    click(table, 2, Column.LOCKED)
    assert told[-2:] == [("lockedChanged", (1, 2), False), ("lockedChanged", (7,), True)]
    click(table, 0, Column.SHOWN)
    assert told[-1] == ("shownChanged", (1, 2), False)
    assert table.selected() == [1, 2]


def test_the_menu_opens_at_the_mouse(table, qtbot):
    table.view.customContextMenuRequested.emit(QPoint(5, 5))
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None)
    QApplication.activePopupWidget().close()


def test_the_filter_and_numbers(table, told):
    line = table.findChild(QLineEdit)
    QTest.keyClicks(line, "U")
    assert column_texts(table, Column.ID) == ["1", "7"]
    QTest.keyClicks(line, "d")
    assert column_texts(table, Column.NAME) == ["bud"]
    assert told == []
    line.clear()
    QTest.keyClicks(line, "7")
    assert (column_texts(table, Column.ID), told) == (["1", "2", "7"], [("objectChosen", 7)])
    line.clear()
    QTest.keyClicks(line, "99")
    assert len(told) == 1
    click(table, 0, Column.NAME)
    QTest.keyClick(table.view, Qt.Key.Key_2)
    assert told[-1] == ("objectChosen", 2)


def test_numbers_of_several_digits_are_typed_into_the_table(table, told, monkeypatch):
    table.updateValue({12: ObjectRow(12, "twelve")})
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    QTest.keyClicks(table.view, "12")
    assert told == [("objectChosen", 1), ("objectChosen", 12)]
    now[0] += 2
    QTest.keyClicks(table.view, "2")
    assert told[2:] == [("objectChosen", 2)], "after a pause a number begins anew"


def test_other_keys_are_the_viewers(table, qtbot):
    seen = []
    table.keyPressEvent = lambda event: seen.append(event.text())
    for key in (Qt.Key.Key_N, Qt.Key.Key_Period, Qt.Key.Key_Escape):
        QTest.keyClick(table.view, key)
    assert seen == ["n", ".", "\x1b"]


def test_rows_change_come_and_go(table, told):
    table.setCurrent(2)
    table.updateValue({1: None, 2: ROWS[1], 3: ObjectRow(3, "c"), 5: ObjectRow(5, "e"), 9: ObjectRow(9, "i"), 7: None})
    assert column_texts(table, Column.ID) == ["2", "3", "5", "9"]
    assert table.selected() == [2]
    table.updateValue({2: None})
    assert table.selected() == []
    table.updateValue({2: ROWS[1], 4: ObjectRow(4, "d")})
    assert column_texts(table, Column.ID) == ["2", "3", "4", "5", "9"]
    assert table.selected() == [2], "it is the object in hand still"
    table.setCurrent(40)
    assert table.selected() == []
    assert told == [], "nobody did anything"


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column.NAME, ["7", "2", "1"]),
        (Column.FRAMES, ["2", "7", "1"]),
        (Column.WORST, ["2", "7", "1"]),
        (Column.STATE, ["7", "2", "1"]),
        (Column.SHOWN, ["1", "2", "7"]),
        (Column.LOCKED, ["1", "7", "2"]),
    ],
)
def test_rows_are_sorted_by_a_click_on_a_title(table, column, expected):
    header = table.view.horizontalHeader()
    at = QPoint(header.sectionViewportPosition(column) + 4, header.height() // 2)
    QTest.mouseClick(header.viewport(), LEFT, pos=at)
    assert column_texts(table, Column.ID) == expected
    table.updateValue({3: ObjectRow(3, "a", num_found=1)})
    if column == Column.NAME:
        assert column_texts(table, Column.ID) == ["3", "7", "2", "1"], "new ones come where they belong"


def test_300_objects_without_a_stutter(table):
    durations_s = []
    for step in range(4):
        changed = {i: ObjectRow(i, f"object {i}", num_found=step, worst_frame=i, uncertainty=0.5) for i in range(1, 301)}
        started_s = time.perf_counter()
        table.updateValue(changed)
        QApplication.processEvents()
        durations_s.append(time.perf_counter() - started_s)
    assert table.view.model().rowCount() == 300
    assert min(durations_s[1:]) < 0.02, durations_s
