from napari._qt.qt_resources import get_stylesheet
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit, QSpinBox, QWidget

from napari_sam2.plugin.qt.rows import button, combo, make_narrow, narrow_button, row
from napari_sam2.plugin.settings.keys import UNDO


def test_a_button_does_one_thing_and_leaves_the_focus_where_it_is(qtbot):
    pressed = []
    made = button("Undo ({key})", UNDO, lambda: pressed.append(True))
    qtbot.addWidget(made)
    made.click()
    assert pressed == [True]
    assert made.text() == "Undo (U)"
    assert made.toolTip() == "Undo what was done last: a click, an edit, a propagation, another model. Key: U."
    assert made.focusPolicy() == Qt.FocusPolicy.TabFocus


def test_one_of_a_row_has_the_room_that_is_left(qtbot):
    one, other = narrow_button("a", "a", list), narrow_button("b", "b", list)
    made = row(one, other, stretched=(1,))
    qtbot.addWidget(made)
    made.resize(300, 30)
    made.show()
    qtbot.waitExposed(made)
    assert other.width() > 3 * one.width()


def test_long_names_make_no_list_wide(qtbot):
    short, long = combo("Which.", 4), combo("Which.", 4)
    for made in (short, long):
        qtbot.addWidget(made)
    short.addItem("a")
    long.addItem("a" * 200)
    assert long.sizeHint().width() == short.sizeHint().width()
    assert long.focusPolicy() == Qt.FocusPolicy.TabFocus


def test_the_digits_of_a_narrow_number_are_seen(qtbot):
    made = row(number := QSpinBox(maximum=400, suffix=" px"), QWidget(), stretched=(1,))
    number.setValue(400)
    make_narrow(number)
    qtbot.addWidget(made)
    made.setStyleSheet(get_stylesheet("dark"))
    made.show()
    qtbot.waitExposed(made)
    line = number.findChild(QLineEdit)
    assert line.fontMetrics().horizontalAdvance("400 px") <= line.width() <= number.width() + 1 < 60
