"""The form of finding everything on a frame."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.options.everything_options import EverythingOptions
from napari_sam2.plugin.qt.options_form import OptionsForm, area_field
from napari_sam2.plugin.settings.keys import FIND_EVERYTHING

_AUTOMATIC = "automatic"


def _options(
    points_per_side: int = EverythingOptions.points_per_side,
    least_area_px: int = EverythingOptions.least_area_px,
    largest_area_px: int = EverythingOptions.largest_area_px,
    least_iou: float = EverythingOptions.least_iou,
    least_stability: float = EverythingOptions.least_stability,
) -> object:  # magicgui would look for a widget of another type
    return EverythingOptions(points_per_side, least_area_px, largest_area_px, least_iou, least_stability)


class EverythingForm(OptionsForm):
    """Edits the options of the controller, and begins to find; a window that closes with a click beside it.

    Parameters
    ----------
    controller : Controller
        What does the work.
    parent : QWidget, optional
        From which it opens.
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        fields = {
            "points_per_side": {"label": "clicks per side", "min": 1, "max": 256, "tooltip": "More find smaller objects."},
            "least_area_px": area_field("least area, px", "0 for any."),
            "largest_area_px": area_field("largest area, px", "0 for half of the frame."),
            "least_iou": {"label": "least IoU", "min": 0.0, "max": 1.0, "step": 0.05, "tooltip": "As the model predicts it."},
            "least_stability": {"label": "least stability", "min": 0.0, "max": 1.0, "step": 0.05},
        }
        super().__init__(_options, fields, self._edited, parent)
        self._controller = controller
        for name in ("least_iou", "least_stability"):
            self.form[name].native.setSpecialValueText(_AUTOMATIC)
        self.find = QPushButton(f"Find everything on this frame ({FIND_EVERYTHING.name})")
        self.find.setToolTip("One undo takes all that is found back. Esc stops.")
        self.find.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.find.clicked.connect(self._find)
        self.layout().addWidget(self.find)

    def _edited(self, options: EverythingOptions) -> None:
        self._controller.everything_options = options

    def _find(self) -> None:
        self.hide()
        self._controller.find_everything()
