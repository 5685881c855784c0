"""A table of objects: an editor of rows, which tells what a person wants to be done and does nothing of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qtpy.QtCore import QEvent, QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QColorDialog, QHeaderView, QLineEdit, QMenu, QTableView, QVBoxLayout, QWidget

from napari_sam2.plugin.qt.object_model import COLOUR_ROLE, ID_ROLE, Column, FilteredRows, ObjectModel
from napari_sam2.plugin.qt.object_signs import Sign, Swatch, draw_eye, draw_lock
from napari_sam2.plugin.reports.object_rows import ObjectRow

_NUMBER_PAUSE_S = 1.0
_NUM_SHOWN_ROWS, _FEWEST_SHOWN_ROWS = 6, 3


class _View(QTableView):  # type: ignore[misc]
    """The view, whose keys are few: all others are the viewer's."""

    removal_wanted = Signal()
    number_typed = Signal(str)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        text = event.text()
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removal_wanted.emit()
        elif text.isascii() and text.isdigit() and event.modifiers() in (Qt.KeyboardModifier.NoModifier, _KEYPAD):
            self.number_typed.emit(text)
        elif (text.isprintable() and text.strip()) or event.key() == Qt.Key.Key_Escape:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def selectionCommand(self, index: QModelIndex, event: QEvent | None = None) -> Any:  # noqa: N802
        # a mark is set, or a colour chosen, of any object, without taking it in hand
        if event is not None and index.isValid() and index.column() in _WITHOUT_SELECTION:
            return QItemSelectionModel.SelectionFlag.NoUpdate
        return super().selectionCommand(index, event)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().sizeHint().width(), self._height_of(_NUM_SHOWN_ROWS))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().minimumSizeHint().width(), self._height_of(_FEWEST_SHOWN_ROWS))

    def _height_of(self, num_rows: int) -> int:
        rows_px = self.verticalHeader().defaultSectionSize() * num_rows
        return int(rows_px + self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth() + 2)


_WITHOUT_SELECTION = (Column.COLOUR, Column.SHOWN, Column.LOCKED)
_KEYPAD = Qt.KeyboardModifier.KeypadModifier


