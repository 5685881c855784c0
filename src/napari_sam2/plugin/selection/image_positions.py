"""Where an image is cut into frames: other positions along its sliders, and other ways to read it, while nothing is lost."""

from __future__ import annotations

from typing import Any

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_placement import displayed_position, show_plane
from napari_sam2.plugin.image.reading import Reading, choose_reading
from napari_sam2.plugin.jobs.session_jobs import SessionJobs
from napari_sam2.plugin.selection.workspaces import Workspaces
from napari_sam2.plugin.workspace.carried_prompts import carried_to
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


class ImagePositions:
    """Goes from the work at one position of an image to that at another one.

    Parameters
    ----------
    viewer : Viewer
        Whose sliders.
    workspaces : Workspaces
        The work on images.
    jobs : SessionJobs
        Runs what is done to their sessions.
    """

    def __init__(self, viewer: Any, workspaces: Workspaces, jobs: SessionJobs) -> None:
        self._viewer = viewer
        self._workspaces = workspaces
        self._jobs = jobs
        self._orientation: Any = None  # of the view, before it was turned head up

    def follow_sliders(self, workspace: ImageWorkspace) -> bool:
        """Work on an image where the sliders cut it along axes that are neither frames nor channels; return whether that is new."""
        at = displayed_position(self._viewer, workspace.image, workspace.stack)
        if at is None or at == workspace.stack.at:
            return False
        self._show(workspace.stack.moved_to(at), workspace)
        return True

    def _show(self, stack: ImageStack, before: ImageWorkspace) -> ImageWorkspace:
        """Work on the frames of a stack, and leave what was done on others as it is."""
        there = self._workspaces.at(before.image, stack)
        if there is None:
            there = self._workspaces.begin_beside(before, stack)
        else:
            self._workspaces.show(there)
        if before.is_untouched and before is not there:
            self._workspaces.end(before)
        elif before is not there:
            self._jobs.rest(before)
        return there

    def choose_reading(self, workspace: ImageWorkspace, reading: Reading, stack: ImageStack) -> None:
        """Read an image in another way.

        Parameters
        ----------
        workspace : ImageWorkspace
            The work on it that is shown.
        reading : Reading
            Axes, the axis of frames, channels, resolution, intensities.
        stack : ImageStack
            The image, read so.

        Raises
        ------
        ValueError
            If it does not fit the image.
        """
        image = workspace.image
        if not workspace.stack.has_same_frames(stack):
            choose_reading(image, reading)
            self.show_plane(workspace, stack)
            at = displayed_position(self._viewer, image, stack) or stack.at
            self._change_frames(stack.moved_to(at), workspace)
            return
        beside = self._workspaces.beside(image, stack)
        for one in beside:
            one.source.read_as(reading, stack)
        choose_reading(image, reading)
        for one in beside:
            self._jobs.reopen(one)

    def show_plane(self, workspace: ImageWorkspace, stack: ImageStack) -> None:
        """Turn the view to the frames of a stack, and show all of them: of a patient, if the file tells, with the head up."""
        if not show_plane(self._viewer, workspace.image, stack):
            return
        file = workspace.source.file
        camera = getattr(self._viewer, "scene", self._viewer).camera  # it moved in napari 0.9
        if file.has_axes(stack.letters) and file.head_axis == stack.plane[0]:
            self._orientation = self._orientation or camera.orientation2d
            camera.orientation2d = ("up", camera.orientation2d[1])
        elif self._orientation is not None:
            camera.orientation2d, self._orientation = self._orientation, None
        self._viewer.reset_view()

    def _change_frames(self, stack: ImageStack, before: ImageWorkspace) -> None:
        """Cut the image into other frames, and carry prompts over, unless there was work on these frames before."""
        is_new = not self._workspaces.beside(before.image, stack)
        sources = [one.given_prompts for one in self._workspaces.beside(before.image, before.stack)]
        carried = carried_to(stack, sources) if is_new else {}
        shown = self._show(stack, before)
        for at, prompts in carried.items():
            there = shown if at == stack.at else self._workspaces.begin_beside(shown, stack.moved_to(at))
            there.add_carried(prompts)
            self._workspaces.show(shown)
