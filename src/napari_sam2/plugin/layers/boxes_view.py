"""The boxes and outlines of the session in the viewer: its prompts, and those that it has not taken yet, as one Shapes layer.

The session is the owner of the prompts. What a person draws and edits in the layer with napari's own tools becomes commands for the
session, and what the session changes is drawn. A line or a path becomes clicks along it. Masks are shown whose outline was drawn
here; others are seen in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from napari.layers.base import ActionType

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.boxes_layer import (
    Drawing,
    ShownBox,
    is_outline,
    is_stroke,
    new_boxes_layer,
    read_boxes,
    read_drawing,
    set_next_object,
    style_boxes,
    write_boxes,
)
from napari_sam2.plugin.layers.object_colours import default_colour
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY, ColourOf, read_object_id
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import AddBox, AddOutline, Command, MoveDrawing, RemoveDrawing
from napari_sam2.plugin.prompts.drawn_prompts import outline_mask

if TYPE_CHECKING:
    from napari_sam2.session.state.packed_mask import PackedMask
    from napari_sam2.session.state.prompts import FramePrompts
    from napari_sam2.session.state.session_state import StateChange

_SAME_PX = 1e-3
"""Napari keeps vertices in single precision."""


@dataclass(frozen=True)
class BoxesCalls:
    """What the view calls.

    Attributes
    ----------
    drawn : callable
        There are new boxes or outlines, which the session has not taken yet.
    stroke_drawn : callable
        A stroke was drawn: the object and the frame, and points along it.
    edited : callable
        Called with the commands that an edit of the layer amounts to.
    new_object : callable
        Returns the id of an object that is not there yet.
    warn : callable
        Shows a sentence to the person.
    post : callable
        Calls a function when napari is done with what it is at.
    """

    drawn: Callable[[], None]
    stroke_drawn: Callable[[ObjectFrame, tuple[Click, ...]], None]
    edited: Callable[[tuple[Command, ...]], None]
    new_object: Callable[[], int]
    warn: Callable[[str], None]
    post: Callable[[Callable[[], None]], None]


class BoxesView:
    """Shows boxes and outlines, and turns what a person does to them into commands.

    Parameters
    ----------
    image : Image
        The layer on which they lie.
    stack : ImageStack
        How it is read.
    calls : BoxesCalls
        What is called.
    colour_of : callable
        Returns the colour of an object.

    Attributes
    ----------
    layer : Shapes or None
        The layer, while it is in the viewer.
    is_wanted : bool
        The layer is shown also while it is empty.
    """

    def __init__(self, image: Any, stack: ImageStack, calls: BoxesCalls, colour_of: ColourOf = default_colour) -> None:
        self._colour_of = colour_of
        self.layer: Shapes | None = None
        self.is_wanted = False
        self._image = image
        self._stack = stack
        self._calls = calls
        self._boxes: dict[ObjectFrame, Drawing] = {}
        self._pending: dict[ObjectFrame, Drawing] = {}
        self._numbers: dict[ObjectFrame, int] = {}
        self._sent: set[ObjectFrame] = set()
        self._outlines: dict[tuple[ObjectFrame, PackedMask], Drawing] = {}
        self._in_layer: list[ShownBox | None] = []
        self._written: list[npt.NDArray[Any]] = []
        self._next_object = 1
        self._is_writing = self._is_held = False

    @property
    def shown(self) -> list[ShownBox]:
        """Boxes and outlines by object and frame; of two there, the one that the session has not taken yet."""
        taken = [ShownBox(key, box) for key, box in self._boxes.items() if key not in self._pending]
        return [*taken, *(ShownBox(key, box, True) for key, box in self._pending.items())]

    @property
    def object_ids(self) -> set[int]:
        """Objects with a box or an outline."""
        return {key.object_id for key in (*self._boxes, *self._pending)}

    @property
    def has_pending(self) -> bool:
        """There are boxes or outlines that the session has not taken yet."""
        return bool(self._pending)

    # --- the layer -------------------------------------------------------------------------------------------------

    @property
    def is_missing(self) -> bool:
        """There are boxes that no layer shows, or somebody wants to draw some."""
        return self.layer is None and bool(self._boxes or self._pending or self.is_wanted)

    def new_layer(self) -> Shapes:
        """Make the layer, with everything that it shows."""
        layer = new_boxes_layer(self._image, self._stack, f"{self._image.name} – boxes")
        layer.metadata[IMAGE_KEY] = self._image.unique_id
        self._use(layer)
        return layer

    def adopt(self, layer: Shapes) -> None:
        """Go on with the layer of an earlier widget: its boxes are given to the session with the next command."""
        self._pending = {one.key: one.box for one in read_boxes(layer, self._stack)}
        self.is_wanted = True
        self._use(layer)

    def take_over(self, layer: Shapes) -> None:
        """Show these boxes in the layer of another position of the image, instead of its own."""
        self.is_wanted = True
        self._use(layer)

    def _use(self, layer: Shapes) -> None:
        self.layer, self._in_layer, self._written = layer, [], []
        self._draw()
        layer.events.data.connect(self._data_changed)
        layer.events.features.connect(self._features_changed)

    def close(self) -> None:
        """Disconnect from the layer, which stays as it is. What it showed is shown in a new one."""
        if self.layer is not None:
            self.layer.events.data.disconnect(self._data_changed)
            self.layer.events.features.disconnect(self._features_changed)
        self.layer, self.is_wanted, self._is_held = None, False, False

    def set_next(self, object_id: int) -> None:
        """Choose the object of the next shape, also of one that napari's own tools add."""
        self._next_object = object_id
        if self.layer is not None:
            self._is_writing, before = True, self._is_writing
            set_next_object(self.layer, object_id)
            self._is_writing = before

    def _draw(self) -> None:
        """Show what is so; while a shape is being drawn or dragged, when that is done."""
        if self.layer is None or self._is_held:
            return
        shown, before = self.shown, self._is_writing
        self._is_writing = True
        try:
            if self._is_in_layer(shown):
                style_boxes(self.layer, shown, self._colour_of)
            else:
                write_boxes(self.layer, self._stack, shown, self._colour_of)
                set_next_object(self.layer, self._next_object)
            self._in_layer, self._written = list(shown), [data.copy() for data in self.layer.data]
        finally:
            self._is_writing = before

    def _is_in_layer(self, shown: list[ShownBox]) -> bool:
        """The layer has these shapes already, perhaps drawn in another way."""
        drawn = [one for one in self._in_layer if one is not None]
        data = [] if self.layer is None else self.layer.data
        return (
            len(drawn) == len(self._in_layer) == len(shown) == len(data) == len(self._written)
            and all(one.key == other.key and one.box == other.box for one, other in zip(drawn, shown, strict=True))
            and all(map(np.array_equal, data, self._written))
            and self.layer is not None
            and [int(number) for number in self.layer.features.get("object", ())] == [one.key.object_id for one in shown]
        )

    # --- what a person does ----------------------------------------------------------------------------------------

    def latest_waiting(self, before: int) -> int:
        """Return the number of the latest box below a number that is not on its way; 0 for none."""
        waiting = (number for key, number in self._numbers.items() if key in self._pending and key not in self._sent)
        return max((number for number in waiting if number < before), default=0)

    @property
    def latest_sent(self) -> int:
        """The number of the latest box that is on its way; 0 for none."""
        return max((self._numbers.get(key, 0) for key in self._sent), default=0)

    def add(self, key: ObjectFrame, box: Drawing, number: int = 0) -> None:
        """Add a box or an outline that the session has not taken yet, and show it at once; later ones have higher numbers."""
        self._put(key, box)
        self._numbers[key] = number
        self._draw()

    def withdraw(self, number: int) -> None:
        """Remove the box with a number, which is not on its way."""
        for key in [key for key, other in self._numbers.items() if other == number]:
            self._discard(key)
        self._draw()

    def show_colours(self) -> None:
        """Draw boxes in the colours of their objects, which changed."""
        if self.layer is not None and self.shown and not self._is_held:
            style_boxes(self.layer, self.shown, self._colour_of)

    def _put(self, key: ObjectFrame, box: Drawing) -> None:
        self._pending.pop(key, None)  # the latest comes last
        self._pending[key] = box
        self._sent.discard(key)

    def shift_pending(self, offset: int) -> None:
        """Add to the object ids of pending boxes that are not on their way."""

        def moved(key: ObjectFrame) -> ObjectFrame:
            return key if key in self._sent else key._replace(object_id=key.object_id + offset)

        self._pending = {moved(key): box for key, box in self._pending.items()}
        self._numbers = {moved(key): number for key, number in self._numbers.items()}
        self._draw()

    def take(self) -> list[AddBox | AddOutline]:
        """Send the boxes and outlines that are not on their way to the session."""
        commands = [_addition(key, box) for key, box in self._pending.items() if key not in self._sent]
        self._sent |= {command.key for command in commands}
        return commands

    def finish_drawing(self) -> bool:
        """Finish the shape that is being drawn, as napari does where its key is pressed; return whether there was one."""
        if self.layer is None or not self._is_held:
            return False
        mode = self.layer.mode
        self.layer.mode = "pan_zoom"
        self.layer.mode = mode
        self._is_held = False
        return True

    def _data_changed(self, event: Any) -> None:
        if self._is_writing or self.layer is None:
            return
        if event.action in (ActionType.ADDING, ActionType.CHANGING, ActionType.REMOVING):
            self._is_held = True
            return
        self._is_held = False
        if event.action == ActionType.REMOVED:
            self._shapes_removed(event.data_indices)
        else:
            self._shapes_changed()
        # not now: napari is in the middle of drawing or dragging
        self._calls.post(self._draw)

    def _features_changed(self) -> None:
        if self._is_writing or self._is_held or self.layer is None:
            return
        has_pasted = len(self.layer.data) > len(self._in_layer)  # of which napari sends no other event
        if has_pasted or any(map(self._is_of_other_object, range(min(len(self._in_layer), len(self.layer.features))))):
            self._shapes_changed()
            self._calls.post(self._draw)

    def _is_of_other_object(self, index: int) -> bool:
        one = self._in_layer[index]
        try:
            return one is not None and read_object_id(self.layer, index) != one.key.object_id
        except ValueError:
            return True

    def _is_changed(self, index: int, data: npt.NDArray[Any]) -> bool:
        return not np.array_equal(data, self._written[index]) or self._is_of_other_object(index)

    def _shapes_changed(self) -> None:
        """Take shapes that were added, and those that are not as they were written."""
        assert self.layer is not None
        refused, is_drawn, commands = "", False, list[Command]()
        for index, data in enumerate(self.layer.data):
            before = self._in_layer[index] if index < len(self._in_layer) else None
            if index < len(self._in_layer) and (before is None or not self._is_changed(index, data)):
                continue
            try:
                key, drawing = read_drawing(self.layer, self._stack, index)
            except ValueError as error:
                refused, after = str(error), before
            else:
                after = self._taken(key, drawing, before, commands)
                is_drawn |= after is not None and after.key not in self._sent
            self._remember(index, after, data)
        if len(self.layer.data) < len(self._in_layer):
            self._shapes_removed(())
        if commands:
            self._calls.edited(tuple(commands))
        if is_drawn:
            self._calls.drawn()
        if refused:
            self._calls.warn(refused)

    def _taken(
        self, key: ObjectFrame, drawing: Drawing | tuple[Click, ...], before: ShownBox | None, commands: list[Command]
    ) -> ShownBox | None:
        """Take a shape that was drawn or changed; return what is shown of it."""
        if is_stroke(drawing):
            self._calls.stroke_drawn(key, drawing)  # type: ignore[arg-type]
            return None
        box: Drawing = drawing  # type: ignore[assignment]
        if before is None and key in (*self._boxes, *self._pending) and key.object_id != self._next_object:
            key = key._replace(object_id=self._calls.new_object())  # a copy that was pasted
        if before is not None and key != before.key:
            if before.key in self._pending and before.key not in self._sent:
                del self._pending[before.key]
            else:
                commands.append(MoveDrawing(RemoveDrawing(before.key), _addition(key, box)))
                self._put(key, box)
                self._sent.add(key)
                return ShownBox(key, box, True)
        self._put(key, box)
        return ShownBox(key, box, True)

    def _remember(self, index: int, one: ShownBox | None, data: npt.NDArray[Any]) -> None:
        if index >= len(self._in_layer):
            self._in_layer.append(one)
            self._written.append(data.copy())
        else:
            self._in_layer[index], self._written[index] = one, data.copy()

    def _shapes_removed(self, indices: Iterable[int]) -> None:
        assert self.layer is not None
        count = len(self._in_layer)
        gone = {int(index) % count for index in indices} if count else set()
        if count - len(gone) != len(self.layer.data):
            gone = set(range(len(self.layer.data), count))  # all data were replaced by fewer
        commands = list[Command]()
        for index in sorted(gone):
            one = self._in_layer[index]
            if one is None:
                continue
            if one.key in self._pending and one.key not in self._sent:
                del self._pending[one.key]
            if one.key in self._boxes or one.key in self._sent:
                commands.append(RemoveDrawing(one.key))
        self._in_layer = [one for index, one in enumerate(self._in_layer) if index not in gone]
        self._written = [data for index, data in enumerate(self._written) if index not in gone]
        if commands:
            self._calls.edited(tuple(commands))

    # --- what the session changes ----------------------------------------------------------------------------------

    def reset(self, state: StateChange) -> None:
        """Show the whole state of a session that was opened."""
        self._boxes = {}
        self._draw()
        self.show(state)

    def show(self, change: StateChange) -> None:
        """Show what the session changed."""
        before = self.shown
        for place, prompts in change.prompts.items():
            key = ObjectFrame(*place)
            drawing = self._drawing_of(key, prompts)
            if drawing is None:
                self._boxes.pop(key, None)
            else:
                self._boxes[key] = drawing
                if key in self._pending and _is_same(self._pending[key], drawing):
                    self._discard(key)
        if self.shown != before:
            self._draw()

    def _drawing_of(self, key: ObjectFrame, prompts: FramePrompts | None) -> Drawing | None:
        """Return the box of prompts, or the outline that was drawn for their mask."""
        if prompts is None or prompts.packed_mask is None:
            return None if prompts is None else prompts.box_rc
        pending = self._pending.get(key)
        if pending is not None and is_outline(pending) and _holds(pending, prompts.packed_mask):
            self._outlines[key, prompts.packed_mask] = pending
        return self._outlines.get((key, prompts.packed_mask))

    def reject(self, command: Command, is_refused: bool = True) -> bool:
        """Show what is so, as a command was not done; return whether it was one of boxes or outlines.

        One that the session refused is shown no more; one that failed otherwise goes along with the next command.
        """
        if isinstance(command, MoveDrawing):
            if self._pending.get(command.key) == command.drawn.box:
                self._discard(command.key)
        elif isinstance(command, AddBox | AddOutline):
            if self._pending.get(command.key) == command.box:
                if is_refused:
                    self._discard(command.key)
                else:
                    self._sent.discard(command.key)
        elif not isinstance(command, RemoveDrawing):
            return False
        self._draw()
        return True

    def _discard(self, key: ObjectFrame) -> None:
        del self._pending[key]
        self._numbers.pop(key, None)
        self._sent.discard(key)


def _addition(key: ObjectFrame, box: Drawing) -> AddBox | AddOutline:
    return AddOutline(key, box) if is_outline(box) else AddBox(key, box)  # type: ignore[arg-type]


def _is_same(one: Drawing, other: Drawing) -> bool:
    return np.shape(one) == np.shape(other) and bool(np.abs(np.subtract(one, other)).max() < _SAME_PX)


def _holds(outline: Drawing, mask: PackedMask) -> bool:
    """Tell whether a mask is what an outline holds."""
    return mask == type(mask).pack(outline_mask(outline, mask.shape))  # type: ignore[arg-type]
