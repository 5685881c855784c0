"""The settings and the keys in one window; napari's Preferences show the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magicgui import magicgui
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QGroupBox, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from napari_sam2.plugin.sessions.autosave import KeptSessions
from napari_sam2.plugin.settings.keys import KEYS, all_keys, normal_name, use_by_napari
from napari_sam2.plugin.settings.models import BEST, MODEL_NAMES
from napari_sam2.plugin.settings.place import THIS_MACHINE
from napari_sam2.plugin.settings.settings import DEVICES, INPUT_SIDES_PX, MOST_MEMORIES, PRECISIONS, StoredSettings, checked

INPUT_CHOICES = [
    (f"{side} px, {'approximate' if side < INPUT_SIDES_PX[0] else 'as trained'}", str(side)) for side in INPUT_SIDES_PX
]
INPUT_TIP = (
    "The side of the square that frames are resized to for a released model. Smaller is faster and an approximation: thin and "
    "small objects get lost. Of sessions that begin from now on."
)


def general_values(
    autosave_folder: Path | None = None,
    quota_gb: float = 20.0,
    memory_gb: float = 1.0,
    default_model: str = BEST,
    device: str = "auto",
    precision: str = "auto",
    image_size: str = str(INPUT_SIDES_PX[0]),
    memories: int = MOST_MEMORIES,
    compute_on: str = THIS_MACHINE,
    last_scheduler: str = "",
    certificates: Path | None = None,
) -> dict[str, Any]:
    """Return settings as a file holds them; the form is made from this signature.

    Parameters
    ----------
    autosave_folder, quota_gb, memory_gb, default_model, device, precision, image_size, memories, compute_on, last_scheduler,
    certificates
        See :class:`~napari_sam2.plugin.settings.settings.Settings`.
    """
    return {
        "autosave_folder": _folder_text(autosave_folder),
        "quota_gb": quota_gb,
        "memory_gb": memory_gb,
        "default_model": default_model,
        "device": device,
        "precision": precision,
        "image_size": image_size,
        "memories": memories,
        "compute_on": compute_on,
        "last_scheduler": last_scheduler,
        "certificates": _folder_text(certificates),
    }


def _folder_text(folder: Path | None) -> str:
    return "" if folder in (None, Path()) else str(folder)


def _general_form(default_model: str) -> Any:
    models = (BEST, *MODEL_NAMES)
    return magicgui(
        general_values,
        call_button=False,
        autosave_folder={
            "mode": "d",
            "label": "Folder for sessions",
            "tooltip": "Where sessions are saved as they are made; empty for the usual place.",
        },
        quota_gb={
            "label": "Room for sessions (GB)",
            "min": 0.1,
            "max": 1e5,
            "step": 1.0,
            "tooltip": "Beyond it the oldest are removed.",
        },
        memory_gb={
            "label": "Memory for a result (GB)",
            "min": 0.0,
            "max": 1e5,
            "step": 0.5,
            "tooltip": "A larger result is kept in a temporary file. Of sessions that begin from now on.",
        },
        default_model={
            "label": "Model to begin with",
            "choices": models if default_model in models else (*models, default_model),
            "tooltip": "best: the largest one that is here and fast enough on this machine.",
        },
        device={"choices": DEVICES, "label": "Device", "tooltip": "auto takes CUDA, else Apple's GPU, else the CPU."},
        precision={
            "choices": PRECISIONS,
            "label": "Precision",
            "tooltip": "auto takes bfloat16 on recent GPUs of NVIDIA, else float32. Of sessions that begin from now on.",
        },
        image_size={
            "choices": INPUT_CHOICES,
            "label": "Input of released models",
            "tooltip": INPUT_TIP,
        },
        memories={
            "label": "Recalled memories",
            "min": 1,
            "max": MOST_MEMORIES,
            "tooltip": "Of how many frames; fewer are faster and an approximation. Of sessions that begin from now on.",
        },
        compute_on={"label": "Compute on", "tooltip": "this machine, or the address of a scheduler, such as tls://gpu-box:8786."},
        last_scheduler={"visible": False},
        certificates={
            "mode": "d",
            "label": "Folder of certificates",
            "tooltip": "With ca.pem, cert.pem and key.pem; needed for tls://.",
        },
    )


class SettingsDialog(QDialog):  # type: ignore[misc]
    """Edits the settings and the keys; what cannot be is told in one sentence, and then nothing is changed.

    Parameters
    ----------
    stored : StoredSettings
        The settings.
    parent : QWidget, optional
        The widget that opens it.
    """

    def __init__(self, stored: StoredSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Settings of SAM 2")
        self._stored = stored
        settings = stored.settings
        self.general = _general_form(settings.default_model)
        for name in (
            "quota_gb",
            "memory_gb",
            "default_model",
            "device",
            "precision",
            "memories",
            "compute_on",
            "last_scheduler",
            "certificates",
        ):
            getattr(self.general, name).value = getattr(settings, name)
        self.general.image_size.value = str(settings.image_size)
        self.general.autosave_folder.value = settings.autosave_folder
        self.general.autosave_folder.line_edit.native.setPlaceholderText(str(KeptSessions().folder))
        self.keys = {setting: QLineEdit(key.shown) for setting, key in all_keys().items()}
        self.sentence = QLabel(wordWrap=True)
        self._lay_out()
        for field in self.keys.values():
            field.textChanged.connect(self._show_sentence)
        self.general.changed.connect(self._show_sentence)
        self._show_sentence()

    def _lay_out(self) -> None:
        keys = QGroupBox("Keys")
        form = QFormLayout(keys)
        for setting, key in all_keys().items():
            where = "" if key in KEYS else " (on the image and our layers)"
            what = QLabel(f"{key.summary[:1].upper()}{key.summary[1:]}{where}", toolTip=key.description)
            self.keys[setting].setMaximumWidth(120)
            form.addRow(what, self.keys[setting])
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self.general.native)
        column.addWidget(keys)
        column.addStretch()
        scrolled = QScrollArea(widgetResizable=True)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setWidget(inside)
        scrolled.setMinimumWidth(inside.sizeHint().width() + scrolled.verticalScrollBar().sizeHint().width() + 2)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Ok | buttons.Cancel | buttons.RestoreDefaults)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self.buttons.button(buttons.RestoreDefaults).clicked.connect(self.restore_defaults)
        layout = QVBoxLayout(self)
        layout.addWidget(scrolled)
        layout.addWidget(self.sentence)
        layout.addWidget(self.buttons)
        self.resize(560, 600)

    def value(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what the form holds: the settings, and the keys by their names among them."""
        return self.general(), {setting: field.text() for setting, field in self.keys.items()}

    def restore_defaults(self) -> None:
        """Fill in the default values; they are used after OK."""
        for name, value in general_values().items():
            getattr(self.general, name).value = value or None if name in ("autosave_folder", "certificates") else value
        for setting, key in all_keys().items():
            self.keys[setting].setText(key.default)

    def accept(self) -> None:
        """Use what the form holds, and close it, unless something in it cannot be."""
        values, keys = self.value()
        try:
            self._stored.write(values, {setting: normal_name(text) for setting, text in self._known(keys).items()})
        except (ValueError, OSError) as error:
            self.sentence.setText(f"{error}.")
            return
        super().accept()

    def _known(self, keys: Mapping[str, str]) -> Mapping[str, str]:
        _, faults = checked({}, keys)
        if faults:
            raise ValueError(next(iter(faults.values())))
        return keys

    def _show_sentence(self) -> None:
        """Say what cannot be; else which of the keys that are others than before napari uses itself."""
        values, keys = self.value()
        _, faults = checked(values, keys)
        uses = (
            [] if faults else [use_by_napari(normal_name(text)) for setting, text in keys.items() if self._is_other(setting, text)]
        )
        told = [f"{text}." for text in faults.values()] or [use for use in uses if use is not None]
        self.sentence.setText(next(iter(told), ""))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not faults)

    def _is_other(self, setting: str, text: str) -> bool:
        return normal_name(text) != all_keys()[setting].name
