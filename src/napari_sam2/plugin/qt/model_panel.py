"""Which model, where and how it computes: chosen, fetched, dropped in as a file, and tested."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.qt.rows import button, combo, row
from napari_sam2.plugin.qt.settings_dialog import INPUT_CHOICES, INPUT_TIP, SettingsDialog
from napari_sam2.plugin.settings.models import MODEL_NAMES, describe_download, describe_model
from napari_sam2.plugin.settings.place import THIS_MACHINE
from napari_sam2.plugin.settings.settings import DEVICES, PRECISIONS
from napari_sam2.weights.registry import RELEASED, SUFFIXES

_SELF_TEST = "Let the embedded model segment a nucleus whose area is known."
_PLACE = (
    "Where the model computes: this machine, or the address of a scheduler of dask, such as tls://gpu-box:8786; then Enter. Image, "
    "prompts and results stay here."
)
_FROM_FILE = "from a file …"
_NUM_LETTERS = 4
"""There is room for in a list."""
_FILTER = f"Checkpoints ({' '.join('*' + suffix for suffix in SUFFIXES)})"


class ModelPanel(QWidget):  # type: ignore[misc]
    """Shows the model and the device, and hands what is chosen to the controller.

    Parameters
    ----------
    controller : Controller
        What does the work.

    Attributes
    ----------
    choice : QWidget
        The list of models and the device, in one row, which is placed by whoever shows the panel.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self.model = combo("The model. Larger ones are better and slower; micro needs no download.", _NUM_LETTERS)
        self.model.activated.connect(self._model_chosen)
        self._make_download()
        self._make_details()
        self._lay_out()
        controller.changed.connect(self._show)
        self._show()
        controller.models.survey_machine()

    def _make_download(self) -> None:
        self.about_download = QLabel()
        self.place = QElidingLabel()
        self.place.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.place.setMinimumHeight(self.place.fontMetrics().height() + 4)  # it cuts underscores off otherwise
        what = "Fetch the weights of this model, once. Cancel leaves nothing behind."
        self.download = button("Download", what, lambda: self._controller.models.download())

    def _make_details(self) -> None:
        self.fold = QToolButton(checkable=True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setAutoRaise(True)
        self.fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.about_device = QElidingLabel()
        self.compute_on = combo(_PLACE, _NUM_LETTERS)
        self.compute_on.setEditable(True)
        self.compute_on.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.compute_on.lineEdit().setPlaceholderText("tls://HOST:PORT")
        self.compute_on.activated.connect(lambda _: self._place_chosen())
        self.compute_on.lineEdit().editingFinished.connect(self._place_typed)
        self.fold.toggled.connect(self._folded)
        self.device = combo("Where the model computes; auto takes CUDA, else Apple's GPU, else the CPU.", _NUM_LETTERS)
        for device in DEVICES:
            self.device.addItem(device)
        self.device.activated.connect(lambda: self._write(device=self.device.currentText()))
        self.precision = combo(
            "auto takes bfloat16 on recent GPUs of NVIDIA, where it is faster and a little less exact, else float32. "
            "Of sessions that begin from now on.",
            _NUM_LETTERS,
        )
        self.precision.addItems(PRECISIONS)
        self.precision.activated.connect(lambda: self._write(precision=self.precision.currentText()))
        self.input = combo(INPUT_TIP, _NUM_LETTERS)
        for text, side in INPUT_CHOICES:
            self.input.addItem(text, side)
        self.input.activated.connect(lambda: self._write(image_size=self.input.currentData()))
        self.self_test = button("Self-test", _SELF_TEST, lambda: self._controller.models.run_self_test())
        self.settings = QToolButton(text="Settings …", toolTip="Folder and room for sessions, memory, model, device and keys.")
        self.settings.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.settings.clicked.connect(self._open_settings)

    def _lay_out(self) -> None:
        self._download_row = row(self.about_download, self.download, stretched=(0,))
        self.choice = row(self.model, self.fold, stretched=(0,))
        self._details = QWidget()
        details = QVBoxLayout(self._details)
        details.setContentsMargins(0, 0, 0, 0)
        details.setSpacing(2)
        choices = QGridLayout()  # one below the other
        choices.setSpacing(2)
        choices.setColumnStretch(1, 1)
        named = (("Compute on", self.compute_on), ("Device", self.device), ("Precision", self.precision), ("Input", self.input))
        for number, (name, choice) in enumerate(named):
            self._input_label = QLabel(name)
            choices.addWidget(self._input_label, number, 0)
            choices.addWidget(choice, number, 1)
        details.addLayout(choices)
        details.addWidget(row(self.about_device, self.self_test, self.settings, stretched=(0,)))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widget in (self._download_row, self.place, self._details):
            column.addWidget(widget)
        self._folded(False)

    def tear_down(self) -> None:
        """Disconnect from the controller."""
        self._controller.changed.disconnect(self._show)

    # --- what the person chooses -----------------------------------------------------------------------------------

    def _model_chosen(self, index: int) -> None:
        chosen = self.model.itemData(index)
        if chosen is None:
            chosen, _ = QFileDialog.getOpenFileName(self, "A checkpoint", filter=_FILTER)
        if chosen:
            self._controller.models.choose_file(chosen)
        self._show()  # the list is not left at the words for choosing a file

    def _place_chosen(self) -> None:
        self.compute_on.lineEdit().setModified(False)
        self._controller.models.compute_on(self.compute_on.currentText())
        self._show_place()

    def _place_typed(self) -> None:
        if self.compute_on.lineEdit().isModified():
            self._place_chosen()

    def _write(self, **values: str) -> None:
        self._controller.write_settings(values)

    def _open_settings(self) -> None:
        dialog = SettingsDialog(self._controller.settings, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def accept_drops_on(self, widget: QWidget) -> None:
        """Let checkpoints be dropped on a widget; all other files go on to napari."""
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Take checkpoints that are dropped."""
        if event.type() in (QEvent.Type.DragEnter, QEvent.Type.Drop) and (path := _checkpoint_in(event)) is not None:
            event.acceptProposedAction()
            if event.type() == QEvent.Type.Drop:
                self._controller.models.choose_file(str(path))
            return True
        return bool(super().eventFilter(watched, event))

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _folded(self, is_open: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._details.setVisible(is_open)

    def _show(self) -> None:
        self._show_models()
        controller = self._controller
        settings, machine, test = controller.settings.settings, controller.models.machine, controller.models.self_test
        place = controller.models.place
        is_missing = controller.model in MODEL_NAMES and not controller.models.is_here
        self._download_row.setVisible(is_missing)
        self.place.setVisible(is_missing)
        if is_missing:
            what, path = describe_download(controller.model)
            self.about_download.setText(what)
            self.place.setText(f"to {path}")
            self.place.setToolTip(f"The weights will be in {path}.")
        self.download.setEnabled(not controller.models.is_downloading)
        is_known = machine is not None and machine.place == place
        unknown = "not reached" if place.is_elsewhere else place.device
        self.fold.setText(machine.facts.kind if machine is not None and is_known else unknown)
        device = machine.describe() if machine is not None and is_known else f"{place.name}, {unknown}"
        tested = "" if test is None else f", self-test {'passed' if test.is_passed else 'FAILED'}"
        until = f", until {settings.place.name} is reached" if settings.place != place else ""
        self.about_device.setText(f"{device}{tested}{until}")
        self.about_device.setToolTip(controller.models.transfers)
        self._show_place()
        precision = "" if settings.precision == "auto" else f" in {settings.precision}"
        self.fold.setToolTip(f"The model computes on {device}{precision}{tested}. Click to choose.")
        self.device.setEnabled(not place.is_elsewhere)
        has_sides = controller.model in RELEASED and not place.is_elsewhere
        self._input_label.setVisible(has_sides)
        self.input.setVisible(has_sides)
        self.input.setCurrentIndex(self.input.findData(str(settings.image_size)))
        with QSignalBlocker(self.device), QSignalBlocker(self.precision):
            self.device.setCurrentText(settings.device)
            self.precision.setCurrentText(settings.precision)
        for index, name in enumerate(DEVICES):
            is_here = name == "auto" or machine is None or machine.place.is_elsewhere or name in machine.devices
            self.device.model().item(index).setEnabled(is_here)
        self.self_test.setToolTip(_SELF_TEST if test is None else f"{_SELF_TEST} The last one: {test.text}.")

    def _show_place(self) -> None:
        """Show where models are to compute, unless somebody is typing another place."""
        if self.compute_on.lineEdit().isModified() and self.compute_on.lineEdit().hasFocus():
            return
        settings = self._controller.settings.settings
        names = [one for one in dict.fromkeys((THIS_MACHINE, settings.last_scheduler, settings.compute_on)) if one]
        with QSignalBlocker(self.compute_on):
            if names != [self.compute_on.itemText(index) for index in range(self.compute_on.count())]:
                self.compute_on.clear()
                self.compute_on.addItems(names)
            self.compute_on.setCurrentText(settings.compute_on)

    def _show_models(self) -> None:
        machine = self._controller.models.machine
        is_elsewhere = machine is not None and machine.place.is_elsewhere and machine.place == self._controller.models.place
        models_there = machine.models if machine is not None and is_elsewhere else None
        current = self._controller.model
        names = MODEL_NAMES if current in MODEL_NAMES else (*MODEL_NAMES, current)
        texts = [*(describe_model(name, models_there) for name in names), _FROM_FILE]
        with QSignalBlocker(self.model):
            if texts != [self.model.itemText(index) for index in range(self.model.count())]:
                self.model.clear()
                for name, text in zip((*names, None), texts, strict=True):
                    self.model.addItem(text, name)
            self.model.setCurrentIndex(names.index(current))


def _checkpoint_in(event: QDropEvent) -> Path | None:
    """Return the checkpoint that is dragged, if it is one file of that kind."""
    urls = event.mimeData().urls()
    path = Path(urls[0].toLocalFile()) if len(urls) == 1 else None
    return path if path is not None and path.suffix.lower() in SUFFIXES else None
