"""One image somebody works on: its session on the worker, and the views of that in the viewer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_sam2.plugin.autosave import ImageFingerprint
from napari_sam2.plugin.boxes_layer import is_boxes_layer_of
from napari_sam2.plugin.boxes_view import BoxesCalls, BoxesView
from napari_sam2.plugin.carried_prompts import CarriedPrompts, GivenPrompts
from napari_sam2.plugin.channel_layers import ChannelArrays, layers_of_one_file
from napari_sam2.plugin.click_rule import ClickDecision, ClickEffect, Hand, decide
from napari_sam2.plugin.clicks import MAX_OBJECT_ID, Box, Click, ObjectFrame
from napari_sam2.plugin.commands import Command
from napari_sam2.plugin.drawn_commands import AddStroke, DrawnCommand
from napari_sam2.plugin.image_stack import ImageStack, Pixel, at_level, describe_position
from napari_sam2.plugin.keys import LAYER_KEYS, bind_keys
from napari_sam2.plugin.layer_file import NO_FILE, LayerFile, calibration_of_layer
from napari_sam2.plugin.layers import SPATIAL, spatial_metadata, unwrapped
from napari_sam2.plugin.models import is_on_this_machine
from napari_sam2.plugin.object_colours import default_colour
from napari_sam2.plugin.object_rows import ObjectRows
from napari_sam2.plugin.pending_clicks import PendingClicks
from napari_sam2.plugin.pending_drawings import PendingDrawings
from napari_sam2.plugin.points_layer import is_points_layer_of
from napari_sam2.plugin.points_view import PointsView
from napari_sam2.plugin.reading import Reading, choose_reading, reading_of
from napari_sam2.plugin.reports import (
    CommandRejected,
    FrameDone,
    FramesMeasured,
    ModelInput,
    ModelLoaded,
    ObjectSegmented,
    SessionKept,
    SessionNotKept,
    SessionOpened,
    SessionsFound,
    StateChanged,
)
from napari_sam2.plugin.result_layer import is_result_of
from napari_sam2.plugin.result_view import ResultView
from napari_sam2.plugin.run_estimate import RunEstimate
from napari_sam2.plugin.sample_view import SampleView
from napari_sam2.plugin.session_layers import SESSION_KEY, WORKSPACES
from napari_sam2.plugin.session_opener import SessionOpener, SessionRequest
from napari_sam2.plugin.session_worker import SessionWorker

if TYPE_CHECKING:
    from napari_sam2.plugin.autosave import SessionSummary
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
    undo, redo, cancel : callable
        A key was pressed.
    warn : callable
        Called with a sentence for the person alone.
    post : callable
        Calls a function when napari is done with what it is at.
    """

    clicks_added: Callable[[ImageWorkspace], None]
    edited: Callable[[ImageWorkspace, tuple[Command, ...]], None]
    announced: Callable[[ImageWorkspace, StateChanged | FramesMeasured], None]
    outgrown: Callable[[ImageWorkspace], None]
    undo: Callable[[ImageWorkspace], None]
    redo: Callable[[ImageWorkspace], None]
    cancel: Callable[[], None]
    warn: Callable[[str], None]
    post: Callable[[Callable[[], None]], None] = operator.call


