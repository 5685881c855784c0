"""Going over frames: to one, to where an object is, to the next uncertain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_sam2.plugin.image.layer_placement import displayed_frame, show_frame
from napari_sam2.plugin.layers.view_centre import centre_on
from napari_sam2.plugin.selection.image_choice import ImageChoice


class FrameNavigation:
    """Lets the viewer show frames of the image that is worked on.

    Parameters
    ----------
    viewer : Viewer
        Which.
    images : ImageChoice
        Has the image.
    frame_described : callable
        Called with a text about the shown frame.
    """

    def __init__(self, viewer: Any, images: ImageChoice, frame_described: Callable[[str], None]) -> None:
        self._viewer = viewer
        self._images = images
        self._frame_described = frame_described

    @property
    def frame(self) -> int | None:
        """The frame that the viewer shows, or None."""
        workspace = self._images.workspace
        return None if workspace is None else displayed_frame(self._viewer, workspace.image, workspace.stack)

    def go_to(self, frame: int) -> None:
        """Let the viewer show a frame."""
        workspace = self._images.workspace
        if workspace is not None:
            show_frame(self._viewer, workspace.image, workspace.stack, frame)

    def show_object(self, object_id: int) -> None:
        """Show an object: if it is not on the shown frame, where it was prompted or found first."""
        workspace, frame = self._images.workspace, self.frame
        states = None if workspace is None else workspace.rows.frames.of(object_id)
        if states is not None and (frame is None or not (states.is_found(frame) or frame in states.prompts)):
            frame = min(states.prompts, default=states.first_found)
            if frame is not None:
                self.go_to(frame)
        if frame is not None:
            self.centre_on(object_id, frame)

    def centre_on(self, object_id: int, frame: int) -> None:
        """Move the view to where an object is on a frame, if that is not in it; where it is absent, the view stays."""
        workspace = self._images.workspace
        states = None if workspace is None else workspace.rows.frames.of(object_id)
        centroid_rc = None if states is None else states.centroid_rc(frame)
        if workspace is not None and centroid_rc is not None:
            centre_on(self._viewer, workspace.image, workspace.stack, centroid_rc)

    def go_to_uncertain(self, step: int) -> None:
        """Go to the next uncertain frame of the current object, or with a step of -1 to the one before."""
        workspace, shown = self._images.workspace, self.frame
        if workspace is None or shown is None:
            return
        object_id = workspace.hand.current
        frame = workspace.rows.frames.next_uncertain(object_id, shown, step)
        if frame is None:
            where = "after" if step > 0 else "before"
            self._frame_described(f"Object {object_id} has no uncertain frame {where} frame {shown}.")
        else:
            self.go_to(frame)
