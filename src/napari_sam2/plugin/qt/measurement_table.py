"""The table of measurements: a row for each object and frame, in the units of the image. N rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHBoxLayout, QLabel, QPushButton, QTableView, QVBoxLayout, QWidget

from napari_sam2.images.units import UNITS

_UNITS = {unit.ascii_symbol: unit.symbol for unit in UNITS.values()} | {name: unit.symbol for name, unit in UNITS.items()}
_POWERS = {"2": "²", "3": "³"}


class MeasurementModel(QAbstractTableModel):  # type: ignore[misc]
    """Columns of numbers and names, sorted by any of them."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[tuple[str, npt.NDArray[Any]]] = []
        self._order: npt.NDArray[np.intp] = np.zeros(0, np.intp)
        self._sorted_by: tuple[int, Qt.SortOrder] | None = None

    def set_table(self, table: Mapping[str, npt.NDArray[Any]]) -> None:
        """Show a table, sorted as the one before."""
        self.beginResetModel()
        self._columns = list(table.items())
        self._order = self._sorted()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        """Return the title of a column; its name in files is its tool tip."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self._columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return title_of(self._columns[section][0])
        return self._columns[section][0] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        values = self._columns[index.column()][1]
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(values[self._order[index.row()]], 5)
        if role == Qt.ItemDataRole.TextAlignmentRole and values.dtype.kind != "U":
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what is not known comes last."""
        self._sorted_by = column, order
        self.layoutAboutToBeChanged.emit()
        self._order = self._sorted()
        self.layoutChanged.emit()

    def _sorted(self) -> npt.NDArray[np.intp]:
        count = len(self._columns[0][1]) if self._columns else 0
        if self._sorted_by is None or not 0 <= self._sorted_by[0] < len(self._columns):
            return np.arange(count)
        values = self._columns[self._sorted_by[0]][1]
        if self._sorted_by[1] == Qt.SortOrder.AscendingOrder:
            return np.argsort(values, kind="stable")
        order = count - 1 - np.argsort(values[::-1], kind="stable")[::-1]
        unknown = np.isnan(values[order]) if values.dtype.kind == "f" else np.zeros(count, bool)
        return np.concatenate([order[~unknown], order[unknown]])

    def key_at(self, row: int) -> tuple[int, int]:
        """Return the object and the frame of a row."""
        columns, at = dict(self._columns), self._order[row]
        return int(columns["object_id"][at]), int(columns["frame"][at])

    def row_of(self, object_id: int, frame: int) -> int | None:
        """Return the row of an object on a frame; None where there is none."""
        columns = dict(self._columns)
        found = np.flatnonzero((columns["object_id"] == object_id)[self._order] & (columns["frame"] == frame)[self._order])
        return int(found[0]) if len(found) else None

    def as_text(self, rows: list[int]) -> str:
        """Write rows as text with tabs, with the names of the columns, for spreadsheets."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(name for name, _ in self._columns)
        writer.writerows([_text(values[self._order[row]], 7) for _, values in self._columns] for row in rows)
        return text.getvalue()


class MeasurementTable(QWidget):  # type: ignore[misc]
    """Shows measurements, and tells what a person wants to be done with them."""

    rowChosen = Signal(int, int)  # noqa: N815
    """The object and the frame of a row that was clicked on."""
    saveRequested = Signal()  # noqa: N815
    """The table is to be saved as CSV."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MeasurementModel()
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.verticalHeader().setVisible(False)
        self.view.verticalHeader().setDefaultSectionSize(self.view.fontMetrics().height() + 6)
        self.view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # ordered by object, then frame
        self.view.setSortingEnabled(True)
        self.view.clicked.connect(lambda index: self.rowChosen.emit(*self.model.key_at(index.row())))
        self.count = QLabel()
        self.copy_button = QPushButton("Copy", toolTip="Copy the selected rows, or all, to paste them into a spreadsheet.")
        self.copy_button.clicked.connect(lambda: self.copy())
        self.save_button = QPushButton("Save as CSV …")
        self.save_button.clicked.connect(lambda: self.saveRequested.emit())
        shortcut = QShortcut(QKeySequence.StandardKey.Copy, self.view)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.copy)
        row = QHBoxLayout()
        row.addWidget(self.count, 1)
        for button in (self.copy_button, self.save_button):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.view, 1)
        layout.addLayout(row)
        self.setValue({})

    def setValue(self, table: Mapping[str, npt.NDArray[Any]]) -> None:  # noqa: N802
        """Show a table, see :func:`~napari_sam2.export.table.tabulate`."""
        is_first = not self.model.columnCount()
        current, bars = self.view.currentIndex(), (self.view.verticalScrollBar(), self.view.horizontalScrollBar())
        key = self.model.key_at(current.row()) if current.isValid() else None
        shown = [bar.value() for bar in bars]
        self.model.set_table(table)
        count = self.model.rowCount()
        row = None if key is None or not count else self.model.row_of(*key)
        if row is not None:
            self.view.selectRow(row)
        for bar, value in zip(bars, shown, strict=True):  # what a person looks at stays
            bar.setValue(value)
        self.count.setText(f"{count} rows: objects on frames" if count else "No object was found yet.")
        for button in (self.copy_button, self.save_button):
            button.setEnabled(count > 0)
        if is_first and count:
            self.view.resizeColumnsToContents()

    def copy(self) -> None:
        """Copy the selected rows, or all where none is selected."""
        chosen = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        QApplication.clipboard().setText(self.model.as_text(chosen or list(range(self.model.rowCount()))))


def title_of(name: str) -> str:
    """Write the name of a column as people read it: ``area_um2`` as ``area (µm²)``."""
    stem, _, unit = name.rpartition("_")
    power = unit[-1:] if unit[-1:] in _POWERS else ""
    symbol = {"px": "px", **_UNITS}.get(unit.removesuffix(power))
    title = name if symbol is None or not stem else f"{stem} ({symbol}{_POWERS.get(power, '')})"
    return title.replace("_", " ").replace("object id", "object")


def _text(value: Any, digits: int) -> str:
    if not isinstance(value, np.floating):
        return str(value)
    return "" if np.isnan(value) else f"{value:.{digits}g}"
