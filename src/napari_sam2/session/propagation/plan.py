"""The steps of a propagation: which objects are tracked to which frames, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_sam2.session.inference.recall_policy import neighbouring_anchors
from napari_sam2.session.state.objects import SessionObject

Direction = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class Step:
    """One step: a frame, the objects that are tracked to it, and whether tracking runs towards frame 0."""

    frame: int
    object_ids: tuple[int, ...]
    reverse: bool


def plan_steps(objects: Iterable[SessionObject], frames: Sequence[int], direction: Direction) -> list[Step]:
    """List the steps of a propagation.

    Parameters
    ----------
    objects : iterable of SessionObject
        The objects; those without an anchor are left out.
    frames : sequence of int
        The frames, in order.
    direction : {"both", "forward", "backward"}
        ``forward`` leaves out the frames before an object's first anchor, ``backward`` those after its last one.

    Returns
    -------
    list of Step
        Frames tracked towards the end, then those tracked towards frame 0. A frame between two anchors is tracked from the nearer
        one, of two equally near from the one before it; but where the object is present on one of them only, from that one. So the
        result does not depend on the order of directions.
    """
    chosen = [item for item in objects if item.anchors]

    def due(frame: int, reverse: bool) -> tuple[int, ...]:
        return tuple(
            item.object_id
            for item in chosen
            if frame not in item.memory.conditioning
            and frame not in item.memory.tracked
            and item.info.may_be_on(frame)
            and _leads(item, frame, reverse, direction)
        )

    passes = ((frames, False), (list(reversed(frames)), True))
    steps = [Step(frame, due(frame, reverse), reverse) for ordered, reverse in passes for frame in ordered]
    return [step for step in steps if step.object_ids]


def _leads(item: SessionObject, frame: int, reverse: bool, direction: Direction) -> bool:
    """Return whether a frame is tracked from the anchor behind it, in the direction of tracking, rather than from the one ahead."""
    before, after = neighbouring_anchors(frame, item.conditioning)
    if before is None:
        return reverse and direction != "forward"
    if after is None:
        return not reverse and direction != "backward"
    shows_before, shows_after = (item.conditioning.header(anchor).is_present for anchor in (before, after))
    return reverse == (shows_after if shows_before != shows_after else after - frame < frame - before)
