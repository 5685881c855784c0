"""The layers of one image: added in their order, kept on the image, found again by a later widget, with keys of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from napari_sam2.plugin.image.layer_placement import SPATIAL, spatial_metadata, unwrapped
from napari_sam2.plugin.layers.boxes_layer import is_boxes_layer_of
from napari_sam2.plugin.layers.boxes_view import BoxesView
from napari_sam2.plugin.layers.points_layer import is_points_layer_of
from napari_sam2.plugin.layers.points_view import PointsView
from napari_sam2.plugin.layers.result_layer import is_result_of
from napari_sam2.plugin.layers.result_view import ResultView
from napari_sam2.plugin.settings.keys import LAYER_KEYS, bind_keys
from napari_sam2.plugin.workspace.image_source import ImageSource


@dataclass(frozen=True)
class WorkspaceViews:
    """What is shown of a session in layers, from the top."""

    points: PointsView
    boxes: BoxesView
    result: ResultView

    @property
    def all(self) -> tuple[PointsView, BoxesView, ResultView]:
        """All of them."""
        return self.points, self.boxes, self.result


@dataclass(frozen=True)
class LayerCalls:
    """What the layers call.

    Attributes
    ----------
    result_added : callable
        There is a new layer of the result.
    points_added : callable
        There is a new layer of points.
    outgrown : callable
        The image was given data of another shape.
    """

    result_added: Callable[[], None]
    points_added: Callable[[], None]
    outgrown: Callable[[], None]


class WorkspaceLayers:
    """Puts the layers of views into the viewer.

    Parameters
    ----------
    viewer : Viewer
        Where.
    source : ImageSource
        The image that they lie on.
    views : WorkspaceViews
        Of which they are.
    actor : Any
        Whose methods the keys of these layers call.
    calls : LayerCalls
        What is called.

    Attributes
    ----------
    is_begun : bool
        There is something to show.
    is_shown : bool
        These are the layers of the image, and no other position of it has them.
    """

    def __init__(self, viewer: Any, source: ImageSource, views: WorkspaceViews, actor: Any, calls: LayerCalls) -> None:
        self._viewer = viewer
        self._source = source
        self._image = source.image
        self._views = views
        self._actor = actor
        self._calls = calls
        self._unbind: dict[Any, Callable[[], None]] = {}
        self.is_begun = self.is_shown = False

    @property
    def ours(self) -> list[Any]:
        """Those that are in the viewer."""
        return [view.layer for view in self._views.all if view.layer is not None]

    def connect(self) -> None:
        """Follow the image, and let the keys of undo and redo act here."""
        self.is_shown = True
        for name in SPATIAL:
            getattr(self._image.events, name).connect(self._follow_image)
        self._image.events.data.connect(self._image_data_changed)
        self._bind(self._image)

    def disconnect(self) -> None:
        """Leave the image, and all layers and their keys."""
        for unbind in self._unbind.values():
            unbind()
        self._unbind.clear()
        if self.is_shown:
            for name in SPATIAL:
                getattr(self._image.events, name).disconnect(self._follow_image)
            self._image.events.data.disconnect(self._image_data_changed)
        self.is_shown = False

    # --- of others -------------------------------------------------------------------------------------------------

    def adopt(self) -> None:
        """Go on with the layers of an earlier widget."""
        points, boxes, result = self._views.all
        for layer in map(unwrapped, self._viewer.layers):
            # the first of each: copies that somebody made lie above it
            if points.layer is None and is_points_layer_of(layer, self._image, self._source.stack):
                points.adopt(layer)
            elif boxes.layer is None and is_boxes_layer_of(layer, self._image, self._source.stack):
                boxes.adopt(layer)
            elif result.layer is None and is_result_of(layer, self._image, self._source.stack):
                result.adopt(layer)
            else:
                continue
            self._bind(layer)
        self.is_begun = points.layer is not None

    def show_instead_of(self, other: WorkspaceLayers) -> None:
        """Take over the layers of the same frames at another position; those of other frames are removed from the viewer."""
        is_alike = self._source.stack.has_same_frames(other._source.stack)
        points, boxes, result = other._views.points.layer, other._views.boxes.layer, other._views.result.layer
        other._views.points.close()
        other._views.boxes.close()
        other.disconnect()
        self.connect()
        if is_alike:
            self._take_over(points, boxes, other._views.result)
        else:
            other._views.result.close()
            self._remove(layer for layer in (points, boxes, result) if layer is not None)
        self.show()

    def _take_over(self, points: Any, boxes: Any, result: ResultView) -> None:
        self._views.result.take_over(result)
        if points is not None:
            self._views.points.take_over(points)
        if boxes is not None:
            self._views.boxes.take_over(boxes)
        for layer in self.ours:
            self._bind(layer)

    def _remove(self, layers: Iterable[Any]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        if self._viewer.layers.selection.active is None:
            self._viewer.layers.selection.active = self._image

    # --- shown -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Add the layers, as there is something to show."""
        self.is_begun = True
        self.show()

    def show(self) -> None:
        """Add the layers that are missing, once there was a click, without taking the selection away from what it is on."""
        if not self.is_begun or not self.is_shown:
            return
        points, boxes, result = self._views.all
        selected = unwrapped(self._viewer.layers.selection.active)
        if result.is_missing:
            self._unbind_of(result.layer)
            self._add(result.new_layer())
            self._calls.result_added()
        if boxes.is_missing:
            self._add(boxes.new_layer())
        if points.layer is None:
            self._add(points.new_layer())
            self._calls.points_added()
        if selected is not None:
            self._viewer.layers.selection.active = selected

    def _add(self, layer: Any) -> None:
        # labels lie below the boxes, and these below the points, whichever comes first
        ours = [view.layer for view in reversed(self._views.all)]
        above = [self._index_of(one) for one in ours[ours.index(layer) + 1 :] if one is not None]
        at = min(above, default=len(self._viewer.layers))
        if self._image in self._viewer.layers:  # somebody may have put the others below it
            at = max(at, self._index_of(unwrapped(self._image)) + 1)
        self._viewer.layers.insert(at, layer)
        self._bind(layer)

    def _index_of(self, layer: Any) -> int:
        return [unwrapped(one) for one in self._viewer.layers].index(layer)

    def removed(self, layer: Any) -> None:
        """Take note that a layer was removed. If it was one of ours, it comes back with the next command."""
        for view in self._views.all:
            if view.layer is not None and layer == view.layer:
                self._unbind_of(layer)
                view.close()

    def _bind(self, layer: Any) -> None:
        """Let the keys of undo and redo act here, in the place of the layer's own."""
        self._unbind[layer.unique_id] = bind_keys(layer, self._actor, LAYER_KEYS)

    def _unbind_of(self, layer: Any) -> None:
        if layer is not None and layer.unique_id in self._unbind:
            self._unbind.pop(layer.unique_id)()

    def _image_data_changed(self) -> None:
        if self._source.is_outgrown:
            self._calls.outgrown()

    def _follow_image(self, event: Any) -> None:
        """Stay exactly on the image when that is moved or calibrated."""
        place = spatial_metadata(self._image, self._source.stack)
        for layer in self.ours:
            setattr(layer, event.type, place[event.type])
            layer.translate = place["translate"]  # of a thicker axis or larger pixels, it depends on the others
