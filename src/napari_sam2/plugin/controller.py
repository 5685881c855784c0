"""What the widget does, without the widget: clicks become masks, masks are carried through the stack, all shown as layers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_sam2.plugin.image_workspace import ImageWorkspace
from napari_sam2.plugin.keys import CANCEL, bind_keys
from napari_sam2.plugin.layers import check_display, data_position, displayed_frame, unwrapped
from napari_sam2.plugin.models import EMBEDDED_NAME, MODEL_NAMES, Downloaded, download_model, is_on_this_machine, size_mb
from napari_sam2.plugin.mouse import ClickListener
from napari_sam2.plugin.notices import tell, warn
from napari_sam2.plugin.runner import DirectRunner, Report, Runner, Task
from napari_sam2.plugin.work_queue import Job, JobKind, WorkQueue
from napari_sam2.plugin.worker_session import FrameDone, OpenSession, PromptRejected, SessionOpener

if TYPE_CHECKING:
    from napari_sam2.session.propagation.plan import Direction
    from napari_sam2.session.session import Session


class Controller:
    """What the widget does.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Whose images are worked on.
    runner : Runner, optional
        Where computing takes place; here and now by default.
    open_session : callable, optional
        How a session is opened.
    """

    changed = Signal()
    progressed = Signal(int, int)
    said = Signal(str)

    def __init__(self, viewer: Any, runner: Runner | None = None, open_session: OpenSession | None = None) -> None:
        self._viewer = viewer
        self._queue = WorkQueue(runner or DirectRunner(), self._job_started, self._item, self._job_ended)
        self._open_session: OpenSession = open_session or SessionOpener()
        self._workspaces: dict[Any, ImageWorkspace] = {}
        self._image: Any = None
        self._reason = ""
        self._started_s = 0.0
        self._num_done = 0
        self._unbind_keys = bind_keys(viewer, self)
        self._unbind_cancel: list[Callable[[], None]] = []
        self._is_closed = False
        self.model = EMBEDDED_NAME
        self.direction: Direction = "both"
        viewer.layers.events.inserted.connect(self._layer_inserted)
        viewer.layers.events.removed.connect(self._layer_removed)
        self._listener = ClickListener(viewer, self._canvas_clicked)
        for image in self.images:
            image.events.name.connect(self._renamed)
        self.choose_image(self._guess_image())

    def close(self) -> None:
        """Let go of the viewer. All layers stay."""
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.close()
        self._take_cancel_key(False)
        self._unbind_keys()
        self._viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._listener.close()
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
        """The session of that image, for all that the widget has no button for.

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
        if self._image is not None and self.workspace is None:
            try:
                workspace = ImageWorkspace(
                    self._viewer, self._image, self._open_session, self._prompts_changed, self._outgrown, self._warn
                )
            except ValueError as error:
                self._reason = str(error)
            else:
                self._workspaces[self._image.unique_id] = workspace
                self._find_again(workspace)
        self.changed.emit()

    def _outgrown(self, workspace: ImageWorkspace) -> None:
        """Begin anew on an image that was given data of another shape."""
        self._drop(workspace)
        if workspace.image == self._image:
            self.choose_image(self._image)

    def _drop(self, workspace: ImageWorkspace) -> None:
        del self._workspaces[workspace.image.unique_id]
        self._queue.forget(workspace)
        workspace.close()

    def choose_model(self, name: str) -> None:
        """Find everything with another model. What was carried through the stack is shown until it is propagated again.

        Parameters
        ----------
        name : str
            One of ``MODEL_NAMES``, or the path of a checkpoint file, such as one that was fine-tuned.
        """
        if name not in MODEL_NAMES and not Path(name).is_file():
            raise ValueError(f"there is no model {name!r}, nor is there such a file; there are {', '.join(MODEL_NAMES)}")
        if name == self.model:
            return
        self.model = name
        self._queue.stop()
        for workspace in self._workspaces.values():
            self._find_again(workspace)
        self.changed.emit()

    def _find_again(self, workspace: ImageWorkspace) -> None:
        """Tell the model that is chosen everything that was said, if it is there; load it if nothing was."""
        if not self.is_model_here:
            return
        self._queue.put(Job(JobKind.WARM_UP, lambda: partial(self._load, self.model)))
        if workspace.prompts:
            self._queue.put(self._telling(workspace))

    def _load(self, model: str, _report: Report) -> None:
        self._open_session.load(model)

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return is_on_this_machine(self.model)

    def download_model(self) -> None:
        """Fetch the weights of the model."""
        self._queue.put(Job(JobKind.DOWNLOAD, lambda: partial(download_model, self.model)))

    def describe(self) -> str:
        """Say what is there and what will happen."""
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
        """The object that is clicked on: its label value."""
        return self.workspace.current_object if self.workspace is not None else 1

    @property
    def is_inside(self) -> bool:
        """A plain click says where the object is; a right click always says the opposite of a left one."""
        return self.workspace.is_inside if self.workspace is not None else True

    def choose_object(self, object_id: int) -> None:
        """Click on another object from now on."""
        if self.workspace is not None and 1 <= object_id <= np.iinfo(np.uint16).max:
            self.workspace.current_object = object_id
            self.workspace.is_inside = True
            self.workspace.say_next()
            self.changed.emit()

    def next_object(self) -> None:
        """Go on with a new object."""
        if self.workspace is None:
            return
        taken = self.workspace.object_ids
        if self.current_object not in taken:
            self.said.emit(f"Object {self.current_object} has no click yet: click on it.")
            return
        self.choose_object(max([*taken, *self.workspace.known_ids]) + 1)
        self.said.emit(f"Object {self.current_object}: click on it.")

    def choose_side(self, is_inside: bool) -> None:
        """Let plain clicks say where the object is, or where it is not."""
        if self.workspace is not None and self.workspace.is_inside != is_inside:
            self.workspace.is_inside = is_inside
            self.workspace.say_next()
            self.changed.emit()

    def switch_side(self) -> None:
        """Switch between clicks inside and outside."""
        self.choose_side(not self.is_inside)

    def click(self, world: Any, is_inside: bool | None = None) -> None:
        """Click on the current object.

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
            check_display(self._viewer, self._image)
            pixel = self.workspace.stack.pixel(data_position(self._viewer, self._image, world))
        except ValueError as error:
            self._warn(str(error))
            return
        self.workspace.click(pixel, self.is_inside if is_inside is None else is_inside)

    def take_back(self) -> None:
        """Take back the latest click."""
        if self.workspace is None or not self.workspace.take_back():
            self.said.emit("There is no click to take back.")

    def propagate(self, direction: Direction | None = None) -> None:
        """Carry all objects through the stack, in the direction that was chosen by default."""
        workspace = self.workspace
        if workspace is None:
            self._warn(self._reason or "There is nothing to propagate: open an image first.")
        elif workspace.stack.frame_axis is None:
            self._warn("There is nothing to propagate along: this is a single image.")
        elif not self.is_model_here:
            self._warn(self._missing_weights)
        elif not workspace.prompts:
            self._warn("There is nothing to propagate: click on an object first.")
        else:
            self._queue.put(self._propagating(workspace, direction or self.direction))

    def cancel(self) -> None:
        """Stop after the frame that is being done. What is done is kept."""
        if self.is_busy:
            self.said.emit("Stopping …")
            self._queue.stop()
            self.changed.emit()

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

    # --- computing -------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Something that can be stopped is being computed, or is about to be."""
        return self._queue.is_busy

    @property
    def is_idle(self) -> bool:
        """Nothing at all is being computed."""
        return self._queue.running is None

    def _prompts_changed(self, workspace: ImageWorkspace) -> None:
        if self.is_model_here:
            self._queue.put(self._telling(workspace))
        else:
            self._warn(f"{self._missing_weights} The click is kept.")
        self.changed.emit()

    def _telling(self, workspace: ImageWorkspace) -> Job:
        def make_task() -> Task:
            workspace.show_layers()
            return partial(workspace.worker.tell, workspace.order(self.model), dict(workspace.prompts))

        return Job(JobKind.PROMPTS, make_task, workspace)

    def _propagating(self, workspace: ImageWorkspace, direction: Direction) -> Job:
        def make_task() -> Task:
            workspace.show_layers()
            return partial(workspace.worker.propagate, workspace.order(self.model), dict(workspace.prompts), direction)

        return Job(JobKind.PROPAGATE, make_task, workspace)

    def _job_started(self, job: Job) -> None:
        self._started_s, self._num_done = time.monotonic(), 0
        self._take_cancel_key(job.kind.takes_long)
        if job.kind == JobKind.WARM_UP:
            self.said.emit(f"Loading {self.model} …")
        elif job.kind == JobKind.PROMPTS:
            self.said.emit("Looking …")
        self.changed.emit()

    def _take_cancel_key(self, is_taken: bool) -> None:
        """Let the key stop the work whatever layer is selected: some layers have a use for it themselves."""
        for unbind in self._unbind_cancel:
            unbind()
        layers = map(unwrapped, self._viewer.layers) if is_taken else ()
        self._unbind_cancel = [bind_keys(layer, self, (CANCEL,)) for layer in layers]

    def _item(self, job: Job, item: Any) -> None:
        if isinstance(item, PromptRejected):
            self._warn(item.reason)
        elif isinstance(item, Downloaded):
            self.progressed.emit(item.done_mb, item.total_mb)
            self.said.emit(f"{item.done_mb} of {item.total_mb} MB")
        elif isinstance(item, FrameDone) and job.workspace in self._workspaces.values():
            # of an image that was removed, reports may still be on their way
            self._frame_done(job.workspace, item)

    def _frame_done(self, workspace: ImageWorkspace, item: FrameDone) -> None:
        is_3d = self._viewer.dims.ndisplay == 3
        is_shown = item.frame is None or is_3d or item.frame == displayed_frame(self._viewer, workspace.image, workspace.stack)
        workspace.written(is_shown, is_3d)
        if item.total:
            self._num_done = item.done
            self.progressed.emit(item.done, item.total)
            if not self._queue.is_stopping:
                left_s = (time.monotonic() - self._started_s) / item.done * (item.total - item.done)
                self.said.emit(f"Frame {item.frame}: {item.done} of {item.total} done, {_duration(left_s)} left")
        elif item.object_id is not None:
            where = "" if workspace.stack.frame_axis is None else f" on frame {item.frame}"
            found = f"{item.area_px} px{where}" if item.area_px else f"nothing found{where}; click on it again"
            self.said.emit(f"Object {item.object_id}: {found}")

    def _job_ended(self, job: Job, error: BaseException | None) -> None:
        self._take_cancel_key(False)
        if job.workspace is not None:
            job.workspace.finish_drawing()
        if error is not None:
            self.said.emit(tell(error))
        elif self._queue.is_stopping:
            self.said.emit("Stopped. What is done is kept." if job.kind == JobKind.PROPAGATE else "Stopped.")
        elif job.kind == JobKind.PROPAGATE and not self._queue.is_waiting(job):
            took = _duration(time.monotonic() - self._started_s)
            self.said.emit(f"{self._num_done} frames done in {took}." if self._num_done else "Everything is up to date already.")
        elif job.kind == JobKind.WARM_UP:
            self.said.emit("Ready.")
        elif job.kind == JobKind.DOWNLOAD:
            for workspace in self._workspaces.values():
                self._find_again(workspace)
        self.changed.emit()

    def _warn(self, text: str) -> None:
        self.said.emit(warn(text))

    # --- layers come and go ----------------------------------------------------------------------------------------

    def _layer_inserted(self, event: Any) -> None:
        if isinstance(unwrapped(event.value), Image):
            event.value.events.name.connect(self._renamed)
            if self._image is None:
                self.choose_image(event.value)
            self.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        layer = unwrapped(event.value)
        for workspace in self._workspaces.values():
            if workspace.layer_removed(layer):
                self._queue.forget(workspace)
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


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
