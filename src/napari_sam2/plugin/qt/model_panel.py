"""Which model, where and how it computes: chosen, fetched, dropped in as a file, and tested."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.models import MODEL_NAMES, describe_download, describe_model
from napari_sam2.plugin.qt.settings_dialog import SettingsDialog
from napari_sam2.plugin.settings import DEVICES, PRECISIONS
from napari_sam2.weights.registry import SUFFIXES

_SELF_TEST = "Let the embedded model segment a nucleus whose area is known."
_FROM_FILE = "from a file …"
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
        self.model = _combo("The model. Larger ones are better and slower; micro needs no download.")
        self.model.activated.connect(self._model_chosen)
        self._make_download()
        self._make_details()
        self._lay_out()
        controller.changed.connect(self._show)
        self._show()
        controller.survey_machine()

    def _make_download(self) -> None:
        self.about_download = QLabel()
        self.place = QElidingLabel()
        self.place.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.place.setMinimumHeight(self.place.fontMetrics().height() + 4)  # it cuts underscores off otherwise
        self.download = QPushButton("Download", toolTip="Fetch the weights of this model, once. Cancel leaves nothing behind.")
        self.download.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.download.clicked.connect(lambda: self._controller.download_model())

    def _make_details(self) -> None:
        self.fold = QToolButton(checkable=True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setAutoRaise(True)
        self.fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.about_device = QElidingLabel()
        self.fold.toggled.connect(self._folded)
        self.device = _combo("Where the model computes; auto takes CUDA, else Apple's GPU, else the CPU.")
        for device in DEVICES:
            self.device.addItem(device)
        self.device.activated.connect(lambda: self._write(device=self.device.currentText()))
        self.precision = _combo("bfloat16 is faster on recent GPUs, and a little less exact. Of sessions that begin from now on.")
        self.precision.addItems(PRECISIONS)
        self.precision.activated.connect(lambda: self._write(precision=self.precision.currentText()))
        self.self_test = QPushButton("Self-test")
        self.self_test.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.self_test.clicked.connect(lambda: self._controller.run_self_test())

        self.settings = QToolButton(text="Settings …", toolTip="Folder and room for sessions, memory, model, device and keys.")
        self.settings.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.settings.clicked.connect(self._open_settings)

    def _lay_out(self) -> None:
        self._download_row = _row(self.about_download, self.download)
        self.choice = _row(self.model, self.fold)
        self._details = QWidget()
        details = QVBoxLayout(self._details)
        details.setContentsMargins(0, 0, 0, 0)
        details.setSpacing(2)
        details.addWidget(_row(self.device, self.precision, self.self_test))
        details.addWidget(_row(self.about_device, self.settings))
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
            self._controller.choose_model_file(chosen)
        self._show()  # the list is not left at the words for choosing a file

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
                self._controller.choose_model_file(str(path))
            return True
        return bool(super().eventFilter(watched, event))

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _folded(self, is_open: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._details.setVisible(is_open)

    def _show(self) -> None:
        self._show_models()
        controller = self._controller
        settings, machine, test = controller.settings.settings, controller.machine, controller.self_test
        is_missing = controller.model in MODEL_NAMES and not controller.is_model_here
        self._download_row.setVisible(is_missing)
        self.place.setVisible(is_missing)
        if is_missing:
            what, path = describe_download(controller.model)
            self.about_download.setText(what)
            self.place.setText(f"to {path}")
            self.place.setToolTip(f"The weights will be in {path}.")
        self.download.setEnabled(not controller.is_downloading)
        is_known = machine is not None and machine.device == settings.device
        self.fold.setText(machine.facts.kind if machine is not None and is_known else settings.device)
        device = machine.describe() if machine is not None and is_known else settings.device
        tested = "" if test is None else f", self-test {'passed' if test.is_passed else 'FAILED'}"
        self.about_device.setText(f"{device}{tested}")
        self.fold.setToolTip(f"The model computes on {device} in {settings.precision}{tested}. Click to choose.")
        with QSignalBlocker(self.device), QSignalBlocker(self.precision):
            self.device.setCurrentText(settings.device)
            self.precision.setCurrentText(settings.precision)
        for index, name in enumerate(DEVICES):
            is_here = name == "auto" or machine is None or name in machine.devices
            self.device.model().item(index).setEnabled(is_here)
        self.self_test.setToolTip(_SELF_TEST if test is None else f"{_SELF_TEST} The last one: {test.text}.")

    def _show_models(self) -> None:
        current = self._controller.model
        names = MODEL_NAMES if current in MODEL_NAMES else (*MODEL_NAMES, current)
        texts = [*(describe_model(name) for name in names), _FROM_FILE]
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


def _combo(tool_tip: str) -> QComboBox:
    combo = QComboBox(toolTip=tool_tip)
    # long names do not make the dock wide
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(4)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    # the canvas keeps the focus, and with it the keys
    combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return combo


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(
            widget,
            0 if isinstance(widget, QPushButton) or widget.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Fixed else 1,
        )
    return row
