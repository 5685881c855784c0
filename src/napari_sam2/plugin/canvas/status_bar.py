"""The object under the cursor, named in napari's status bar whatever layer is selected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class StatusBar:
    """Adds the name of the object under the cursor to what napari shows.

    Parameters
    ----------
    viewer : Viewer
        Whose status bar.
    name_at : callable
        Returns the name of what is at a position of the cursor; empty where nothing is.
    """

    def __init__(self, viewer: Any, name_at: Callable[[Any], str]) -> None:
        self._viewer = viewer
        self._name_at = name_at
        # the last: the status bar itself is to get what is written here after what napari wrote
        viewer.events.status.connect(self._status_changed, position="last")

    def close(self) -> None:
        """Leave the status bar to napari."""
        self._viewer.events.status.disconnect(self._status_changed)

    def _status_changed(self) -> None:
        if not self._viewer.mouse_over_canvas:
            return
        status = self._viewer.status
        name = self._name_at(self._viewer.cursor.position)
        text = status if isinstance(status, str) else status["coordinates"]
        if not name or text.endswith(name):
            return
        text = f"{text} · {name}"
        self._viewer.status = text if isinstance(status, str) else {**status, "coordinates": text}
