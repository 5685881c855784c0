"""What the widget does, without the widget: clicks become masks, masks are propagated through the stack, all shown as layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal

from napari_sam2.plugin.autosave import KeptSessions
from napari_sam2.plugin.click_rule import ClickEffect
from napari_sam2.plugin.clicks import MAX_OBJECT_ID, Box
from napari_sam2.plugin.image_workspace import ImageWorkspace, WorkspaceCalls
from napari_sam2.plugin.keys import CANCEL, bind_keys
from napari_sam2.plugin.layers import Pixel, check_display, data_position, displayed_frame, show_frame, unwrapped
from napari_sam2.plugin.models import EMBEDDED_NAME, MODEL_NAMES, is_on_this_machine, size_mb
from napari_sam2.plugin.mouse import ClickListener, MouseCalls
from napari_sam2.plugin.notices import notify_warning
from napari_sam2.plugin.points_layer import IMAGE_KEY, point_reach_px
from napari_sam2.plugin.review import Review
from napari_sam2.plugin.rubber_band import RubberBand
from napari_sam2.plugin.runner import DirectRunner, Runner
from napari_sam2.plugin.session_jobs import JobCalls, SessionJobs
from napari_sam2.plugin.session_layers import join_result
from napari_sam2.plugin.session_opener import SessionOpener
from napari_sam2.plugin.status_bar import StatusBar
from napari_sam2.plugin.view_centre import centre_on

if TYPE_CHECKING:
    from napari_sam2.plugin.commands import Command
    from napari_sam2.session.propagation.plan import Direction
    from napari_sam2.session.session import Session


class Controller:
    """What the widget does.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Whose images are worked on.
    runner : Runner, optional
        Where tasks are run; here and now by default.
    opener : SessionOpener, optional
        Opens sessions; by default one that keeps them in the user's data folder.
    """

    changed = Signal()
    progressed = Signal(int, int)
    status_changed = Signal(str)
    frame_moved = Signal()

    def __init__(self, viewer: Any, runner: Runner | None = None, opener: SessionOpener | None = None) -> None:
        self._viewer = viewer
        self._jobs = SessionJobs(
            runner or DirectRunner(),
            JobCalls(self._jobs_changed, self.progressed.emit, self.status_changed.emit, self._model_downloaded),
        )
        self._opener = opener or SessionOpener(KeptSessions())
        self._workspaces: dict[Any, ImageWorkspace] = {}
        self._image: Any = None
        self._reason = ""
        self._unbind_keys = bind_keys(viewer, self)
        self.review = Review(self, viewer)
        self._unbind_cancel: list[Callable[[], None]] = []
        self._is_closed = False
        self._latest_model = EMBEDDED_NAME
        self.direction: Direction = "both"
        viewer.layers.events.inserted.connect(self._layer_inserted)
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.dims.events.point.connect(self._point_moved)
        self._keeps_object = False
        self._rubber_band = RubberBand(viewer)
        self._listener = ClickListener(
            viewer, MouseCalls(self._canvas_clicked, self._box_dragged, self._box_drawn, self._rubber_band.remove)
        )
        self._status_bar = StatusBar(viewer, self._name_at)
        for image in self.images:
            image.events.name.connect(self._renamed)
        joined = [join_result(viewer, layer) for layer in map(unwrapped, viewer.layers)]
        self.choose_image(next((image for image in joined if image is not None), None) or self._guess_image())

    def close(self) -> None:
        """Disconnect from the viewer. All layers stay, and sessions are kept."""
        if self._is_closed:
            return
        self._is_closed = True
        self._jobs.close([workspace.worker for workspace in self._workspaces.values()])
        self._take_cancel_key(False)
        self.review.close()
        self._unbind_keys()
        self._viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._viewer.dims.events.point.disconnect(self._point_moved)
        self._listener.close()
        self._status_bar.close()
        for image in self.images:
            image.events.name.disconnect(self._renamed)
        for workspace in self._workspaces.values():
            workspace.close()
        self._workspaces.clear()

    # --- image and model -------------------------------------------------------------------------------------------

    @property
    def images(self) -> list[Any]:
        """Image layers, the topmost first."""
        return [layer for layer in map(unwrapped, reversed(self._viewer.layers)) if isinstance(layer, Image)]

    @property
    def image(self) -> Any:
        """The image layer that is worked on, or None."""
        return self._image

    @property
    def workspace(self) -> ImageWorkspace | None:
        """The work on that image, or None where it cannot be worked on."""
        return self._workspaces.get(self._image.unique_id) if self._image is not None else None

    @property
    def session(self) -> Session:
        """The session of that image, for all that the widget has no button for. What is done to it is shown in the layers.

        Raises
        ------
        RuntimeError
            If there is none yet, or it is at work.
        """
        session = None if self.workspace is None else self.workspace.worker.session
        if session is None:
            raise RuntimeError("there is no session yet: it begins with the first click")
        if not self.is_idle:
            raise RuntimeError("the session is at work: ask again when it is done, or stop it")
        return session

    def _guess_image(self) -> Any:
        selected = unwrapped(self._viewer.layers.selection.active)
        return selected if isinstance(selected, Image) else next(iter(self.images), None)

    def choose_image(self, image: Any) -> None:
        """Work on an image layer; on another one nothing is lost."""
        self._image, self._reason = unwrapped(image), ""
        self.status_changed.emit("")
        if self._image is not None and self.workspace is None:
            try:
                self._open_workspace()
            except ValueError as error:
                self._reason = str(error)
        self.changed.emit()

    def _open_workspace(self) -> None:
        jobs = self._jobs
        calls = WorkspaceCalls(
            self._clicks_added, self._edited, jobs.announce, self._outgrown, jobs.undo, jobs.redo, self.cancel, self._warn
        )
        workspace = ImageWorkspace(self._viewer, self._image, self._opener, self._latest_model, calls)
        workspace.is_kept = self._keeps_object
        self._workspaces[self._image.unique_id] = workspace
        if self._opener.kept is not None or workspace.saved_to is not None:
            jobs.find(workspace, workspace.saved_to)
        if workspace.is_model_here:
            self._jobs.use_model(workspace)  # loaded while the person looks for the first object

    def _outgrown(self, workspace: ImageWorkspace) -> None:
        """Begin anew on an image that was given data of another shape."""
        self._drop(workspace)
        if workspace.image == self._image:
            self.choose_image(self._image)

    def _drop(self, workspace: ImageWorkspace) -> None:
        del self._workspaces[workspace.image.unique_id]
        self._jobs.forget(workspace)
        workspace.close()
        self._jobs.end_session(workspace)

    def continue_session(self) -> None:
        """Continue the earlier session that is offered for the image, with the model that it was saved with."""
        if self.workspace is not None and self.workspace.offer is not None:
            self._jobs.continue_session(self.workspace)

    def begin_anew(self) -> None:
        """Begin a new session on the image with the next click; the earlier one stays in its file."""
        if self.workspace is not None and self.workspace.offer is not None:
            self._jobs.begin_anew(self.workspace)

    @property
    def model(self) -> str:
        """The model that is chosen for the image."""
        return self._latest_model if self.workspace is None else self.workspace.model

    def choose_model(self, name: str) -> None:
        """Go on with another model: everything that is not a mask stays. If the session refuses it, it goes on as it was.

        Parameters
        ----------
        name : str
            One of ``MODEL_NAMES``, or the path of a checkpoint file, such as one that was fine-tuned.

        Raises
        ------
        ValueError
            If there is no such model or file.
        """
        if name not in MODEL_NAMES:
            if not Path(name).is_file():
                raise ValueError(f"there is no model {name!r}, nor is there such a file; there are {', '.join(MODEL_NAMES)}")
            name = str(Path(name).absolute())
        if name == self.model:
            return
        self._latest_model = name
        if self.workspace is not None:
            self.workspace.model, self.workspace.requested_model = name, None
            if self.workspace.is_model_here:
                self._jobs.use_model(self.workspace)
        self.changed.emit()

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return is_on_this_machine(self.model)

    def download_model(self) -> None:
        """Fetch the weights of the model."""
        self._jobs.download(self.model)

    def _model_downloaded(self, name: str) -> None:
        for workspace in self._workspaces.values():
            if workspace.model == name:
                self._jobs.use_model(workspace)

    def describe(self) -> str:
        """Describe what is there and what will happen."""
        if self._image is None:
            return "Open an image, or drop a file on the viewer."
        if self.workspace is None:
            return self._reason
        if not self.is_model_here:
            return self._missing_weights
        stack = self.workspace.stack
        if stack.frame_axis is None:
            return f"{stack.describe()} → click on an object"
        return f"{stack.describe()} → click on objects, then propagate along {stack.frame_name}"

    @property
    def _missing_weights(self) -> str:
        if self.model not in MODEL_NAMES:
            return f"The file {self.model} is not there any more: choose another model."
        return f"The weights of {self.model} are not on this machine: download {size_mb(self.model)} MB, or choose micro."

    # --- what a person does ----------------------------------------------------------------------------------------

    @property
    def current_object(self) -> int:
        """The object in hand, or the one that the next click where nothing is begins: its label value."""
        return self.workspace.current_object if self.workspace is not None else 1

    @property
    def object_in_hand(self) -> int | None:
        """The object that clicks are about, if one is in hand; see :mod:`~napari_sam2.plugin.click_rule`."""
        return None if self.workspace is None else self.workspace.in_hand

    @property
    def keeps_object(self) -> bool:
        """Clicks do not change which object is in hand: for one object and many clicks."""
        return self._keeps_object

    @keeps_object.setter
    def keeps_object(self, is_kept: bool) -> None:
        self._keeps_object = is_kept
        for workspace in self._workspaces.values():
            workspace.is_kept = is_kept

    @property
    def can_undo(self) -> bool:
        """There is something to undo."""
        return self.workspace is not None and self.workspace.can_undo

    @property
    def can_redo(self) -> bool:
        """There is something to redo."""
        return self.workspace is not None and self.workspace.can_redo

    @property
    def is_inside(self) -> bool:
        """A plain click is one inside the object; a right click is always the opposite of a left one."""
        return self.workspace.is_inside if self.workspace is not None else True

    def choose_object(self, object_id: int) -> None:
        """Take an object in hand, or one that the next click begins."""
        if self.workspace is not None and 1 <= object_id <= MAX_OBJECT_ID:
            self.workspace.take_in_hand(object_id)
            self.changed.emit()

    def put_down(self) -> None:
        """Let no object be in hand: a click where nothing is begins a new one."""
        if self.workspace is not None and (self.workspace.in_hand is not None or not self.is_inside):
            self.workspace.take_in_hand(None)
            self.status_changed.emit(f"No object is in hand: a click where nothing is begins object {self.current_object}.")
            self.changed.emit()

    def next_object(self) -> None:
        """Begin a new object with the next click, wherever that is."""
        if self.workspace is None:
            return
        taken = self.workspace.object_ids
        if self.object_in_hand is not None and self.current_object not in taken:
            self.status_changed.emit(f"Object {self.current_object} has no click yet: click on it.")
            return
        self.choose_object(self.workspace.next_object_id)
        self.status_changed.emit(f"Object {self.current_object}: click on it.")

    def choose_side(self, is_inside: bool) -> None:
        """Let plain clicks be inside the object, or outside it."""
        if self.workspace is not None and self.workspace.is_inside != is_inside:
            self.workspace.is_inside = is_inside
            self.workspace.set_next()
            self.changed.emit()

    def switch_side(self) -> None:
        """Switch between clicks inside and outside."""
        self.choose_side(not self.is_inside)

    def click(self, world: Any, is_inside: bool | None = None) -> None:
        """Click on the image; what that does is in :mod:`~napari_sam2.plugin.click_rule`.

        Parameters
        ----------
        world : array-like
            (D,), position in the viewer.
        is_inside : bool, optional
            Whether the object is there; what was chosen by default.
        """
        if self.workspace is None:
            self._warn(self._reason or "There is no image to click on: open one first.")
            return
        try:
            pixel = self._pixel(self.workspace, world)
        except ValueError as error:
            self._warn(str(error))
            return
        is_inside = self.is_inside if is_inside is None else is_inside
        effect, object_id = self.workspace.click(pixel, is_inside, point_reach_px(self._viewer, self._image, self.workspace.stack))
        if effect == ClickEffect.NONE:
            self.status_changed.emit("There is no object here that could end: click on one, or take one in hand first.")
        elif effect == ClickEffect.TAKE and object_id is not None:
            name = self.workspace.name_of(object_id)
            self.status_changed.emit(f"{name[:1].upper()}{name[1:]} is in hand: clicks add to it. Esc puts it down.")
            self.changed.emit()

    def draw_box(self, first: Any, last: Any) -> None:
        """Prompt the object in hand, or a new one, by a box.

        Parameters
        ----------
        first, last : array-like
            (D,), positions of opposite corners in the viewer.
        """
        if self.workspace is None:
            self._warn(self._reason or "There is no image to draw on: open one first.")
            return
        try:
            self.workspace.draw_box(*self._box(self.workspace, first, last))
        except ValueError as error:
            self._warn(str(error))

    def _pixel(self, workspace: ImageWorkspace, world: Any) -> Pixel:
        check_display(self._viewer, workspace.image)
        return workspace.stack.pixel(data_position(self._viewer, workspace.image, world))

    def _box(self, workspace: ImageWorkspace, first: Any, last: Any) -> tuple[int, Box]:
        check_display(self._viewer, workspace.image)
        return workspace.stack.box_between(*(data_position(self._viewer, workspace.image, world) for world in (first, last)))

    def undo(self) -> None:
        """Undo what was done last: a click, an edit, a whole propagation, another model."""
        if self.workspace is None:
            self.status_changed.emit("There is nothing to undo.")
        else:
            self._jobs.undo(self.workspace)

    def redo(self) -> None:
        """Redo what was undone last."""
        if self.workspace is None:
            self.status_changed.emit("There is nothing to redo.")
        else:
            self._jobs.redo(self.workspace)

    def propagate(self, direction: Direction | None = None) -> None:
        """Propagate all objects through the stack, in the direction that was chosen by default."""
        workspace = self.workspace
        if workspace is None:
            self._warn(self._reason or "There is nothing to propagate: open an image first.")
        elif workspace.stack.frame_axis is None:
            self._warn("There is nothing to propagate along: this is a single image.")
        elif not self.is_model_here:
            self._warn(self._missing_weights)
        elif not workspace.object_ids:
            self._warn("There is nothing to propagate: click on an object first.")
        else:
            self._jobs.propagate(workspace, direction or self.direction)

    def cancel(self) -> None:
        """Stop after the frame that is being done, and keep what is done. With nothing to stop, put down the object in hand."""
        if self._listener.cancel_box():
            return
        if self._jobs.is_busy:
            self._jobs.cancel()
        else:
            self.put_down()

    @property
    def is_listening(self) -> bool:
        """Clicks on the canvas count."""
        return self._listener.is_on

    @is_listening.setter
    def is_listening(self, is_on: bool) -> None:
        self._listener.is_on = is_on

    def _canvas_clicked(self, world: tuple[float, ...], is_other: bool) -> None:
        if self._image is not None:
            self.click(world, self.is_inside != is_other)

    def _box_dragged(self, first: tuple[float, ...], last: tuple[float, ...]) -> None:
        if self.workspace is None:
            return
        try:
            frame, box = self._box(self.workspace, first, last)
        except ValueError:
            self._rubber_band.remove()  # what is wrong is shown when it is drawn
        else:
            self._rubber_band.show(self._image, self.workspace.stack, frame, box)

    def _box_drawn(self, first: tuple[float, ...], last: tuple[float, ...]) -> None:
        self._rubber_band.remove()
        if self._image is not None:
            self.draw_box(first, last)

    def _name_at(self, world: Any) -> str:
        """Name the object under the cursor, if there is one."""
        workspace = self.workspace
        if workspace is None:
            return ""
        try:
            object_id = workspace.object_at(self._pixel(workspace, world))
        except ValueError:
            return ""
        return "" if object_id is None else workspace.name_of(object_id)

    # --- frames and whole objects ----------------------------------------------------------------------------------

    @property
    def frame(self) -> int | None:
        """The frame of the image that the viewer shows, or None."""
        return None if self.workspace is None else displayed_frame(self._viewer, self._image, self.workspace.stack)

    def go_to_frame(self, frame: int) -> None:
        """Let the viewer show a frame of the image."""
        if self.workspace is not None:
            show_frame(self._viewer, self._image, self.workspace.stack, frame)

    def _point_moved(self) -> None:
        self.frame_moved.emit()

    def show_object(self, object_id: int) -> None:
        """Take an object in hand, and show it: if it is not on the shown frame, where it was prompted or found first."""
        self.choose_object(object_id)
        states = None if self.workspace is None else self.workspace.rows.frames.of(object_id)
        frame = self.frame
        if states is not None and (frame is None or not (states.is_found(frame) or frame in states.prompts)):
            frame = min(states.prompts, default=states.first_found)
            if frame is not None:
                self.go_to_frame(frame)
        if frame is not None:
            self.centre_on(object_id, frame)

    def centre_on(self, object_id: int, frame: int) -> None:
        """Move the view to where an object is on a frame, if that is not in it; where it is absent, the view stays."""
        states = None if self.workspace is None else self.workspace.rows.frames.of(object_id)
        centroid_rc = None if states is None else states.centroid_rc(frame)
        if centroid_rc is not None:
            centre_on(self._viewer, self._image, centroid_rc)

    def next_uncertain(self) -> None:
        """Go to the next uncertain frame of the current object."""
        self._go_to_uncertain(1, "after")

    def previous_uncertain(self) -> None:
        """Go to the uncertain frame of the current object before the shown one."""
        self._go_to_uncertain(-1, "before")

    def _go_to_uncertain(self, step: int, where: str) -> None:
        shown = self.frame
        if self.workspace is None or shown is None:
            return
        frame = self.workspace.rows.frames.next_uncertain(self.current_object, shown, step)
        if frame is None:
            self.status_changed.emit(f"Object {self.current_object} has no uncertain frame {where} frame {shown}.")
        else:
            self.go_to_frame(frame)

    def edit_objects(self, *commands: Command) -> None:
        """Rename, colour, hide, lock, remove, merge, split, divide or approve objects: one undo takes all of it back."""
        if self.workspace is not None and commands:
            self._jobs.run(self.workspace, commands, "")

    # --- jobs ------------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Something that can be stopped is running, or is about to."""
        return self._jobs.is_busy

    @property
    def is_idle(self) -> bool:
        """Nothing at all is running."""
        return self._jobs.is_idle

    def _clicks_added(self, workspace: ImageWorkspace) -> None:
        if workspace.is_model_here:
            self._jobs.add_clicks(workspace)
        else:
            self._warn(f"{self._missing_weights} The click is kept.")
        self.changed.emit()

    def _edited(self, workspace: ImageWorkspace, commands: tuple[Any, ...]) -> None:
        self._jobs.run(workspace, commands)

    def _jobs_changed(self) -> None:
        self._take_cancel_key(self._jobs.is_long_running)
        self._latest_model = self.model
        self.changed.emit()

    def _take_cancel_key(self, is_taken: bool) -> None:
        """Let the key stop the work whatever layer is selected: some layers have a use for it themselves."""
        if is_taken == bool(self._unbind_cancel):
            return
        for unbind in self._unbind_cancel:
            unbind()
        layers = map(unwrapped, self._viewer.layers) if is_taken else ()
        self._unbind_cancel = [bind_keys(layer, self, (CANCEL,)) for layer in layers]

    def _warn(self, text: str) -> None:
        self.status_changed.emit(notify_warning(text))

    # --- layers come and go ----------------------------------------------------------------------------------------

    def _layer_inserted(self, event: Any) -> None:
        if isinstance(unwrapped(event.value), Image):
            event.value.events.name.connect(self._renamed)
            if self._image is None:
                self.choose_image(event.value)
            self.changed.emit()
        elif (image := join_result(self._viewer, unwrapped(event.value))) is not None:
            self._open_with_result(image)

    def _open_with_result(self, image: Any) -> None:
        """Work on an image with a session that was opened from its file; the session that was open is closed, and kept."""
        workspace = self._workspaces.get(image.unique_id)
        if workspace is not None:
            is_kept = workspace.saved_to is not None and not workspace.not_kept
            layers = [layer for layer in (workspace.points.layer, workspace.result.layer) if layer is not None]
            self._drop(workspace)
            for layer in layers:
                layer.metadata.pop(IMAGE_KEY, None)
                if is_kept:
                    self._viewer.layers.remove(layer)
        self.choose_image(image)

    def _layer_removed(self, event: Any) -> None:
        layer = unwrapped(event.value)
        for workspace in self._workspaces.values():
            workspace.layer_removed(layer)
        if isinstance(layer, Image):
            layer.events.name.disconnect(self._renamed)
            self._image_removed(layer)
        self.changed.emit()

    def _renamed(self) -> None:
        self.changed.emit()

    def _image_removed(self, layer: Any) -> None:
        workspace = self._workspaces.get(layer.unique_id)
        if workspace is not None:
            self._drop(workspace)
        if self._image is not None and layer == self._image:
            self.choose_image(next(iter(self.images), None))
