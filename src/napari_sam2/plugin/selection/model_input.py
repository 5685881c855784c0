"""What the model sees of the shown frame, asked for while somebody wants to look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.plugin.image.layer_placement import unwrapped
from napari_sam2.plugin.jobs.session_jobs import SessionJobs
from napari_sam2.plugin.layers.model_input_view import ModelInputView, is_model_input
from napari_sam2.plugin.reports.reports import ModelInput
from napari_sam2.plugin.selection.frame_navigation import FrameNavigation
from napari_sam2.plugin.selection.image_choice import ImageChoice
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


class ShownModelInput:
    """Shows what the model sees, as a layer on the image, and follows frames, images and readings.

    Parameters
    ----------
    viewer : Viewer
        Where.
    images : ImageChoice
        Has the image that is worked on.
    frames : FrameNavigation
        Has the frame that is shown.
    jobs : SessionJobs
        Finds what the model sees.
    changed : callable
        Called when it is shown or not any more.
    """

    def __init__(
        self, viewer: Any, images: ImageChoice, frames: FrameNavigation, jobs: SessionJobs, changed: Callable[[], None]
    ) -> None:
        self._viewer = viewer
        self._images = images
        self._frames = frames
        self._jobs = jobs
        self._changed = changed
        self._view = ModelInputView(viewer)
        self._is_shown = False
        self._wanted: tuple[ImageWorkspace, int] | None = None
        viewer.layers.events.removed.connect(self._layer_removed)

    def close(self) -> None:
        """Remove the layer."""
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._view.remove()

    @property
    def is_shown(self) -> bool:
        """The layer lies on the image; nothing is saved of it."""
        return self._is_shown

    @is_shown.setter
    def is_shown(self, is_shown: bool) -> None:
        self._is_shown, self._wanted = is_shown, None
        self._view.remove()
        self.follow_frame()
        self._changed()

    def follow_image(self) -> None:
        """Show it of the image that is worked on by now, as that is read."""
        self.is_shown = self._is_shown

    def follow_frame(self) -> None:
        """Find what the model sees of the shown frame, unless that is on its way."""
        workspace, frame = self._images.workspace, self._frames.frame
        if not self._is_shown or workspace is None or frame is None or not workspace.is_model_here:
            return
        if self._wanted == (workspace, frame):
            return
        wanted = self._wanted = workspace, frame
        workspace.input_seen = self._seen
        self._jobs.show_input(workspace, frame, lambda: self._wanted == wanted)

    def _seen(self, item: ModelInput) -> None:
        workspace = self._images.workspace
        if workspace is not None and self._wanted == (workspace, item.frame):
            self._view.show(workspace.image, workspace.stack, item.frame, item.picture)

    def _layer_removed(self, event: Any) -> None:
        if is_model_input(unwrapped(event.value)) and self._view.layer is not None:  # a person removed it
            self.is_shown = False
