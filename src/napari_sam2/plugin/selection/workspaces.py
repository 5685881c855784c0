"""The work on all images of a viewer: of each image, one workspace for every way to cut it into frames, and every position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_file import LayerFile
from napari_sam2.plugin.jobs.session_jobs import SessionJobs
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace, WorkspaceCalls


class Workspaces:
    """Workspaces by image, frames and position; of each image one is shown, the latest.

    Parameters
    ----------
    viewer : Viewer
        Of the images.
    opener : SessionOpener
        Opens sessions.
    jobs : SessionJobs
        Runs what is done to them.
    calls : WorkspaceCalls
        What workspaces call.
    """

    def __init__(self, viewer: Any, opener: SessionOpener, jobs: SessionJobs, calls: WorkspaceCalls) -> None:
        self._viewer = viewer
        self._opener = opener
        self._jobs = jobs
        self._calls = calls
        self._all: dict[Any, list[ImageWorkspace]] = {}
        self._shown: dict[Any, ImageWorkspace] = {}
        self._keeps_object = False

    def __iter__(self) -> Iterator[ImageWorkspace]:
        return iter([workspace for of_image in self._all.values() for workspace in of_image])

    def close(self) -> None:
        """Disconnect from all layers, which stay in the viewer."""
        for workspace in self:
            workspace.close()
        self._all.clear()
        self._shown.clear()

    @property
    def keeps_object(self) -> bool:
        """Clicks do not change which object is in hand: for one object and many clicks."""
        return self._keeps_object

    @keeps_object.setter
    def keeps_object(self, is_kept: bool) -> None:
        self._keeps_object = is_kept
        for workspace in self:
            workspace.hand.is_kept = is_kept

    def of(self, image: Any) -> list[ImageWorkspace]:
        """Return all the work on an image."""
        return list(self._all.get(image.unique_id, ()))

    def shown(self, image: Any) -> ImageWorkspace | None:
        """Return the work on an image that is shown; None where it cannot be worked on."""
        return None if image is None else self._shown.get(image.unique_id)

    def beside(self, image: Any, stack: ImageStack) -> list[ImageWorkspace]:
        """Return the work on the same frames as those of a stack, at all positions."""
        return [one for one in self.of(image) if one.stack.has_same_frames(stack)]

    def at(self, image: Any, stack: ImageStack) -> ImageWorkspace | None:
        """Return the work on the frames of a stack; None where there is none."""
        return next((one for one in self.beside(image, stack) if one.stack.at == stack.at), None)

    # --- begun and ended -------------------------------------------------------------------------------------------

    def begin(self, image: Any, stack: ImageStack, file: LayerFile, model: str) -> ImageWorkspace:
        """Begin to work on an image, with a model that is loaded while the person looks for the first object."""
        workspace = self._begin(image, stack, file, model, None)
        if workspace.is_model_here:
            self._jobs.use_model(workspace)
        return workspace

    def begin_beside(self, before: ImageWorkspace, stack: ImageStack) -> ImageWorkspace:
        """Begin to work on an image at another position, or in other frames of it, in the place of what is shown."""
        return self._begin(before.image, stack, before.source.file, before.model, before)

    def _begin(self, image: Any, stack: ImageStack, file: LayerFile, model: str, before: ImageWorkspace | None) -> ImageWorkspace:
        workspace = ImageWorkspace(self._viewer, image, self._opener, model, self._calls, stack, before, file)
        workspace.hand.is_kept = self._keeps_object
        self._all.setdefault(image.unique_id, []).append(workspace)
        self._shown[image.unique_id] = workspace
        workspace.siblings = lambda: self.of(image)
        if self._opener.kept is not None or workspace.kept.saved_to is not None:
            self._jobs.find(workspace, workspace.kept.saved_to)
        return workspace

    def show(self, workspace: ImageWorkspace) -> None:
        """Show the work at a position, in place of another one of the same image."""
        before = self.shown(workspace.image)
        if before is not None and before is not workspace:
            workspace.show_instead_of(before)
        self._shown[workspace.image.unique_id] = workspace

    def end(self, workspace: ImageWorkspace) -> None:
        """Forget the work at a position; its session is closed, and kept."""
        key = workspace.image.unique_id
        self._all[key].remove(workspace)
        if self._shown.get(key) is workspace:
            del self._shown[key]
        if not self._all[key]:
            del self._all[key]
        self._jobs.forget(workspace)
        workspace.close()
        self._jobs.end_session(workspace)

    def end_all(self, image: Any) -> None:
        """Forget all the work on an image."""
        for workspace in self.of(image):
            self.end(workspace)
