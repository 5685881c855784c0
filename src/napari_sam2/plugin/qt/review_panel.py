"""The list of what is to be reviewed, and what is decided about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QSignalBlocker, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QBrush, QKeyEvent, QPalette
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QSizePolicy,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.qt.error_panel import ErrorPanel
from napari_sam2.plugin.qt.rows import narrow_button, row
from napari_sam2.plugin.review.review_queue import ANY_REASON, ReviewQueue
from napari_sam2.plugin.settings.keys import APPROVE, APPROVE_TO_HERE, END_HERE, NEXT_ITEM, PREVIOUS_ITEM
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace
from napari_sam2.session.review.track_measurements import ReviewReason

SHOWN_AFTER_MS = 150
"""While frames are found, the list follows less often than they come."""
_NUM_SHOWN_ROWS, _FEWEST_SHOWN_ROWS = 6, 3


class Column(IntEnum):
    """The columns."""

    OBJECT = 0
    FRAME = 1
    REASON = 2


class ReviewModel(QAbstractTableModel):  # type: ignore[misc]
    """Shows a queue."""

    def __init__(self) -> None:
        super().__init__()
        self._queue = ReviewQueue.of(None)

    @property
    def queue(self) -> ReviewQueue:
        """What is shown."""
        return self._queue

    def set_queue(self, queue: ReviewQueue) -> None:
        """Show another queue."""
        self.beginResetModel()
        self._queue = queue
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of items."""
        return 0 if parent is not None and parent.isValid() else len(self._queue)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows; stale masks are faint: they may be found anew."""
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.ForegroundRole):
            return None
        item = self._queue[index.row()]
        if role == Qt.ItemDataRole.ForegroundRole:
            return None if item.uncertainty else QBrush(_faint())
        if role == Qt.ItemDataRole.ToolTipRole:
            doubt = f"uncertainty {item.uncertainty:.2f} of 3" if item.uncertainty else "stale: it may be found anew"
            return f"Object {item.key.object_id} on frame {item.key.frame}: {item.text}, {doubt}"
        return (str(item.key.object_id), f"frame {item.key.frame}", item.text)[index.column()]


def _faint() -> Any:
    return QPalette().color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)


class _View(QTableView):  # type: ignore[misc]
    """The view, whose letters are the viewer's, and the keys for one item after another."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        is_letter = event.text().isprintable() and event.text().strip()
        if is_letter or event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().sizeHint().width(), self._height_of(_NUM_SHOWN_ROWS))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().minimumSizeHint().width(), self._height_of(_FEWEST_SHOWN_ROWS))

    def _height_of(self, num_rows: int) -> int:
        return int(self.verticalHeader().defaultSectionSize() * num_rows + 2 * self.frameWidth())