class ImageWorkspace:
    """One image somebody works on, at one position of the axes that follow the sliders.

    A time-lapse of volumes has a workspace, and with it a session, for each of its positions at which somebody works. One of them
    is shown: its views have the layers.

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
    stack : ImageStack, optional
        How the image is read, and where; by default as it was chosen for the layer, at its first position.
    before : ImageWorkspace, optional
        The work on the same image at the position that is shown; its layers are taken over.
    file : LayerFile
        What the file of the image tells.

    Attributes
    ----------
    stack : ImageStack
        How the image is read.
    reading : Reading
        What was chosen about that.
    file : LayerFile
        What the file of the image tells.
    siblings : callable
        Returns the work on the same image at all its positions.
    input_seen : callable
        Called with what the model sees.
    is_shown : bool
        Its views have the layers of the image.
    intensity_ranges : tuple of tuple of float, or None
        What becomes black and white in the session; None before it is opened, and for 8-bit colours.
    device : str
        On which the model runs; empty before the session is opened.
    worker : SessionWorker
        Has the session.
    points, boxes, result : PointsView, BoxesView, ResultView
        Views of the session.
    drawings : PendingDrawings
        What was drawn and the session has not taken yet.
    rows : ObjectRows
        Its objects, for the table, and each of them on each frame, for the timeline.
    sample : SampleView
        Masks that are judged, to measure how many are wrong.
    infos : dict of int to ObjectInfo
        The objects of the session.
    estimate : RunEstimate
        How long frames take with its model.
    model : str
        Name of the model that is chosen.
    requested_model : str or None
        The same, while the session does not use it yet.
    in_hand : int or None
        The object that clicks are about, if one is in hand; see :mod:`~napari_sam2.plugin.click_rule`.
    is_kept : bool
        Clicks do not change what is in hand.
    can_undo, can_redo : bool
        There is something to undo or redo.
    offer : SessionSummary or None
        An earlier session on the image, while nobody chose whether to continue it.
    saved_to : Path or None
        The file of the session; before it is opened, that of the one to continue.
    not_kept : str
        Why what was done is in memory alone; empty where it is in a file.

    Raises
    ------
    ValueError
        If the image cannot be read as a stack.
    """

    result: ResultView

    def __init__(
        self,
        viewer: Any,
        image: Any,
        opener: SessionOpener,
        model: str,
        calls: WorkspaceCalls,
        stack: ImageStack | None = None,
        before: ImageWorkspace | None = None,
        file: LayerFile = NO_FILE,
    ) -> None:
        self.image = image
        self.reading: Reading = reading_of(image)
        self.stack = ImageStack.of(image, self.reading) if stack is None else stack
        self.file = file
        self.input_seen: Callable[[ModelInput], None] = lambda _: None
        self.intensity_ranges: tuple[tuple[float, float], ...] | None = None
        self.device = ""
        self.siblings: Callable[[], Iterable[ImageWorkspace]] = tuple if before is None else before.siblings
        self.worker = SessionWorker(opener, lambda item: calls.announced(self, item))
        self.points = PointsView(image, self.stack, self._clicks_added, lambda commands: calls.edited(self, commands), calls.warn)
        self.boxes = BoxesView(image, self.stack, self._boxes_calls(), self.points.colour_of)
        shared = before.result.shared if before is not None and before.stack.has_same_frames(self.stack) else None
        self.result = ResultView(viewer, image, self.stack, self._painted, shared)
        self.drawings = PendingDrawings()
        self.rows = ObjectRows(self.stack.num_frames)
        self.sample = SampleView()
        self.infos: dict[int, ObjectInfo] = {}
        self.estimate = RunEstimate()
        self.model = model
        self.requested_model: str | None = None
        self.offer: SessionSummary | None = None
        self.saved_to: Path | None = None
        self.not_kept = ""
        self._continued: Path | None = None
        self._model_in_use = model
        self.in_hand: int | None = None
        self.is_kept = False
        self.can_undo = self.can_redo = False
        self._is_in_hand_begun = True
        self._next_shown = (0, False)
        self.is_inside = True
        self.is_closed = False
        self._viewer = viewer
        self._calls = calls
        self._image_array: tuple[list[Any], Any] = ([], None)
        self._unbind: dict[Any, Callable[[], None]] = {}
        self.channel_layers: tuple[Any, ...] = ()
        if before is not None and before.stack.has_same_frames(self.stack):
            self.channel_layers = before.channel_layers
        elif self.stack.num_joined:
            self.read_as(self.reading, self.stack)
        self._is_begun = self.is_shown = False
        if before is None:
            self._connect()
            self._adopt()
        else:
            self.show_instead_of(before)

    def close(self) -> None:
        """Disconnect from the layers, which stay in the viewer. The session is closed by whoever runs the worker."""
        self.is_closed = True
        self.points.close()
        self.boxes.close()
        self.result.close()
        self._disconnect()

    def _connect(self) -> None:
        self.is_shown = True
        for name in SPATIAL:
            getattr(self.image.events, name).connect(self._follow_image)
        self.image.events.data.connect(self._image_data_changed)
        self._bind(self.image)
        WORKSPACES[self.image.unique_id] = self

    def _disconnect(self) -> None:
        for unbind in self._unbind.values():
            unbind()
        self._unbind.clear()
        if self.is_shown:
            for name in SPATIAL:
                getattr(self.image.events, name).disconnect(self._follow_image)
            self.image.events.data.disconnect(self._image_data_changed)
        self.is_shown = False

    # --- positions of the image ------------------------------------------------------------------------------------

    def show_instead_of(self, other: ImageWorkspace) -> None:
        """Show this in the place of other work on the image, of which nothing is lost.

        The layers of the same frames at another position are taken over, those of other frames are removed from the viewer.
        """
        is_alike = self.stack.has_same_frames(other.stack)
        points, boxes, result = other.points.layer, other.boxes.layer, other.result.layer
        other.points.close()
        other.boxes.close()
        other._disconnect()
        self._connect()
        if is_alike:
            self._take_over(points, boxes, other.result)
        else:
            other.result.close()
            self._remove(layer for layer in (points, boxes, result) if layer is not None)
        self.show_layers()
        self.set_next()

    def _take_over(self, points: Any, boxes: Any, result: ResultView) -> None:
        self.result.take_over(result)
        if points is not None:
            self.points.take_over(points)
        if boxes is not None:
            self.boxes.take_over(boxes)
        for layer in (self.points.layer, self.boxes.layer, self.result.layer):
            if layer is not None:
                self._bind(layer)

    def _remove(self, layers: Iterable[Any]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        if self._viewer.layers.selection.active is None:
            self._viewer.layers.selection.active = self.image

    @property
    def channel_names(self) -> tuple[str, ...]:
        """A name for each channel to choose from, empty where it has none: those of the image, or layers of the same file."""
        if self.stack.num_channels:
            return ("",) * self.stack.num_channels
        layers = self._layers_of_one_file()
        return tuple(layer.name for layer in layers) if len(layers) > 1 else ()

    def _layers_of_one_file(self) -> list[Any]:
        images = [layer for layer in map(unwrapped, self._viewer.layers) if isinstance(layer, Image)]
        return layers_of_one_file(images, self.image)

    def read_as(self, reading: Reading, stack: ImageStack) -> None:
        """Use other channels or intensities of the same frames: the session begins anew on them with the next command.

        Raises
        ------
        ValueError
            If a layer that is to be a channel is not there, or is none.
        """
        by_name = {layer.name: layer for layer in self._layers_of_one_file()}
        if missing := [name for name in reading.channel_layers if name not in by_name]:
            raise ValueError(f"'{missing[0]}' is no layer of the same file, shape and place as '{self.image.name}'.")
        self.channel_layers = tuple(by_name[name] for name in reading.channel_layers)
        self.reading, self.stack = reading, stack.moved_to(self.stack.at)
        self._image_array = [], None

    @property
    def given_prompts(self) -> GivenPrompts:
        """Clicks and boxes, also those that the session has not taken yet."""
        return GivenPrompts(self.stack, self.points.clicks, self.boxes.shown)

    def add_carried(self, prompts: CarriedPrompts) -> None:
        """Prompt objects as they were on other frames of the image."""
        self._is_begun = True
        self.points.add_pending(prompts.clicks)
        for key, box in prompts.boxes.items():
            self.boxes.add(key, box)
        self.show_layers()
        self.set_next()
        self._calls.clicks_added(self)

    @property
    def is_untouched(self) -> bool:
        """Nothing was done here, and nothing is to be continued."""
        has_work = self.worker.session is not None or self.offer is not None or self._continued is not None
        return not (has_work or self.points.object_ids or self.boxes.object_ids or self.saved_to is not None)

    # --- layers ----------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Go on with the layers of an earlier widget."""
        for layer in map(unwrapped, self._viewer.layers):
            # the first of each: copies that somebody made lie above it
            if self.points.layer is None and is_points_layer_of(layer, self.image, self.stack):
                self.points.adopt(layer)
                self._bind(layer)
            elif self.boxes.layer is None and is_boxes_layer_of(layer, self.image, self.stack):
                self.boxes.adopt(layer)
                self._bind(layer)
            elif self.result.layer is None and is_result_of(layer, self.image, self.stack):
                self.result.adopt(layer)
                self._bind(layer)
                self.saved_to = Path(layer.metadata[SESSION_KEY]) if SESSION_KEY in layer.metadata else None
        self._is_begun = self.points.layer is not None
        self.set_next()

    @property
    def layers(self) -> list[Any]:
        """The image, and the layers of ours that are in the viewer."""
        ours = self.points.layer, self.boxes.layer, self.result.layer
        return [self.image, *(layer for layer in ours if layer is not None)]

    def show_layers(self) -> None:
        """Add the layers that are missing, once there was a click, without taking the selection away from what it is on."""
        if not self._is_begun or not self.is_shown:
            return
        selected = unwrapped(self._viewer.layers.selection.active)
        if self.result.is_missing:
            self._unbind_of(self.result.layer)
            self._add(self.result.new_layer())
            self._name_session()
        if self.boxes.is_missing:
            self._add(self.boxes.new_layer())
        if self.points.layer is None:
            self._add(self.points.new_layer())
            self.set_next()
        if selected is not None:
            self._viewer.layers.selection.active = selected

    def _add(self, layer: Any) -> None:
        # labels lie below the boxes, and these below the points, whichever comes first
        ours = [self.result.layer, self.boxes.layer, self.points.layer]
        above = [self._index_of(one) for one in ours[ours.index(layer) + 1 :] if one is not None]
        self._viewer.layers.insert(min(above, default=len(self._viewer.layers)), layer)
        self._bind(layer)

    def _index_of(self, layer: Any) -> int:
        return [unwrapped(one) for one in self._viewer.layers].index(layer)

    def layer_removed(self, layer: Any) -> None:
        """Take note that a layer was removed. If it was one of ours, it comes back with the next command."""
        for view in (self.points, self.boxes, self.result):
            if view.layer is not None and layer == view.layer:
                self._unbind_of(layer)
                view.close()

    def _bind(self, layer: Any) -> None:
        """Let the keys of undo and redo act here, in the place of the layer's own."""
        self._unbind[layer.unique_id] = bind_keys(layer, self, LAYER_KEYS)

    def _unbind_of(self, layer: Any) -> None:
        if layer is not None and layer.unique_id in self._unbind:
            self._unbind.pop(layer.unique_id)()

    def cancel(self) -> None:
        """Finish the shape that is being drawn; without one, stop what is running, or put down what is in hand."""
        if not self.boxes.finish_drawing():
            self._calls.cancel()

    def undo(self) -> None:
        """Undo what was done last on this image."""
        self._calls.undo(self)

    def redo(self) -> None:
        """Redo what was undone last on this image."""
        self._calls.redo(self)

    def _image_data_changed(self) -> None:
        levels = len(self.image.data) if self.image.multiscale else 1
        is_there = self.reading.level < levels
        if not is_there or tuple(at_level(self.image, self.reading.level).shape[: self.image.ndim]) != self.stack.shape:
            self._calls.outgrown(self)

    def _follow_image(self, event: Any) -> None:
        """Stay exactly on the image when that is moved or calibrated."""
        place = spatial_metadata(self.image, self.stack)
        for layer in (self.points.layer, self.boxes.layer, self.result.layer):
            if layer is not None:
                setattr(layer, event.type, place[event.type])
                layer.translate = place["translate"]  # of a thicker axis or larger pixels, it depends on the others

    # --- what a person does ----------------------------------------------------------------------------------------

    def click(self, pixel: Pixel, is_inside: bool, reach_px: float = 0.0) -> ClickDecision:
        """Click on the image; see :mod:`~napari_sam2.plugin.click_rule`.

        Parameters
        ----------
        pixel : Pixel
            Where.
        is_inside : bool
            It is a plain click.
        reach_px : float
            As near to a click that begins an object and was not answered yet, it is a click on that object.

        Returns
        -------
        ClickDecision
            What it did.
        """
        hand = Hand(self.in_hand, self._is_in_hand_begun, self.is_kept)
        decision = decide(hand, self.object_at(pixel, reach_px), is_inside)
        if decision.effect == ClickEffect.TAKE:
            self.take_in_hand(decision.object_id)
        elif decision.effect != ClickEffect.NONE:
            object_id = self._begin() if decision.object_id is None else decision.object_id
            self._is_begun = True
            self.show_layers()
            self.points.add(ObjectFrame(object_id, pixel.frame), Click(pixel.row, pixel.col, is_inside))
            return decision._replace(object_id=object_id)
        return decision

    def draw_box(self, frame: int, box: Box) -> None:
        """Prompt the object in hand by a box, or a new one."""
        object_id = self._begin() if self.in_hand is None else self.in_hand
        self._is_begun = True
        self.boxes.add(ObjectFrame(object_id, frame), box, self.points.pending.new_number())
        self.show_layers()
        self._clicks_added()

    def draw(self, frame: int, object_id: int | None, make: Callable[[ObjectFrame], DrawnCommand]) -> None:
        """Do what was drawn to an object, or to a new one."""
        if object_id is None:
            object_id = self._begin()
        self._is_begun = True
        self.drawings.add(self.points.pending.new_number(), make(ObjectFrame(object_id, frame)))
        self._clicks_added()

    def _painted(self, strokes: list[AddStroke]) -> None:
        """Let a stroke of napari's own tools on the result count."""
        for stroke in strokes:
            self.drawings.add(self.points.pending.new_number(), stroke)
        self._clicks_added()
        if not self.is_model_here:
            self.result.forget_painted()

    def show_shapes_layer(self) -> Any:
        """Show the layer of boxes and outlines, also while it is empty; return it."""
        self._is_begun = self.boxes.is_wanted = True
        self.show_layers()
        return self.boxes.layer

    def _boxes_calls(self) -> BoxesCalls:
        return BoxesCalls(
            self._clicks_added,
            lambda key, clicks: self.points.add(key, *(click._replace(is_inside=self.is_inside) for click in clicks)),
            lambda commands: self._calls.edited(self, commands),
            lambda: self.next_object_id,
            lambda text: self._calls.warn(text),
            lambda function: self._calls.post(function),
        )

    def object_at(self, pixel: Pixel, reach_px: float = 0.0) -> int | None:
        """Return the object whose mask is at a pixel, or whose click, not answered yet, is not further away than so many pixels."""
        label = self.result.label_at(pixel)
        return label if label in self.object_ids else self.points.object_at(pixel, reach_px)

    def name_of(self, object_id: int) -> str:
        """Return an object's number, and its name if it was given one."""
        number, info = f"object {object_id}", self.infos.get(object_id)
        return number if info is None or info.name == number else f"{number}, {info.name}"

    def take_in_hand(self, object_id: int | None) -> None:
        """Let clicks be about an object, which may be a new one; None puts down the one in hand."""
        self.in_hand = object_id
        self._is_in_hand_begun = object_id is None or self._has_prompt_inside(object_id)
        self.is_inside = True
        self.set_next()

    def _has_prompt_inside(self, object_id: int | None) -> bool:
        waiting = (one for one in self.points.pending.by_id.values() if one.key.object_id == object_id)
        drawn = self.boxes.object_ids | self.drawings.object_ids
        return object_id in self.infos or object_id in drawn or any(one.click.is_inside for one in waiting)

    def _begin(self) -> int:
        self.in_hand, self._is_in_hand_begun, self.is_inside = self.next_object_id, False, True
        return self.current_object

    def _clicks_added(self) -> None:
        """Put down an object that was just begun: the next click is about another one."""
        if not self._is_in_hand_begun and self._has_prompt_inside(self.in_hand):
            self._is_in_hand_begun = True
            if not self.is_kept:
                self.take_in_hand(None)
        self.set_next()
        self._calls.clicks_added(self)

    def set_next(self) -> None:
        """Let the next point of napari's own tool be one on the current object."""
        self.points.set_next(self.current_object, self.is_inside)
        self.boxes.set_next(self.current_object)
        self.result.set_next(self.current_object, self.in_hand in self.infos)
        self._next_shown = self._next

    @property
    def current_object(self) -> int:
        """The object in hand; with none in hand the one that a click where nothing is begins."""
        return self.next_object_id if self.in_hand is None else self.in_hand

    @property
    def next_object_id(self) -> int:
        """The id of the next new object."""
        taken = self.object_ids.union(*(one.object_ids for one in self.siblings()))  # one label image holds all positions
        if (highest := max(taken, default=0)) < MAX_OBJECT_ID:
            return highest + 1
        return next((number for number in range(1, MAX_OBJECT_ID) if number not in taken), MAX_OBJECT_ID)

    @property
    def object_ids(self) -> set[int]:
        """Objects of the session, and those of prompts that it has not taken yet."""
        return set(self.infos) | self.points.object_ids | self.boxes.object_ids | self.drawings.object_ids

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return is_on_this_machine(self.model)

    # --- the session -----------------------------------------------------------------------------------------------

    def request(self) -> SessionRequest:
        """Return what the session is to be opened on."""
        layers = self.channel_layers if self.stack.num_joined else (self.image,)
        pixels = [at_level(layer, self.reading.level) for layer in layers]
        if [id(one) for one in pixels] != [id(one) for one in self._image_array[0]]:
            # the same arrays give the same view: by it the worker knows its session
            views = [self.stack.without_short_axes(one) for one in pixels]
            self._image_array = pixels, ChannelArrays(views) if self.stack.num_joined else views[0]
        labels, stack = None, self.stack
        if (self.worker.session is None or stack.at) and self.result.labels is not None:
            labels = stack.session_labels(self.result.labels)
        array = self._image_array[1]
        where = f" along {stack.along} at {describe_position(stack.at)}" if stack.at else ""
        fingerprint = ImageFingerprint.of(array, stack.axes + where, self.image.name, self.image.source.path)
        return SessionRequest(
            array,
            stack.axes,
            self.model,
            labels,
            fingerprint,
            self._continued,
            channels=stack.channels,
            along=stack.along,
            at=stack.at,
            intensity_range=self._intensity_range,
            percentiles=self.reading.percentiles,
            calibration=calibration_of_layer(self.image, stack, self.file.calibration),
        )

    @property
    def _intensity_range(self) -> tuple[float, float] | None:
        if not self.reading.follows_contrast:
            return self.reading.intensity_range
        low, high = self.image.contrast_limits
        return float(low), float(high)

    # --- an earlier session ----------------------------------------------------------------------------------------

    @property
    def is_offer_possible(self) -> bool:
        """The model of the session that is offered is here."""
        return self.offer is not None and is_on_this_machine(self.offer.model)

    def continue_session(self) -> bool:
        """Let the session that is offered be opened with the next request; return whether that can be.

        Clicks that were given before are on new objects. Where the model is not here, it is chosen, and everything stays as it is.
        """
        if self.offer is None:
            return False
        self.model, self.requested_model = self.offer.model, None
        if not self.is_offer_possible:
            return False
        self._continued, shift = self.offer.path, self.offer.max_object_id
        if self.saved_to is None:
            self.points.shift_pending(shift)
            self.boxes.shift_pending(shift)
            self.drawings.shift(shift)
            if self.in_hand is not None:
                self.take_in_hand(self.in_hand + shift)
        self.offer = None
        return True

    @property
    def is_reopening(self) -> bool:
        """The session that an earlier widget had open in this viewer is still to be opened."""
        return self._continued is not None and self.saved_to is not None

    def begin_anew(self) -> None:
        """Let the next request open a new session; the one that is offered stays where it is."""
        self.offer = self.saved_to = None

    def not_continued(self) -> None:
        """Take note that the session could not be opened: the next request opens a new one."""
        if self._continued is not None:
            self._continued = self.saved_to = None

    def now_saved_to(self, path: Path) -> None:
        """Take note where the session is saved."""
        self.saved_to, self.not_kept = path, ""
        self._name_session()

    def _name_session(self) -> None:
        """Write the file of the session into the metadata of the result, by which a later widget goes on with it."""
        if self.result.layer is not None and self.saved_to is not None:
            self.result.layer.metadata[SESSION_KEY] = str(self.saved_to)

    def apply(self, item: Any) -> bool:
        """Show what the worker reports; return whether that is news to the person."""
        if isinstance(item, SessionOpened):
            self._session_opened(item)
        elif isinstance(item, StateChanged):
            self.points.pending.discard(item.taken)
            self._show(item.change)
        elif isinstance(item, FramesMeasured):
            self.rows.show_measured(item)
        elif isinstance(item, ModelInput):
            self.input_seen(item)
        elif isinstance(item, FrameDone | ObjectSegmented):
            self.estimate.add(item.step)
        elif isinstance(item, CommandRejected):
            return self.reject(item.command)
        elif isinstance(item, ModelLoaded):
            self._model_in_use = item.name
        elif isinstance(item, SessionsFound):
            self.offer = item.found if self.worker.session is None else None
            if not item.is_chosen:
                self.saved_to = None
        elif isinstance(item, SessionKept):
            self.now_saved_to(item.path)
        elif isinstance(item, SessionNotKept):
            before, self.not_kept = self.not_kept, item.reason
            return item.reason != before
        return True

    def reject(self, command: Command, is_refused: bool = True) -> bool:
        """Show again what is so, as a command was not done; see :meth:`PointsView.reject`."""
        if isinstance(command, DrawnCommand):
            self.drawings.reject(command, is_refused)
            self._follow_objects()
            return True
        if self.boxes.reject(command, is_refused):
            self._follow_objects()
            return True
        return self.points.reject(command, is_refused)

    def job_ended(self) -> None:
        """Take note that a job on this image came to its end."""
        self.drawings.job_ended()
        if not self.drawings.has_pending:
            self.result.forget_painted()
        self.refresh_history()

    def refresh_history(self) -> None:
        """See what can be undone and redone."""
        session = self.worker.session
        self.can_undo = self.has_pending or (session is not None and session.can_undo)
        self.can_redo = session is not None and session.can_redo

    # --- what the session has not taken yet ------------------------------------------------------------------------

    @property
    def has_pending(self) -> bool:
        """There are prompts that are not on their way to the session."""
        return max(one.latest_waiting(self.points.pending.next_id) for one in self._pending) > 0

    @property
    def _pending(self) -> tuple[PendingClicks, BoxesView, PendingDrawings]:
        return self.points.pending, self.boxes, self.drawings

    @property
    def is_latest_on_its_way(self) -> bool:
        """The prompt that was given last is on its way to the session."""
        sent = max(one.latest_sent for one in self._pending)
        return sent > max(one.latest_waiting(self.points.pending.next_id) for one in self._pending)

    def take_drawn(self) -> list[Command]:
        """Send boxes and drawings to the session."""
        return [*self.boxes.take(), *self.drawings.take()]

    def withdraw_latest(self, before: int) -> bool:
        """Remove the latest prompt with a number below one that is not on its way; return whether there was one."""
        click, box, drawn = (one.latest_waiting(before) for one in self._pending)
        number = max(click, box, drawn)
        if number == 0:
            return False
        if number == click:
            self.points.withdraw(number)
        elif number == box:
            self.boxes.withdraw(number)
        else:
            self.drawings.withdraw(number)
        self._follow_objects()
        return True

    def _session_opened(self, item: SessionOpened) -> None:
        self._is_begun = True
        self._model_in_use, self.infos = item.model, dict[int, "ObjectInfo"]()
        self._continued = None
        self.intensity_ranges, self.device = item.intensity_ranges, item.device
        if item.channels and item.channels != self.stack.channels:  # of a session that is continued
            self.stack = replace(self.stack, channels=item.channels)
            self.reading = replace(self.reading, channels=item.channels)
            choose_reading(self.image, self.reading)
        if item.is_continued:
            self.points.forget_known(item.state)
        for key, clicks in item.not_carried.items():
            for click in clicks:
                self.points.pending.by_id[self.points.pending.add(key, click)].is_refused = True
        self.points.reset(item.state)
        self.boxes.reset(item.state)
        self.result.reset(item.labels, item.state)
        self._show_infos(item.state)
        self.rows.reset(item.state)
        self.sample.reset(item.state)
        self._follow_objects()
        self.show_layers()

    def _show(self, change: StateChange) -> None:
        self._show_infos(change)
        self.points.show(change)
        self.boxes.show(change)
        self.result.show(change)
        self.rows.show(change)
        self.sample.show(change)
        self._follow_objects()
        if self.boxes.is_missing:
            self.show_layers()
        if change.model is not None:
            self._model_in_use = change.model.name
            if self.requested_model is None:
                self.model = self._model_in_use

    def _show_infos(self, change: StateChange) -> None:
        colours = {object_id: None if info is None else info.colour for object_id, info in change.infos.items()}
        if any(self.points.colour_of(one) != (colour or default_colour(one)) for one, colour in colours.items()):
            self.points.show_colours(colours)
            self.boxes.show_colours()
        for object_id, info in change.infos.items():
            if info is None:
                self.infos.pop(object_id, None)
            else:
                self.infos[object_id] = info

    def _follow_objects(self) -> None:
        """Put down an object that is not there any more, and choose the next one."""
        self._is_in_hand_begun |= self.in_hand in self.infos
        if self._is_in_hand_begun and not self.is_kept and self.in_hand not in self.object_ids:
            self.in_hand = None
        if self._next != self._next_shown:
            self.set_next()

    @property
    def _next(self) -> tuple[int, bool]:
        return self.current_object, self.in_hand in self.infos

    def model_changed(self, name: str, is_refused: bool) -> None:
        """Take note that a change of the model came to its end: the session uses it, or goes on with the one that it has."""
        if self.requested_model == name:
            self.requested_model = None
            if is_refused:
                self.model = self._model_in_use
