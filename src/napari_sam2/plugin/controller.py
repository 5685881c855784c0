"""What the widget does, without the widget: clicks become masks, masks are carried through the stack, all shown as layers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_sam2.plugin.keys import CANCEL, bind_keys
from napari_sam2.plugin.layers import check_display, data_position, displayed_frame, unwrapped
from napari_sam2.plugin.models import EMBEDDED_NAME, MODEL_NAMES, Downloaded, download_model, is_on_this_machine, size_mb
from napari_sam2.plugin.mouse import ClickListener
from napari_sam2.plugin.notices import tell, warn
from napari_sam2.plugin.runner import DirectRunner, Runner, Task
from napari_sam2.plugin.worker_session import FrameDone, OpenSession, Refused, SessionOpener
from napari_sam2.plugin.workplace import Workplace

if TYPE_CHECKING:
    from napari_sam2.session.session import Direction


class _JobKind(Enum):
    WARM_UP = auto()
    PROMPTS = auto()
    PROPAGATE = auto()
    DOWNLOAD = auto()


_CAN_BE_STOPPED = (_JobKind.PROPAGATE, _JobKind.DOWNLOAD)


@dataclass(frozen=True)
class _Job:
    """Something that is being computed."""

    kind: _JobKind
    task: Task
    workplace: Workplace | None = None
    direction: Direction = "both"


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
        self._runner: Runner = runner or DirectRunner()
        self._open_session: OpenSession = open_session or SessionOpener()
        self._workplaces: dict[Any, Workplace] = {}
        self._image: Any = None
        self._reason = ""
        self._job: _Job | None = None
        self._started_s = 0.0
        self._num_done = 0
        self._to_propagate: tuple[Workplace, Direction] | None = None
        self._to_download: str | None = None
        self._to_warm_up: str | None = None
        self._is_stopping = False
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
        self._to_propagate = self._to_download = None
        self._runner.close()
        self._take_cancel_key(False)
        self._unbind_keys()
        self._viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self._viewer.layers.events.removed.disconnect(self._layer_removed)
        self._listener.close()
        for image in self.images:
            image.events.name.disconnect(self._renamed)
        for workplace in self._workplaces.values():
            workplace.close()
        self._workplaces.clear()

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
    def workplace(self) -> Workplace | None:
        """The work on that image, or None where it cannot be worked on."""
        return self._workplaces.get(self._image.unique_id) if self._image is not None else None

    def _guess_image(self) -> Any:
        selected = unwrapped(self._viewer.layers.selection.active)
        return selected if isinstance(selected, Image) else next(iter(self.images), None)

    def choose_image(self, image: Any) -> None:
        """Work on an image layer; on another one nothing is lost."""
        self._image, self._reason = unwrapped(image), ""
        if self.workplace is not None and self.workplace.is_outgrown:
            self._workplaces.pop(self._image.unique_id).close()
        if self._image is not None and self.workplace is None:
            try:
                workplace = Workplace(self._viewer, self._image, self._open_session, self._prompts_changed, self._warn)
            except ValueError as error:
                self._reason = str(error)
            else:
                self._workplaces[self._image.unique_id] = workplace
                self._warm_up()
        self.changed.emit()
        self._start_next()

    def choose_model(self, name: str) -> None:
        """Find everything with another model. What was carried through the stack is shown until it is propagated again."""
        if name not in MODEL_NAMES:
            raise ValueError(f"there is no model {name!r}; there are {', '.join(MODEL_NAMES)}")
        if name == self.model:
            return
        self.model = name
        if self._is_propagating:
            self.cancel()
        self._say_again()
        self.changed.emit()

    def _say_again(self) -> None:
        """Tell everything that was said to the model that is chosen now, if it is there."""
        self._warm_up()
        if self.is_model_here:
            for workplace in self._workplaces.values():
                workplace.is_dirty = bool(workplace.prompts)
            self._start_next()

    def _warm_up(self) -> None:
        if self.is_model_here:
            self._to_warm_up = self.model

    @property
    def is_model_here(self) -> bool:
        """The weights of the model need not be downloaded first."""
        return is_on_this_machine(self.model)

    def download_model(self) -> None:
        """Fetch the weights of the model."""
        self._to_download = self.model
        self._start_next()

    def describe(self) -> str:
        """Say what is there and what will happen."""
        if self._image is None:
            return "Open an image, or drop a file on the viewer."
        if self.workplace is None:
            return self._reason
        if not self.is_model_here:
            return f"The weights of {self.model} are not on this machine: download {size_mb(self.model)} MB, or choose micro."
        stack = self.workplace.stack
        if stack.frame_axis is None:
            return f"{stack.describe()} → click on an object"
        return f"{stack.describe()} → click on objects, then propagate along {stack.frame_name}"

    # --- what a person does ----------------------------------------------------------------------------------------

    @property
    def current_object(self) -> int:
        """The object that is clicked on: its label value."""
        return self.workplace.current_object if self.workplace is not None else 1

    @property
    def is_inside(self) -> bool:
        """A plain click says where the object is; a right click always says the opposite of a left one."""
        return self.workplace.is_inside if self.workplace is not None else True

    def choose_object(self, object_id: int) -> None:
        """Click on another object from now on."""
        if self.workplace is not None and 1 <= object_id <= np.iinfo(np.uint16).max:
            self.workplace.current_object = object_id
            self.workplace.is_inside = True
            self.workplace.say_next()
            self.changed.emit()

    def next_object(self) -> None:
        """Go on with a new object."""
        if self.workplace is None:
            return
        taken = self.workplace.object_ids
        if self.current_object not in taken:
            self.said.emit(f"Object {self.current_object} has no click yet: click on it.")
            return
        self.choose_object(max(taken) + 1)
        self.said.emit(f"Object {self.current_object}: click on it.")

    def choose_side(self, is_inside: bool) -> None:
        """Let plain clicks say where the object is, or where it is not."""
        if self.workplace is not None and self.workplace.is_inside != is_inside:
            self.workplace.is_inside = is_inside
            self.workplace.say_next()
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
        if self.workplace is not None and self.workplace.is_outgrown:
            self.choose_image(self._image)
        if self.workplace is None:
            self._warn(self._reason or "There is no image to click on: open one first.")
            return
        try:
            check_display(self._viewer, self._image)
            pixel = self.workplace.stack.pixel(data_position(self._viewer, self._image, world))
        except ValueError as error:
            self._warn(str(error))
            return
        self.workplace.click(pixel, self.is_inside if is_inside is None else is_inside)

    def take_back(self) -> None:
        """Take back the latest click."""
        if self.workplace is None or not self.workplace.take_back():
            self.said.emit("There is no click to take back.")

    def propagate(self, direction: Direction | None = None) -> None:
        """Carry all objects through the stack, in the direction that was chosen by default."""
        workplace = self.workplace
        if workplace is None:
            self._warn(self._reason or "There is nothing to propagate: open an image first.")
        elif workplace.stack.frame_axis is None:
            self._warn("There is nothing to propagate along: this is a single image.")
        elif not workplace.prompts:
            self._warn("There is nothing to propagate: click on an object first.")
        elif not self._is_propagating or self._is_stopping:
            self._to_propagate = (workplace, direction or self.direction)
            self._start_next()

    def cancel(self) -> None:
        """Stop after the frame that is being done. What is done is kept."""
        self._to_propagate = self._to_download = None
        if self._job is not None and self._job.kind in _CAN_BE_STOPPED:
            self._is_stopping = True
            self._runner.stop()
            self.said.emit("Stopping …")

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
        """Something that can be stopped is being computed."""
        return self._to_propagate is not None or (self._job is not None and self._job.kind in _CAN_BE_STOPPED)

    @property
    def _is_propagating(self) -> bool:
        return self._job is not None and self._job.kind is _JobKind.PROPAGATE

    def _prompts_changed(self, workplace: Workplace) -> None:
        if workplace.has_new_outside:
            self._warn("A point is outside the image: it says nothing until it is moved or removed.")
        if not workplace.is_dirty:
            return
        if self._is_propagating and self._job is not None and self._job.workplace is workplace and not self._is_stopping:
            # a click is answered at once; then it goes on where it was
            self._to_propagate = self._to_propagate or (workplace, self._job.direction)
            self._runner.stop()
        self.changed.emit()
        self._start_next()

    def _start_next(self) -> None:
        if self._job is not None:
            return
        self._job = self._next_job()
        if self._job is None:
            return
        self._is_stopping = False
        self._started_s = time.monotonic()
        self._num_done = 0
        self._take_cancel_key(self._job.kind in _CAN_BE_STOPPED)
        if self._job.kind is _JobKind.WARM_UP:
            self.said.emit(f"Loading {self.model} …")
        elif self._job.kind is _JobKind.PROMPTS:
            self.said.emit("Looking …")
        self.changed.emit()
        self._runner.run(self._job.task, self._item, self._end)

    def _take_cancel_key(self, is_taken: bool) -> None:
        """Let the key stop the work whatever layer is selected: some layers have a use for it themselves."""
        for unbind in self._unbind_cancel:
            unbind()
        layers = map(unwrapped, self._viewer.layers) if is_taken else ()
        self._unbind_cancel = [bind_keys(layer, self, (CANCEL,)) for layer in layers]

    def _next_job(self) -> _Job | None:
        if self._to_download is not None:
            name, self._to_download = self._to_download, None
            return _Job(_JobKind.DOWNLOAD, lambda report: download_model(name, report))
        for workplace in self._workplaces.values():
            if workplace.is_dirty:
                return self._telling(workplace)
        if self._to_warm_up is not None:
            model, self._to_warm_up = self._to_warm_up, None
            return _Job(_JobKind.WARM_UP, lambda _report: self._load(model))
        if self._to_propagate is not None:
            (workplace, direction), self._to_propagate = self._to_propagate, None
            return self._propagating(workplace, direction)
        return None

    def _load(self, model: str) -> None:
        self._open_session.load(model)

    def _telling(self, workplace: Workplace) -> _Job:
        workplace.is_dirty = False
        workplace.show_layers()
        worker, order, prompts = workplace.worker, workplace.order(self.model), dict(workplace.prompts)
        return _Job(_JobKind.PROMPTS, lambda report: worker.tell(order, prompts, report), workplace)

    def _propagating(self, workplace: Workplace, direction: Direction) -> _Job:
        workplace.show_layers()
        worker, order, prompts = workplace.worker, workplace.order(self.model), dict(workplace.prompts)
        return _Job(_JobKind.PROPAGATE, lambda report: worker.propagate(order, prompts, direction, report), workplace, direction)

    def _item(self, item: Any) -> None:
        if isinstance(item, Refused):
            self._warn(item.reason)
        elif isinstance(item, Downloaded):
            self.progressed.emit(item.done_mb, item.total_mb)
            self.said.emit(f"{item.done_mb} of {item.total_mb} MB")
        elif isinstance(item, FrameDone):
            self._frame_done(item)

    def _frame_done(self, item: FrameDone) -> None:
        workplace = self._job.workplace if self._job is not None else None
        if workplace is None:
            return
        is_3d = self._viewer.dims.ndisplay == 3
        is_shown = item.frame is None or is_3d or item.frame == displayed_frame(self._viewer, workplace.image, workplace.stack)
        workplace.written(is_shown, is_3d)
        if item.total:
            self._num_done = item.done
            self.progressed.emit(item.done, item.total)
            if not self._is_stopping:
                left_s = (time.monotonic() - self._started_s) / item.done * (item.total - item.done)
                self.said.emit(f"Frame {item.frame}: {item.done} of {item.total} done, {_duration(left_s)} left")
        elif item.object_id is not None:
            where = "" if workplace.stack.frame_axis is None else f" on frame {item.frame}"
            found = f"{item.area_px} px{where}" if item.area_px else f"nothing found{where}; click on it again"
            self.said.emit(f"Object {item.object_id}: {found}")

    def _end(self, error: BaseException | None) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        self._take_cancel_key(False)
        if job.workplace is not None:
            job.workplace.finish_drawing()
        if error is not None:
            self._to_propagate = None
            self.said.emit(tell(error))
        elif self._is_stopping:
            self.said.emit("Stopped. What is done is kept." if job.kind is _JobKind.PROPAGATE else "Stopped.")
        elif job.kind is _JobKind.PROPAGATE and self._to_propagate is None:
            took = _duration(time.monotonic() - self._started_s)
            self.said.emit(f"{self._num_done} frames done in {took}." if self._num_done else "Everything is up to date already.")
        elif job.kind is _JobKind.WARM_UP:
            self.said.emit("Ready.")
        if job.kind is _JobKind.DOWNLOAD and error is None:
            self._say_again()
        self.changed.emit()
        self._start_next()

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
        for workplace in self._workplaces.values():
            if workplace.layer_removed(layer) and self._job is not None and self._job.workplace is workplace:
                self.cancel()
        if isinstance(layer, Image):
            layer.events.name.disconnect(self._renamed)
            self._image_removed(layer)
        self.changed.emit()

    def _renamed(self) -> None:
        self.changed.emit()

    def _image_removed(self, layer: Any) -> None:
        workplace = self._workplaces.pop(layer.unique_id, None)
        if workplace is not None:
            if self._job is not None and self._job.workplace is workplace:
                self.cancel()
            workplace.close()
        if self._image is not None and layer == self._image:
            self.choose_image(next(iter(self.images), None))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
