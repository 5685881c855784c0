"""The form of tracking everything."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.qt.options_form import OptionsForm, area_field
from napari_sam2.plugin.qt.rows import button
from napari_sam2.plugin.settings.keys import TRACK_EVERYTHING


def _options(
    least_area_px: int = TrackingOptions.least_area_px,
    largest_area_px: int = TrackingOptions.largest_area_px,
    points_per_side: int = TrackingOptions.points_per_side,
) -> object:  # magicgui would look for a widget of another type
    return TrackingOptions(points_per_side, least_area_px, largest_area_px)


class TrackingForm(OptionsForm):
    """Edits the options of the controller, and begins to track; a window that closes with a click beside it.

    Parameters
    ----------
    controller : Controller
        What does the work.
    parent : QWidget, optional
        From which it opens.
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        fields = {
            "least_area_px": area_field("least area, px", "Smaller things are no objects."),
            "largest_area_px": area_field("largest area, px", "Larger things are no objects."),
            "points_per_side": {"label": "clicks per side", "min": 0, "max": 256, "tooltip": "More find smaller objects."},
        }
        super().__init__(_options, fields, self._edited, parent)
        self._controller = controller
        self.track = button("Track everything ({key})", TRACK_EVERYTHING, self._track)
        self.layout().addWidget(QLabel("0 is automatic."))
        self.layout().addWidget(self.track)

    def _edited(self, options: TrackingOptions) -> None:
        self._controller.tracking_options = options

    def _track(self) -> None:
        self.hide()
        self._controller.track_everything()
