"""One line about how the image is read, and, unfolded, a form in which each guess can be changed."""

from __future__ import annotations

from typing import Any

from magicgui import magicgui
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.selection.image_summary import (
    Intensities,
    along_choices,
    axes_text,
    changed_only,
    channel_choices,
    chosen_channels,
    intensities_of,
    intensity_choices,
    level_choices,
    numbers_for,
    read_image,
    summarize,
)
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace

_ARROW_PX = 26
_INDENT_PX = 10
_LABEL_MARGIN_PX = 12
_SPACING_PX = 6


class SummaryLine(QToolButton):  # type: ignore[misc]
    """A line that unfolds; its end is left out where there is no room for it."""

    def __init__(self) -> None:
        super().__init__()
        self.full_text = ""
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # however long the text is, it makes the dock no wider
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.toggled.connect(self._show_arrow)
        self._show_arrow()

    def _show_arrow(self) -> None:
        self.setArrowType(Qt.ArrowType.DownArrow if self.isChecked() else Qt.ArrowType.RightArrow)

    def show_text(self, text: str) -> None:
        """Show a text, as much of it as there is room for; all of it is the tooltip."""
        self.full_text = text
        self.setToolTip(f"{text}\nClick to change how the image is read.")
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Show as much of the text as there is room for."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        room_px = max(0, self.width() - _ARROW_PX)
        self.setText(self.fontMetrics().elidedText(self.full_text, Qt.TextElideMode.ElideRight, room_px))


