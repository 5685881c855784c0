"""One image somebody works on: its session on the worker, and the views of that in the viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.clicks import Click, ObjectFrame
from napari_sam2.plugin.commands import Command
from napari_sam2.plugin.keys import LAYER_KEYS, bind_keys
from napari_sam2.plugin.layers import SPATIAL, ImageStack, Pixel, full_resolution, unwrapped
from napari_sam2.plugin.models import is_on_this_machine
from napari_sam2.plugin.object_rows import ObjectRows
from napari_sam2.plugin.points_layer import is_points_layer_of
from napari_sam2.plugin.points_view import PointsView
from napari_sam2.plugin.reports import CommandRejected, FramesMeasured, ModelLoaded, SessionOpened, StateChanged
from napari_sam2.plugin.result_layer import is_result_of
from napari_sam2.plugin.result_view import ResultView
from napari_sam2.plugin.session_opener import SessionOpener, SessionRequest
from napari_sam2.plugin.session_worker import SessionWorker

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import ObjectInfo
    from napari_sam2.session.state.session_state import StateChange


@dataclass(frozen=True)
class WorkspaceCalls:
    """What a workspace calls, each with itself first.

    Attributes
    ----------
    clicks_added : callable
        There are new pending clicks.
    edited : callable
        Points were edited in the layer: the commands that this amounts to.
    announced : callable
        Something was done to the session elsewhere, or measured after that; called in the thread that did it.
    outgrown : callable
        The image was given data that do not fit: work on them begins anew.
    undo, redo : callable
        A key was pressed.
    warn : callable
        Called with a sentence for the person alone.
    """

    clicks_added: Callable[[ImageWorkspace], None]
    edited: Callable[[ImageWorkspace, tuple[Command, ...]], None]
    announced: Callable[[ImageWorkspace, StateChanged | FramesMeasured], None]
    outgrown: Callable[[ImageWorkspace], None]
    undo: Callable[[ImageWorkspace], None]
    redo: Callable[[ImageWorkspace], None]
    warn: Callable[[str], None]


class ImageWorkspace:
    """One image somebody works on.

    Parameters
    ----------
    viewer : Viewer
        Where the layers are shown.
    image : Image
        The layer.
    opener : SessionOpener
        Opens the session.
    model : str
        Name of the model to begin with.
    calls : WorkspaceCalls
        What is called.

    Attributes
    ----------
    stack : ImageStack
        How the image is read.
    worker : SessionWorker
        Has the session.
    points, result : PointsView, ResultView
        Views of the session.
    rows : ObjectRows
        Its objects, for the table, and each of them on each frame, for the timeline.
    infos : dict of int to ObjectInfo
        The objects of the session.
    model : str
        Name of the model that is chosen.
    requested_model : str or None
        The same, while the session does not use it yet.

    Raises
    ------
    ValueError
        If the image cannot be read as a stack.
    """

    def __init__(self, viewer: Any, image: Any, opener: SessionOpener, model: str, calls: WorkspaceCalls) -> None:
        self.image = image
        self.stack = ImageStack.of(image)
        self.worker = SessionWorker(opener, lambda item: calls.announced(self, item))
        self.points = PointsView(
            image, self.stack, lambda: calls.clicks_added(self), lambda commands: calls.edited(self, commands), calls.warn
        )
        self.result = ResultView(viewer, image, self.stack, calls.warn)
        self.rows = ObjectRows(self.stack.num_frames)
        self.infos: dict[int, ObjectInfo] = {}
        self.model = model
        self.requested_model: str | None = None
        self._model_in_use = model
        self.current_object = 1
        self.is_inside = True
        self.is_closed = False
        self._viewer = viewer
        self._calls = calls
        self._image_array: tuple[Any, Any] = (None, None)
        self._unbind: dict[Any, Callable[[], None]] = {}
        for name in SPATIAL:
            getattr(image.events, name).connect(self._follow_image)
        image.events.data.connect(self._image_data_changed)
        self._is_begun = False
        self._bind(image)
        self._adopt()

    def close(self) -> None:
        """Disconnect from the layers and from the session. Layers stay in the viewer."""
        self.is_closed = True
        self.points.close()
        self.result.close()
        self.worker.close()
        for unbind in self._unbind.values():
            unbind()
        self._unbind.clear()
        for name in SPATIAL:
            getattr(self.image.events, name).disconnect(self._follow_image)
        self.image.events.data.disconnect(self._image_data_changed)

    # --- layers ----------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Go on with the layers of an earlier widget."""
        for layer in map(unwrapped, self._viewer.layers):
            # the first of each: copies that somebody made lie above it
            if self.points.layer is None and is_points_layer_of(layer, self.image):
                self.points.adopt(layer)
                self._bind(layer)
            elif self.result.layer is None and is_result_of(layer, self.image, self.stack):
                self.result.adopt(layer)
                self._bind(layer)
        self.current_object = max(self.object_ids, default=1)
        self._is_begun = self.points.layer is not None

    def show_layers(self) -> None:
        """Add the layers that are missing, once there was a click, without taking the selection away from what it is on."""
        if not self._is_begun:
            return
        selected = unwrapped(self._viewer.layers.selection.active)
        if self.result.is_missing:
            self._unbind_of(self.result.layer)
            self._add(self.result.new_layer())
        if self.points.layer is None:
            self._add(self.points.new_layer())
            self.set_next()
        if selected is not None:
            self._viewer.layers.selection.active = selected

    def _add(self, layer: Any) -> None:
        # labels lie below the points, whichever comes first
        points = self.points.layer
        is_below = layer != points and points is not None
        self._viewer.layers.insert(self._index_of(points) if is_below else len(self._viewer.layers), layer)
        self._bind(layer)

    def _index_of(self, layer: Any) -> int:
        return [unwrapped(one) for one in self._viewer.layers].index(layer)

    def layer_removed(self, layer: Any) -> None:
        """Take note that a layer was removed. If it was one of ours, it comes back with the next command."""
        for view in (self.points, self.result):
            if view.layer is not None and layer == view.layer:
                self._unbind_of(layer)
                view.close()

    def _bind(self, layer: Any) -> None:
        """Let the keys of undo and redo act here, in the place of the layer's own."""
        self._unbind[layer.unique_id] = bind_keys(layer, self, LAYER_KEYS)

    def _unbind_of(self, layer: Any) -> None:
        if layer is not None and layer.unique_id in self._unbind:
            self._unbind.pop(layer.unique_id)()

    def undo(self) -> None:
        """Undo what was done last on this image."""
        self._calls.undo(self)

    def redo(self) -> None:
        """Redo what was undone last on this image."""
        self._calls.redo(self)

    def _image_data_changed(self) -> None:
        if tuple(full_resolution(self.image).shape[: self.image.ndim]) != self.stack.shape:
            self._calls.outgrown(self)

    def _follow_image(self, event: Any) -> None:
        """Stay exactly on the image when that is moved or calibrated."""
        for layer in (self.points.layer, self.result.layer):
            if layer is not None:
                setattr(layer, event.type, getattr(self.image, event.type))

    # --- what a person does ----------------------------------------------------------------------------------------

    def click(self, pixel: Pixel, is_inside: bool) -> None:
        """Add a click on the current object."""
        self._is_begun = True
        self.show_layers()
        self.points.add(ObjectFrame(self.current_object, pixel.frame), Click(pixel.row, pixel.col, is_inside))

    def set_next(self) -> None:
        """Let the next point be one on the current object."""
        self.points.set_next(self.current_object, self.is_inside)
        self.result.set_next(self.current_object)

    @property
    def object_ids(self) -> set[int]:
        """Objects of the session, and those of clicks that it has not taken yet."""
        return set(self.infos) | self.points.object_ids

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return is_on_this_machine(self.model)

    # --- the session -----------------------------------------------------------------------------------------------

    def request(self) -> SessionRequest:
        """Return what the session is to be opened on."""
        image = full_resolution(self.image)
        if self._image_array[0] is not image:
            # the same array gives the same view: by it the worker knows its session
            self._image_array = image, self.stack.without_short_axes(image)
        labels = None
        if self.worker.session is None and self.result.layer is not None:
            labels = self.stack.without_short_axes(self.result.layer.data)
        return SessionRequest(self._image_array[1], self.stack.axes, self.model, labels)

    def apply(self, item: Any) -> bool:
        """Show what the worker reports; return whether that is news to the person."""
        if isinstance(item, SessionOpened):
            self._session_opened(item)
        elif isinstance(item, StateChanged):
            self.points.pending.discard(item.taken)
            self._show(item.change)
        elif isinstance(item, FramesMeasured):
            self.rows.show_measured(item)
        elif isinstance(item, CommandRejected):
            return self.points.reject(item.command)
        elif isinstance(item, ModelLoaded):
            self._model_in_use = item.name
        return True

    def _session_opened(self, item: SessionOpened) -> None:
        self._is_begun = True
        self._model_in_use, self.infos = item.model, dict[int, "ObjectInfo"]()
        for key, clicks in item.not_carried.items():
            for click in clicks:
                self.points.pending.by_id[self.points.pending.add(key, click)].is_refused = True
        self.points.reset(item.state)
        self.result.reset(item.labels, item.state)
        self._show_infos(item.state)
        self.rows.reset(item.state)
        self.show_layers()

    def _show(self, change: StateChange) -> None:
        self._show_infos(change)
        self.points.show(change)
        self.result.show(change)
        self.rows.show(change)
        if change.model is not None:
            self._model_in_use = change.model.name
            if self.requested_model is None:
                self.model = self._model_in_use

    def _show_infos(self, change: StateChange) -> None:
        for object_id, info in change.infos.items():
            if info is None:
                self.infos.pop(object_id, None)
            else:
                self.infos[object_id] = info

    def model_changed(self, name: str, is_refused: bool) -> None:
        """Take note that a change of the model came to its end: the session uses it, or goes on with the one that it has."""
        if self.requested_model == name:
            self.requested_model = None
            if is_refused:
                self.model = self._model_in_use
