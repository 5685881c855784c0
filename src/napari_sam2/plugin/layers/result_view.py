"""The labels of a session in the viewer, as a Labels layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_placement import displayed_frame
from napari_sam2.plugin.layers.object_colours import ObjectColours, default_colour
from napari_sam2.plugin.layers.outlines import Outlines
from napari_sam2.plugin.layers.painted_strokes import PaintedPixels, read_painted, strokes_of
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.layers.redraw import Redraw
from napari_sam2.plugin.layers.result_layer import is_result_of, new_result_layer
from napari_sam2.plugin.prompts.drawn_commands import AddStroke

if TYPE_CHECKING:
    from napari_sam2.session.state.session_state import StateChange


@dataclass
class ImageLabels:
    """The labels of an image, into which the sessions at all its positions write.

    Attributes
    ----------
    array : array-like or None
        uint16, in the shape of the layer; None while there is no session.
    """

    array: Any = None


class ResultView:
    """Shows the labels of a session, drawn again where they change.

    Parameters
    ----------
    viewer : Viewer
        Tells which frame is displayed.
    image : Image
        The layer on which the labels lie.
    stack : ImageStack
        How it is read.
    on_strokes : callable
        Called with what a stroke of napari's own tools amounts to.
    shared : ImageLabels, optional
        The labels of the image, where it is worked on at other positions too.

    Attributes
    ----------
    layer : Labels or None
        The layer, while it is in the viewer.
    shared : ImageLabels
        The labels of the image.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        stack: ImageStack,
        on_strokes: Callable[[list[AddStroke]], None],
        shared: ImageLabels | None = None,
    ) -> None:
        self.layer: Labels | None = None
        self._viewer = viewer
        self._image = image
        self._stack = stack
        self._on_strokes = on_strokes
        self._unread: list[PaintedPixels] = []
        self._painted_pixels: list[PaintedPixels] = []
        self.shared = ImageLabels() if shared is None else shared
        self._redraw: Redraw | None = None
        self._outlines: Outlines | None = None
        self._drawn_colours: ObjectColours | None = None
        self._colours: dict[int, str | None] = {}
        self._current_object, self._is_in_hand = 1, False

    # --- the layer -------------------------------------------------------------------------------------------------

    @property
    def is_missing(self) -> bool:
        """There are labels that no layer shows: it was removed, or somebody gave it other data."""
        return self.shared.array is not None and not self._shows_labels()

    def _shows_labels(self) -> bool:
        return (
            self.layer is not None
            and is_result_of(self.layer, self._image, self._stack)
            and np.may_share_memory(self.layer.data, self.shared.array)
        )

    def adopt(self, layer: Labels) -> None:
        """Go on with the layer of an earlier widget: the session writes into its array."""
        self.layer, self._redraw, self._drawn_colours = layer, Redraw(layer), ObjectColours(layer)
        self._outlines = Outlines(self._viewer, self._image, self._stack, layer)
        layer.events.paint.connect(self._painted)
        layer.events.labels_update.connect(self._read_painted)
        layer.events.set_data.connect(self._read_painted)

    def take_over(self, other: ResultView) -> None:
        """Show these objects in the layer of another position of the image, instead of its own."""
        layer = other.layer
        if layer is not None:
            colours = other._drawn_colours  # which has the colours that the layer had at first
            other.close()
            self.adopt(layer)
            self._drawn_colours = colours
            self.set_next(self._current_object, self._is_in_hand)

    @property
    def labels(self) -> Any:
        """The array into which the session writes, in the shape of the layer; None while there is none."""
        return self.shared.array if self.shared.array is not None or self.layer is None else self.layer.data

    def new_layer(self) -> Labels:
        """Make the layer. One that somebody gave other data stays in the viewer, and is nobody's any more."""
        if self.layer is not None:
            self.layer.metadata.pop(IMAGE_KEY, None)
            self.close()
        layer = new_result_layer(self._image, self._stack, self.shared.array)
        self.adopt(layer)
        self.set_next(self._current_object, self._is_in_hand)
        return layer

    def close(self) -> None:
        """Disconnect from the layer, which stays as it is."""
        if self.layer is not None:
            self.layer.events.paint.disconnect(self._painted)
            self.layer.events.labels_update.disconnect(self._read_painted)
            self.layer.events.set_data.disconnect(self._read_painted)
        if self._outlines is not None:
            self._outlines.close()
        self.layer = self._redraw = self._drawn_colours = self._outlines = None

    def set_next(self, object_id: int, is_in_hand: bool = False) -> None:
        """Choose the object that is clicked on next; one in hand is shown more clearly than others."""
        self._current_object, self._is_in_hand = object_id, is_in_hand
        if self.layer is not None:
            self.layer.selected_label = object_id
        self._show_colours()

    def label_at(self, pixel: Pixel) -> int:
        """Return the label of a pixel, 0 for none, also of a hidden layer, and while the worker writes labels."""
        labels = self.labels
        return 0 if labels is None else int(labels[self._stack.index(pixel)])

    def colour(self) -> npt.NDArray[np.float32] | None:
        """Return the colour (4,) of the current object, 0 .. 1."""
        return None if self.layer is None else np.asarray(self.layer.get_color(self._current_object), np.float32)

    def default_colour(self, object_id: int) -> str | None:
        """Return the colour of an object for which nobody chose one, ``#rrggbb``; None while there is no layer."""
        return None if self.layer is None else default_colour(object_id)

    def _painted(self, event: Any) -> None:
        """Let a stroke of napari's own tools be a prompt; what was painted is shown until the session has answered."""
        self._unread += read_painted(event.value, self._stack)
        self._read_painted()

    def _read_painted(self) -> None:
        if self.layer is None or not self._unread or not all(one.is_written(self.layer.data) for one in self._unread):
            return
        painted, self._unread = self._unread, []
        self._painted_pixels += painted
        self._on_strokes(strokes_of(painted, self._stack))

    def forget_painted(self) -> None:
        """Show again what the session has, where what was painted did not become that."""
        if self.layer is not None and self._painted_pixels:
            for painted in reversed(self._painted_pixels):
                painted.restore(self.layer.data)
            self.layer.refresh(extent=False, highlight=False)
        self._painted_pixels = []

    # --- what the session changes ----------------------------------------------------------------------------------

    def reset(self, labels: Any, state: StateChange) -> None:
        """Show the labels of a session that was opened, without channels and axes of length 1."""
        self.shared.array, self._colours = self._stack.layer_labels(labels), {}
        if self.layer is not None and is_result_of(self.layer, self._image, self._stack) and not self._shows_labels():
            self.layer.data = self.shared.array  # of a session on the same image with other data
        self.show(state)

    def show(self, change: StateChange) -> None:
        """Show what the session changed."""
        for object_id, info in change.infos.items():
            if info is None:
                self._colours.pop(object_id, None)
            else:
                self._colours[object_id] = info.colour
        self._painted_pixels = [one for one in self._painted_pixels if one.frame not in change.frames]
        if change.infos:
            self._show_colours()
        is_3d = self._viewer.dims.ndisplay == 3
        is_seen = is_3d or displayed_frame(self._viewer, self._image, self._stack) in change.frames
        if self._redraw is not None and (change.positions or (change.masks and is_seen)):
            self._redraw.written(is_3d)
        elif self._redraw is not None:
            self._redraw.draw_if_due(is_3d)

    def show_drawn(self, frame: int) -> None:
        """Show that the labels of a frame were drawn, which were there before."""
        is_3d = self._viewer.dims.ndisplay == 3
        if self._redraw is not None and (is_3d or displayed_frame(self._viewer, self._image, self._stack) == frame):
            self._redraw.written(is_3d)

    def _show_colours(self) -> None:
        if self._drawn_colours is not None:
            in_hand = self._current_object if self._is_in_hand else None
            self._drawn_colours.show({self._current_object: None, **self._colours}, in_hand)

    def was_late(self, late_s: float) -> None:
        """Draw less often, as events were handled so late; see :meth:`~napari_sam2.plugin.layers.redraw.Redraw.was_late`."""
        if self._redraw is not None:
            self._redraw.was_late(late_s)

    def finish(self) -> None:
        """Draw the last of what was written."""
        if self._redraw is not None:
            self._redraw.finish(thumbnail=True)