class ImagePanel(QWidget):  # type: ignore[misc]
    """Shows how the image is read, and hands what is changed about it to the controller.

    Parameters
    ----------
    controller : Controller
        What does the work.
    images : QWidget
        Chooses the image; it has the first row of the form.
    actions : QWidget
        What is done with layers; it stands at the end of the line.
    """

    unfolded = Signal(bool)
    """The form was opened, or folded away."""

    def __init__(self, controller: Controller, images: QWidget, actions: QWidget) -> None:
        super().__init__()
        self._controller = controller
        self._shown_state: Any = None
        self.form: Any = None
        self.line = SummaryLine()
        self.body = QWidget()
        self._rows = QVBoxLayout(self.body)
        self._rows.setContentsMargins(_INDENT_PX, 0, _INDENT_PX, 0)
        self._rows.setSpacing(2)
        row = QHBoxLayout()
        row.setSpacing(_SPACING_PX)
        self._image_label = QLabel("Image")
        row.addWidget(self._image_label)
        row.addWidget(images, 1)
        self._rows.addLayout(row)
        self.button = QPushButton("Read it like this")
        self.button.setToolTip("Prompts are carried over; what was tracked is tracked again. What was done until now is kept.")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(lambda: self._read())
        self.body.hide()
        header = QHBoxLayout()
        header.addWidget(self.line, 1)
        header.addWidget(actions)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(header)
        layout.addWidget(self.body)
        self.preview = QCheckBox("Show what the model sees")
        self.preview.setToolTip("The shown frame with its channels, intensities and size, as a layer on the image.")
        self.preview.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.preview.toggled.connect(self._preview_toggled)
        self.preview.hide()
        self._rows.addWidget(self.preview)
        layout.addWidget(self.button)
        self.button.hide()
        self.line.toggled.connect(self._folded)
        controller.changed.connect(self.show_state)
        self.show_state()

    def tear_down(self) -> None:
        """Listen to the controller no more."""
        self._controller.changed.disconnect(self.show_state)

    def show_state(self) -> None:
        """Show what is so by now."""
        controller, workspace = self._controller, self._controller.workspace
        name = "" if controller.image is None else controller.image.name
        self.line.show_text(summarize(name, workspace, controller.model))
        self.button.setEnabled(workspace is not None)
        with QSignalBlocker(self.preview):
            self.preview.setChecked(controller.shows_model_input)
        state: Any = None
        if workspace is not None:
            state = workspace.image, workspace.source.reading, workspace.stack.letters, workspace.source.channel_names
        if self.line.isChecked() and (state != self._shown_state or self.form is None):
            self._shown_state = state
            self._make_form(workspace)

    def _folded(self, is_open: bool) -> None:
        self.body.setVisible(is_open)
        self.button.setVisible(is_open)
        self.preview.setVisible(is_open)
        self._shown_state = None
        self.show_state()
        self.unfolded.emit(is_open)

    # --- the form --------------------------------------------------------------------------------------------------

    def _make_form(self, workspace: ImageWorkspace | None) -> None:
        """Make the form anew, as its choices are those of the image."""
        if self.form is not None:
            self._rows.removeWidget(self.form.native)
            self.form.native.hide()
            self.form.native.deleteLater()
            self.form = None
        if workspace is None:
            return
        stack, reading = workspace.stack, workspace.source.reading
        kind = intensities_of(reading)
        low, high = numbers_for(kind, workspace)
        red, green, blue = chosen_channels(workspace)
        channels = {"choices": channel_choices(workspace.source.channel_names), "visible": len(workspace.source.channel_names) > 0}
        along, levels = along_choices(stack.letters, workspace.source.plane_names), level_choices(workspace.image)
        number = {"widget_type": "FloatSpinBox", "min": -1e9, "max": 1e9}
        self.form = magicgui(
            read_image,
            call_button=False,
            axes={
                "value": axes_text(stack),
                "tooltip": "A letter for each axis: T, Z, C, Y, X, …",
            },
            along={"choices": along or [("", "")], "value": stack.along},
            red={**channels, "value": red},
            green={**channels, "value": green},
            blue={**channels, "value": blue},
            resolution={"choices": levels, "value": reading.level, "visible": len(levels) > 1},
            intensities={"choices": intensity_choices(workspace.image), "value": kind},
            low={**number, "value": low},
            high={**number, "value": high},
        )
        self.form.axes.changed.connect(self._axes_typed)
        self.form.intensities.changed.connect(self._kind_chosen)
        self._show_numbers()
        self.form.along.visible = len(along) > 1
        self.form.margins = (0, 0, 0, 0)
        for field in self.form:
            field.label = field.name.capitalize()
        self._rows.insertWidget(1, self.form.native)
        labels = [self._image_label, *self.form.native.findChildren(QLabel)]
        width_px = max(label.fontMetrics().horizontalAdvance(label.text()) for label in labels) + _LABEL_MARGIN_PX
        for label in labels:
            label.setFixedWidth(width_px)  # one below the other, also where magicgui left some out
        self.form.native.layout().setSpacing(2)
        for row in self.form.native.findChildren(QHBoxLayout):
            row.setSpacing(_SPACING_PX)  # as that of the image
        for combo in self.form.native.findChildren(QComboBox):  # long choices do not make the dock wide
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(8)

    def _read(self) -> None:
        """Read the image as the form has it."""
        workspace = self._controller.workspace
        if self.form is None or workspace is None:
            return
        try:
            self._controller.choose_reading(changed_only(self.form(), workspace))
        except ValueError as error:
            self._controller.show_problem(str(error))

    def _preview_toggled(self, is_shown: bool) -> None:
        self._controller.shows_model_input = is_shown

    def _axes_typed(self, axes: str) -> None:
        """Offer the directions that an image with these axes has."""
        workspace, along = self._controller.workspace, self.form.along
        letters = axes.strip().upper()
        names = workspace.source.plane_names if workspace is not None and letters == "".join(workspace.stack.letters) else {}
        along.choices = along_choices(letters, names) or [("", "")]
        along.visible = len(along.choices) > 1

    def _show_numbers(self) -> None:
        form = self.form
        form.low.visible = form.high.visible = form.intensities.value in (Intensities.PERCENTILES, Intensities.RANGE)

    def _kind_chosen(self, kind: Intensities) -> None:
        """Begin with two numbers that make sense for the kind of intensities."""
        workspace = self._controller.workspace
        if workspace is not None:
            self.form.low.value, self.form.high.value = numbers_for(kind, workspace)
        self._show_numbers()
