"""Track everything, stop and continue: one button among the tools."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.options.tracking_options import TrackingLeft
from napari_sam2.plugin.qt.key_texts import show_key, tool_tip
from napari_sam2.plugin.settings.keys import CANCEL, TRACK_EVERYTHING
from napari_sam2.wording import counted

ICON = "track"


class TrackingButton:
    """Lets a button track everything: it opens the options, stops what runs, or goes on with what was stopped.

    Parameters
    ----------
    controller : Controller
        What does the work.
    button : QToolButton
        The button.
    open_options : callable
        Opens the options, which begin.
    """

    def __init__(self, controller: Controller, button: QToolButton, open_options: Callable[[], None]) -> None:
        self._controller = controller
        self._button = button
        self._open_options = open_options
        button.clicked.connect(lambda: self._clicked())

    @property
    def _left(self) -> TrackingLeft:
        workspace = self._controller.workspace
        return TrackingLeft() if workspace is None else workspace.tracking_left

    def _clicked(self) -> None:
        if self._controller.is_tracking:
            self._controller.cancel()
        elif self._left.is_begun:
            self._controller.track_everything()
        else:
            self._open_options()

    def show(self, has_room: bool) -> None:
        """Show what a click does; in words as well, if there is room for them."""
        button, reason = self._button, self._controller.why_not_tracked
        button.setEnabled(not reason)
        text = ""
        if self._controller.is_tracking:
            text = "Stop"
            show_key(button, text, CANCEL)
        elif self._left.is_begun:
            num_frames = self._left.num_frames
            text = "Continue"
            show_key(button, text, TRACK_EVERYTHING, "" if num_frames is None else f"{counted(num_frames, 'frame')} left.")
        else:
            show_key(button, "", TRACK_EVERYTHING, "Opens its options.")
        if reason:
            button.setToolTip(f"{tool_tip(TRACK_EVERYTHING)} {reason}")
        is_told = bool(text) and has_room
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly if is_told else Qt.ToolButtonStyle.ToolButtonIconOnly)
