"""A session for each place on an axis that is not propagated along: each volume of a time-lapse, or each plane of it.

Prompts are given once, at one place. What they mean at the others is found by following the prompted frames there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from napari_sam2.session.planes import NoLabels
from napari_sam2.session.session import FrameResult, Session


@dataclass(frozen=True)
class PlaceResult:
    """One frame done at one place.

    Attributes
    ----------
    place : int
        On the axis that is looped over.
    session : Session
        Of that place; it is not kept unless the caller keeps it.
    result : FrameResult
        The frame, counted along the session's axis.
    """

    place: int
    session: Session
    result: FrameResult


def follow_each(session: Session, over: str, places: Iterable[int] | None = None) -> Iterator[PlaceResult]:
    """Carry objects through the stack of a session, then through those at all other places on an axis.

    Parameters
    ----------
    session : Session
        With prompts, at one place: ``Session(image, "TZYX", along="Z", at={"T": 0})``.
    over : str
        The axis to loop over, one of those in ``at``.
    places : iterable of int, optional
        Which; all by default. After an error it says where to go on.

    Yields
    ------
    PlaceResult
        One frame after another: of the session itself, of the places after it and of those before it. Stop asking to stop. Labels
        are written to those of the session, which have all places.

    Raises
    ------
    ValueError
        If nothing was prompted, the session is not at a place on that axis, or there is no such place.

    Notes
    -----
    A mask that was right at one time is not right at the next, where the cell has moved. So every prompted frame is followed along
    ``over``, as the stack that it is with the same frame of the other places, and what is found there is the prompt of that place.
    Where an object is not found it is not prompted.
    """
    over = over.upper()
    if over not in session.stack.at:
        raise ValueError(f"the session is at no place on {over}: open it with at={{'{over}': 0}}")
    start = session.stack.at[over]
    count = dict(zip(session.stack.axes, session.stack.labels_shape, strict=True))[over]
    chosen = sorted(set(range(count) if places is None else places))
    for place in chosen:
        if place not in range(count):
            raise ValueError(f"{over} {place} does not exist: the image has {count}, counted from 0")
    for result in session.propagate():
        if start in chosen:
            yield PlaceResult(start, session, result)
    crossings = _crossings(session, over)
    yield from _follow_there(session, over, crossings, [place for place in chosen if place > start])
    yield from _follow_there(session, over, crossings, [place for place in reversed(chosen) if place < start])


def _crossings(session: Session, over: str) -> dict[int, Session]:
    """For each prompted frame the session that follows it along the other axis."""
    stack = session.stack
    start = stack.at[over]
    rest = {axis: place for axis, place in stack.at.items() if axis != over}
    crossings: dict[int, Session] = {}
    for item in session.objects.values():
        for frame in item.anchors:
            mask = session.mask(item.object_id, frame)
            if not mask.any():
                continue
            if frame not in crossings:
                crossings[frame] = session.elsewhere(over, {**rest, stack.along: frame}, labels=NoLabels(stack.labels_shape))
            crossings[frame].add_object(item.name, item.object_id)
            crossings[frame].add_mask(item.object_id, start, mask)
    return crossings


def _follow_there(session: Session, over: str, crossings: dict[int, Session], places: Iterable[int]) -> Iterator[PlaceResult]:
    for place in places:
        there = session.elsewhere(session.stack.along, {**session.stack.at, over: place})
        for frame, crossing in crossings.items():
            for _ in crossing.propagate(frames=[place]):
                pass
            for item in crossing.objects.values():
                mask = crossing.mask(item.object_id, place)
                if mask.any():
                    if item.object_id not in there.objects:
                        there.add_object(item.name, item.object_id)
                    there.add_mask(item.object_id, frame, mask)
        if there.objects:
            for result in there.propagate():
                yield PlaceResult(place, there, result)
