"""The work on all images of a viewer: of each image, one workspace for every position at which somebody works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_sam2.plugin.image_stack import Position
from napari_sam2.plugin.image_workspace import ImageWorkspace


class Workspaces:
    """Workspaces by image and position; of each image one is shown, the latest."""

    def __init__(self) -> None:
        self._by_position: dict[Any, dict[Position, ImageWorkspace]] = {}
        self._shown: dict[Any, ImageWorkspace] = {}

    def __iter__(self) -> Iterator[ImageWorkspace]:
        return iter([workspace for of_image in self._by_position.values() for workspace in of_image.values()])

    def of(self, image: Any) -> list[ImageWorkspace]:
        """Return the work on an image at all its positions."""
        return list(self._by_position.get(image.unique_id, {}).values())

    def shown(self, image: Any) -> ImageWorkspace | None:
        """Return the work on an image at the position that is shown; None where it cannot be worked on."""
        return None if image is None else self._shown.get(image.unique_id)

    def at(self, image: Any, position: Position) -> ImageWorkspace | None:
        """Return the work on an image at a position; None where there is none."""
        return self._by_position.get(image.unique_id, {}).get(position)

    def add(self, workspace: ImageWorkspace) -> None:
        """Add the work at a position, which is shown now."""
        image = workspace.image
        self._by_position.setdefault(image.unique_id, {})[workspace.stack.at] = self._shown[image.unique_id] = workspace
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
        of_image = self._by_position.get(key, {})
        of_image.pop(workspace.stack.at, None)
        if self._shown.get(key) is workspace:
            del self._shown[key]
        if not of_image:
            self._by_position.pop(key, None)
