"""The objects of the image that is worked on: table, timeline and review, and what is done in them."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.prompts.object_commands import (
    ApproveFrame,
    ColourObject,
    DivideObject,
    EndObject,
    HideObject,
    LockObject,
    MergeObjects,
    RemoveObject,
    RenameObject,
    SplitObject,
)
from napari_sam2.plugin.qt.object_table import ObjectTable
from napari_sam2.plugin.qt.review_panel import ReviewPanel
from napari_sam2.plugin.qt.timeline import Timeline
from napari_sam2.plugin.reports.object_rows import ObjectRow
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


class ObjectsPanel(QWidget):  # type: ignore[misc]
    """Shows the objects, and hands what is done to them to the controller. Of table and review one is open at a time, or none.

    Parameters
    ----------
    controller : Controller
        What does the work.
    """

    folded = Signal(bool)
    """The table or the review was opened, or both are folded away."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._workspace: ImageWorkspace | None = None
        self.table = ObjectTable(self._default_colour)
        self.timeline = Timeline()
        self._fold = QToolButton(text="Objects", checkable=True, checked=True, toolTip="Show or hide the table of objects.")
        self._fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._fold.setAutoRaise(True)
        self._fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fold.toggled.connect(self._folded)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        header = QHBoxLayout()
        self.review = ReviewPanel(controller)
        for button in (self._fold, self.review.fold):
            header.addWidget(button)
        layout.addWidget(self.timeline)
        layout.addLayout(header)
        for widget in (self.table, self.review):
            layout.addWidget(widget)
        self.review.folded.connect(self._review_folded)
        self._connect_table()
        self.timeline.frameChosen.connect(lambda frame: controller.go_to_frame(frame))
        controller.changed.connect(self._show)
        controller.frame_moved.connect(self._show_frame)
        self._folded(True)
        self._show()

    def _connect_table(self) -> None:
        table, controller = self.table, self._controller
        table.objectChosen.connect(lambda one: controller.show_object(one))
        table.frameChosen.connect(lambda frame: controller.go_to_frame(frame))
        table.renamed.connect(lambda one, name: controller.edit_objects(RenameObject(one, name)))
        table.coloured.connect(lambda one, colour: controller.edit_objects(ColourObject(one, colour)))
        table.shownChanged.connect(lambda ids, is_shown: controller.edit_objects(*(HideObject(one, not is_shown) for one in ids)))
        table.lockedChanged.connect(lambda ids, is_locked: controller.edit_objects(*(LockObject(one, is_locked) for one in ids)))
        table.removed.connect(lambda ids: controller.edit_objects(*map(RemoveObject, ids)))
        table.merged.connect(lambda kept, others: controller.edit_objects(*(MergeObjects(kept, other) for other in others)))
        table.splitHere.connect(lambda one: self._edit_here(SplitObject, (one,)))
        table.dividedHere.connect(lambda one: self._edit_here(DivideObject, (one,)))
        table.endedHere.connect(lambda ids: self._edit_here(EndObject, ids))
        table.approvedHere.connect(lambda ids: self._edit_here(ApproveFrame, ids))

    def _edit_here(self, kind: type[SplitObject | DivideObject | EndObject | ApproveFrame], object_ids: tuple[int, ...]) -> None:
        frame = self._controller.frame
        if frame is not None:
            self._controller.edit_objects(*(kind(object_id, frame) for object_id in object_ids))

    def tear_down(self) -> None:
        """Disconnect from the controller."""
        self._controller.changed.disconnect(self._show)
        self._controller.frame_moved.disconnect(self._show_frame)
        self.review.tear_down()
        self._follow(None)

    # --- what is shown ---------------------------------------------------------------------------------------------

    def set_open(self, is_open: bool) -> None:
        """Open the table, or fold it away."""
        self._fold.setChecked(is_open)

    def _folded(self, is_open: bool) -> None:
        self._fold.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        if is_open:
            self.review.fold.setChecked(False)
        self.table.setVisible(is_open)
        self.folded.emit(is_open or self.review.fold.isChecked())

    def _review_folded(self, is_open: bool) -> None:
        if is_open:
            self._fold.setChecked(False)
        self.folded.emit(is_open or self._fold.isChecked())

    def _show(self) -> None:
        self._follow(self._controller.workspace)
        if self._workspace is not None:
            self.table.setCurrent(self._controller.current_object)
        self._show_frames()
        self._show_frame()

    def _follow(self, workspace: ImageWorkspace | None) -> None:
        if workspace is self._workspace:
            return
        if self._workspace is not None:
            self._workspace.rows.changed.disconnect(self._rows_changed)
            self._workspace.rows.frames_changed.disconnect(self._show_frames)
        self._workspace = workspace
        self.table.setValue([] if workspace is None else workspace.rows.by_id.values())
        if workspace is not None:
            workspace.rows.changed.connect(self._rows_changed)
            workspace.rows.frames_changed.connect(self._show_frames)

    def _rows_changed(self, changed: dict[int, ObjectRow | None]) -> None:
        self.table.updateValue(changed)

    def _show_frames(self) -> None:
        workspace = self._workspace
        self.timeline.setVisible(workspace is not None and workspace.stack.frame_axis is not None)
        if workspace is None:
            return
        rows, in_hand = workspace.rows, self._controller.object_in_hand
        row = None if in_hand is None else rows.by_id.get(in_hand)
        if in_hand is None:  # a strip without a bar would say that nothing was found
            prompted = set[int]().union(*(one.prompted for one in rows.by_id.values()))
            self.timeline.setValue(rows.frames.of_all, rows.frames.of_all, prompted, "all objects")
        else:
            self.timeline.setValue(
                rows.frames.states_of(in_hand),
                rows.frames.of_all,
                () if row is None else row.prompted,
                f"object {in_hand}" if row is None else row.name,
            )

    def _show_frame(self) -> None:
        self.timeline.setFrame(self._controller.frame)

    def _default_colour(self, object_id: int) -> str | None:
        return None if self._workspace is None else self._workspace.result.default_colour(object_id)
