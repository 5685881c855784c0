"""The functions by which a layer that somebody has becomes prompts; forms are made from their signatures."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels, Points, Shapes

from napari_sam2.plugin.image.alignment import AlignedPlanes, Alignment, FrameGrid, FramePlaces, place_on
from napari_sam2.plugin.image.image_stack import full_resolution
from napari_sam2.plugin.image.layer_placement import displayed_frame, unwrapped
from napari_sam2.plugin.layer_prompts.choices import Anchors, Frames, Objects, chosen_frame
from napari_sam2.plugin.layer_prompts.labels_to_link import LabelsToLink
from napari_sam2.plugin.layer_prompts.layer_commands import UseDrawn, UseLabels
from napari_sam2.plugin.layer_prompts.points import names_of, read_points
from napari_sam2.plugin.layer_prompts.shapes import PlacedShape, read_shapes
from napari_sam2.plugin.options.tracking_options import why_not_tracked
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace


class LayerReader:
    """Reads layers of a viewer as prompts on an image.

    Parameters
    ----------
    viewer : Viewer
        Where the layers are.
    workspace : ImageWorkspace
        The image.
    """

    def __init__(self, viewer: Any, workspace: ImageWorkspace) -> None:
        self._viewer = viewer
        self._workspace = workspace
        self._stack = workspace.stack

    @property
    def layers(self) -> list[Any]:
        """Layers that can be prompts, the topmost first: those that are not our own."""
        workspace = self._workspace
        ours = (workspace.points.layer, workspace.boxes.layer, workspace.result.layer)
        layers = map(unwrapped, reversed(self._viewer.layers))
        return [layer for layer in layers if isinstance(layer, Points | Shapes | Labels) and layer not in ours]

    def function_for(self, layer: Any) -> Any:
        """Return the function that reads a layer: :meth:`points`, :meth:`shapes` or :meth:`labels`."""
        if isinstance(layer, Points):
            return self.points
        return self.shapes if isinstance(layer, Shapes) else self.labels

    # --- the functions ---------------------------------------------------------------------------------------------

    def points(
        self,
        layer: Any,
        objects: Objects | str = Objects.EACH,
        sides: str | None = None,
        frames: Frames = Frames.ALL,
        frame: int = 0,
    ) -> UseDrawn:
        """Read points as prompts.

        Parameters
        ----------
        layer : Points
            The points, of any number of axes.
        objects : Objects or str
            Which of them are of one object; or the column of features that tells.
        sides : str, optional
            The column of features that tells whether a point is inside its object; all are by default.
        frames : Frames
            Of which frames points are taken. Those without an axis of frames lie on the shown one.
        frame : int
            Its number, if it is one that is not shown.

        Returns
        -------
        UseDrawn

        Raises
        ------
        ValueError
            If there are none, no frame is shown, or there is no such frame.
        """
        alignment = Alignment.of(self._viewer, layer, self._place)
        chosen = self._chosen(frames, frame, alignment)
        places = FramePlaces.of(self._stack, alignment.map(layer.data), chosen.fixed)
        names = names_of(layer.features, objects, len(layer.data))
        column = None if sides is None else list(layer.features[sides])
        return UseDrawn(layer.name, read_points(places, names, column, chosen.only))

    def shapes(self, layer: Any, objects: Objects | str = Objects.EACH, frames: Frames = Frames.ALL, frame: int = 0) -> UseDrawn:
        """Read shapes as prompts: rectangles are boxes, ellipses and polygons masks, lines and paths points along them.

        Parameters
        ----------
        layer : Shapes
            The shapes, of any number of axes.
        objects, frames, frame
            As those of :meth:`points`.

        Returns
        -------
        UseDrawn

        Raises
        ------
        ValueError
            As :meth:`points`.
        """
        alignment = Alignment.of(self._viewer, layer, self._place)
        chosen = self._chosen(frames, frame, alignment)
        shapes = [
            PlacedShape(str(kind), FramePlaces.of(self._stack, alignment.map(vertices), chosen.fixed))
            for kind, vertices in zip(layer.shape_type, layer.data, strict=True)
        ]
        names = names_of(layer.features, objects, len(shapes))
        return UseDrawn(layer.name, read_shapes(shapes, names, self._stack.frame_shape, chosen.only))

    def labels(
        self, layer: Any, frames: Frames = Frames.SHOWN, frame: int = 0, anchors: Anchors = Anchors.EVERY
    ) -> UseLabels | LabelsToLink:
        """Read labels, such as those of Cellpose or StarDist, as mask prompts.

        Parameters
        ----------
        layer : Labels
            The labels; where pixels are not those of the image, the nearest label is taken.
        frames, frame
            As those of :meth:`points`.
        anchors : Anchors
            What a label is that is on several frames; with ``Anchors.LINKED`` those of all frames are taken.

        Returns
        -------
        UseLabels or LabelsToLink

        Raises
        ------
        ValueError
            If no frame is shown, there is no such frame, the planes of the labels are not parallel to the frames, or there is
            nothing to link.
        """
        alignment = Alignment.of(self._viewer, self._place, layer)
        try:
            planes = AlignedPlanes(full_resolution(layer), alignment, FrameGrid.of(self._stack))
        except ValueError as error:
            raise ValueError(f"{layer.name} cannot be used: {error}") from error
        if anchors is Anchors.LINKED:
            if (reason := why_not_tracked(self._stack)) or not planes.has_frames:
                raise ValueError(reason or f"{layer.name} has no frames of its own: there is nothing to link")
            return LabelsToLink(layer.name, planes)
        if frames is Frames.ALL and planes.has_frames:
            numbers: tuple[int, ...] = tuple(range(self._stack.num_frames))
        else:
            numbers = (self._frame(frames, frame),)
        return UseLabels(layer.name, planes, numbers, anchors is Anchors.EVERY)

    @property
    def _place(self) -> Any:
        return place_on(self._workspace.image, self._stack)

    # --- frames ----------------------------------------------------------------------------------------------------

    def _chosen(self, frames: Frames, frame: int, alignment: Alignment) -> _Chosen:
        """Choose the frame on which everything lies that has no axis of frames, and the one that is taken alone."""
        axis = FrameGrid.of(self._stack).frame_axis
        has_frames = axis is None or alignment.moves(axis)
        one = None if frames is Frames.ALL and has_frames else self._frame(frames, frame)
        return _Chosen(None if has_frames else one, one)

    def _frame(self, frames: Frames, number: int) -> int:
        return chosen_frame(frames, number, self._stack, displayed_frame(self._viewer, self._workspace.image, self._stack))


class _Chosen:
    """Frames that were chosen: the one on which everything lies, if it is one, and the one that is taken alone."""

    def __init__(self, fixed: int | None, only: int | None) -> None:
        self.fixed = fixed
        self.only = only
