"""What the widget does, without the widget: clicks become masks, masks are propagated through the stack, all shown as layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam2.plugin.canvas.canvas import Canvas, CanvasCalls
from napari_sam2.plugin.canvas.layer_keys import LayerKeys
from napari_sam2.plugin.canvas.tools.tool import Tool
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.jobs.session_jobs import JobCalls, Read, SessionJobs, Take
from napari_sam2.plugin.layer_prompts.labels_to_link import LabelsToLink
from napari_sam2.plugin.notices import set_dock_shown, status_warning
from napari_sam2.plugin.options.everything_options import EverythingOptions
from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.options.tracking_options import TrackingOptions, why_not_tracked
from napari_sam2.plugin.prompts.clicks import MAX_OBJECT_ID
from napari_sam2.plugin.prompts.fusion_command import FuseAxes
from napari_sam2.plugin.review.review import Review
from napari_sam2.plugin.selection.frame_navigation import FrameNavigation
from napari_sam2.plugin.selection.image_choice import ImageCalls, ImageChoice
from napari_sam2.plugin.selection.image_positions import ImagePositions
from napari_sam2.plugin.selection.model_choice import ModelCalls, ModelChoice
from napari_sam2.plugin.selection.model_input import ShownModelInput
from napari_sam2.plugin.selection.workspaces import Workspaces
from napari_sam2.plugin.sessions.autosave import KeptSessions
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.plugin.settings.keys import CHOSEN, TRACK_EVERYTHING, bind_keys
from napari_sam2.plugin.settings.settings import StoredSettings, stored_settings
from napari_sam2.plugin.tasks.runner import DirectRunner, Runner
from napari_sam2.plugin.tasks.work_queue import JobKind
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace, WorkspaceCalls

if TYPE_CHECKING:
    from napari_sam2.plugin.prompts.commands import Command
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

    Attributes
    ----------
    models : ModelChoice
        Which model is used, and where it computes.
    frames : FrameNavigation
        Goes over frames.
    canvas : Canvas
        What a person does there.
    prepares_sessions : bool
        The session of an image is opened ahead of its first click, once it is known where the model computes.
    review : Review
        Frames that are to be looked at.
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
        self._is_closed = False
        self._status_frame: int | None = None
        self.prepares_sessions = False
        self._prepared: ImageWorkspace | None = None
        self.status_changed.connect(self._status_replaced)
        self.everything_options = EverythingOptions()
        self.propagation = PropagationOptions()
        self.tracking_options = TrackingOptions()
        self._jobs = SessionJobs(runner, self._job_calls())
        self._opener = opener or SessionOpener(KeptSessions())
        self._workspaces = Workspaces(viewer, self._opener, self._jobs, self._workspace_calls())
        positions = ImagePositions(viewer, self._workspaces, self._jobs)
        self._images = ImageChoice(viewer, self._workspaces, positions, self._image_calls())
        model_calls = ModelCalls(self.changed.emit, self.status_changed.emit, self._warn)
        self.models = ModelChoice(self.settings, self._opener, self._jobs, self._workspaces, self._images, model_calls)
        CHOSEN.changed.connect(self._keys_changed)
        self._unbind_keys = bind_keys(viewer, self)
        self.frames = FrameNavigation(viewer, self._images, self.show_frame_status)
        self.review = Review(self, viewer)
        viewer.dims.events.point.connect(self._point_moved)
        self.canvas = Canvas(viewer, self._canvas_calls())
        self._layer_keys = LayerKeys(viewer, self, self.canvas.show_cursor)
        self._model_input = ShownModelInput(viewer, self._images, self.frames, self._jobs, self.changed.emit)
        self._images.choose_first()

    def _image_calls(self) -> ImageCalls:
        return ImageCalls(
            lambda: self.models.latest,
            lambda: self.status_changed.emit(""),
            self._image_chosen,
            lambda: self._model_input.follow_image(),
            self.changed.emit,
        )

    def _canvas_calls(self) -> CanvasCalls:
        return CanvasCalls(
            lambda: self.workspace, lambda: self._images.reason, self.changed.emit, self.status_changed.emit, self._warn
        )

    def _job_calls(self) -> JobCalls:
        return JobCalls(
            self._jobs_changed,
            self.progressed.emit,
            self.status_changed.emit,
            self.show_frame_status,
            lambda name: self.models.downloaded(name),
            lambda item: self.models.machine_reported(item),
        )

    def _workspace_calls(self) -> WorkspaceCalls:
        jobs = self._jobs
        return WorkspaceCalls(
            self._clicks_added,
            jobs.run,
            jobs.announce,
            lambda workspace: self._images.outgrown(workspace),
            jobs.undo,
            jobs.redo,
            self.cancel,
            self._warn,
            self._post,
        )

    def close(self) -> None:
        """Disconnect from the viewer. All layers stay, and sessions are kept."""
        if self._is_closed:
            return
        self._is_closed = True
        self.models.close()
        CHOSEN.changed.disconnect(self._keys_changed)
        set_dock_shown(self, False)
        self._jobs.close([workspace.worker for workspace in self._workspaces], self._opener.release)
        self.review.close()
        self._unbind_keys()
        self._images.close()
        self._viewer.dims.events.point.disconnect(self._point_moved)
        self.canvas.close()
        self._model_input.close()
        self._workspaces.close()
        self._layer_keys.close()

    # --- image and model -------------------------------------------------------------------------------------------

    @property
    def images(self) -> list[Any]:
        """Image layers, the topmost first."""
        return self._images.all

    @property
    def image(self) -> Any:
        """The image layer that is worked on, or None."""
        return self._images.image

    @property
    def workspace(self) -> ImageWorkspace | None:
        """The work on that image, or None where it cannot be worked on."""
        return self._images.workspace

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

    def choose_image(self, image: Any) -> None:
        """Work on an image layer; on another one nothing is lost."""
        self._images.choose(image)

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
        self._images.choose_reading(reading)

    def _image_chosen(self) -> None:
        self.canvas.image_changed()
        self._model_input.follow_image()

    @property
    def shows_model_input(self) -> bool:
        """What the model sees of the shown frame lies on the image, as a layer that nothing is saved of."""
        return self._model_input.is_shown

    @shows_model_input.setter
    def shows_model_input(self, is_shown: bool) -> None:
        self._model_input.is_shown = is_shown

    def continue_session(self) -> None:
        """Continue the earlier session that is offered for the image, with the model that it was saved with."""
        workspace = self.workspace
        if workspace is None or workspace.kept.offer is None:
            return
        if workspace.has_offer_of_other_frames:
            offer = workspace.kept.offer
            workspace.kept.begin_anew()
            self.choose_reading(replace(workspace.source.reading, along=offer.along))
            if (turned := self.workspace) is not None:
                self._jobs.find(turned, offer.path)  # and continue it
        else:
            self._jobs.continue_session(workspace)

    def begin_anew(self) -> None:
        """Begin a new session on the image with the next click; the earlier one stays in its file."""
        if self.workspace is not None and self.workspace.kept.offer is not None:
            self._jobs.begin_anew(self.workspace)

    @property
    def model(self) -> str:
        """The model that is chosen for the image."""
        return self.models.name

    def choose_model(self, name: str) -> None:
        """Go on with another model; see :meth:`~napari_sam2.plugin.selection.model_choice.ModelChoice.choose`."""
        self.models.choose(name)

    def write_settings(self, values: Mapping[str, Any], keys: Mapping[str, str] | None = None) -> str:
        """Change settings; return why they cannot be, else nothing."""
        try:
            self.settings.write(values, keys)
        except (ValueError, OSError) as error:
            self._warn(str(error))
            return str(error)
        return ""

    def _keys_changed(self) -> None:
        self.keys_changed.emit()

    def describe(self) -> str:
        """Describe what is there and what will happen."""
        if self.image is None:
            return "Open an image, or drop a file on the viewer."
        if self.workspace is None:
            return self._images.reason
        if not self.models.is_here:
            return self.models.missing_weights
        stack = self.workspace.stack
        if stack.frame_axis is None:
            return "Click on objects."
        return f"Click on objects, then propagate along {stack.frame_name}; or track everything ({TRACK_EVERYTHING.shown})."

    # --- what a person does ----------------------------------------------------------------------------------------

    @property
    def current_object(self) -> int:
        """The object in hand, or the one that the next click where nothing is begins: its label value."""
        return self.workspace.hand.current if self.workspace is not None else 1

    @property
    def object_in_hand(self) -> int | None:
        """The object that clicks are about, if one is in hand; see :mod:`~napari_sam2.plugin.prompts.click_rule`."""
        return None if self.workspace is None else self.workspace.hand.object_id

    @property
    def keeps_object(self) -> bool:
        """Clicks do not change which object is in hand: for one object and many clicks."""
        return self._workspaces.keeps_object

    @keeps_object.setter
    def keeps_object(self, is_kept: bool) -> None:
        self._workspaces.keeps_object = is_kept

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
        return self.workspace.hand.is_inside if self.workspace is not None else True

    def choose_object(self, object_id: int) -> None:
        """Take an object in hand, or one that the next click begins."""
        if self.workspace is not None and 1 <= object_id <= MAX_OBJECT_ID:
            self.workspace.hand.take(object_id)
            self.changed.emit()

    def put_down(self) -> None:
        """Let no object be in hand: a click where nothing is begins a new one."""
        if self.workspace is not None and (self.workspace.hand.object_id is not None or not self.is_inside):
            self.workspace.hand.take(None)
            self.status_changed.emit(f"No object is in hand: a click where nothing is begins object {self.current_object}.")
            self.changed.emit()

    def next_object(self) -> None:
        """Begin a new object with the next click, wherever that is."""
        if self.workspace is None:
            return
        taken = self.workspace.objects.ids
        if self.object_in_hand is not None and self.current_object not in taken:
            self.status_changed.emit(f"Object {self.current_object} has no click yet: click on it.")
            return
        self.choose_object(self.workspace.objects.next_id)
        self.status_changed.emit(f"Object {self.current_object}: click on it.")

    def choose_side(self, is_inside: bool) -> None:
        """Let plain clicks be inside the object, or outside it."""
        if self.workspace is not None and self.workspace.hand.is_inside != is_inside:
            self.workspace.hand.choose_side(is_inside)
            self.changed.emit()

    def switch_side(self) -> None:
        """Switch between inside and outside; with the brush it is the eraser, and the other way round."""
        if not self.canvas.switch_side():
            self.choose_side(not self.is_inside)

    def click(self, world: Any, is_inside: bool | None = None) -> None:
        """Click on the image; what that does is in :mod:`~napari_sam2.plugin.prompts.click_rule`.

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
            self._warn(self._images.reason or "There is no frame to find objects on: show one of an image first.")
        elif not workspace.is_model_here:
            self._warn(self.models.missing_weights)
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
        options = options or self.propagation
        if reason := self._why_not_propagated(options):
            self._warn(reason)
        elif self.workspace is not None:
            self._jobs.propagate(self.workspace, options)

    def fuse_axes(self) -> None:
        """Propagate objects of a volume along Z, Y and X, and fuse the axes: one undo takes all of it back."""
        reason = self._why_not_propagated(self.propagation)
        if not reason and self.workspace is not None and not self.workspace.stack.is_volume:
            reason = "Axes of a volume are fused: its frames follow each other along Z, Y or X."
        if reason:
            self._warn(reason)
        elif self.workspace is not None:
            self._jobs.run(self.workspace, (FuseAxes(self.propagation.objects),), "Propagating along Z, Y and X …")

    def _why_not_propagated(self, options: PropagationOptions) -> str:
        workspace = self.workspace
        if workspace is None:
            return self._images.reason or "There is nothing to propagate: open an image first."
        if workspace.stack.frame_axis is None:
            return "There is nothing to propagate along: this is a single image."
        if not self.models.is_here:
            return self.models.missing_weights
        if not workspace.objects.ids and not self._jobs.is_segmenting:  # a layer that is still being read may begin some
            return "There is nothing to propagate: click on an object first."
        return "No object is selected in the table: select some, or propagate all objects." if options.objects == () else ""

    @property
    def why_not_tracked(self) -> str:
        """Why everything cannot be tracked in the image; empty where it can be."""
        if self.workspace is None:
            return self._images.reason or "There is nothing to track: open an image first."
        return why_not_tracked(self.workspace.stack)

    def track_everything(self, options: TrackingOptions | None = None) -> None:
        """Find everything in the stack and follow it, or go on with that.

        Parameters
        ----------
        options : TrackingOptions, optional
            How; by default :attr:`tracking_options`.
        """
        if self.workspace is None or self.why_not_tracked:
            self._warn(self.why_not_tracked)
        elif not self.models.is_here:
            self._warn(self.models.missing_weights)
        elif options is None and self.workspace.is_linking_stopped and self.workspace.tracking_left.is_begun:
            self._jobs.link_labels(self.workspace)
        else:
            self._jobs.track_everything(self.workspace, options or self.tracking_options)

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
        return self.frames.frame

    def go_to_frame(self, frame: int) -> None:
        """Let the viewer show a frame of the image."""
        self.frames.go_to(frame)

    def _point_moved(self) -> None:
        self._images.follow_sliders()
        if self.workspace is not None:
            self.workspace.worker.shown_frame = self.frame
        self._model_input.follow_frame()
        if self._status_frame is not None and self.frame != self._status_frame:
            self.status_changed.emit("")
        self.frame_moved.emit()

    def show_frame_status(self, text: str) -> None:
        """Show a text about the shown frame, which goes as soon as another one is shown."""
        self.status_changed.emit(text)
        self._status_frame = self.frame

    def _status_replaced(self) -> None:
        self._status_frame = None

    def show_object(self, object_id: int) -> None:
        """Take an object in hand, and show it: if it is not on the shown frame, where it was prompted or found first."""
        self.choose_object(object_id)
        self.frames.show_object(object_id)

    def centre_on(self, object_id: int, frame: int) -> None:
        """Move the view to where an object is on a frame, if that is not in it; where it is absent, the view stays."""
        self.frames.centre_on(object_id, frame)

    def next_uncertain(self) -> None:
        """Go to the next uncertain frame of the current object."""
        self.frames.go_to_uncertain(1)

    def previous_uncertain(self) -> None:
        """Go to the uncertain frame of the current object before the shown one."""
        self.frames.go_to_uncertain(-1)

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

    def use_prompts(self, command: Command | LabelsToLink) -> None:
        """Prompt new objects from a layer that somebody has; see :mod:`napari_sam2.plugin.layer_prompts`."""
        if self.workspace is None:
            self._warn(self._images.reason or "There is no image to prompt: open one first.")
        elif not self.models.is_here:
            self._warn(self.models.missing_weights)
        elif isinstance(command, LabelsToLink):
            self._jobs.link_labels(self.workspace, command)
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
    def is_tracking(self) -> bool:
        """Everything is being tracked, or is about to."""
        return self._jobs.is_tracking

    @property
    def is_idle(self) -> bool:
        """Nothing at all is running."""
        return self._jobs.is_idle

    def _clicks_added(self, workspace: ImageWorkspace) -> None:
        if workspace.is_model_here:
            self._jobs.add_clicks(workspace)
        else:
            self._warn(f"{self.models.missing_weights} The click is kept.")
        self.changed.emit()

    def _jobs_changed(self) -> None:
        self._layer_keys.show_running(self._jobs.is_long_running)
        if self.is_idle:
            self.canvas.answered()
        self.models.follow()
        self._prepare()
        self.changed.emit()

    def _prepare(self) -> None:
        """Do ahead, once for the image that is worked on, what its first click would wait for."""
        workspace = self.workspace
        is_known = self.models.machine is not None and not self.models.machine.place.is_elsewhere
        if not (self.prepares_sessions and is_known and self.is_idle) or workspace is None or workspace is self._prepared:
            return
        if not workspace.stack.at:  # a slider that is moved goes through many positions
            self._prepared = workspace
            self._jobs.prepare(workspace)

    def _warn(self, text: str) -> None:
        self.status_changed.emit(status_warning(text))
