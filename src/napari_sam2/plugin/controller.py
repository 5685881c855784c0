"""What the widget does, without the widget: clicks become masks, masks are propagated through the stack, all shown as layers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from psygnal import Signal

from napari_sam2.plugin.autosave import KeptSessions
from napari_sam2.plugin.canvas import Canvas, CanvasCalls
from napari_sam2.plugin.carried_prompts import carried_to
from napari_sam2.plugin.clicks import MAX_OBJECT_ID
from napari_sam2.plugin.everything_options import EverythingOptions
from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.image_workspace import ImageWorkspace, WorkspaceCalls
from napari_sam2.plugin.keys import CHOSEN, bind_keys
from napari_sam2.plugin.layer_file import LayerFile, read_layer_file
from napari_sam2.plugin.layer_keys import LayerKeys
from napari_sam2.plugin.layers import displayed_frame, displayed_position, show_frame, unwrapped
from napari_sam2.plugin.machine import MachineSurveyed, SelfTested, run_self_test, survey
from napari_sam2.plugin.model_input_view import ModelInputView, is_model_input
from napari_sam2.plugin.models import BEST, MODEL_NAMES, checked_file, is_on_this_machine, model_to_begin_with, size_mb
from napari_sam2.plugin.notices import set_dock_shown, status_warning
from napari_sam2.plugin.points_layer import IMAGE_KEY
from napari_sam2.plugin.propagation_options import PropagationOptions
from napari_sam2.plugin.reading import Reading, choose_reading, reading_of
from napari_sam2.plugin.review import Review
from napari_sam2.plugin.runner import DirectRunner, Runner
from napari_sam2.plugin.session_jobs import JobCalls, Read, SessionJobs, Take
from napari_sam2.plugin.session_layers import POSITION_KEY, join_result
from napari_sam2.plugin.session_opener import SessionOpener
from napari_sam2.plugin.settings import StoredSettings, stored_settings
from napari_sam2.plugin.tools.tool import Tool
from napari_sam2.plugin.view_centre import centre_on
from napari_sam2.plugin.work_queue import JobKind
from napari_sam2.plugin.workspaces import Workspaces

if TYPE_CHECKING:
    from napari_sam2.plugin.commands import Command
    from napari_sam2.plugin.reports import ModelInput
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
    settings : StoredSettings, optional
        Those of the program by default.
    """

    changed = Signal()
    progressed = Signal(int, int)
    status_changed = Signal(str)
    frame_moved = Signal()
    keys_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        runner: Runner | None = None,
        opener: SessionOpener | None = None,
        settings: StoredSettings | None = None,
    ) -> None:
        self._viewer = viewer
        self.settings = settings or stored_settings()
        self._post = (runner := runner or DirectRunner()).post
        self._jobs = SessionJobs(
            runner,
            JobCalls(
                self._jobs_changed, self.progressed.emit, self.status_changed.emit, self._model_downloaded, self._machine_reported
            ),
        )
        self._opener = opener or SessionOpener(KeptSessions())
        self._opener.use(self.settings.settings)
        self.settings.changed.connect(self._settings_changed)
        CHOSEN.changed.connect(self._keys_changed)
        self._workspaces = Workspaces()
        self._image: Any = None
        self._reason = ""
        self._unbind_keys = bind_keys(viewer, self)
        self.review = Review(self, viewer)
        self._is_closed = False
        self.machine: MachineSurveyed | None = None
        self.self_test: SelfTested | None = None
        self._is_model_chosen = False
        self._latest_model = model_to_begin_with(self.settings.settings.default_model)
        self.everything_options = EverythingOptions()
        self.propagation = PropagationOptions()
        viewer.layers.events.inserted.connect(self._layer_inserted)
        viewer.layers.events.removed.connect(self._layer_removed)
        viewer.dims.events.point.connect(self._point_moved)
        self._keeps_object = False
        self.canvas = Canvas(
            viewer,
            CanvasCalls(lambda: self.workspace, lambda: self._reason, self.changed.emit, self.status_changed.emit, self._warn),
        )
        self._layer_keys = LayerKeys(viewer, self, self.canvas.show_cursor)
        self._model_input = ModelInputView(viewer)
        self._shows_input = False
        self._wanted_input: tuple[ImageWorkspace, int] | None = None
        for image in self.images:
            image.events.name.connect(self._renamed)
        joined = [join_result(viewer, layer) for layer in map(unwrapped, viewer.layers)]
        self.choose_image(next((image for image in joined if image is not None), None) or self._guess_image())

    def close(self) -> None:
        """Disconnect from the viewer. All layers stay, and sessions are kept."""
        if self._is_closed:
            return
        self._is_closed = True
        self.settings.changed.disconnect(self._settings_changed)
        CHOSEN.changed.disconnect(self._keys_changed)
        set_dock_shown(self, False)
        self._jobs.close([workspace.worker for workspace in self._workspaces], self._opener.release)
        self.review.close()
        self._unbind_keys()
        self._viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._viewer.dims.events.point.disconnect(self._point_moved)
        self.canvas.close()
        self._model_input.remove()
        for image in self.images:
            image.events.name.disconnect(self._renamed)
        for workspace in self._workspaces:
            workspace.close()
        self._workspaces = Workspaces()
        self._layer_keys.close()

    # --- image and model -------------------------------------------------------------------------------------------

    @property
    def images(self) -> list[Any]:
        """Image layers, the topmost first."""
        layers = map(unwrapped, reversed(self._viewer.layers))
        return [layer for layer in layers if isinstance(layer, Image) and not is_model_input(layer)]

    @property
    def image(self) -> Any:
        """The image layer that is worked on, or None."""
        return self._image

    @property
    def workspace(self) -> ImageWorkspace | None:
        """The work on that image, or None where it cannot be worked on."""
        return self._workspaces.shown(self._image)

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
        self._follow_sliders()
        self.canvas.image_changed()
        self.shows_model_input = self._shows_input

    def _open_workspace(self) -> None:
        file = read_layer_file(self._image)
        try:
            self._open_as_chosen(file)
        except ValueError:
            if reading_of(self._image) == Reading():
                raise
            choose_reading(self._image, Reading())  # what was chosen does not fit any more
            self._open_as_chosen(file)

    def _open_as_chosen(self, file: LayerFile) -> None:
        stack = ImageStack.of(self._image, reading_of(self._image), file.letters)
        if (wanted := self._image.metadata.pop(POSITION_KEY, None)) is not None:
            show_frame(self._viewer, self._image, stack.moved_to(wanted), None)
        self._begin(stack.moved_to(displayed_position(self._viewer, self._image, stack) or stack.at), file)

    def _begin(self, stack: ImageStack, file: LayerFile, before: ImageWorkspace | None = None) -> ImageWorkspace:
        """Begin to work on the image at a position, beside the work at another one."""
        jobs = self._jobs
        calls = WorkspaceCalls(
            self._clicks_added,
            self._edited,
            jobs.announce,
            self._outgrown,
            jobs.undo,
            jobs.redo,
            self.cancel,
            self._warn,
            self._post,
        )
        model = self._latest_model if before is None else before.model
        workspace = ImageWorkspace(self._viewer, self._image, self._opener, model, calls, stack, before, file)
        workspace.is_kept = self._keeps_object
        self._workspaces.add(workspace)
        if self._opener.kept is not None or workspace.saved_to is not None:
            jobs.find(workspace, workspace.saved_to)
        if workspace.is_model_here and before is None:
            self._jobs.use_model(workspace)  # loaded while the person looks for the first object
        return workspace

    def _follow_sliders(self) -> None:
        """Work on the image where the sliders cut it along axes that are neither frames nor channels."""
        before = self.workspace
        at = None if before is None else displayed_position(self._viewer, self._image, before.stack)
        if before is None or at is None or at == before.stack.at:
            return
        self._show_stack(before.stack.moved_to(at), before)
        self.changed.emit()

    def _show_stack(self, stack: ImageStack, before: ImageWorkspace) -> ImageWorkspace:
        """Work on the frames of a stack, and leave what was done on others as it is."""
        there = self._workspaces.at(self._image, stack)
        if there is None:
            there = self._begin(stack, before.file, before)
        else:
            self._workspaces.show(there)
        if before.is_untouched and before is not there:
            self._drop(before)
        elif before is not there:
            self._jobs.rest(before)
        return there

    @property
    def shows_model_input(self) -> bool:
        """What the model sees of the shown frame lies on the image, as a layer that nothing is saved of."""
        return self._shows_input

    @shows_model_input.setter
    def shows_model_input(self, is_shown: bool) -> None:
        self._shows_input, self._wanted_input = is_shown, None
        self._model_input.remove()
        self._ask_for_input()
        self.changed.emit()

    def _ask_for_input(self) -> None:
        """Find what the model sees of the shown frame, unless that is on its way."""
        workspace, frame = self.workspace, self.frame
        if not self._shows_input or workspace is None or frame is None or not workspace.is_model_here:
            return
        if self._wanted_input == (workspace, frame):
            return
        wanted = self._wanted_input = workspace, frame
        workspace.input_seen = self._input_seen
        self._jobs.show_input(workspace, frame, lambda: self._wanted_input == wanted)

    def _input_seen(self, item: ModelInput) -> None:
        workspace = self.workspace
        if workspace is not None and self._wanted_input == (workspace, item.frame):
            self._model_input.show(workspace.image, workspace.stack, item.frame, item.picture)

    def choose_reading(self, reading: Reading) -> None:
        """Read the image in another way. Prompts are carried over, and what was done until now is kept.

        Parameters
        ----------
        reading : Reading
            Axes, the axis of frames, channels, resolution, intensities.

        Raises
        ------
        ValueError
            If it does not fit the image.
        """
        if self._image is None:
            raise ValueError("There is no image to read: open one first.")
        before, file = self.workspace, read_layer_file(self._image)
        stack = ImageStack.of(self._image, reading, file.letters)
        if before is not None and before.stack.has_same_frames(stack):
            for workspace in self._workspaces.beside(self._image, stack):
                workspace.read_as(reading, stack)
        choose_reading(self._image, reading)
        if before is None:
            self.choose_image(self._image)
        elif before.stack.has_same_frames(stack):
            for workspace in self._workspaces.beside(self._image, stack):
                self._jobs.reopen(workspace)
        else:
            self._change_frames(stack.moved_to(displayed_position(self._viewer, self._image, stack) or stack.at), before)
        self.shows_model_input = self._shows_input  # of what is read now

    def _change_frames(self, stack: ImageStack, before: ImageWorkspace) -> None:
        """Cut the image into other frames, and carry prompts over, unless there was work on these frames before."""
        is_new = not self._workspaces.beside(self._image, stack)
        sources = [one.given_prompts for one in self._workspaces.beside(self._image, before.stack)]
        carried = carried_to(stack, sources) if is_new else {}
        shown = self._show_stack(stack, before)
        for at, prompts in carried.items():
            there = shown if at == stack.at else self._begin(stack.moved_to(at), shown.file, shown)
            there.add_carried(prompts)
            self._workspaces.show(shown)

    def _outgrown(self, workspace: ImageWorkspace) -> None:
        """Begin anew on an image that was given data of another shape."""
        self._drop_all(workspace.image)
        if workspace.image == self._image:
            self.choose_image(self._image)

    def _drop_all(self, image: Any) -> None:
        for workspace in self._workspaces.of(image):
            self._drop(workspace)

    def _drop(self, workspace: ImageWorkspace) -> None:
        self._workspaces.remove(workspace)
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
            If there is no such model or file, or it is no checkpoint.
        """
        if name not in MODEL_NAMES:
            if not Path(name).is_file():
                raise ValueError(f"there is no model {name!r}, nor is there such a file; there are {', '.join(MODEL_NAMES)}")
            name = checked_file(name)
        self._is_model_chosen = True
        self._go_on_with(name)

    def _go_on_with(self, name: str) -> None:
        if name == self.model:
            return
        self._latest_model = name
        if self.workspace is not None:
            self.workspace.model, self.workspace.requested_model = name, None
            if self.workspace.is_model_here:
                self._jobs.use_model(self.workspace)
            else:
                self.status_changed.emit("")  # what is missing is said instead
        self.changed.emit()

    def choose_model_file(self, path: str) -> None:
        """Go on with the model in a file; one that is none is told."""
        try:
            self.choose_model(path)
        except ValueError as error:
            self._warn(str(error))

    def write_settings(self, values: Mapping[str, Any], keys: Mapping[str, str] | None = None) -> str:
        """Change settings; return why they cannot be, else nothing."""
        try:
            self.settings.write(values, keys)
        except (ValueError, OSError) as error:
            self._warn(str(error))
            return str(error)
        return ""

    def survey_machine(self) -> None:
        """Find out which devices are here, and begin with the best model, unless another one is chosen."""
        self._jobs.run_on_machine(partial(survey, self.settings.settings.device))

    def run_self_test(self) -> None:
        """Let the embedded model segment an object whose area is known, on the device that is chosen."""
        settings = self.settings.settings
        self._jobs.run_on_machine(partial(run_self_test, settings.device, settings.precision), "Testing the device …")

    def _machine_reported(self, item: MachineSurveyed | SelfTested) -> None:
        if isinstance(item, SelfTested):
            self.self_test = item
            return
        self.machine = item
        is_open = self.workspace is not None and self.workspace.worker.session is not None
        if self.settings.settings.default_model == BEST and not self._is_model_chosen and not is_open:
            self._go_on_with(item.best_model)

    def _settings_changed(self) -> None:
        """Go on by other settings; sessions are opened again on another device."""
        before, settings = self._opener.settings, self.settings.settings
        self._opener.use(settings)
        if fault := next(iter(self.settings.faults.values()), ""):
            self.status_changed.emit(f"{fault}.")
        if settings.device != before.device:
            self.self_test = None
            self._open_again()
            self.survey_machine()
        self.changed.emit()

    def _keys_changed(self) -> None:
        self.keys_changed.emit()

    def _open_again(self) -> None:
        """Open all sessions again, with everything in them, by the settings that are so by now."""
        not_saved = [one for one in self._workspaces if one.worker.session and (one.saved_to is None or one.not_kept)]
        for workspace in [one for one in self._workspaces if one not in not_saved]:
            self._drop(workspace)
        self.choose_image(self._image)
        if not_saved:
            self._warn("The session is not saved, so it stays on the device that it has: other sessions are opened on the new one")

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return is_on_this_machine(self.model)

    def download_model(self) -> None:
        """Fetch the weights of the model."""
        self._jobs.download(self.model)

    @property
    def is_downloading(self) -> bool:
        """Weights are being fetched, or are about to."""
        return self._jobs.is_downloading

    def _model_downloaded(self, name: str) -> None:
        for workspace in self._workspaces:
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
            return "Click on objects."
        return f"Click on objects, then propagate along {stack.frame_name}."

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
        for workspace in self._workspaces:
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
        """Switch between inside and outside; with the brush it is the eraser, and the other way round."""
        if not self.canvas.switch_side():
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
        self.canvas.click(world, self.is_inside if is_inside is None else is_inside)

    def draw_box(self, first: Any, last: Any) -> None:
        """Prompt the object in hand, or a new one, by a box.

        Parameters
        ----------
        first, last : array-like
            (D,), positions of opposite corners in the viewer.
        """
        self.canvas.draw_box(first, last)

    # --- tools on the canvas ---------------------------------------------------------------------------------------

    def use_click(self) -> None:
        """Let the mouse click."""
        self.canvas.choose_tool(Tool.CLICK)

    def use_box(self) -> None:
        """Let the mouse draw boxes."""
        self.canvas.choose_tool(Tool.BOX)

    def use_lasso(self) -> None:
        """Let the mouse draw outlines."""
        self.canvas.choose_tool(Tool.LASSO)

    def use_scribble(self) -> None:
        """Let the mouse draw lines, along which points are placed."""
        self.canvas.choose_tool(Tool.SCRIBBLE)

    def use_brush(self) -> None:
        """Let the mouse paint what belongs to an object."""
        self.canvas.choose_tool(Tool.BRUSH)

    def use_eraser(self) -> None:
        """Let the mouse paint what does not belong to an object."""
        self.canvas.choose_tool(Tool.ERASER)

    def enlarge_brush(self) -> None:
        """Make brush and eraser larger."""
        self.canvas.resize_brush(1)

    def shrink_brush(self) -> None:
        """Make brush and eraser smaller."""
        self.canvas.resize_brush(-1)

    def find_everything(self, options: EverythingOptions | None = None) -> None:
        """Add an object for everything on the shown frame that belongs to none yet: one undo takes all of them back.

        Parameters
        ----------
        options : EverythingOptions, optional
            How; by default :attr:`everything_options`.
        """
        workspace, frame = self.workspace, self.frame
        if workspace is None or frame is None:
            self._warn(self._reason or "There is no frame to find objects on: show one of an image first.")
        elif not workspace.is_model_here:
            self._warn(self._missing_weights)
        else:
            self._jobs.find_everything(workspace, frame, options or self.everything_options)

    def keep_tool(self) -> None:
        """Say why a key does nothing."""
        self.status_changed.emit("A tool of the selected layer is in use: select the image to click on it.")

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

    def propagate(self, options: PropagationOptions | None = None) -> None:
        """Propagate objects through the stack, as it was chosen by default."""
        workspace = self.workspace
        if workspace is None:
            self._warn(self._reason or "There is nothing to propagate: open an image first.")
        elif workspace.stack.frame_axis is None:
            self._warn("There is nothing to propagate along: this is a single image.")
        elif not self.is_model_here:
            self._warn(self._missing_weights)
        elif not workspace.object_ids:
            self._warn("There is nothing to propagate: click on an object first.")
        elif (options := options or self.propagation).objects == ():
            self._warn("No object is selected in the table: select some, or propagate all objects.")
        else:
            self._jobs.propagate(workspace, options)

    def cancel(self) -> None:
        """Give up what is being drawn; or stop what runs, and keep what is done; or go back to clicks; or put the object down."""
        if self.canvas.cancel_drawing():
            return
        if self._jobs.is_busy:
            self._jobs.cancel()
        elif not self.canvas.put_tool_away():
            self.put_down()

    @property
    def is_listening(self) -> bool:
        """Clicks on the canvas count."""
        return self.canvas.is_listening

    @is_listening.setter
    def is_listening(self, is_on: bool) -> None:
        self.canvas.is_listening = is_on

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
        self._follow_sliders()
        self._ask_for_input()
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

    def read_session(self, reading: Read, take: Take, kind: JobKind, text: str = "") -> None:
        """Let something read the session that is open, such as an export; see :class:`SessionJobs`."""
        if self.workspace is not None:
            self._jobs.read(self.workspace, reading, take, kind, text)

    @property
    def kept_sessions(self) -> KeptSessions | None:
        """The folder of kept sessions; None where none is kept."""
        return self._opener.kept

    def save_session(self, path: Path) -> None:
        """Save the session to a file that somebody chose; from now on each action is saved there."""
        if self.workspace is not None:
            self._jobs.save(self.workspace, path)

    def use_prompts(self, command: Command) -> None:
        """Prompt new objects from a layer that somebody has; see :mod:`napari_sam2.plugin.layer_prompts`."""
        if self.workspace is None:
            self._warn(self._reason or "There is no image to prompt: open one first.")
        elif not self.is_model_here:
            self._warn(self._missing_weights)
        else:
            self._jobs.run(self.workspace, (command,), "Segmenting …")

    def show_problem(self, text: str) -> None:
        """Show why something cannot be done."""
        self._warn(text)

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
        self._layer_keys.show_running(self._jobs.is_long_running)
        if self.is_idle:
            self.canvas.answered()
        self._latest_model = self.model
        self.changed.emit()

    def _warn(self, text: str) -> None:
        self.status_changed.emit(status_warning(text))

    # --- layers come and go ----------------------------------------------------------------------------------------

    def _layer_inserted(self, event: Any) -> None:
        if is_model_input(unwrapped(event.value)):
            return
        if isinstance(unwrapped(event.value), Image):
            event.value.events.name.connect(self._renamed)
            if self._image is None:
                self.choose_image(event.value)
            self.changed.emit()
        elif (image := join_result(self._viewer, unwrapped(event.value))) is not None:
            self._open_with_result(image)

    def _open_with_result(self, image: Any) -> None:
        """Work on an image with a session that was opened from its file; the session that was open is closed, and kept."""
        workspace = self._workspaces.shown(image)
        if workspace is not None:
            is_kept = workspace.saved_to is not None and not workspace.not_kept
            layers = [layer for layer in (workspace.points.layer, workspace.result.layer) if layer is not None]
            self._drop_all(image)
            for layer in layers:
                layer.metadata.pop(IMAGE_KEY, None)
                if is_kept:
                    self._viewer.layers.remove(layer)
        self.choose_image(image)

    def _layer_removed(self, event: Any) -> None:
        layer = unwrapped(event.value)
        if is_model_input(layer):
            self._model_input_removed()
            return
        for workspace in self._workspaces:
            workspace.layer_removed(layer)
        if isinstance(layer, Image):
            layer.events.name.disconnect(self._renamed)
            self._image_removed(layer)
        self.changed.emit()

    def _model_input_removed(self) -> None:
        if self._model_input.layer is not None:  # a person removed it
            self.shows_model_input = False

    def _renamed(self) -> None:
        self.changed.emit()

    def _image_removed(self, layer: Any) -> None:
        self._drop_all(layer)
        if self._image is not None and layer == self._image:
            self.choose_image(next(iter(self.images), None))
