"""Propagate, stop and continue: one button; where to beside it, what it takes before, and how far it is meanwhile."""

from __future__ import annotations

import shutil
import time
from typing import Any

from magicgui import magicgui
from napari.utils import progress
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.options.propagation_options import FramesLeft, propagation_options
from napari_sam2.plugin.qt.key_texts import show_key
from napari_sam2.plugin.qt.object_table import ObjectTable
from napari_sam2.plugin.qt.rows import button
from napari_sam2.plugin.settings.keys import CANCEL, PROPAGATE
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace
from napari_sam2.session.propagation.run_estimate import written_bytes, written_duration
from napari_sam2.wording import counted

_ACTIVITY_MS = 200
_NUM_LETTERS = 6
_FUSE = "Propagate through the volume along all three axes from the same prompts, and take the mean: about three times the work."


class PropagatePanel(QWidget):  # type: ignore[misc]
    """Propagates the objects of the image that is worked on.

    Parameters
    ----------
    controller : Controller
        What does the work.
    table : ObjectTable
        Of its objects, some of which may be selected.
    """

    def __init__(self, controller: Controller, table: ObjectTable) -> None:
        super().__init__()
        self._controller, self._table = controller, table
        self._workspace: ImageWorkspace | None = None
        self._activity: progress | None = None
        self._done_of = (0, 0)
        self._activity_due_s = 0.0
        # napari handles other events while it draws its own bar: not in the midst of what is reported
        self._activity_timer = QTimer(self, interval=_ACTIVITY_MS)
        self._activity_timer.timeout.connect(self._show_activity)
        self.button = button("Propagate ({key})", PROPAGATE, self._clicked)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.setStyleSheet("font-weight: bold; padding: 5px;")
        self._fold = QToolButton(text="Where", checkable=True, toolTip="Choose direction, frames and objects.")
        self._fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._fold.setAutoRaise(True)
        self._fold.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._fold.toggled.connect(self._folded)
        self.form, self._fields = self._make_form(), QWidget()
        self.fuse = button("Along Z, Y and X, fused", _FUSE, lambda: self._controller.fuse_axes())
        self.estimate = QLabel(wordWrap=True)
        self.bar = QProgressBar(textVisible=True)
        self._shown = QStackedWidget()  # of the height of both: nothing else jumps
        self._shown.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._lay_out()
        table.view.selectionModel().selectionChanged.connect(self._choose)
        controller.changed.connect(self._show)
        controller.keys_changed.connect(self._show_left)
        controller.progressed.connect(self._show_progress)
        self._folded(False)
        self._show()

    def _make_form(self) -> Any:
        form = magicgui(propagation_options, call_button=False)
        form.changed.connect(self._choose)
        return form

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.button, 1)
        row.addWidget(self._fold)
        fields = QGridLayout(self._fields)
        fields.setContentsMargins(0, 0, 0, 0)
        fields.setSpacing(3)
        places = {"direction": (0, 0, 2), "objects": (0, 2, 2), "first_frame": (1, 1, 1), "last_frame": (1, 3, 1)}
        for name, (row_number, column, span) in places.items():
            native = self.form[name].native
            fields.addWidget(native, row_number, column, 1, span)
            native.setVisible(True)
            if isinstance(native, QComboBox):  # unfolded, the dock is no wider
                native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
                native.setMinimumContentsLength(_NUM_LETTERS)
        for column, title in ((0, "from"), (2, "to")):
            fields.addWidget(QLabel(title), 1, column)
            fields.setColumnStretch(column + 1, 1)
        fields.addWidget(self.fuse, 2, 0, 1, 4)
        self._shown.addWidget(self.estimate)
        self._shown.addWidget(self.bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self._fields)
        layout.addWidget(self._shown)

    def tear_down(self) -> None:
        """Disconnect from the controller."""
        self._controller.changed.disconnect(self._show)
        self._controller.keys_changed.disconnect(self._show_left)
        self._controller.progressed.disconnect(self._show_progress)
        self._table.view.selectionModel().selectionChanged.disconnect(self._choose)
        self._end_activity()

    # --- what the person chooses -----------------------------------------------------------------------------------

    def _clicked(self) -> None:
        if self._controller.is_busy:
            self._controller.cancel()
        else:
            self._controller.propagate()

    def _folded(self, is_open: bool) -> None:
        self._fold.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._fields.setVisible(is_open)

    def _choose(self, *_: Any) -> None:
        """Take over what the form and the table say."""
        form = self.form
        form.first_frame.max, form.last_frame.min = form.last_frame.value, form.first_frame.value
        num_frames = 1 if self._workspace is None else self._workspace.stack.num_frames
        self._controller.propagation = form(selected=self._table.selected(), num_frames=num_frames)
        self._show_left()

    # --- what is shown ---------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if self._controller.workspace is not self._workspace:
            self._workspace = self._controller.workspace
            self._show_whole_range()
        self._show_left()
        self._shown.setCurrentWidget(self.bar if self._controller.is_busy else self.estimate)
        if not self._controller.is_busy:
            self.bar.reset()
            self._end_activity()

    def _show_whole_range(self) -> None:
        """Let the range be all frames of another image."""
        last = 0 if self._workspace is None else self._workspace.stack.num_frames - 1
        with self.form.changed.blocked():
            self.form.first_frame.value = 0
            self.form.last_frame.min = 0
            self.form.first_frame.max = self.form.last_frame.max = last
            self.form.last_frame.value = last
        self._choose()

    def _show_left(self) -> None:
        is_busy, workspace = self._controller.is_busy, self._workspace
        has_frames = workspace is not None and workspace.stack.frame_axis is not None
        self.button.setEnabled(has_frames or is_busy)
        self._fields.setEnabled(has_frames)
        self.fuse.setEnabled(not is_busy)
        self.fuse.setVisible(workspace is not None and workspace.stack.is_volume)
        if is_busy:
            show_key(self.button, "Stop ({key})", CANCEL)
            self.estimate.clear()
            return
        left, is_continued = FramesLeft(), False
        if workspace is not None and has_frames:
            left = FramesLeft.of(workspace.rows.frames, workspace.objects.infos, self._controller.propagation)
            # where tracking everything was stopped, that is continued by its own button: this one finds nothing new
            is_continued = left.is_begun and not workspace.tracking_left.is_begun
        verb = "Continue" if is_continued else "Propagate"
        what = f"{verb} {counted(left.num_frames, 'frame')}" if left.num_frames else "Propagate"
        show_key(self.button, f"{what} ({{key}})", PROPAGATE)
        self.estimate.setText("" if workspace is None else _described(workspace, left))

    def _show_progress(self, done: int, total: int) -> None:
        self.bar.setMaximum(total)
        self.bar.setValue(done)
        self._done_of = done, total
        if not self._activity_timer.isActive():
            self._activity_due_s = time.monotonic() + _ACTIVITY_MS / 1000
            self._activity_timer.start()

    def _show_activity(self) -> None:
        """Show the same in napari's activity dock; and if this comes late, let the result be drawn less often."""
        if self._workspace is not None:
            self._workspace.result.was_late(time.monotonic() - self._activity_due_s)
        self._activity_due_s = time.monotonic() + _ACTIVITY_MS / 1000
        done, total = self._done_of
        if self._activity is None:
            self._activity = progress(total=total, desc="SAM 2")
        if self._activity.total != total:
            self._activity.total = total
        if self._activity.n != done:
            self._activity.update(done - self._activity.n)

    def _end_activity(self) -> None:
        self._activity_timer.stop()
        if self._activity is not None:
            self._activity.close()
            self._activity = None


def _described(workspace: ImageWorkspace, left: FramesLeft) -> str:
    """Describe what a propagation would take."""
    if not left.num_frames:
        return ""
    seconds = workspace.estimate.seconds(left.num_frames, left.num_masks)
    num_bytes = workspace.estimate.num_bytes(left.num_masks)
    text = counted(left.num_masks, "mask")
    if seconds is not None and num_bytes is not None:
        text += f": about {written_duration(seconds)}, at most {written_bytes(max(num_bytes, 1e6))} on disk"
        folder = None if workspace.kept.saved_to is None else workspace.kept.saved_to.parent
        if folder is not None and folder.is_dir() and (free := shutil.disk_usage(folder).free) < num_bytes:
            text += f", of which {written_bytes(free)} are free"
    if left.num_skipped:
        text += f". {counted(left.num_skipped, 'frame')} up to the nearest prompt would be left out: objects may be lost"
    return f"{text}."
