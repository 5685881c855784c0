"""Which image is worked on: chosen, opened with a result, removed; each keeps what was done on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.layers import Image

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.layer_file import LayerFile, read_layer_file
from napari_sam2.plugin.image.layer_placement import displayed_position, show_frame, unwrapped
from napari_sam2.plugin.image.reading import Reading, choose_reading, reading_of
from napari_sam2.plugin.layers.model_input_view import is_model_input
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.layers.session_layers import POSITION_KEY, join_result
from napari_sam2.plugin.selection.image_positions import ImagePositions
from napari_sam2.plugin.selection.workspaces import Workspaces
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


@dataclass(frozen=True)
class ImageCalls:
    """What the choice of an image calls.

    Attributes
    ----------
    model : callable
        Returns the model to begin with.
    choosing, chosen : callable
        An image is about to be worked on, or is.
    read : callable
        The image is read in another way.
    changed : callable
        Images came, went, or have another name.
    """

    model: Callable[[], str]
    choosing: Callable[[], None]
    chosen: Callable[[], None]
    read: Callable[[], None]
    changed: Callable[[], None]


class ImageChoice:
    """Follows the image layers of a viewer, one of which is worked on.

    Parameters
    ----------
    viewer : Viewer
        Whose images.
    workspaces : Workspaces
        The work on them.
    positions : ImagePositions
        Where the sliders cut them.
    calls : ImageCalls
        What is called.

    Attributes
    ----------
    image : Image or None
        The layer that is worked on.
    reason : str
        Why it cannot be worked on.
    """

    def __init__(self, viewer: Any, workspaces: Workspaces, positions: ImagePositions, calls: ImageCalls) -> None:
        self._viewer = viewer
        self._workspaces = workspaces
        self._positions = positions
        self._calls = calls
        self.image: Any = None
        self.reason = ""
        viewer.layers.events.inserted.connect(self._layer_inserted)
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.layers.selection.events.active.connect(self._layer_selected)
        for image in self.all:
            image.events.name.connect(self._renamed)

    def close(self) -> None:
        """Leave the layers."""
        self._viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._viewer.layers.selection.events.active.disconnect(self._layer_selected)
        for image in self.all:
            image.events.name.disconnect(self._renamed)

    @property
    def all(self) -> list[Any]:
        """Image layers, the topmost first."""
        layers = map(unwrapped, reversed(self._viewer.layers))
        return [layer for layer in layers if isinstance(layer, Image) and not is_model_input(layer)]

    @property
    def workspace(self) -> ImageWorkspace | None:
        """The work on the image, or None where it cannot be worked on."""
        return self._workspaces.shown(self.image)

    # --- chosen ----------------------------------------------------------------------------------------------------

    def choose_first(self) -> None:
        """Work on an image that was opened with its result, or is selected, or lies on top."""
        joined = [join_result(self._viewer, layer) for layer in map(unwrapped, self._viewer.layers)]
        self.choose(next((image for image in joined if image is not None), None) or self._guess())

    def _guess(self) -> Any:
        selected = unwrapped(self._viewer.layers.selection.active)
        return selected if isinstance(selected, Image) else next(iter(self.all), None)

    def choose(self, image: Any) -> None:
        """Work on an image layer; on another one nothing is lost."""
        before, self.image, self.reason = self.image, unwrapped(image), ""
        self._calls.choosing()
        if self.image is not None and self.workspace is None:
            try:
                self._open()
            except ValueError as error:
                self.reason = str(error)
        self._select()
        if (workspace := self.workspace) is not None and (before is not None or workspace.stack.along in ("Y", "X")):
            self._positions.show_plane(workspace, workspace.stack)
        self.follow_sliders()
        self._calls.chosen()

    def _select(self) -> None:
        """Select the image, where another one is: the selected one is worked on."""
        selection = self._viewer.layers.selection
        selected = unwrapped(selection.active)
        if isinstance(selected, Image) and selected != self.image and self.image in self._viewer.layers:
            selection.active = self.image

    def _open(self) -> None:
        file = read_layer_file(self.image)
        try:
            self._open_as_chosen(file)
        except ValueError:
            if reading_of(self.image) == Reading():
                raise
            choose_reading(self.image, Reading())  # what was chosen does not fit any more
            self._open_as_chosen(file)

    def _open_as_chosen(self, file: LayerFile) -> None:
        image, viewer = self.image, self._viewer
        stack = ImageStack.of(image, reading_of(image), file.letters)
        if (wanted := image.metadata.pop(POSITION_KEY, None)) is not None:
            show_frame(viewer, image, stack.moved_to(wanted), None)
        at = displayed_position(viewer, image, stack) or stack.at
        self._workspaces.begin(image, stack.moved_to(at), file, self._calls.model())

    def follow_sliders(self) -> None:
        """Work on the image where the sliders cut it along axes that are neither frames nor channels."""
        if self.workspace is not None and self._positions.follow_sliders(self.workspace):
            self._calls.changed()

    def choose_reading(self, reading: Reading) -> None:
        """Read the image in another way. Prompts are carried over, and what was done until now is kept.

        Raises
        ------
        ValueError
            If it does not fit the image.
        """
        if self.image is None:
            raise ValueError("There is no image to read: open one first.")
        workspace, letters = self.workspace, read_layer_file(self.image).letters
        stack = ImageStack.of(self.image, reading, letters)
        if workspace is None:
            choose_reading(self.image, reading)
            self.choose(self.image)
        else:
            self._positions.choose_reading(workspace, reading, stack)
            self._calls.read()

    def open_again(self, is_wanted: Callable[[ImageWorkspace], bool]) -> None:
        """Open sessions again, with everything in them."""
        for workspace in filter(is_wanted, list(self._workspaces)):
            self._workspaces.end(workspace)
        self.choose(self.image)

    def outgrown(self, workspace: ImageWorkspace) -> None:
        """Begin anew on an image that was given data of another shape."""
        self._workspaces.end_all(workspace.image)
        if workspace.image == self.image:
            self.choose(self.image)

    # --- layers come and go ----------------------------------------------------------------------------------------

    def _layer_inserted(self, event: Any) -> None:
        layer = unwrapped(event.value)
        if is_model_input(layer):
            return
        if isinstance(layer, Image):
            event.value.events.name.connect(self._renamed)
            if self.image is None:
                self.choose(event.value)
            self._calls.changed()
        elif (image := join_result(self._viewer, layer)) is not None:
            self._open_with_result(image)

    def _open_with_result(self, image: Any) -> None:
        """Work on an image with a session that was opened from its file; the session that was open is closed, and kept."""
        workspace = self._workspaces.shown(image)
        if workspace is not None:
            is_kept = workspace.kept.saved_to is not None and not workspace.kept.not_kept
            layers = [layer for layer in (workspace.points.layer, workspace.result.layer) if layer is not None]
            self._workspaces.end_all(image)
            for layer in layers:
                layer.metadata.pop(IMAGE_KEY, None)
                if is_kept:
                    self._viewer.layers.remove(layer)
        self.choose(image)

    def _layer_removed(self, event: Any) -> None:
        layer = unwrapped(event.value)
        if is_model_input(layer):
            return
        for workspace in self._workspaces:
            workspace.layers.removed(layer)
        if isinstance(layer, Image):
            layer.events.name.disconnect(self._renamed)
            self._workspaces.end_all(layer)
            if self.image is not None and layer == self.image:
                self.choose(next(iter(self.all), None))
        self._calls.changed()

    def _layer_selected(self, event: Any) -> None:
        """Work on the image that is selected, or whose clicks, boxes or result are: clicks are about what somebody sees."""
        image = self._image_of(unwrapped(event.value))
        if image is None or image == self.image or image not in self._viewer.layers:
            return
        channels = () if self.workspace is None else self.workspace.source.channel_layers
        if image not in channels:
            self.choose(image)

    def _image_of(self, layer: Any) -> Any:
        """Return the image that a layer is, or on which it lies as one of ours; None for all others."""
        if isinstance(layer, Image):
            return None if is_model_input(layer) else layer
        image_id = None if layer is None else layer.metadata.get(IMAGE_KEY)
        return next((image for image in self.all if image.unique_id == image_id), None)

    def _renamed(self) -> None:
        self._calls.changed()
