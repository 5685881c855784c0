"""Commands in napari's menus and palette: each acts on the dock, which is opened where it is not there."""

from __future__ import annotations

from typing import Any

import napari.viewer
from qtpy.QtWidgets import QMenu, QPushButton

from napari_sam2.plugin.qt.dock_widget import SegmentWidget


def widget_in(viewer: Any) -> SegmentWidget:
    """Return the dock widget of a viewer; one is opened where there is none."""
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, SegmentWidget):
            return widget
    _, opened = viewer.window.add_plugin_dock_widget("napari-sam2")
    return opened


def propagate(viewer: napari.viewer.Viewer) -> None:
    """Propagate all objects through the stack."""
    widget_in(viewer).controller.propagate()


def track_everything(viewer: napari.viewer.Viewer) -> None:
    """Find every object, and follow it through the stack."""
    widget_in(viewer).controller.track_everything()


def show_tracks(viewer: napari.viewer.Viewer) -> None:
    """Add the Tracks layer with the lineage, and keep it in step with the session."""
    widget_in(viewer).output_panel.output.show_tracks()


def show_table(viewer: napari.viewer.Viewer) -> None:
    """Open the table of measurements."""
    widget_in(viewer).output_panel.show_table()


def copy_as_python(viewer: napari.viewer.Viewer) -> None:
    """Copy a script that makes the same labels to the clipboard."""
    widget_in(viewer).output_panel.exports.copy_as_python()


def export(viewer: napari.viewer.Viewer) -> None:
    """Open the menu of exports."""
    panel = widget_in(viewer).output_panel
    _pop_up(panel.exports, panel.export_button)


def recent_sessions(viewer: napari.viewer.Viewer) -> None:
    """Open the menu of recent sessions."""
    panel = widget_in(viewer).output_panel
    _pop_up(panel.sessions, panel.sessions_button)


def _pop_up(menu: QMenu, button: QPushButton) -> None:
    menu.popup(button.mapToGlobal(button.rect().bottomLeft()))
