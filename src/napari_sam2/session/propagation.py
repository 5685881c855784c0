"""Which frames are to be done, for which objects, and where to stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_sam2.session.objects import SessionObject

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
        Where to.

    Returns
    -------
    list of Step
        Frames after each object's first anchor towards the end, then those before it towards frame 0. With ``backward``,
        frames before each object's last anchor.
    """
    chosen = [item for item in objects if item.anchors]
    first = {item.object_id: item.anchors[-1 if direction == "backward" else 0] for item in chosen}

    def due(frame: int, reverse: bool) -> tuple[int, ...]:
        return tuple(
            item.object_id
            for item in chosen
            if (frame < first[item.object_id] if reverse else frame > first[item.object_id])
            and frame not in item.memory.conditioning
            and frame not in item.memory.tracked
            and item.info.may_be_on(frame)
        )

    passes = [(frames, False)] if direction != "backward" else []
    passes += [(list(reversed(frames)), True)] if direction != "forward" else []
    steps = [Step(frame, due(frame, reverse), reverse) for ordered, reverse in passes for frame in ordered]
    return [step for step in steps if step.object_ids]
