"""Propagates objects through a stack with unreadable frames: to all frames that are reached without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from napari_sam2.images.errors import FrameReadError
from napari_sam2.session.propagation.plan import Direction, Step
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.session import Session

MAX_ERRORS_SHOWN = 3


def propagate_readable(
    session: Session, direction: Direction = "both", objects: Iterable[int] | None = None, frames: Sequence[int] | None = None
) -> Iterator[FrameResult]:
    """Propagate objects through a stack as :meth:`Session.propagate` does, but go on after a frame that cannot be read.

    An object is not propagated through such a frame, but in the other direction and from anchors beyond it.

    Parameters
    ----------
    session : Session
        The session.
    direction, objects, frames
        See :meth:`Session.propagate`.

    Yields
    ------
    FrameResult
        One frame after another.

    Raises
    ------
    ValueError
        As :meth:`Session.propagate`.
    FrameReadError
        At the end, if a frame could not be read.
    """
    errors = list[FrameReadError]()
    chosen = None if objects is None else list(objects)
    blocked: dict[int, set[int]] = {}
    groups: list[tuple[list[int] | None, Sequence[int] | None]] = [(chosen, frames)]
    while groups:
        group, allowed = groups.pop(0)
        try:
            yield from session.propagate(direction, group, allowed)
            continue
        except FrameReadError as error:
            errors.append(error)
        plan = session.plan(direction, group, allowed)
        for object_id in plan[0].object_ids:
            try:
                if len(plan[0].object_ids) > 1:  # the unreadable frame may be an anchor of one of them instead
                    yield from session.propagate(direction, [object_id], [plan[0].frame])
                    continue
            except FrameReadError as error:
                errors.append(error)
            blocked.setdefault(object_id, set()).update(_beyond(session, object_id, plan))
        groups = _groups(session, chosen, frames, blocked)
    if errors:
        raise _all_in_one(errors)


def _beyond(session: Session, object_id: int, plan: Sequence[Step]) -> set[int]:
    """Return the frames of a plan that an object reaches through the first of them: up to its next anchor."""
    first = plan[0]
    ahead = [anchor for anchor in session.objects[object_id].anchors if (anchor < first.frame) == first.reverse]
    last = max(ahead, default=-1) if first.reverse else min(ahead, default=len(session.stack))
    between = range(last + 1, first.frame + 1) if first.reverse else range(first.frame, last)
    return {step.frame for step in plan if step.reverse == first.reverse and object_id in step.object_ids and step.frame in between}


def _groups(
    session: Session, chosen: list[int] | None, frames: Sequence[int] | None, blocked: dict[int, set[int]]
) -> list[tuple[list[int] | None, Sequence[int] | None]]:
    """Group objects that are propagated to the same frames."""
    found: dict[frozenset[int], list[int]] = {}
    for object_id in sorted(session.objects) if chosen is None else chosen:
        found.setdefault(frozenset(blocked.get(object_id, ())), []).append(object_id)
    asked = range(len(session.stack)) if frames is None else frames
    return [(group, [frame for frame in asked if frame not in not_to]) for not_to, group in found.items()]


def _all_in_one(errors: Sequence[FrameReadError]) -> FrameReadError:
    reasons = list(dict.fromkeys(str(error) for error in errors))
    if len(reasons) == 1:
        return errors[0]
    more = f"; and {len(reasons) - MAX_ERRORS_SHOWN} more" if len(reasons) > MAX_ERRORS_SHOWN else ""
    found = FrameReadError("; ".join(reasons[:MAX_ERRORS_SHOWN]) + more)
    found.__cause__ = errors[0]
    return found