class ReviewPanel(QWidget):  # type: ignore[misc]
    """Lists what is to be reviewed, and takes decisions.

    Parameters
    ----------
    controller : Controller
        What does the work.

    Attributes
    ----------
    fold : QToolButton
        Opens the panel and folds it away; placed by whoever has the panel.
    """

    folded = Signal(bool)
    """It is about to be opened, or folded away."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._review = controller.review
        self._workspace: ImageWorkspace | None = None
        self._is_showing = False
        self._later = QTimer(self, singleShot=True, interval=SHOWN_AFTER_MS)
        self._later.timeout.connect(self.show_queue)
        self.model = ReviewModel()
        self.model.setParent(self)
        self.view = _View()
        self._make_parts()
        self._lay_out()
        controller.changed.connect(self._follow)
        self._review.changed.connect(self._show_current)
        controller.frame_moved.connect(self._show_current)
        self._folded(False)
        self._follow()

    def tear_down(self) -> None:
        """Disconnect from the controller."""
        self._later.stop()
        self.errors.tear_down()
        self._controller.changed.disconnect(self._follow)
        self._review.changed.disconnect(self._show_current)
        self._controller.frame_moved.disconnect(self._show_current)
        if self._workspace is not None:
            self._workspace.rows.frames_changed.disconnect(self._rows_changed)
            self._workspace.rows.changed.disconnect(self._rows_changed)
            self._workspace = None

    # --- parts -----------------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        self.fold = QToolButton(checkable=True, toolTip="Show or hide what is to be reviewed, the most uncertain first.")
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setAutoRaise(True)
        self.fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.fold.toggled.connect(self._folded)
        self.kinds = QComboBox(toolTip="Which kinds are listed.")
        self.kinds.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kinds.setMinimumContentsLength(8)
        self.kinds.addItem("all kinds", ANY_REASON.value)
        for reason in ReviewReason:
            self.kinds.addItem(reason.description, reason.value)
        self.kinds.activated.connect(self._kind_chosen)
        review = self._review
        self.previous = narrow_button("◀", PREVIOUS_ITEM, review.previous_item)
        self.next = narrow_button("▶", NEXT_ITEM, review.next_item)
        self.accept = narrow_button("Accept", APPROVE, lambda: self._decide(review.accept, review.approve))
        self.correct = narrow_button("Correct", "Take it in hand: click where it is, right-click where it is not.", self._correct)
        self.end = narrow_button("End here", END_HERE, lambda: self._decide(review.end, review.end_here))
        self.to_here = narrow_button("Approve to here", APPROVE_TO_HERE, review.approve_to_here)
        tip = "Judge a random sample of masks: the rate of wrong ones, with its 95 % interval."
        self.measure = narrow_button("Error rate", tip, lambda: None)
        self.measure.setCheckable(True)
        self.measure.toggled.connect(self._measure_toggled)
        self.errors = ErrorPanel(review.error_rate)
        view = self.view
        view.setModel(self.model)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 6)
        header = view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(Column.REASON, QHeaderView.ResizeMode.Stretch)
        header.hide()
        for column, text in ((Column.OBJECT, "00000"), (Column.FRAME, "frame 0000")):
            view.setColumnWidth(column, view.fontMetrics().horizontalAdvance(text) + 8)
        view.selectionModel().selectionChanged.connect(self._selection_changed)
        view.clicked.connect(self._clicked)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self._decisions = row(self.accept, self.correct, self.end, self.to_here, spacing_px=2)
        layout.addWidget(row(self.kinds, self.previous, self.next, self.errors.text, self.measure, stretched=(0, 3), spacing_px=2))
        for widget in (self.view, self._decisions, self.errors):
            layout.addWidget(widget)
        self._measure_toggled(False)

    def _measure_toggled(self, is_measuring: bool) -> None:
        """Show the measurement of the error in the place of the list."""
        for widget in (self.errors, self.errors.text):
            widget.setVisible(is_measuring)
        for widget in (self.view, self._decisions, self.kinds, self.previous, self.next):
            widget.setVisible(not is_measuring)
        self.measure.setText("List" if is_measuring else "Error rate")

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _folded(self, is_open: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.folded.emit(is_open)
        self.setVisible(is_open)
        if is_open:
            self.show_queue()

    def _follow(self) -> None:
        workspace = self._controller.workspace
        if workspace is not self._workspace:
            if self._workspace is not None:
                self._workspace.rows.frames_changed.disconnect(self._rows_changed)
                self._workspace.rows.changed.disconnect(self._rows_changed)
            self._workspace = workspace
            if workspace is not None:
                workspace.rows.frames_changed.connect(self._rows_changed)
                workspace.rows.changed.connect(self._rows_changed)
            self.show_queue()
        self._show_current()

    def _rows_changed(self) -> None:
        if not self._later.isActive():
            self._later.start()

    def show_queue(self) -> None:
        """Show what is to be reviewed by now; what was selected and is still there stays so."""
        self._later.stop()
        queue = self._review.queue()
        self._show_counts(queue)
        if not self.fold.isChecked():
            return
        selected, at = self.selected(), self.view.verticalScrollBar().value()
        self._is_showing = True
        self.model.set_queue(queue)
        self._select(selected)
        self.view.verticalScrollBar().setValue(at)
        self._is_showing = False
        self._show_current()

    def _show_counts(self, queue: ReviewQueue) -> None:
        listed, total = len(queue), queue.num_all
        number = "nothing" if not total else str(total) if listed == total else f"{listed} of {total}"
        self.fold.setText(f"Review: {number}")
        with QSignalBlocker(self.kinds):
            for index, reason in enumerate(ReviewReason, 1):
                self.kinds.setItemText(index, f"{reason.description} · {queue.num_by_reason[reason]}")

    def selected(self) -> list[ObjectFrame]:
        """Return the selected items, in their order."""
        numbers = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return [self.model.queue[number].key for number in numbers]

    def _select(self, keys: Sequence[ObjectFrame]) -> None:
        selection, flag = self.view.selectionModel(), QItemSelectionModel.SelectionFlag
        for number in map(self.model.queue.index_of, keys):
            if number is not None:
                selection.select(self.model.index(number, 0), flag.Select | flag.Rows)

    def _show_current(self) -> None:
        """Select the item that the viewer shows, unless several are selected, to be accepted together."""
        number = self.model.queue.index_of(self._review.current)
        selection, flag = self.view.selectionModel(), QItemSelectionModel.SelectionFlag
        if len(selection.selectedRows()) > 1 and (number is None or selection.isRowSelected(number, QModelIndex())):
            return
        self._is_showing = True
        if number is None:
            selection.clear()
        else:
            selection.setCurrentIndex(self.model.index(number, 0), flag.ClearAndSelect | flag.Rows)
            self.view.scrollTo(self.model.index(number, 0))
        self._is_showing = False

    # --- what a person does ----------------------------------------------------------------------------------------

    def _kind_chosen(self, index: int) -> None:
        self._review.wanted = ReviewReason(self.kinds.itemData(index)) if index else ANY_REASON
        self.show_queue()

    def _selection_changed(self) -> None:
        selected = self.selected()
        if not self._is_showing and len(selected) == 1:
            self._review.go_to(selected[0])

    def _clicked(self, index: QModelIndex) -> None:
        key = self.model.queue[index.row()].key
        if self.selected() == [key] and self._review.current != key:
            self._review.go_to(key)  # again, as something else is shown by now

    def _decide(self, about: Callable[[Sequence[ObjectFrame]], None], shown: Callable[[], None]) -> None:
        """Decide about what is selected; where nothing is, about the object in hand on the shown frame."""
        selected = self.selected()
        if selected:
            about(selected)
        else:
            shown()

    def _correct(self) -> None:
        selected = self.selected()
        if selected:
            self._review.go_to(selected[0])
            self._controller.status_changed.emit("Click where it is, right-click where it is not.")
        else:
            self._review.next_item()
