"""One image somebody works on: its layers in the viewer, and its session on the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Points

from napari_sam2.plugin.layers import SPATIAL, ImageStack, Pixel, full_resolution, unwrapped
from napari_sam2.plugin.prompt_layers import (
    IMAGE_KEY,
    Prompts,
    add_click,
    count_outside,
    is_prompt_layer_of,
    new_prompt_layer,
    read_prompts,
    remove_last,
    restyle,
    set_next,
)
from napari_sam2.plugin.result_layer import ObjectColours, Redraw, is_result_of, new_result_layer
from napari_sam2.plugin.worker_session import OpenSession, SessionRequest, WorkerSession


class ImageWorkspace:
    """One image somebody works on.

    Parameters
    ----------
    viewer : Viewer
        Where the layers are shown. They are made with the first click.
    image : Image
        The layer.
    open_session : callable
        How a session is opened.
    on_prompts : callable
        Called with the workspace whenever something else is said.
    on_outgrown : callable
        Called with the workspace when the image was given data that do not fit: work on them begins anew.
    warn : callable
        Tells the person a sentence.

    Raises
    ------
    ValueError
        If the image cannot be read as a stack.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        open_session: OpenSession,
        on_prompts: Callable[[ImageWorkspace], None],
        on_outgrown: Callable[[ImageWorkspace], None],
        warn: Callable[[str], None],
    ) -> None:
        self.image = image
        self.stack = ImageStack.of(image)
        self.worker = WorkerSession(open_session)
        self.current_object = 1
        self.is_inside = True
        self.clicks: Points | None = None
        self.result: Labels | None = None
        self._redraw: Redraw | None = None
        self._drawn_colours: ObjectColours | None = None
        self._colours: dict[int, str | None] = {}
        self._viewer = viewer
        self._on_prompts = on_prompts
        self._on_outgrown = on_outgrown
        self._warn = warn
        self._views: dict[str, tuple[Any, Any]] = {}
        self._prompts: Prompts = {}
        self._num_outside = 0
        for name in SPATIAL:
            getattr(image.events, name).connect(self._follow_image)
        image.events.data.connect(self._image_data_changed)
        self._adopt()

    # --- layers ----------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Go on with the layers of an earlier widget."""
        for layer in map(unwrapped, self._viewer.layers):
            # the first of each: copies that somebody made lie above it
            if self.clicks is None and is_prompt_layer_of(layer, self.image):
                self._use_clicks(layer)
            elif self.result is None and is_result_of(layer, self.image, self.stack):
                self._use_result(layer)
        self._prompts = read_prompts(self.clicks, self.stack)
        self.current_object = max(self.object_ids, default=1)

    def show_layers(self) -> None:
        """Add the layers that are missing, without taking the selection away from what it is on."""
        selected = self._viewer.layers.selection.active
        if self.result is not None and not is_result_of(self.result, self.image, self.stack):
            self._let_go_of_result()  # somebody gave it data of another kind or shape
        if self.result is None:
            self._use_result(new_result_layer(self.image, self.stack))
            self._viewer.add_layer(self.result)
        if self.clicks is None:
            self._use_clicks(new_prompt_layer(self.image, self.stack))
            self._viewer.add_layer(self.clicks)
        if selected is not None:
            self._viewer.layers.selection.active = unwrapped(selected)

    def _use_clicks(self, layer: Points) -> None:
        self.clicks = layer
        layer.events.data.connect(self._points_changed)
        layer.events.features.connect(self._points_changed)

    def _use_result(self, layer: Labels) -> None:
        self.result, self._redraw, self._drawn_colours = layer, Redraw(layer), ObjectColours(layer)
        layer.events.paint.connect(self._painted)

    def layer_removed(self, layer: Any) -> bool:
        """Let go of a layer that was removed, and tell whether it was one of ours.

        Without its clicks the work begins anew; without its result, that is found again from the clicks.
        """
        if self.clicks is not None and layer == self.clicks:
            self._disconnect_clicks()
            self.clicks, self._prompts = None, {}
            self._let_go_of_result()
            self.current_object = 1
            return True
        if self.result is not None and layer == self.result:
            self._let_go_of_result()
            return True
        return False

    def _let_go_of_result(self) -> None:
        """What was found stays as it is, and is nobody's any more."""
        if self.result is not None:
            self.result.events.paint.disconnect(self._painted)
            self.result.metadata.pop(IMAGE_KEY, None)
        self.result = self._redraw = self._drawn_colours = None

    def _painted(self) -> None:
        """Say once that strokes of the brush do not count."""
        if self.result is not None:
            self.result.events.paint.disconnect(self._painted)
        self._warn(
            "Brush strokes are lost where a frame is found again: correct by clicks, or paint on a copy of the layer at the end."
        )

    def _image_data_changed(self) -> None:
        if tuple(full_resolution(self.image).shape[: self.image.ndim]) != self.stack.shape:
            self._on_outgrown(self)

    def _follow_image(self, event: Any) -> None:
        """Stay exactly on the image when that is moved or calibrated."""
        for layer in (self.clicks, self.result):
            if layer is not None:
                setattr(layer, event.type, getattr(self.image, event.type))

    def _disconnect_clicks(self) -> None:
        if self.clicks is not None:
            self.clicks.events.data.disconnect(self._points_changed)
            self.clicks.events.features.disconnect(self._points_changed)

    def close(self) -> None:
        """Let go of the layers; they stay in the viewer."""
        self._disconnect_clicks()
        if self.result is not None:
            self.result.events.paint.disconnect(self._painted)
        for name in SPATIAL:
            getattr(self.image.events, name).disconnect(self._follow_image)
        self.image.events.data.disconnect(self._image_data_changed)

    # --- clicks ----------------------------------------------------------------------------------------------------

    def click(self, pixel: Pixel, is_inside: bool) -> None:
        """Add a click on the current object."""
        self.show_layers()
        if self.clicks is not None:
            add_click(self.clicks, self.stack, pixel, self.current_object, is_inside)
            self.say_next()

    def say_next(self) -> None:
        """Let the next point be one on the current object."""
        if self.clicks is not None:
            set_next(self.clicks, self.current_object, self.is_inside)
        if self.result is not None:
            self.result.selected_label = self.current_object
        self._show_colours()

    def take_back(self) -> bool:
        """Take back the latest click; tell whether there was one."""
        return self.clicks is not None and remove_last(self.clicks)

    @property
    def prompts(self) -> Prompts:
        """Everything that is said."""
        return self._prompts

    @property
    def object_ids(self) -> list[int]:
        """Objects that something is said about."""
        return sorted({place.object_id for place in self._prompts})

    @property
    def known_ids(self) -> list[int]:
        """Objects that the session had when it last rested, also those of the console."""
        return sorted(self._colours)

    def _points_changed(self) -> None:
        # events come before and after, and for points as for features: only what they say counts
        if self.clicks is None:
            return
        prompts, num_outside = read_prompts(self.clicks, self.stack), count_outside(self.clicks, self.stack)
        if num_outside > self._num_outside:
            self._warn("A point is outside the image: it says nothing until it is moved or removed.")
        self._num_outside = num_outside
        if prompts != self._prompts:
            self._prompts = prompts
            restyle(self.clicks)
            self._on_prompts(self)

    # --- the worker ------------------------------------------------------------------------------------------------

    def order(self, model: str) -> SessionRequest:
        """Say what the session is to be opened on."""
        labels: npt.NDArray[np.uint16] = self.result.data if self.result is not None else np.zeros(self.stack.shape, np.uint16)
        image = full_resolution(self.image)
        return SessionRequest(self._view("image", image), self.stack.axes, self._view("labels", labels), model)

    def _view(self, name: str, array: Any) -> Any:
        """Drop axes of length 1. The same array gives the same view, for a session to know that it can go on."""
        if name not in self._views or self._views[name][0] is not array:
            self._views[name] = (array, self.stack.without_short_axes(array))
        return self._views[name][1]

    def written(self, is_shown: bool, is_3d: bool) -> None:
        """Draw what the session has written, if anybody sees it."""
        if self._redraw is not None and is_shown:
            self._redraw.written(is_3d)

    def _show_colours(self) -> None:
        if self._drawn_colours is not None:
            self._drawn_colours.show({self.current_object: None, **self._colours})

    def finish_drawing(self) -> None:
        """Draw the last of it, while the worker rests."""
        self._colours = self.worker.colours
        self._show_colours()
        if self._redraw is not None:
            self._redraw.finish(thumbnail=True)

    def label_color(self) -> npt.NDArray[np.float32] | None:
        """Return the colour (4,) of the current object, 0 .. 1."""
        if self.result is None:
            return None
        return np.asarray(self.result.get_color(self.current_object), np.float32)
