"""What leaves the widget: a menu of exports, the Tracks layer, the table of measurements, sessions on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.session_output import SessionOutput
from napari_sam2.plugin.qt.export_menu import ExportMenu
from napari_sam2.plugin.qt.measurement_table import MeasurementTable
from napari_sam2.plugin.qt.rows import button, row
from napari_sam2.plugin.qt.sessions_menu import SessionsMenu
from napari_sam2.plugin.worker.exports import result_formats

_TABLE_SIZE_PX, _MARGIN_PX = QSize(820, 280), 60


class OutputPanel(QWidget):  # type: ignore[misc]
    """A row of buttons.

    Parameters
    ----------
    controller : Controller
        What does the work.
    viewer : Viewer
        Where the Tracks layer and the table are shown.
    """

    def __init__(self, controller: Controller, viewer: Any) -> None:
        super().__init__()
        self._controller = controller
        self._viewer = viewer
        self.output = SessionOutput(controller, viewer)
        self.export_button = button("Export", "Write labels, tables, tracks, movies, the methods paragraph or a script.")
        self.exports = ExportMenu(controller, self.output, self.export_button)
        self.export_button.setMenu(self.exports)
        self.tracks_button = button("Tracks", "A Tracks layer with the lineage, made again whenever the session has changed.")
        self.tracks_button.clicked.connect(lambda: self.output.show_tracks())
        self.table_button = button("Table", "Measurements of each object on each frame.")
        self.table_button.clicked.connect(lambda: self.show_table())
        self.sessions_button = button("Sessions", "Recent sessions, saving under a name, and the room that sessions take.")
        self.sessions = SessionsMenu(controller, viewer, self.output, self.sessions_button)
        self.sessions_button.setMenu(self.sessions)
        self.table: MeasurementTable | None = None
        self.output.changed.connect(self._show)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(self.export_button, self.tracks_button, self.table_button, self.sessions_button))

    def tear_down(self) -> None:
        """Disconnect from the controller, and close the table."""
        self.output.changed.disconnect(self._show)
        self._remove_table()
        self.output.close()

    def show_table(self) -> None:
        """Open the table as a dock, or show it again."""
        if self.table is None:
            self.table = _TableDock(self._table_closed)
            self.table.rowChosen.connect(self._go_to)
            self.table.saveRequested.connect(self._save_table)
            dock = self._viewer.window.add_dock_widget(self.table, name="Measurements", area="bottom")
            dock.setFloating(True)  # beside the other docks there is no room for it in a small window
            window = self.window().geometry()
            dock.resize(min(_TABLE_SIZE_PX.width(), window.width() // 2), _TABLE_SIZE_PX.height())
            dock.move(window.left() + window.width() // 4, window.bottom() - _TABLE_SIZE_PX.height() - _MARGIN_PX)
        self.output.is_table_wanted = True
        self.table.show()
        self._show()

    def _go_to(self, object_id: int, frame: int) -> None:
        self._controller.show_object(object_id)
        self._controller.go_to_frame(frame)

    def _save_table(self) -> None:
        self.exports.export(next(item for item in result_formats() if item.ending == ".csv"))

    def _show(self) -> None:
        if self.table is not None:
            measured = self.output.measured
            self.table.setValue({} if measured is None else measured.table)

    def _remove_table(self) -> None:
        table, self.table = self.table, None
        if table is not None:
            with contextlib.suppress(LookupError, RuntimeError):  # the window is closing
                self._viewer.window.remove_dock_widget(table)

    def _table_closed(self) -> None:
        self.table = None
        self.output.is_table_wanted = False


class _TableDock(MeasurementTable):
    """Tells when its dock is closed; napari sends no other event."""

    _closed: Callable[[], None] | None = None

    def __init__(self, closed: Callable[[], None]) -> None:
        super().__init__()
        self._closed = closed

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._closed is not None:
            self._closed()
        return bool(super().event(event))
