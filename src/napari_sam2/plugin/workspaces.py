"""The work on all images of a viewer: of each image, one workspace for every way to cut it into frames, and every position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.image_workspace import ImageWorkspace


class Workspaces:
    """Workspaces by image, frames and position; of each image one is shown, the latest."""

    def __init__(self) -> None:
        self._all: dict[Any, list[ImageWorkspace]] = {}
        self._shown: dict[Any, ImageWorkspace] = {}

    def __iter__(self) -> Iterator[ImageWorkspace]:
        return iter([workspace for of_image in self._all.values() for workspace in of_image])

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

    def add(self, workspace: ImageWorkspace) -> None:
        """Add work, which is shown now."""
        image = workspace.image
        self._all.setdefault(image.unique_id, []).append(workspace)
        self._shown[image.unique_id] = workspace
        workspace.siblings = lambda: self.of(image)

    def show(self, workspace: ImageWorkspace) -> None:
        """Show the work at a position, in place of another one of the same image."""
        before = self.shown(workspace.image)
        if before is not None and before is not workspace:
            workspace.show_instead_of(before)
        self._shown[workspace.image.unique_id] = workspace

    def remove(self, workspace: ImageWorkspace) -> None:
        """Forget the work at a position."""
        key = workspace.image.unique_id
        self._all[key].remove(workspace)
        if self._shown.get(key) is workspace:
            del self._shown[key]
        if not self._all[key]:
            del self._all[key]
