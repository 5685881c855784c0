"""The menu of exports: a format, its options in a form, a file; written on the worker."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from magicgui import magicgui
from qtpy.QtWidgets import QApplication, QDialog, QDialogButtonBox, QFileDialog, QMenu, QVBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.session_output import SessionOutput, image_file_of
from napari_sam2.plugin.worker.exports import document_formats, result_formats, shown_ending, with_ending


class ExportMenu(QMenu):  # type: ignore[misc]
    """All exports of a session. The formats are listed when it is opened: PyTorch is imported for them.

    Parameters
    ----------
    controller : Controller
        Whose session.
    output : SessionOutput
        Writes it.
    parent : QWidget
        Whose style it has, and above which its dialogs are opened.
    """

    def __init__(self, controller: Controller, output: SessionOutput, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self._controller = controller
        self._output = output
        self._folder: Path | None = None
        self.aboutToShow.connect(self.fill)

    def fill(self) -> None:
        """List all formats, and grey those that the image has not what they need for."""
        self.clear()
        for group in (result_formats(), document_formats()):
            for item in group:
                what = item.what[:1].upper() + item.what[1:]
                action = self.addAction(f"{what}  ({shown_ending(item)}) …")
                refusal = self._output.refusal(item)
                action.setEnabled(not refusal)
                action.setToolTip(refusal)
                action.triggered.connect(lambda _=False, item=item: self.export(item))
            self.addSeparator()
        copy = self.addAction("Copy as Python")
        copy.setToolTip("Copy a script that makes the same labels to the clipboard.")
        copy.triggered.connect(lambda: self.copy_as_python())

    def copy_as_python(self) -> None:
        """Copy the script of the session to the clipboard."""
        self._output.copy_script(QApplication.clipboard().setText)

    def export(self, item: Any) -> None:
        """Ask for the options and the file of an export, and begin it."""
        if self._output.workspace is None:
            return
        options = ask_options(item, self.parentWidget())
        path = None if options is None else self._ask_path(item)
        if path is None:
            return
        self._folder = path.parent
        if item in document_formats():
            self._output.export_document(path, item)
        else:
            self._output.export(path, options)

    def _ask_path(self, item: Any) -> Path | None:
        image = self._controller.image
        file = None if self._controller.workspace is None else image_file_of(self._controller.workspace)
        folder = self._folder or (Path.home() if file is None else file.parent)
        suggested = folder / f"{_file_name(image.name)}{shown_ending(item)}"
        if _is_same(suggested, file):
            suggested = folder / f"{_file_name(image.name)}-objects{shown_ending(item)}"
        chosen, _ = QFileDialog.getSaveFileName(
            self.parentWidget(), f"Export {item.what}", str(suggested), f"{item.what} (*{shown_ending(item)})"
        )
        if not chosen:
            return None
        path = with_ending(Path(chosen), item)
        if _is_same(path, file):
            text = f"{path.name} is the image itself, which is not replaced: give another name"
            self._controller.show_problem(text)
            return None
        if path != Path(chosen) and path.exists():  # the dialog asked about another name
            text = f"{path.name} is there already: choose it itself to replace it, or give another name"
            self._controller.show_problem(text)
            return None
        return path


def ask_options(item: Any, parent: QWidget | None) -> dict[str, Any] | None:
    """Ask for the options of a format, if it has any; None where somebody thought better of it."""
    parameters = getattr(item, "options", [])
    if not parameters:
        return {}
    form = options_form(parameters)
    dialog = QDialog(parent)
    dialog.setWindowTitle(f"Options of {item.what}")
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addWidget(form.native)
    layout.addWidget(buttons)
    return form() if dialog.exec() else None


def options_form(parameters: list[inspect.Parameter]) -> Any:
    """Make a form of options, which returns their values when it is called."""

    def values(**chosen: Any) -> dict[str, Any]:
        return chosen

    values.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return magicgui(values, call_button=False)


def _is_same(path: Path, file: Path | None) -> bool:
    return file is not None and path.exists() and path.samefile(file)


def _file_name(name: str) -> str:
    return "".join("_" if letter in '/\\:*?"<>|' else letter for letter in name).strip(" .") or "export"
