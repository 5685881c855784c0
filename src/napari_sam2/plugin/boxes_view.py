"""The boxes of the session in the viewer: its prompts, and boxes that it has not taken yet, as one Shapes layer to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Shapes
from napari.layers.base import ActionType

from napari_sam2.plugin.boxes_layer import ShownBox, new_boxes_layer, read_boxes, write_boxes
from napari_sam2.plugin.clicks import Box, ObjectFrame
from napari_sam2.plugin.commands import AddBox
from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.object_colours import default_colour
from napari_sam2.plugin.points_layer import IMAGE_KEY, ColourOf

if TYPE_CHECKING:
    from napari_sam2.session.state.session_state import StateChange


class BoxesView:
    """Shows boxes.

    Parameters
    ----------
    image : Image
        The layer on which the boxes lie.
    stack : ImageStack
        How it is read.
    warn : callable
        Shows a sentence to the person.
    colour_of : callable
        Returns the colour of an object.

    Attributes
    ----------
    layer : Shapes or None
        The layer, while it is in the viewer.
    """

    def __init__(self, image: Any, stack: ImageStack, warn: Callable[[str], None], colour_of: ColourOf = default_colour) -> None:
        self._colour_of = colour_of
        self.layer: Shapes | None = None
        self._image = image
        self._stack = stack
        self._warn = warn
        self._boxes: dict[ObjectFrame, Box] = {}
        self._pending: dict[ObjectFrame, Box] = {}
        self._numbers: dict[ObjectFrame, int] = {}
        self._sent: set[ObjectFrame] = set()
        self._is_writing = False

    @property
    def shown(self) -> list[ShownBox]:
        """Boxes by object and frame; of two there, the one that the session has not taken yet."""
        taken = [ShownBox(key, box) for key, box in self._boxes.items() if key not in self._pending]
        return [*taken, *(ShownBox(key, box, True) for key, box in self._pending.items())]

    @property
    def object_ids(self) -> set[int]:
        """Objects with a box."""
        return {key.object_id for key in (*self._boxes, *self._pending)}

    @property
    def has_pending(self) -> bool:
        """There are boxes that the session has not taken yet."""
        return bool(self._pending)

    # --- the layer -------------------------------------------------------------------------------------------------

    @property
    def is_missing(self) -> bool:
        """There are boxes that no layer shows."""
        return self.layer is None and bool(self._boxes or self._pending)

    def new_layer(self) -> Shapes:
        """Make the layer, with everything that it shows."""
        layer = new_boxes_layer(self._image, self._stack, f"{self._image.name} – boxes")
        layer.metadata[IMAGE_KEY] = self._image.unique_id
        self._use(layer)
        return layer

    def adopt(self, layer: Shapes) -> None:
        """Go on with the layer of an earlier widget: its boxes are given to the session with the next command."""
        self._pending = {one.key: one.box for one in read_boxes(layer, self._stack)}
        self._use(layer)

    def take_over(self, layer: Shapes) -> None:
        """Show these boxes in the layer of another position of the image, instead of its own."""
        self._use(layer)

    def _use(self, layer: Shapes) -> None:
        self.layer = layer
        self._draw()
        layer.events.data.connect(self._edited)

    def close(self) -> None:
        """Disconnect from the layer, which stays as it is. What it showed is shown in a new one."""
        if self.layer is not None:
            self.layer.events.data.disconnect(self._edited)
        self.layer = None

    def _edited(self, event: Any) -> None:
        """Show again what is so: boxes are not edited here."""
        if not self._is_writing and event.action in (ActionType.ADDED, ActionType.REMOVED, ActionType.CHANGED):
            self._draw()
            self._warn("Boxes of this layer cannot be edited: draw one with Shift and the mouse, or undo the latest.")

    def _draw(self) -> None:
        if self.layer is None:
            return
        self._is_writing = True
        try:
            self.layer.editable = True
            write_boxes(self.layer, self._stack, self.shown, self._colour_of)
            self.layer.editable = False
        finally:
            self._is_writing = False

    # --- what a person does ----------------------------------------------------------------------------------------

    def latest_waiting(self, before: int) -> int:
        """Return the number of the latest box below a number that is not on its way; 0 for none."""
        waiting = (number for key, number in self._numbers.items() if key in self._pending and key not in self._sent)
        return max((number for number in waiting if number < before), default=0)

    @property
    def latest_sent(self) -> int:
        """The number of the latest box that is on its way; 0 for none."""
        return max((self._numbers.get(key, 0) for key in self._sent), default=0)

    def add(self, key: ObjectFrame, box: Box, number: int = 0) -> None:
        """Add a box that the session has not taken yet, and show it at once; what was given later has a higher number."""
        self._pending[key], self._numbers[key] = box, number
        self._sent.discard(key)
        self._draw()

    def withdraw(self, number: int) -> None:
        """Remove the box with a number, which is not on its way."""
        for key in [key for key, other in self._numbers.items() if other == number]:
            self._discard(key)
        self._draw()

    def show_colours(self) -> None:
        """Draw boxes in the colours of their objects, which changed."""
        if self.shown:
            self._draw()

    def shift_pending(self, offset: int) -> None:
        """Add to the object ids of pending boxes that are not on their way."""

        def moved(key: ObjectFrame) -> ObjectFrame:
            return key if key in self._sent else key._replace(object_id=key.object_id + offset)

        self._pending = {moved(key): box for key, box in self._pending.items()}
        self._numbers = {moved(key): number for key, number in self._numbers.items()}
        self._draw()

    def take(self) -> list[AddBox]:
        """Send the boxes that are not on their way to the session."""
        commands = [AddBox(key, box) for key, box in self._pending.items() if key not in self._sent]
        self._sent |= {command.key for command in commands}
        return commands

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
            key, box = ObjectFrame(*place), None if prompts is None else prompts.box_rc
            if box is None:
                self._boxes.pop(key, None)
            else:
                self._boxes[key] = box
                if self._pending.get(key) == box:
                    self._discard(key)
        if self.shown != before:
            self._draw()

    def reject(self, command: AddBox, is_refused: bool = True) -> None:
        """Show a box no more that the session refused; one that failed otherwise goes along with the next command."""
        if self._pending.get(command.key) != command.box:
            return
        if is_refused:
            self._discard(command.key)
            self._draw()
        else:
            self._sent.discard(command.key)

    def _discard(self, key: ObjectFrame) -> None:
        del self._pending[key]
        self._numbers.pop(key, None)
        self._sent.discard(key)
