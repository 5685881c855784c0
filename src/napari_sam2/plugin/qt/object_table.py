"""A table of objects: an editor of rows, which tells what a person wants to be done and does nothing of it."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QKeyEvent, QPainter, QPalette, QPen
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QLineEdit,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.plugin.reports.object_rows import ObjectRow

_SORT_ROLE = Qt.ItemDataRole.UserRole
_ID_ROLE = Qt.ItemDataRole.UserRole + 1
COLOUR_ROLE = Qt.ItemDataRole.UserRole + 2
_NUMBER_PAUSE_S = 1.0
_NUM_SHOWN_ROWS, _FEWEST_SHOWN_ROWS = 6, 3


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
        if role == _ID_ROLE:
            return row.object_id
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, column)
        if role == Qt.ItemDataRole.EditRole:
            return row.name
        if role == _SORT_ROLE:
            return _sort_key(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tool_tip(row, column)
        if role == COLOUR_ROLE and column == Column.COLOUR:
            colour = row.colour or self._colour_of(row.object_id)
            return None if colour is None else QColor(colour)
        if role == Qt.ItemDataRole.CheckStateRole and column in (Column.SHOWN, Column.LOCKED):
            is_set = not row.is_hidden if column == Column.SHOWN else row.is_locked
            return (Qt.CheckState.Checked if is_set else Qt.CheckState.Unchecked).value
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (Column.ID, Column.FRAMES, Column.WORST, Column.STATE):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
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


class _FilteredRows(QSortFilterProxyModel):  # type: ignore[misc]
    """Rows whose name has a text in it, in the order that was chosen."""

    def __init__(self, model: ObjectModel) -> None:
        super().__init__()
        self._text = ""
        self.setSortRole(_SORT_ROLE)
        # rows do not jump while their frames are being found
        self.setDynamicSortFilter(False)
        self.setSourceModel(model)

    def set_text(self, text: str) -> None:
        self._text = text.casefold()
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, _source_parent: QModelIndex) -> bool:  # noqa: N802
        return self._text in self.sourceModel().row_at(source_row).name.casefold()


class _Swatch(QStyledItemDelegate):  # type: ignore[misc]
    """Draws a colour as it is, also in a selected row, in which Qt would tint a decoration."""

    def paint(self, painter: QPainter, option: Any, index: QModelIndex) -> None:
        super().paint(painter, option, index)
        colour = index.data(COLOUR_ROLE)
        if colour is not None:
            side = min(option.rect.height() - 6, option.rect.width() - 2)
            square = QRect(0, 0, side, side)
            square.moveCenter(option.rect.center())
            painter.fillRect(square, colour)


class _Sign(QStyledItemDelegate):  # type: ignore[misc]
    """Draws a mark as a sign, faint where it is not set, and takes a click anywhere in its cell."""

    def __init__(self, parent: QWidget, draw: Callable[[QPainter, QRectF, bool], None]) -> None:
        super().__init__(parent)
        self._draw = draw

    def paint(self, painter: QPainter, option: Any, index: QModelIndex) -> None:
        self.initStyleOption(option, index)
        option.features &= ~option.ViewItemFeature.HasCheckIndicator
        option.widget.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        side = min(option.rect.height() - 6, option.rect.width() - 2)
        square = QRectF(0, 0, side, side)
        square.moveCenter(QRectF(option.rect).center())
        is_set = _is_checked(index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(1.0 if is_set else 0.35)
        painter.setPen(QPen(option.palette.color(QPalette.ColorRole.Text), 1.5))
        self._draw(painter, square, is_set)
        painter.restore()

    def editorEvent(self, event: Any, model: Any, _option: Any, index: QModelIndex) -> bool:  # noqa: N802
        if event.type() == event.Type.MouseButtonRelease and event.button() == Qt.MouseButton.LeftButton:
            turned = Qt.CheckState.Unchecked if _is_checked(index) else Qt.CheckState.Checked
            return bool(model.setData(index, turned.value, Qt.ItemDataRole.CheckStateRole))
        return False


def _draw_eye(painter: QPainter, square: QRectF, is_open: bool) -> None:
    """An eye, or one with a stroke through it."""
    painter.drawEllipse(square.adjusted(0, square.height() * 0.22, 0, -square.height() * 0.22))
    painter.setBrush(painter.pen().color())
    painter.drawEllipse(square.center(), square.width() * 0.13, square.height() * 0.13)
    if not is_open:
        painter.drawLine(square.bottomLeft(), square.topRight())


def _draw_lock(painter: QPainter, square: QRectF, is_closed: bool) -> None:
    """A padlock, closed or open."""
    width, height = square.width(), square.height()
    body = square.adjusted(width * 0.12, height * 0.45, -width * 0.12, 0)
    arch = QRectF(square.left() + width * 0.26, square.top(), width * 0.48, height * 0.8)
    if not is_closed:
        arch.translate(width * 0.3, 0)
    painter.drawArc(arch, 0, 180 * 16)
    painter.fillRect(body, painter.pen().color())


def _is_checked(index: QModelIndex) -> bool:
    return bool(index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked.value)


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
        self._filtered = _FilteredRows(self.model)
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
        view.setItemDelegateForColumn(Column.COLOUR, _Swatch(view))
        view.setItemDelegateForColumn(Column.SHOWN, _Sign(view, _draw_eye))
        view.setItemDelegateForColumn(Column.LOCKED, _Sign(view, _draw_lock))
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
        return sorted(index.data(_ID_ROLE) for index in self.view.selectionModel().selectedRows())

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
            self._choose(current.data(_ID_ROLE))

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
