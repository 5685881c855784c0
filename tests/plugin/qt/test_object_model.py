import pytest
from qtpy.QtCore import QModelIndex, Qt

from napari_sam2.plugin.qt.object_model import COLOUR_ROLE, ID_ROLE, Column, FilteredRows, ObjectModel
from napari_sam2.plugin.reports.object_rows import ObjectRow

DISPLAY, CHECK, TIP = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.CheckStateRole, Qt.ItemDataRole.ToolTipRole
ROWS = (
    ObjectRow(1, "nucleus", "#102030", 51, 30, 1.25, num_uncertain=3, prompted=(0,)),
    ObjectRow(2, "Cell", None, 5, num_stale=7, prompted=(4, 9), approved=(12,), is_locked=True),
    ObjectRow(7, "bud", None, 9, 2, 0.5, approved=(1, 2), is_hidden=True),
)


@pytest.fixture
def model(qtbot):
    model = ObjectModel({2: "#aabbcc"}.get)
    model.set_rows(ROWS)
    return model


def column(model, column, role=DISPLAY):
    return [model.index(row, column).data(role) for row in range(model.rowCount())]


def test_what_cells_show(model):
    assert column(model, Column.ID) == ["1", "2", "7"]
    assert column(model, Column.NAME) == ["nucleus", "Cell", "bud"]
    assert column(model, Column.FRAMES) == ["51", "5", "9"]
    assert column(model, Column.WORST) == ["30", "", "2"]
    assert column(model, Column.STATE) == ["3 ?", "7 ~", "2 ✓"]
    colours = column(model, Column.COLOUR, COLOUR_ROLE)
    assert [colour and colour.name() for colour in colours] == ["#102030", "#aabbcc", None]
    assert [column(model, mark, CHECK) for mark in (Column.SHOWN, Column.LOCKED)] == [[2, 2, 0], [0, 2, 0]]
    assert model.index(0, Column.WORST).data(TIP) == "Frame 30, uncertainty 1.25 of 3. Click to go there."
    assert model.index(1, Column.NAME).data(TIP) == "Cell · prompted on frames 4, 9 · approved on frame 12 · 7 stale"
    assert model.index(2, Column.NAME).data(TIP) == "bud · no prompts · approved on frames 1, 2"


def test_what_is_edited_is_told_and_shown_when_it_is_so(model):
    told = []
    for signal in (model.renamed, model.shown_changed, model.locked_changed):
        signal.connect(lambda *values: told.append(values))
    assert model.setData(model.index(1, Column.NAME), " mother ")
    assert not model.setData(model.index(1, Column.NAME), "   ")
    assert not model.setData(model.index(1, Column.NAME), "Cell")
    assert model.setData(model.index(2, Column.SHOWN), 2, CHECK)
    assert model.setData(model.index(0, Column.LOCKED), 2, CHECK)
    assert told == [(2, "mother"), (7, True), (1, True)]
    assert model.rows == list(ROWS)


def test_rows_come_and_go_in_ranges(model):
    changes = []
    for name in ("dataChanged", "rowsInserted", "rowsRemoved"):
        getattr(model, name).connect(lambda *values, name=name: changes.append((name, *_numbers(values))))
    model.update_rows({1: None, 2: ROWS[1], 3: ObjectRow(3, "c"), 5: ObjectRow(5, "e"), 7: None, 9: ObjectRow(9, "i")})
    assert column(model, Column.ID) == ["2", "3", "5", "9"]
    assert changes == [("dataChanged", 1, 1), ("rowsRemoved", 2, 2), ("rowsRemoved", 0, 0), ("rowsInserted", 1, 3)]
    assert [model.number_of(one) for one in (2, 9, 7)] == [0, 3, None]


def _numbers(values):
    first, last = values[:2] if not isinstance(values[1], int) else values[1:3]
    return (first.row(), last.row()) if isinstance(first, QModelIndex) else (first, last)


def test_rows_are_filtered_and_sorted(model):
    filtered = FilteredRows(model)
    filtered.set_text("U")
    assert [filtered.index(row, 0).data(ID_ROLE) for row in range(filtered.rowCount())] == [1, 7]
    filtered.sort(Column.WORST)
    assert [filtered.index(row, 0).data(ID_ROLE) for row in range(filtered.rowCount())] == [7, 1]
