"""The form of tracking everything."""

from __future__ import annotations

from magicgui import magicgui
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.keys import TRACK_EVERYTHING
from napari_sam2.plugin.qt.rows import button
from napari_sam2.plugin.tracking_options import TrackingOptions

_MAX_AREA_PX = 10**8


def _options(
    least_area_px: int = TrackingOptions.least_area_px,
    largest_area_px: int = TrackingOptions.largest_area_px,
    points_per_side: int = TrackingOptions.points_per_side,
) -> object:
    return TrackingOptions(points_per_side, least_area_px, largest_area_px)


class TrackingForm(QFrame):  # type: ignore[misc]
    """Edits the options of the controller, and begins to track; a window that closes with a click beside it.

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
            least_area_px={"label": "least area, px", "min": 0, "max": _MAX_AREA_PX, "tooltip": "Smaller things are no objects."},
            largest_area_px={
                "label": "largest area, px",
                "min": 0,
                "max": _MAX_AREA_PX,
                "tooltip": "Larger things are no objects.",
            },
            points_per_side={"label": "clicks per side", "min": 0, "max": 256, "tooltip": "More find smaller objects."},
        )
        self.form.changed.connect(self._edited)
        self.track = button("Track everything ({key})", TRACK_EVERYTHING, self._track)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(2)
        layout.addWidget(self.form.native)
        layout.addWidget(QLabel("0 is automatic."))
        layout.addWidget(self.track)

    def _edited(self) -> None:
        options = self.form()
        if isinstance(options, TrackingOptions):
            self._controller.tracking_options = options

    def open_below(self, widget: QWidget) -> None:
        """Open below a widget, and not beyond its right edge."""
        self.adjustSize()
        self.move(widget.mapToGlobal(QPoint(max(0, widget.width() - self.width()), widget.height())))
        self.show()

    def _track(self) -> None:
        self.hide()
        self._controller.track_everything()
