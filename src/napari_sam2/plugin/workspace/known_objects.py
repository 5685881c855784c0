"""Objects of an image: those of its session, and those of prompts that the session has not taken yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from napari_sam2.plugin.layers.boxes_view import BoxesView
from napari_sam2.plugin.layers.points_view import PointsView
from napari_sam2.plugin.prompts.clicks import MAX_OBJECT_ID
from napari_sam2.plugin.prompts.pending_drawings import PendingDrawings

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import ObjectInfo
    from napari_sam2.session.state.session_state import StateChange


class KnownObjects:
    """Knows which objects there are.

    Parameters
    ----------
    points, boxes : PointsView, BoxesView
        Prompts, also those that the session has not taken yet.
    drawings : PendingDrawings
        What was drawn and the session has not taken yet.
    elsewhere : callable
        Returns the objects at each position of the image: one label image holds all of them.

    Attributes
    ----------
    infos : dict of int to ObjectInfo
        The objects of the session.
    """

    def __init__(
        self, points: PointsView, boxes: BoxesView, drawings: PendingDrawings, elsewhere: Callable[[], Iterable[set[int]]]
    ) -> None:
        self._points, self._boxes, self._drawings = points, boxes, drawings
        self._elsewhere = elsewhere
        self.infos: dict[int, ObjectInfo] = {}

    @property
    def ids(self) -> set[int]:
        """Objects of the session, and those of prompts that it has not taken yet."""
        return set(self.infos) | self._points.object_ids | self._boxes.object_ids | self._drawings.object_ids

    @property
    def next_id(self) -> int:
        """The id of the next new object."""
        taken = self.ids.union(*self._elsewhere())
        if (highest := max(taken, default=0)) < MAX_OBJECT_ID:
            return highest + 1
        return next((number for number in range(1, MAX_OBJECT_ID) if number not in taken), MAX_OBJECT_ID)

    def has_prompt_inside(self, object_id: int | None) -> bool:
        """Tell whether something says where an object is, and not only where it is not."""
        waiting = (one for one in self._points.pending.by_id.values() if one.key.object_id == object_id)
        drawn = self._boxes.object_ids | self._drawings.object_ids
        return object_id in self.infos or object_id in drawn or any(one.click.is_inside for one in waiting)

    def name_of(self, object_id: int) -> str:
        """Return an object's number, and its name if it was given one."""
        number, info = f"object {object_id}", self.infos.get(object_id)
        return number if info is None or info.name == number else f"{number}, {info.name}"

    def show(self, change: StateChange) -> None:
        """Follow the session."""
        for object_id, info in change.infos.items():
            if info is None:
                self.infos.pop(object_id, None)
            else:
                self.infos[object_id] = info
