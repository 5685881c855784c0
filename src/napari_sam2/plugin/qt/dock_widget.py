"""The dock widget: which image, which model, which object; propagate, cancel; what is going on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSignalBlocker, Qt
from qtpy.QtGui import QColor, QHideEvent, QPixmap, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QLabel,
    QRadioButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.notices import set_dock_shown
from napari_sam2.plugin.qt.background import BackgroundRunner
from napari_sam2.plugin.qt.image_panel import ImagePanel
from napari_sam2.plugin.qt.key_texts import refresh_keys, show_key
from napari_sam2.plugin.qt.layer_actions import LayerActions
from napari_sam2.plugin.qt.model_panel import ModelPanel
from napari_sam2.plugin.qt.objects_panel import ObjectsPanel
from napari_sam2.plugin.qt.output_panel import OutputPanel
from napari_sam2.plugin.qt.propagate_panel import PropagatePanel
from napari_sam2.plugin.qt.rows import button, combo, row
from napari_sam2.plugin.qt.scrolled import Scrolled
from napari_sam2.plugin.qt.session_line import SessionLine
from napari_sam2.plugin.qt.tool_cursor import ToolCursor
from napari_sam2.plugin.qt.tool_row import ToolRow
from napari_sam2.plugin.settings.keys import (
    CANCEL,
    NEXT_OBJECT,
    NEXT_UNCERTAIN,
    PREVIOUS_UNCERTAIN,
    PROPAGATE,
    REDO_ON_LAYER,
    SWITCH_SIDE,
    UNDO,
    Key,
)

if TYPE_CHECKING:
    import napari

    from napari_sam2.session.session import Session

_SWATCH_PX = 14
_MARGIN_PX = 4
_LARGEST_OBJECT = 65535


class SegmentWidget(QWidget):  # type: ignore[misc]
    """Segment objects by clicks, and propagate them through a stack.

    Parameters
    ----------
    napari_viewer : Viewer
        The viewer it belongs to.
    controller : Controller, optional
        What does the work; one with a background thread by default.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer, controller: Controller | None = None) -> None:
        super().__init__()
        self._viewer = napari_viewer
        if controller is None:
            controller = Controller(napari_viewer, BackgroundRunner())
            controller.prepares_sessions = True
        self.controller = controller
        self._is_torn_down = False
        self._is_status_plan = True
        self._make_choices()
        self._make_object_row()
        self._make_status()
        self._objects = ObjectsPanel(self.controller)
        self._tools = ToolRow(self.controller)
        self._cursor = ToolCursor(self.controller, self)
        self.output_panel = OutputPanel(self.controller, napari_viewer)
        self._image_panel.unfolded.connect(lambda is_open: self._objects.set_open(not is_open))  # there is no room for both
        self._propagate = PropagatePanel(self.controller, self._objects.table)
        self._lay_out()
        self.controller.changed.connect(self._show)
        self.controller.status_changed.connect(self._show_status)
        self.controller.keys_changed.connect(self._show_keys)
        # of the closing of the whole window a widget gets no other signal
        self.destroyed.connect(self.controller.close)
        self._show()

    @property
    def session(self) -> Session:
        """The session of the image that is worked on; see :attr:`~napari_sam2.plugin.controller.Controller.session`."""
        return self.controller.session

    # --- parts -----------------------------------------------------------------------------------------------------

    def _make_choices(self) -> None:
        self._image = combo("The image that is clicked on.")
        self._image.activated.connect(self._image_chosen)
        self._image_panel = ImagePanel(self.controller, self._image, LayerActions(self._viewer, self.controller))
        self._model_panel = ModelPanel(self.controller)
        self._model_panel.accept_drops_on(self)
        self._session_line = SessionLine(self.controller)

    def _make_object_row(self) -> None:
        self._swatch = QLabel(toolTip="Its colour in the result.")
        self._object = QSpinBox(
            minimum=1, maximum=_LARGEST_OBJECT, toolTip="The object in hand, that clicks are about: its label value."
        )
        self._object.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._object.valueChanged.connect(self._object_chosen)
        self._next = button("Next ({key})", NEXT_OBJECT, lambda: self.controller.next_object())
        self._listen = QCheckBox("Use clicks", checked=True)
        self._listen.setToolTip("Without the mark clicks on the image do nothing. Drags move the view as ever.")
        self._listen.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._listen.toggled.connect(self._listen_toggled)
        self._keep = QCheckBox("Keep in hand")
        self._keep.setToolTip("All clicks are about this object, also those on others: for one object and many clicks.")
        self._keep.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._keep.toggled.connect(self._keep_toggled)
        self._inside = _radio("inside", "Left click: the object is here. Right click: not here.")
        self._outside = _radio("outside", SWITCH_SIDE)
        self._inside.clicked.connect(lambda: self.controller.choose_side(True))
        self._outside.clicked.connect(lambda: self.controller.choose_side(False))

    def _make_status(self) -> None:
        self._undo = button("Undo ({key})", UNDO, lambda: self.controller.undo())
        self._redo = button("Redo", REDO_ON_LAYER, lambda: self.controller.redo())
        self._status = QLabel(wordWrap=True)
        self._status.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._hint = QLabel(_hint(), wordWrap=True)
        self._show_hint = QToolButton(text="Keys", checkable=True, toolTip="Show or hide what clicks and keys do.")
        self._show_hint.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._show_hint.toggled.connect(self._hint.setVisible)
        self._hint.setVisible(False)

    def _lay_out(self) -> None:
        scrolled = Scrolled()
        form = QFormLayout(scrolled.column)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(self._image_panel)
        form.addRow("Model", self._model_panel.choice)
        form.addRow(self._model_panel)
        form.addRow(self._session_line)
        form.addRow(self._tools)
        form.addRow("Object", row(self._swatch, self._object, self._next))
        form.addRow(self._objects)
        form.addRow("Click is", row(self._inside, self._outside))
        form.addRow(row(self._keep, self._listen))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[_MARGIN_PX] * 4)
        layout.addWidget(scrolled, 1)
        layout.addWidget(self._propagate)
        layout.addWidget(row(self._undo, self._redo, self._show_hint))
        layout.addWidget(self.output_panel)
        layout.addWidget(self._status)
        layout.addWidget(self._hint)

    # --- what the person chooses -----------------------------------------------------------------------------------

    def _image_chosen(self, index: int) -> None:
        self.controller.choose_image(self._image.itemData(index))

    def _object_chosen(self, object_id: int) -> None:
        self.controller.choose_object(object_id)

    def _keep_toggled(self, is_kept: bool) -> None:
        self.controller.keeps_object = is_kept

    def _listen_toggled(self) -> None:
        # a click that does something invisible is no help
        self.controller.is_listening = self._listen.isChecked() and self.isVisible()

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._show_images()
        controller = self.controller
        if self._is_status_plan:
            self._show_status("")
        self._session_line.show_state()
        with QSignalBlocker(self._object):
            self._object.setValue(controller.current_object)
            self._object.setSuffix("" if controller.object_in_hand is not None else " new")
        self._inside.setChecked(controller.is_inside)
        self._outside.setChecked(not controller.is_inside)
        self._show_swatch()
        self._undo.setEnabled(controller.can_undo)
        self._redo.setEnabled(controller.can_redo)

    def _show_images(self) -> None:
        images = self.controller.images
        with QSignalBlocker(self._image):
            self._image.clear()
            for layer in images:
                self._image.addItem(layer.name, layer)
            self._image.setCurrentIndex(images.index(self.controller.image) if self.controller.image in images else -1)

    def _show_swatch(self) -> None:
        workspace = self.controller.workspace
        color = workspace.result.colour() if workspace is not None else None
        pixmap = QPixmap(_SWATCH_PX, _SWATCH_PX)
        pixmap.fill(QColor.fromRgbF(*map(float, color)) if color is not None else QColor(0, 0, 0, 0))
        self._swatch.setPixmap(pixmap)

    def _show_status(self, text: str) -> None:
        # with nothing to tell: what can be done next
        self._is_status_plan = not text
        # room for two lines at all times, with the padding of the theme: what is above stays where it is while somebody aims at it
        self._status.setText("|\n|")
        self._status.setMinimumHeight(self._status.sizeHint().height())
        self._status.setText(text or self.controller.describe())

    def _show_keys(self) -> None:
        refresh_keys(self)
        self._hint.setText(_hint())

    # --- its life in the window ------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Listen to clicks."""
        super().showEvent(event)
        self._cursor.follow(self.window())
        set_dock_shown(self.controller, True)
        self._listen_toggled()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Do not listen to clicks."""
        super().hideEvent(event)
        self._cursor.leave()
        set_dock_shown(self.controller, False)
        self._listen_toggled()

    def event(self, event: QEvent) -> bool:
        """Disconnect from the viewer when the dock is closed; napari sends no other event."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.tear_down()
            self.deleteLater()  # PySide6 holds the functions of signals, and with them the controller, until then
        return bool(super().event(event))

    def tear_down(self) -> None:
        """Stop what is running and disconnect from the viewer. All layers stay."""
        if not self._is_torn_down:
            self._is_torn_down = True
            self._objects.tear_down()
            self._tools.tear_down()
            self._cursor.leave()
            self.output_panel.tear_down()
            self._image_panel.tear_down()
            self._propagate.tear_down()
            self._model_panel.tear_down()
            self.controller.changed.disconnect(self._show)
            self.controller.status_changed.disconnect(self._show_status)
            self.controller.keys_changed.disconnect(self._show_keys)
            self.controller.close()


_HINT = (
    (("Click", "a new object, or take one in hand"),),
    (("Right click", "not here"), ("Shift+drag", "box")),
    ((NEXT_OBJECT, "new object on top"), (SWITCH_SIDE, "switch side")),
    ((UNDO, "undo"), (REDO_ON_LAYER, "redo")),
    ((PROPAGATE, "propagate"), (CANCEL, "stop, put down")),
    ((PREVIOUS_UNCERTAIN, "uncertain frame before"), (NEXT_UNCERTAIN, "next")),
)


def _hint() -> str:
    lines = [" · ".join(f"<b>{_shown(key)}</b> {does}" for key, does in line) for line in _HINT]
    return "<br>".join(lines)


def _shown(key: Key | str) -> str:
    return key.shown if isinstance(key, Key) else key


def _radio(text: str, does: Key | str) -> QRadioButton:
    radio = QRadioButton(text)
    radio.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if isinstance(does, Key):
        show_key(radio, text, does)
    else:
        radio.setToolTip(does)
    return radio
