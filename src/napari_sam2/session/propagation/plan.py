"""The steps of a propagation: which objects are tracked to which frames, in which order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

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
    # Object by object, and not frame by frame: of hundreds of objects on thousands of frames, each frame counts.
    due: dict[bool, dict[int, list[int]]] = {False: {}, True: {}}
    for item in objects:
        if anchors := item.anchors:
            tracked = set(item.memory.tracked)
            for before, after in pairwise([None, *anchors, None]):
                for reverse, part in _parts(item, frames, before, after, direction):
                    for frame in part:
                        if frame not in tracked:
                            due[reverse].setdefault(frame, []).append(item.object_id)
    passes = ((frames, False), (list(reversed(frames)), True))
    return [Step(t, tuple(due[reverse][t]), reverse) for ordered, reverse in passes for t in ordered if t in due[reverse]]


def _parts(
    item: SessionObject, frames: Sequence[int], before: int | None, after: int | None, direction: Direction
) -> Iterator[tuple[bool, Sequence[int]]]:
    """Divide the frames between two anchors into those tracked from the one before, and, in reverse, those from the one after."""
    first = max(item.info.first_frame, 0 if before is None else before + 1)
    ends = [end for end in (after, item.info.end_frame) if end is not None]
    between = frames[bisect_left(frames, first) : bisect_left(frames, min(ends)) if ends else len(frames)]
    if before is None or after is None:
        reverse = before is None
        if direction != ("forward" if reverse else "backward"):
            yield reverse, between
        return
    shows_before, shows_after = (item.conditioning.header(anchor).is_present for anchor in (before, after))
    if shows_before != shows_after:
        yield shows_after, between
        return
    num_nearer = bisect_left(between, (before + after) // 2 + 1)
    yield False, between[:num_nearer]
    yield True, between[num_nearer:]