class ObjectTable(QWidget):  # type: ignore[misc]
    """Edits rows of objects.

    Parameters
    ----------
    colour_of : callable
        See :class:`ObjectModel`.
    """

    objectChosen = Signal(int)  # noqa: N815
    """An object is to be clicked on from now on."""
    frameChosen = Signal(int)  # noqa: N815
    """A frame is to be shown."""
    renamed = Signal(int, str)
    coloured = Signal(int, str)
    shownChanged = Signal(tuple, bool)  # noqa: N815
    lockedChanged = Signal(tuple, bool)  # noqa: N815
    removed = Signal(tuple)
    """Objects are to be removed."""
    merged = Signal(int, tuple)
    """Other objects are to become part of the first."""
    splitHere = Signal(int)  # noqa: N815
    dividedHere = Signal(int)  # noqa: N815
    endedHere = Signal(tuple)  # noqa: N815
    approvedHere = Signal(tuple)  # noqa: N815
    """Objects are to be approved on the frame that is shown."""

    def __init__(self, colour_of: Callable[[int], str | None]) -> None:
        super().__init__()
        self.model = ObjectModel(colour_of)
        self._filtered = FilteredRows(self.model)
        for model in (self.model, self._filtered):
            model.setParent(self)  # lest they go before the view
        self._is_showing = False
        self._is_chosen = False
        self._number, self._typed_at_s = "", 0.0
        self._current: int | None = None
        self._filter = QLineEdit(placeholderText="Filter by name, or type a number", clearButtonEnabled=True)
        self._filter.textChanged.connect(self._filter_changed)
        self.view = _View()
        self._filter.returnPressed.connect(self.view.setFocus)
        self._set_up_view()
        self._connect()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._filter)
        layout.addWidget(self.view)

    def _set_up_view(self) -> None:
        view = self.view
        view.setModel(self._filtered)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        triggers = QAbstractItemView.EditTrigger
        view.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 6)
        view.setItemDelegateForColumn(Column.COLOUR, Swatch(view))
        view.setItemDelegateForColumn(Column.SHOWN, Sign(view, draw_eye))
        view.setItemDelegateForColumn(Column.LOCKED, Sign(view, draw_lock))
        header, metrics = view.horizontalHeader(), view.fontMetrics()
        header.setMinimumSectionSize(12)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        widths = {column: metrics.horizontalAdvance(text) + 6 for column, text in _WIDEST.items()}
        for column, width in widths.items():
            view.setColumnWidth(column, width)
        around = view.verticalScrollBar().sizeHint().width() + 2 * view.frameWidth()
        view.setMinimumWidth(sum(widths.values()) + metrics.horizontalAdvance(_SHORTEST_NAME) + 8 + around)
        view.setSortingEnabled(True)
        view.sortByColumn(Column.ID, Qt.SortOrder.AscendingOrder)

    def _connect(self) -> None:
        self.model.renamed.connect(self.renamed)
        self.model.shown_changed.connect(lambda one, is_shown: self.shownChanged.emit(self._with_selected(one), is_shown))
        self.model.locked_changed.connect(lambda one, is_locked: self.lockedChanged.emit(self._with_selected(one), is_locked))
        self.view.selectionModel().selectionChanged.connect(self._selection_changed)
        self.view.clicked.connect(self._clicked)
        self.view.removal_wanted.connect(self._remove)
        self.view.number_typed.connect(self._number_typed)
        self.view.customContextMenuRequested.connect(self._show_menu)

    # --- the value -------------------------------------------------------------------------------------------------

    def value(self) -> list[ObjectRow]:
        """Return all rows, in the order of their ids."""
        return self.model.rows

    def setValue(self, rows: Iterable[ObjectRow]) -> None:  # noqa: N802
        """Show other rows."""
        self._is_showing = True
        self.model.set_rows(rows)
        self._sort()
        self._is_showing = False
        self.setCurrent(self._current)

    def updateValue(self, changed: Mapping[int, ObjectRow | None]) -> None:  # noqa: N802
        """Show that some rows are others now, by object id; None of those that are gone."""
        before = self.model.rowCount()
        had = self._current is not None and self.model.number_of(self._current) is not None
        self._is_showing = True
        self.model.update_rows(changed)
        if self.model.rowCount() > before:
            self._sort()
        self._is_showing = False
        if had != (self._current is not None and self.model.number_of(self._current) is not None):
            self.setCurrent(self._current)

    def _sort(self) -> None:
        header = self.view.horizontalHeader()
        self._filtered.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())

    def selected(self) -> list[int]:
        """Return the selected objects, in the order of their ids."""
        return sorted(index.data(ID_ROLE) for index in self.view.selectionModel().selectedRows())

    def setCurrent(self, object_id: int | None) -> None:  # noqa: N802
        """Show which object is clicked on; None for one without a row."""
        self._current = object_id
        index = self._index_of(object_id)
        selection = self.view.selectionModel()
        self._is_showing = True
        if not index.isValid():
            selection.clear()
        elif selection.currentIndex().row() != index.row() or not selection.isRowSelected(index.row(), QModelIndex()):
            flag = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(index, flag.ClearAndSelect | flag.Rows)
            self.view.scrollTo(index)
        self._is_showing = False

    def _index_of(self, object_id: int | None) -> QModelIndex:
        number = None if object_id is None else self.model.number_of(object_id)
        return QModelIndex() if number is None else self._filtered.mapFromSource(self.model.index(number, Column.NAME))

    def refresh(self) -> None:
        """Draw again, as colours are others."""
        self.view.viewport().update()

    # --- what a person does ----------------------------------------------------------------------------------------

    def _selection_changed(self) -> None:
        current = self.view.selectionModel().currentIndex()
        if not self._is_showing and current.isValid() and self.view.selectionModel().isRowSelected(current.row(), QModelIndex()):
            self._choose(current.data(ID_ROLE))

    def _choose(self, object_id: int) -> None:
        self._current, self._is_chosen = object_id, True
        self.objectChosen.emit(object_id)

    def _clicked(self, index: QModelIndex) -> None:
        row = self.model.row_at(self._filtered.mapToSource(index).row())
        if not self._is_chosen and index.column() not in _WITHOUT_SELECTION and self.selected() == [row.object_id]:
            self._choose(row.object_id)  # again, as another frame may be shown by now
        self._is_chosen = False
        if index.column() == Column.WORST and row.worst_frame is not None:
            self.frameChosen.emit(row.worst_frame)
        elif index.column() == Column.COLOUR:
            self._choose_colour(row.object_id, index.data(COLOUR_ROLE))

    def _with_selected(self, object_id: int) -> tuple[int, ...]:
        """Return all selected objects if this is one of them: a mark of several is set at once."""
        selected = self.selected()
        return tuple(selected) if object_id in selected else (object_id,)

    def _choose_colour(self, object_id: int, before: QColor | None) -> None:
        dialog = QColorDialog(before or QColor("white"), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(f"Colour of object {object_id}")
        dialog.colorSelected.connect(lambda colour: self.coloured.emit(object_id, colour.name()))
        dialog.open()

    def _filter_changed(self, text: str) -> None:
        number = text.strip()
        is_number = number.isascii() and number.isdigit()
        self._is_showing = True
        self._filtered.set_text("" if is_number else text.strip())
        self._sort()
        self._is_showing = False
        if is_number:
            self._go_to(int(number))

    def _number_typed(self, digit: str) -> None:
        now_s = time.monotonic()
        self._number = self._number + digit if now_s - self._typed_at_s < _NUMBER_PAUSE_S else digit
        self._typed_at_s = now_s
        self._go_to(int(self._number))

    def _go_to(self, object_id: int) -> None:
        index = self._index_of(object_id)
        if index.isValid():
            flag = QItemSelectionModel.SelectionFlag
            self.view.selectionModel().setCurrentIndex(index, flag.ClearAndSelect | flag.Rows)
            self.view.scrollTo(index)

    def _remove(self) -> None:
        if self.selected():
            self.removed.emit(tuple(self.selected()))

    def menu(self) -> QMenu:
        """Return the menu of what can be done to the selected objects."""
        menu, selected = QMenu(self), self.selected()
        menu.setToolTipsVisible(True)
        one = selected[0] if len(selected) == 1 else None
        kept = self._current if self._current in selected else next(iter(selected), None)
        others = tuple(object_id for object_id in selected if object_id != kept)
        named = str(others[0]) if len(others) == 1 else f"{len(others)} objects"
        merge = menu.addAction(f"Merge {named} into {kept}" if others else "Merge selected objects")
        merge.setEnabled(bool(others))
        merge.triggered.connect(lambda: self.merged.emit(kept, others))
        for text, tip, signal in (
            ("Split here", "From the shown frame on it is a new object.", self.splitHere),
            ("Divide here", "It ends before the shown frame, and two children begin there.", self.dividedHere),
        ):
            action = menu.addAction(text)
            action.setToolTip(tip)
            action.setEnabled(one is not None)
            action.triggered.connect(lambda _checked=False, signal=signal: signal.emit(one))
        approve = menu.addAction("Approve this frame")
        approve.setToolTip("Nothing changes its mask on the shown frame any more.")
        approve.triggered.connect(lambda: self.approvedHere.emit(tuple(selected)))
        end = menu.addAction("End here")
        end.setToolTip("It is absent from the shown frame on.")
        end.triggered.connect(lambda: self.endedHere.emit(tuple(selected)))
        menu.addSeparator()
        rows = [row for row in self.model.rows if row.object_id in selected]
        are_shown, are_locked = all(not row.is_hidden for row in rows), all(row.is_locked for row in rows)
        show = menu.addAction("Hide" if are_shown else "Show")
        show.triggered.connect(lambda: self.shownChanged.emit(tuple(selected), not are_shown))
        lock = menu.addAction("Unlock" if are_locked and rows else "Lock")
        lock.triggered.connect(lambda: self.lockedChanged.emit(tuple(selected), not are_locked))
        remove = menu.addAction("Remove")
        remove.triggered.connect(lambda: self.removed.emit(tuple(selected)))
        for action in (approve, end, show, lock, remove):
            action.setEnabled(bool(selected))
        return menu

    def _show_menu(self, at: QPoint) -> None:
        menu = self.menu()
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.view.viewport().mapToGlobal(at))


_WIDEST = {
    Column.COLOUR: "0",
    Column.ID: "000",
    Column.FRAMES: "Found",
    Column.WORST: "Worst",
    Column.STATE: "000 ?",
    Column.SHOWN: "0",
    Column.LOCKED: "0",
}
"""The widest text for which a column has room; the name has the rest."""
_SHORTEST_NAME = "object 10"
