"""The form of finding everything on a frame."""

from __future__ import annotations

from magicgui import magicgui
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFrame, QPushButton, QVBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.everything_options import EverythingOptions
from napari_sam2.plugin.keys import FIND_EVERYTHING

_AUTOMATIC = "automatic"
_MAX_AREA_PX = 10**8


def _options(
    points_per_side: int = EverythingOptions.points_per_side,
    least_area_px: int = EverythingOptions.least_area_px,
    largest_area_px: int = EverythingOptions.largest_area_px,
    least_iou: float = EverythingOptions.least_iou,
    least_stability: float = EverythingOptions.least_stability,
) -> object:
    return EverythingOptions(points_per_side, least_area_px, largest_area_px, least_iou, least_stability)


class EverythingForm(QFrame):  # type: ignore[misc]
    """Edits the options of the controller, and begins to find; a window that closes with a click beside it.

    Parameters
    ----------
    controller : Controller
        What does the work.
    parent : QWidget, optional
        From which it opens.
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._controller = controller
        self.form = magicgui(
            _options,
            call_button=False,
            points_per_side={"label": "clicks per side", "min": 1, "max": 256, "tooltip": "More find smaller objects."},
            least_area_px={"label": "least area, px", "min": 0, "max": _MAX_AREA_PX, "tooltip": "0 for any."},
            largest_area_px={
                "label": "largest area, px",
                "min": 0,
                "max": _MAX_AREA_PX,
                "tooltip": "0 for half of the frame.",
            },
            least_iou={"label": "least IoU", "min": 0.0, "max": 1.0, "step": 0.05, "tooltip": "As the model predicts it."},
            least_stability={"label": "least stability", "min": 0.0, "max": 1.0, "step": 0.05},
        )
        for name in ("least_iou", "least_stability"):
            self.form[name].native.setSpecialValueText(_AUTOMATIC)
        self.form.changed.connect(self._edited)
        self.find = QPushButton(f"Find everything on this frame ({FIND_EVERYTHING.name})")
        self.find.setToolTip("One undo takes all that is found back. Esc stops.")
        self.find.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.find.clicked.connect(self._find)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(2)
        layout.addWidget(self.form.native)
        layout.addWidget(self.find)

    def _edited(self) -> None:
        options = self.form()
        if isinstance(options, EverythingOptions):
            self._controller.everything_options = options

    def open_below(self, widget: QWidget) -> None:
        """Open below a widget, and not beyond its right edge."""
        self.adjustSize()
        self.move(widget.mapToGlobal(QPoint(max(0, widget.width() - self.width()), widget.height())))
        self.show()

    def _find(self) -> None:
        self.hide()
        self._controller.find_everything()
