"""What a person gave and the session has not taken yet, in the order in which it was given: clicks, boxes, drawings."""

from __future__ import annotations

from napari_sam2.plugin.layers.boxes_view import BoxesView
from napari_sam2.plugin.layers.points_view import PointsView
from napari_sam2.plugin.prompts.commands import Command
from napari_sam2.plugin.prompts.drawn_commands import DrawnCommand
from napari_sam2.plugin.prompts.pending_clicks import PendingClicks
from napari_sam2.plugin.prompts.pending_drawings import PendingDrawings


class PendingPrompts:
    """Prompts of all kinds that wait for the session, or are on their way to it.

    Parameters
    ----------
    points, boxes : PointsView, BoxesView
        Show clicks and boxes.
    drawings : PendingDrawings
        Has what was drawn.
    """

    def __init__(self, points: PointsView, boxes: BoxesView, drawings: PendingDrawings) -> None:
        self._points, self._boxes, self._drawings = points, boxes, drawings

    @property
    def _all(self) -> tuple[PendingClicks, BoxesView, PendingDrawings]:
        return self._points.pending, self._boxes, self._drawings

    @property
    def _latest_waiting(self) -> int:
        return max(one.latest_waiting(self._points.pending.next_id) for one in self._all)

    @property
    def are_waiting(self) -> bool:
        """There are prompts that are not on their way to the session."""
        return self._latest_waiting > 0

    @property
    def is_latest_on_its_way(self) -> bool:
        """The prompt that was given last is on its way to the session."""
        return max(one.latest_sent for one in self._all) > self._latest_waiting

    def take_drawn(self) -> list[Command]:
        """Send boxes and drawings to the session."""
        return [*self._boxes.take(), *self._drawings.take()]

    def withdraw_latest(self, before: int) -> bool:
        """Remove the latest prompt with a number below one that is not on its way; return whether there was one."""
        click, box, drawn = (one.latest_waiting(before) for one in self._all)
        number = max(click, box, drawn)
        if number == 0:
            return False
        if number == click:
            self._points.withdraw(number)
        elif number == box:
            self._boxes.withdraw(number)
        else:
            self._drawings.withdraw(number)
        return True

    def reject_drawn(self, command: Command, is_refused: bool) -> bool:
        """Show again what is so, as a box or a drawing was not taken; return whether the command is one."""
        if isinstance(command, DrawnCommand):
            self._drawings.reject(command, is_refused)
            return True
        return self._boxes.reject(command, is_refused)

    def shift(self, by: int) -> None:
        """Let all of them be about other objects, with higher numbers."""
        self._points.shift_pending(by)
        self._boxes.shift_pending(by)
        self._drawings.shift(by)
