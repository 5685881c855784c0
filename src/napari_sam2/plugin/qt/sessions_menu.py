"""The menu of sessions on disk: recent ones, files, saving under a name, the room they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.recent_sessions import (
    RULE,
    RecentSession,
    SessionNotOpened,
    disk_use,
    open_session,
    recent_sessions,
    without_image,
)
from napari_sam2.plugin.files.session_output import SessionOutput, image_file_of
from napari_sam2.plugin.sessions.autosave import SUFFIX

_PATTERN = f"Sessions (*{SUFFIX})"


class SessionsMenu(QMenu):  # type: ignore[misc]
    """Recent sessions and what is done with their files; listed when it is opened.

    Parameters
    ----------
    controller : Controller
        Goes on with a session that is opened.
    viewer : Viewer
        Where layers are added.
    output : SessionOutput
        Saves the session.
    parent : QWidget
        Whose style it has, and above which its dialogs are opened.
    """

    def __init__(self, controller: Controller, viewer: Any, output: SessionOutput, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self._controller = controller
        self._viewer = viewer
        self._output = output
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """List what is there."""
        self.clear()
        kept = self._controller.kept_sessions
        for one in [] if kept is None else recent_sessions(kept):
            self._add_recent(one)
        self.addSeparator()
        for path in without_image(self._viewer):
            self._add(f"Find the image of {path.name} …", lambda path=path: self.open(path), "Choose the file of the image.")
        self._add("Open a session …", self.open_file, "Open a session file, with its image.")
        self._add("Save the session as …", self.save_as, "From now on each action is saved to that file.")
        beside = self._output.path_beside_image
        if beside is not None:
            self._add(f"Save the session beside the image ({beside.name})", lambda: self._output.save_as(beside), str(beside))
        if kept is not None:
            self.addSeparator()
            use = self.addAction(disk_use(kept))
            use.setEnabled(False)
            use.setToolTip(RULE)
            self._add("Show their folder", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(kept.folder))), str(kept.folder))

    def _add_recent(self, one: RecentSession) -> None:
        action = self.addAction(one.describe())
        action.setToolTip(str(one.path))
        action.setEnabled(one.summary is not None)
        workspace = self._controller.workspace
        if workspace is not None and workspace.kept.saved_to == one.path:
            action.setCheckable(True)
            action.setChecked(True)
        action.triggered.connect(lambda: self.open(one.path))

    def _add(self, text: str, does: Any, tool_tip: str) -> None:
        action = self.addAction(text)
        action.setToolTip(tool_tip)
        action.triggered.connect(lambda _=False: does())

    def open_file(self) -> None:
        """Ask for a session file, and open it."""
        chosen, _ = QFileDialog.getOpenFileName(self.parentWidget(), "Open a session", self._folder, _PATTERN)
        if chosen:
            self.open(Path(chosen))

    def open(self, path: Path) -> None:
        """Open a session with its image."""
        try:
            open_session(self._controller, self._viewer, path, lambda problem: self._ask_image(problem, path.parent))
        except SessionNotOpened as error:
            self._controller.show_problem(str(error))

    def _ask_image(self, problem: str, folder: Path) -> Path | None:
        chosen, _ = QFileDialog.getOpenFileName(self.parentWidget(), f"{problem}: where is it now?", str(folder))
        return Path(chosen) if chosen else None

    def save_as(self) -> None:
        """Ask for a file, and save the session there."""
        if self._output.workspace is None:
            return
        suggested = str(Path(self._folder) / f"{self._controller.image.name}{SUFFIX}")
        chosen, _ = QFileDialog.getSaveFileName(self.parentWidget(), "Save the session", suggested, _PATTERN)
        if not chosen:
            return
        path = Path(chosen) if chosen.endswith(SUFFIX) else Path(chosen + SUFFIX)
        if str(path) != chosen and path.exists():  # the dialog asked about another name
            text = f"{path.name} is there already: choose it itself to replace it, or give another name"
            self._controller.show_problem(text)
            return
        self._output.save_as(path)

    @property
    def _folder(self) -> str:
        workspace = self._controller.workspace
        file = None if workspace is None else image_file_of(workspace)
        return str(Path.home() if file is None else file.parent)
