"""Which frames are to be done, for which objects, and where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_sam2.session.inference.anchors import neighbouring_anchors
from napari_sam2.session.state.objects import SessionObject

Direction = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class Step:
    """One frame to be done: which objects, and whether tracking runs towards frame 0."""

    frame: int
    object_ids: tuple[int, ...]
    reverse: bool


def plan_steps(objects: Iterable[SessionObject], frames: Sequence[int], direction: Direction) -> list[Step]:
    """List what is to be done.

    Parameters
    ----------
    objects : iterable of SessionObject
        Which objects; those without an anchor have nothing to start from.
    frames : sequence of int
        Which frames, in order.
    direction : {"both", "forward", "backward"}
        ``forward`` leaves out the frames before an object's first anchor, ``backward`` those after its last one.

    Returns
    -------
    list of Step
        Frames that are reached towards the end, then those that are reached towards frame 0. A frame between two anchors is reached
        from the nearer one, of two as near from the one before it; but where the object is seen on one of them alone, from that
        one. So what is there afterwards does not depend on the directions in which it was asked for.
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
    """Tell whether a frame is reached from the anchor that tracking comes from, rather than from the other one next to it."""
    before, after = neighbouring_anchors(frame, item.conditioning)
    if before is None:
        return reverse and direction != "forward"
    if after is None:
        return not reverse and direction != "backward"
    shows_before, shows_after = (item.conditioning.header(anchor).is_present for anchor in (before, after))
    return reverse == (shows_after if shows_before != shows_after else after - frame < frame - before)
