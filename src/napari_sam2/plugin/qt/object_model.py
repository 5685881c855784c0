"""Rows of objects as a model of Qt: what each cell of the table shows, its order and the filter; and what a person edits in it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor

from napari_sam2.plugin.reports.object_rows import ObjectRow

SORT_ROLE = Qt.ItemDataRole.UserRole
ID_ROLE = Qt.ItemDataRole.UserRole + 1
COLOUR_ROLE = Qt.ItemDataRole.UserRole + 2


class Column(IntEnum):
    """The columns."""

    COLOUR = 0
    ID = 1
    NAME = 2
    FRAMES = 3
    WORST = 4
    STATE = 5
    SHOWN = 6
    LOCKED = 7


_HEADERS = {
    Column.COLOUR: ("", "Its colour in the result. Click on one to choose another."),
    Column.ID: ("#", "Its label value. Type a number to go to an object."),
    Column.NAME: ("Name", "Double-click to rename."),
    Column.FRAMES: ("Found", "On so many frames it was found."),
    Column.WORST: ("Worst", "Its most uncertain frame. Click to go there."),
    Column.STATE: ("State", "Frames that are uncertain (?), to be propagated to again (~), or approved (✓)."),
    Column.SHOWN: ("", "Shown: it is in the result."),
    Column.LOCKED: ("", "Locked: nothing changes its masks."),
}


class ObjectModel(QAbstractTableModel):  # type: ignore[misc]
    """Rows of objects in the order of their ids. What a person edits is told, and shown when the rows change.

    Parameters
    ----------
    colour_of : callable
        Returns the colour of an object that nobody chose one for, ``#rrggbb``, or None where there is none yet.
    """

    renamed = Signal(int, str)
    shown_changed = Signal(int, bool)
    locked_changed = Signal(int, bool)

    def __init__(self, colour_of: Callable[[int], str | None]) -> None:
        super().__init__()
        self._colour_of = colour_of
        self._ids: list[int] = []
        self._rows: dict[int, ObjectRow] = {}

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of objects."""
        return 0 if parent is not None and parent.isValid() else len(self._ids)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Return the title of a column, and what it means."""
        if orientation == Qt.Orientation.Horizontal and role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return _HEADERS[Column(section)][role == Qt.ItemDataRole.ToolTipRole]
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Names can be edited, and marks set."""
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() == Column.NAME:
            flags |= Qt.ItemFlag.ItemIsEditable
        if index.column() in (Column.SHOWN, Column.LOCKED):
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        row, column = self.row_at(index.row()), Column(index.column())
        if role == ID_ROLE:
            return row.object_id
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, column)
        if role == Qt.ItemDataRole.EditRole:
            return row.name
        if role == SORT_ROLE:
            return _sort_key(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tool_tip(row, column)
        if role == COLOUR_ROLE and column == Column.COLOUR:
            colour = row.colour or self._colour_of(row.object_id)
            return None if colour is None else QColor(colour)
        if role == Qt.ItemDataRole.CheckStateRole and column in (Column.SHOWN, Column.LOCKED):
            is_set = not row.is_hidden if column == Column.SHOWN else row.is_locked
            return (Qt.CheckState.Checked if is_set else Qt.CheckState.Unchecked).value
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (Column.ID, Column.FRAMES, Column.WORST):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == Column.STATE:
            return int(Qt.AlignmentFlag.AlignCenter)  # the eye beside it would touch the sign
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Tell what a person edits."""
        row, column = self.row_at(index.row()), index.column()
        if role == Qt.ItemDataRole.EditRole and column == Column.NAME:
            name = str(value).strip()
            if not name or name == row.name:
                return False
            self.renamed.emit(row.object_id, name)
            return True
        if role == Qt.ItemDataRole.CheckStateRole:
            is_set = Qt.CheckState(value) == Qt.CheckState.Checked
            signal = self.shown_changed if column == Column.SHOWN else self.locked_changed
            signal.emit(row.object_id, is_set)
            return True
        return False

    def row_at(self, number: int) -> ObjectRow:
        """Return the row at a number, counted from 0."""
        return self._rows[self._ids[number]]

    def number_of(self, object_id: int) -> int | None:
        """Return the number of an object's row; None where there is none."""
        return bisect.bisect_left(self._ids, object_id) if object_id in self._rows else None

    @property
    def rows(self) -> list[ObjectRow]:
        """All rows in order."""
        return [self._rows[object_id] for object_id in self._ids]

    def set_rows(self, rows: Iterable[ObjectRow]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._rows = {row.object_id: row for row in rows}
        self._ids = sorted(self._rows)
        self.endResetModel()

    def update_rows(self, changed: Mapping[int, ObjectRow | None]) -> None:
        """Replace, add and remove rows, by object id; None removes one."""
        old = [object_id for object_id, row in changed.items() if row is not None and object_id in self._rows]
        self._rows |= {object_id: row for object_id in old if (row := changed[object_id]) is not None}
        for first, last in _ranges(bisect.bisect_left(self._ids, object_id) for object_id in old):
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(Column) - 1))
        self._remove([object_id for object_id, row in changed.items() if row is None and object_id in self._rows])
        self._add([row for object_id, row in sorted(changed.items()) if row is not None and object_id not in self._rows])

    def _remove(self, object_ids: list[int]) -> None:
        for first, last in reversed(list(_ranges(bisect.bisect_left(self._ids, object_id) for object_id in object_ids))):
            self.beginRemoveRows(QModelIndex(), first, last)
            for object_id in self._ids[first : last + 1]:
                del self._rows[object_id]
            del self._ids[first : last + 1]
            self.endRemoveRows()

    def _add(self, rows: list[ObjectRow]) -> None:
        while rows:
            at = bisect.bisect_left(self._ids, rows[0].object_id)
            # as many as come before the next one that is there already
            count = len(rows) if at == len(self._ids) else sum(row.object_id < self._ids[at] for row in rows)
            self.beginInsertRows(QModelIndex(), at, at + count - 1)
            self._ids[at:at] = [row.object_id for row in rows[:count]]
            self._rows |= {row.object_id: row for row in rows[:count]}
            self.endInsertRows()
            rows = rows[count:]


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Join numbers to ranges, first and last."""
    first = last = -2
    for number in sorted(numbers):
        if number != last + 1:
            if last >= 0:
                yield first, last
            first = number
        last = number
    if last >= 0:
        yield first, last


def _text(row: ObjectRow, column: Column) -> str:
    if column == Column.ID:
        return str(row.object_id)
    if column == Column.NAME:
        return row.name
    if column == Column.FRAMES:
        return str(row.num_found)
    if column == Column.WORST:
        return "" if row.worst_frame is None else str(row.worst_frame)
    return _review(row) if column == Column.STATE else ""


def _review(row: ObjectRow) -> str:
    """What is to be reviewed, as a number and a sign: there is little room."""
    for count, sign in ((row.num_uncertain, "?"), (row.num_stale, "~"), (len(row.approved), "✓")):
        if count:
            return f"{count} {sign}"
    return ""


def _sort_key(row: ObjectRow, column: Column) -> Any:
    return {
        Column.COLOUR: row.object_id,
        Column.ID: row.object_id,
        Column.NAME: row.name.casefold(),
        Column.FRAMES: row.num_found,
        Column.WORST: row.uncertainty,
        Column.STATE: row.num_uncertain * 1_000_000 + row.num_stale,
        Column.SHOWN: int(row.is_hidden),
        Column.LOCKED: int(row.is_locked),
    }[column]


def _tool_tip(row: ObjectRow, column: Column) -> str:
    if column == Column.WORST and row.worst_frame is not None:
        return f"Frame {row.worst_frame}, uncertainty {row.uncertainty:.2f} of 3. Click to go there."
    if column in (Column.NAME, Column.STATE):
        parts = [row.name, f"prompted on {_listed(row.prompted)}" if row.prompted else "no prompts"]
        parts += [f"approved on {_listed(row.approved)}"] if row.approved else []
        return " · ".join([*parts, row.review] if row.review and not row.review.endswith("approved") else parts)
    return _HEADERS[column][1]


def _listed(frames: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, frames[:5]))
    return f"frame{'' if len(frames) == 1 else 's'} {shown}" + (f" and {len(frames) - 5} more" if len(frames) > 5 else "")


class FilteredRows(QSortFilterProxyModel):  # type: ignore[misc]
    """Rows whose name has a text in it, in the order that was chosen.

    Parameters
    ----------
    model : ObjectModel
        All rows.
    """

    def __init__(self, model: ObjectModel) -> None:
        super().__init__()
        self._text = ""
        self.setSortRole(SORT_ROLE)
        # rows do not jump while their frames are being found
        self.setDynamicSortFilter(False)
        self.setSourceModel(model)

    def set_text(self, text: str) -> None:
        """Show rows with another text in their names."""
        self._text = text.casefold()
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, _source_parent: QModelIndex) -> bool:  # noqa: N802
        """Tell whether a row is shown."""
        return self._text in self.sourceModel().row_at(source_row).name.casefold()
