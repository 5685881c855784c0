"""One image somebody works on: its session on the worker, and the views of that in the viewer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_file import NO_FILE, LayerFile
from napari_sam2.plugin.image.layer_placement import displayed_frame
from napari_sam2.plugin.layers.boxes_view import BoxesCalls, BoxesView
from napari_sam2.plugin.layers.object_colours import default_colour
from napari_sam2.plugin.layers.points_view import PointsView
from napari_sam2.plugin.layers.result_view import ResultView
from napari_sam2.plugin.layers.session_layers import SESSION_KEY, WORKSPACES
from napari_sam2.plugin.options.tracking_options import TrackingLeft
from napari_sam2.plugin.prompts.click_rule import ClickDecision, ClickEffect, decide
from napari_sam2.plugin.prompts.clicks import Box, Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import Command
from napari_sam2.plugin.prompts.drawn_commands import AddStroke, DrawnCommand
from napari_sam2.plugin.prompts.pending_drawings import PendingDrawings
from napari_sam2.plugin.reports.object_rows import ObjectRows
from napari_sam2.plugin.reports.reports import (
    CommandRejected,
    FrameDone,
    FrameDrawn,
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
from napari_sam2.plugin.reports.sample_view import SampleView
from napari_sam2.plugin.sessions.session_opener import SessionOpener, SessionRequest
from napari_sam2.plugin.worker.session_worker import SessionWorker
from napari_sam2.plugin.workspace.carried_prompts import CarriedPrompts, GivenPrompts
from napari_sam2.plugin.workspace.image_source import ImageSource
from napari_sam2.plugin.workspace.kept_session import KeptSession
from napari_sam2.plugin.workspace.known_objects import KnownObjects
from napari_sam2.plugin.workspace.object_in_hand import ObjectInHand
from napari_sam2.plugin.workspace.pending_prompts import PendingPrompts
from napari_sam2.plugin.workspace.workspace_layers import LayerCalls, WorkspaceLayers, WorkspaceViews
from napari_sam2.session.propagation.run_estimate import RunEstimate

if TYPE_CHECKING:
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
    source : ImageSource
        How the image is read.
    siblings : callable
        Returns the work on the same image at all its positions.
    input_seen : callable
        Called with what the model sees.
    intensity_ranges : tuple of tuple of float, or None
        What becomes black and white in the session; None before it is opened, and for 8-bit colours.
    device : str
        On which the model runs; empty before the session is opened.
    approximate_px : int or None
        Side of the input of its model, where that is another than it was trained with.
    worker : SessionWorker
        Has the session.
    kept : KeptSession
        The file of the session, and an earlier one to continue.
    points, boxes, result : PointsView, BoxesView, ResultView
        Views of the session.
    layers : WorkspaceLayers
        Those of the views, in the viewer.
    pending : PendingPrompts
        What the session has not taken yet.
    objects : KnownObjects
        The objects of the session, and those of prompts that it has not taken yet.
    hand : ObjectInHand
        What the next click is about.
    rows : ObjectRows
        Its objects, for the table, and each of them on each frame, for the timeline.
    sample : SampleView
        Masks that are judged, to measure how many are wrong.
    estimate : RunEstimate
        How long frames take with its model.
    model : str
        Name of the model that is chosen.
    requested_model : str or None
        The same, while the session does not use it yet.
    can_undo, can_redo : bool
        There is something to undo or redo.
    is_tracking_stopped : bool
        Everything was being tracked last, and that was stopped.
    is_linking_stopped : bool
        Labels were being linked last, and that was stopped, by whatever: they are linked further, and nothing is looked for.

    Raises
    ------
    ValueError
        If the image cannot be read as a stack.
    """

    source: ImageSource
    result: ResultView
    objects: KnownObjects
    layers: WorkspaceLayers

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
        self._viewer = viewer
        self._calls = calls
        self._opener = opener
        self.source = ImageSource(viewer, image, stack, file, None if before is None else before.source)
        self.input_seen: Callable[[ModelInput], None] = lambda _: None
        self.intensity_ranges: tuple[tuple[float, float], ...] | None = None
        self.device = ""
        self.approximate_px: int | None = None
        self.siblings: Callable[[], Iterable[ImageWorkspace]] = tuple if before is None else before.siblings
        self.worker = SessionWorker(opener, lambda item: calls.announced(self, item))
        self.kept = KeptSession()
        self.points = PointsView(image, self.stack, self._prompted, lambda commands: calls.edited(self, commands), calls.warn)
        self.boxes = BoxesView(image, self.stack, self._boxes_calls(), self.points.colour_of)
        shared = before.result.shared if before is not None and before.stack.has_same_frames(self.stack) else None
        self.result = ResultView(viewer, image, self.stack, self._painted, shared)
        self._drawings = PendingDrawings()
        self.pending = PendingPrompts(self.points, self.boxes, self._drawings)
        self.objects = KnownObjects(self.points, self.boxes, self._drawings, lambda: (one.objects.ids for one in self.siblings()))
        self.hand = ObjectInHand(self.objects, self._show_next)
        self.rows = ObjectRows(self.stack.num_frames)
        self.sample = SampleView()
        self.estimate = RunEstimate()
        self.model = self._model_in_use = model
        self.requested_model: str | None = None
        self.can_undo = self.can_redo = self.is_closed = self.is_tracking_stopped = self.is_linking_stopped = False
        views = WorkspaceViews(self.points, self.boxes, self.result)
        layer_calls = LayerCalls(self._name_session, self.hand.tell, lambda: calls.outgrown(self))
        self.layers = WorkspaceLayers(viewer, self.source, views, self, layer_calls)
        if before is None:
            self._adopt()
        else:
            self.show_instead_of(before)

    @property
    def stack(self) -> ImageStack:
        """How the image is read."""
        return self.source.stack

    @property
    def tracking_left(self) -> TrackingLeft:
        """What tracking everything would do, or linking labels further."""
        if self.is_linking_stopped:
            return TrackingLeft.of_linking(self.rows.frames, self.objects.infos)
        return TrackingLeft.of(self.stack, self.rows.frames, self.objects.infos, self.is_tracking_stopped)

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return self._opener.has(self.model)

    @property
    def is_offer_possible(self) -> bool:
        """The model of the earlier session that is offered need not be fetched first."""
        return self.kept.offer is not None and self._opener.has(self.kept.offer.model)

    @property
    def has_offer_of_other_frames(self) -> bool:
        """The earlier session that is offered has the frames of the volume along another axis."""
        offer = self.kept.offer
        return offer is not None and offer.along != self.stack.along and offer.along in self.stack.directions

    @property
    def is_untouched(self) -> bool:
        """Nothing was done here, and nothing is to be continued."""
        has_prompts = bool(self.points.object_ids or self.boxes.object_ids)
        return not (self.worker.session is not None or self.kept.has_work or has_prompts)

    def close(self) -> None:
        """Disconnect from the layers, which stay in the viewer. The session is closed by whoever runs the worker."""
        self.is_closed = True
        self.points.close()
        self.boxes.close()
        self.result.close()
        self.layers.disconnect()

    # --- layers ----------------------------------------------------------------------------------------------------

    def _adopt(self) -> None:
        """Go on with the layers of an earlier widget."""
        self.layers.connect()
        WORKSPACES[self.image.unique_id] = self
        self.layers.adopt()
        if self.result.layer is not None and SESSION_KEY in self.result.layer.metadata:
            self.kept.saved_to = Path(self.result.layer.metadata[SESSION_KEY])
        self.hand.tell()

    def show_instead_of(self, other: ImageWorkspace) -> None:
        """Show this in the place of other work on the image, of which nothing is lost."""
        self.layers.show_instead_of(other.layers)
        WORKSPACES[self.image.unique_id] = self
        self.hand.tell()

    def show_shapes_layer(self) -> Any:
        """Show the layer of boxes and outlines, also while it is empty; return it."""
        self.boxes.is_wanted = True
        self.layers.begin()
        return self.boxes.layer

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

    # --- what a person does ----------------------------------------------------------------------------------------

    def click(self, pixel: Pixel, is_inside: bool, reach_px: float = 0.0) -> ClickDecision:
        """Click on the image; see :mod:`~napari_sam2.plugin.prompts.click_rule`.

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
        decision = decide(self.hand.hand, self.object_at(pixel, reach_px), is_inside)
        if decision.effect == ClickEffect.TAKE:
            self.hand.take(decision.object_id)
        elif decision.effect != ClickEffect.NONE:
            object_id = self.hand.begin() if decision.object_id is None else decision.object_id
            self.layers.begin()
            self.points.add(ObjectFrame(object_id, pixel.frame), Click(pixel.row, pixel.col, is_inside))
            return decision._replace(object_id=object_id)
        return decision

    def draw_box(self, frame: int, box: Box) -> None:
        """Prompt the object in hand by a box, or a new one."""
        object_id = self.hand.begin() if self.hand.object_id is None else self.hand.object_id
        self.boxes.add(ObjectFrame(object_id, frame), box, self.points.pending.new_number())
        self.layers.begin()
        self._prompted()

    def draw(self, frame: int, object_id: int | None, make: Callable[[ObjectFrame], DrawnCommand]) -> None:
        """Do what was drawn to an object, or to a new one."""
        if object_id is None:
            object_id = self.hand.begin()
        self.layers.is_begun = True
        self._drawings.add(self.points.pending.new_number(), make(ObjectFrame(object_id, frame)))
        self._prompted()

    def _painted(self, strokes: list[AddStroke]) -> None:
        """Let a stroke of napari's own tools on the result count."""
        for stroke in strokes:
            self._drawings.add(self.points.pending.new_number(), stroke)
        self._prompted()
        if not self.is_model_here:
            self.result.forget_painted()

    def _boxes_calls(self) -> BoxesCalls:
        return BoxesCalls(
            self._prompted,
            lambda key, clicks: self.points.add(key, *(click._replace(is_inside=self.hand.is_inside) for click in clicks)),
            lambda commands: self._calls.edited(self, commands),
            lambda: self.objects.next_id,
            lambda text: self._calls.warn(text),
            lambda function: self._calls.post(function),
        )

    @property
    def given_prompts(self) -> GivenPrompts:
        """Clicks and boxes, also those that the session has not taken yet."""
        return GivenPrompts(self.stack, self.points.clicks, self.boxes.shown)

    def add_carried(self, prompts: CarriedPrompts) -> None:
        """Prompt objects as they were on other frames of the image."""
        self.points.add_pending(prompts.clicks)
        for key, box in prompts.boxes.items():
            self.boxes.add(key, box)
        self.layers.begin()
        self.hand.tell()
        self._calls.clicks_added(self)

    def _prompted(self) -> None:
        self.hand.prompted()
        self._calls.clicks_added(self)

    def object_at(self, pixel: Pixel, reach_px: float = 0.0) -> int | None:
        """Return the object whose mask is at a pixel, or whose click, not answered yet, is not further away than so many pixels."""
        label = self.result.label_at(pixel)
        return label if label in self.objects.ids else self.points.object_at(pixel, reach_px)

    def _show_next(self) -> None:
        """Let the next point, shape or stroke of napari's own tools be one on the current object."""
        self.points.set_next(self.hand.current, self.hand.is_inside)
        self.boxes.set_next(self.hand.current)
        self.result.set_next(self.hand.current, self.hand.is_in_session)

    def withdraw_latest(self, before: int) -> bool:
        """Remove the latest prompt with a number below one that is not on its way; return whether there was one."""
        if not self.pending.withdraw_latest(before):
            return False
        self.hand.follow_objects()
        return True

    # --- the session -----------------------------------------------------------------------------------------------

    def request(self) -> SessionRequest:
        """Return what the session is to be opened on."""
        self.worker.shown_frame = displayed_frame(self._viewer, self.image, self.stack)
        labels = None
        if (self.worker.session is None or self.stack.at) and self.result.labels is not None:
            labels = self.stack.session_labels(self.result.labels)
        return self.source.request(self.model, labels, self.kept.continued)

    def continue_session(self) -> bool:
        """Let the session that is offered be opened with the next request; return whether that can be.

        Clicks that were given before are on new objects. Where the model is not here, it is chosen, and everything stays as it is.
        """
        offer = self.kept.offer
        if offer is None:
            return False
        self.model, self.requested_model = offer.model, None
        if not self.is_offer_possible:
            return False
        if self.kept.saved_to is None:
            self.pending.shift(offer.max_object_id)
            if self.hand.object_id is not None:
                self.hand.take(self.hand.object_id + offer.max_object_id)
        self.kept.continue_offer()
        return True

    def now_saved_to(self, path: Path) -> None:
        """Take note where the session is saved."""
        self.kept.now_saved_to(path)
        self._name_session()

    def _name_session(self) -> None:
        """Write the file of the session into the metadata of the result, by which a later widget goes on with it."""
        if self.result.layer is not None and self.kept.saved_to is not None:
            self.result.layer.metadata[SESSION_KEY] = str(self.kept.saved_to)

    def apply(self, item: Any) -> bool:
        """Show what the worker reports; return whether that is news to the person."""
        if isinstance(item, SessionOpened):
            self._session_opened(item)
        elif isinstance(item, StateChanged):
            self.points.pending.discard(item.taken)
            self._show(item.change)
        elif isinstance(item, FramesMeasured):
            self.rows.show_measured(item)
        elif isinstance(item, FrameDrawn):
            self.result.show_drawn(item.frame)
        elif isinstance(item, ModelInput):
            self.input_seen(item)
        elif isinstance(item, FrameDone | ObjectSegmented):
            self.estimate.add(item.step)
        elif isinstance(item, CommandRejected):
            return self.reject(item.command)
        elif isinstance(item, ModelLoaded):
            self._model_in_use = item.name
        elif isinstance(item, SessionsFound):
            self.kept.found(item, self.worker.session is not None)
        elif isinstance(item, SessionKept):
            self.now_saved_to(item.path)
        elif isinstance(item, SessionNotKept):
            return self.kept.now_not_kept(item.reason)
        return True

    def reject(self, command: Command, is_refused: bool = True) -> bool:
        """Show again what is so, as a command was not done; return whether it is news. See :meth:`PointsView.reject`."""
        if self.pending.reject_drawn(command, is_refused):
            self.hand.follow_objects()
            return True
        return self.points.reject(command, is_refused)

    def job_ended(self) -> None:
        """Take note that a job on this image came to its end."""
        self._drawings.job_ended()
        if not self._drawings.has_pending:
            self.result.forget_painted()
        self.is_linking_stopped = self.worker.session is not None and self.worker.session.is_linking_stopped
        self.refresh_history()

    def refresh_history(self) -> None:
        """See what can be undone and redone."""
        session = self.worker.session
        self.can_undo = self.pending.are_waiting or (session is not None and session.can_undo)
        self.can_redo = session is not None and session.can_redo

    def _session_opened(self, item: SessionOpened) -> None:
        self.layers.is_begun = True
        self._model_in_use = item.model
        self._show_side(item.state)
        self.objects.infos.clear()
        self.kept.opened()
        self.intensity_ranges, self.device = item.intensity_ranges, item.device
        self.source.use_channels(item.channels)  # of a session that is continued
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
        self.hand.follow_objects()
        self.layers.show()

    def _show(self, change: StateChange) -> None:
        self._show_infos(change)
        self.points.show(change)
        self.boxes.show(change)
        self.result.show(change)
        self.rows.show(change)
        self.sample.show(change)
        self.hand.follow_objects()
        if self.boxes.is_missing:
            self.layers.show()
        self._show_side(change)
        if change.model is not None:
            self._model_in_use = change.model.name
            if self.requested_model is None:
                self.model = self._model_in_use

    def _show_side(self, change: StateChange) -> None:
        if change.model is not None:
            self.approximate_px = change.model.image_size if change.model.is_approximate else None

    def _show_infos(self, change: StateChange) -> None:
        colours = {object_id: None if info is None else info.colour for object_id, info in change.infos.items()}
        if any(self.points.colour_of(one) != (colour or default_colour(one)) for one, colour in colours.items()):
            self.points.show_colours(colours)
            self.boxes.show_colours()
        self.objects.show(change)

    def model_changed(self, name: str, is_refused: bool) -> None:
        """Take note that a change of the model came to its end: the session uses it, or goes on with the one that it has."""
        if self.requested_model == name:
            self.requested_model = None
            if is_refused:
                self.model = self._model_in_use
