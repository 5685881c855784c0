"""The objects of a session at every place on an axis that is not propagated along: each volume of a time-lapse, each plane of it.

Prompts are given once, at one place. What they mean at the others is found by following the prompted frames there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import check_text, check_wholes
from napari_sam2.images.axes import SEPARATE_AXIS
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.planes import NoLabels
from napari_sam2.images.stack import Stack
from napari_sam2.session.calls import LoggedCall
from napari_sam2.session.consensus import check_consensus
from napari_sam2.session.history import History
from napari_sam2.session.object_editing import add_alike
from napari_sam2.session.packed_labels import pack_plane, unpack_plane
from napari_sam2.session.readable_frames import propagate_readable
from napari_sam2.session.undoable import Action, UndoableDict

if TYPE_CHECKING:
    from napari_sam2.session.session import FrameResult, Session


@dataclass(frozen=True)
class PlaceResult:
    """One frame done at one place.

    Attributes
    ----------
    place : int
        On the axis that is looped over.
    session : Session
        Of that place; it has no labels of its own, and is not kept unless the caller keeps it.
    result : FrameResult
        The frame, counted along the session's axis, or along one of those that vote.
    """

    place: int
    session: Session
    result: FrameResult


def check_each(stack: Stack, over: str) -> str:
    """Check that a stack is at one place on an axis, and has frames there to follow objects along; return the axis in capitals.

    Raises
    ------
    ValueError
        If it is not.
    """
    axis = check_text("over", over).upper()
    if axis == stack.along:
        raise ValueError(f"objects are followed along {axis}: they can be followed at each place of another axis only")
    if axis not in stack.axes:
        raise ValueError(f"there is no axis {axis} to follow objects at each place of: labels have axes {stack.axes}")
    if SEPARATE_AXIS in (axis, stack.along):
        raise ValueError(f"along {SEPARATE_AXIS} are separate images: objects are not followed from one to another")
    if axis not in stack.at:
        raise ValueError(f"{axis} is an axis of the frames: objects cannot be followed at each place of it")
    if not stack.along:
        raise ValueError(f"at one place of {axis}, axes {stack.axes} leave none to follow objects along: that takes a fourth axis")
    return axis


def follow_each(
    session: Session,
    history: History,
    found: UndoableDict[tuple[bytes, ...]],
    over: str,
    places: Iterable[int] | None = None,
    consensus: str | None = None,
) -> Iterator[PlaceResult]:
    """Carry objects through the stack of a session, then through those at other places; see :meth:`Session.follow_each`.

    Parameters
    ----------
    session : Session
        The session.
    history : History
        Its history, of which all places are one action.
    found : UndoableDict
        Receives the packed label planes of other places, by their number.
    over, places, consensus
        See there.

    Notes
    -----
    A mask that was right at one time is not right at the next, where the cell has moved. So every prompted frame is followed along
    ``over``, as the stack that it is with the same frame of the other places, and what is found there is the prompt of that place.
    Where an object is not found it is not prompted. What was found earlier of objects that are hidden or locked stays as it is.
    """
    axis = check_each(session.stack, over)
    start = session.stack.at[axis]
    chosen = _check_places(session.stack, axis, places)
    voting = None if consensus is None else check_consensus(session.stack, consensus)
    unreadable: dict[int, FrameReadError] = {}
    if start in chosen:
        try:
            for result in _followed(session, voting):
                yield PlaceResult(start, session, result)
        except FrameReadError as error:
            unreadable[start] = error
    crossings = _crossings(session, axis)
    if not crossings:
        raise ValueError("there is nothing to follow: no object is to be seen where it was prompted")
    action, done, changes = Action(), list[int](), history.num_changes
    for place in [*(one for one in chosen if one > start), *(one for one in reversed(chosen) if one < start)]:
        try:
            there = _prompted_there(session, axis, place, crossings)
            if there.objects:
                for result in _followed(there, voting):
                    yield PlaceResult(place, there, result)
        except FrameReadError as error:
            unreadable[place] = error
            continue
        if history.num_changes != changes:
            raise ValueError(f"objects were changed while they were followed at each place of {axis}: begin again")
        done = [*done, place]
        number = session.stack.number_of_place(there.stack.at)
        planes = (there.label_plane(frame) for frame in range(len(there.stack)))  # one at a time: a volume need not fit into memory
        if number in found:
            planes = (_with_what_stays(plane, packed, session) for plane, packed in zip(planes, found[number], strict=True))
        packed_planes = tuple(pack_plane(plane) for plane in planes)
        arguments = {"over": axis, "places": done, "consensus": voting}
        with history.action(partial(LoggedCall, "follow_each", arguments), continued=action) as action:
            found[number] = packed_planes
        changes = history.num_changes
    if unreadable:
        raise _summary(unreadable, axis, start)


def _summary(unreadable: dict[int, FrameReadError], axis: str, start: int) -> FrameReadError:
    """Say what was left out, and why."""
    left_out = [str(place) for place in sorted(unreadable) if place != start]
    said = [
        f"{axis} {start} is done in part" if start in unreadable else "",
        f"{axis} {', '.join(left_out)} {'is' if len(left_out) == 1 else 'are'} left out" if left_out else "",
    ]
    first = next(iter(unreadable.values()))
    error = FrameReadError(f"{first}; {' and '.join(filter(None, said))}")
    error.__cause__ = first
    return error


def _with_what_stays(plane: npt.NDArray[np.uint16], earlier: bytes, session: Session) -> npt.NDArray[np.uint16]:
    """Put back what was found before of objects that are locked, and of hidden ones where nobody else is."""
    before = unpack_plane(earlier, (plane.shape[0], plane.shape[1]))
    infos = {object_id: item.info for object_id, item in session.objects.items()}
    locked = np.isin(before, [object_id for object_id, info in infos.items() if info.is_locked])
    hidden = np.isin(before, [object_id for object_id, info in infos.items() if info.is_hidden])
    return np.where(locked | (hidden & (plane == 0)), before, plane)


def _followed(session: Session, voting: str | None) -> Iterator[FrameResult]:
    """Carry objects along one axis, or several."""
    if voting is None:
        yield from propagate_readable(session)
    else:
        for done in session.consensus(voting):
            yield done.result


def _check_places(stack: Stack, axis: str, places: Iterable[int] | None) -> list[int]:
    count = dict(zip(stack.axes, stack.labels_shape, strict=True))[axis]
    chosen = sorted(set(range(count) if places is None else check_wholes("places", places)))
    for place in chosen:
        if place not in range(count):
            raise ValueError(f"{axis} {place} does not exist: the image has {count}, counted from 0")
    return chosen


def _crossings(session: Session, axis: str) -> dict[int, Session]:
    """For each prompted frame the session that follows it along the other axis."""
    stack = session.stack
    start = stack.at[axis]
    rest = {other: place for other, place in stack.at.items() if other != axis}
    crossings: dict[int, Session] = {}
    for item in session.objects.values():
        for frame in () if item.info.is_hidden or item.info.is_locked else item.anchors:
            mask = session.mask(item.object_id, frame)
            if not mask.any():
                continue
            if frame not in crossings:
                crossings[frame] = session.elsewhere(axis, {**rest, stack.along: frame}, labels=NoLabels(stack.labels_shape))
            crossings[frame].add_object(item.name, item.object_id)
            crossings[frame].add_mask(item.object_id, start, mask)
    return crossings


def _prompted_there(session: Session, axis: str, place: int, crossings: dict[int, Session]) -> Session:
    """Follow the prompted frames to a place, and prompt the session of that place by what is found."""
    stack = session.stack
    start = stack.at[axis]
    there = session.elsewhere(stack.along, {**stack.at, axis: place}, labels=NoLabels(stack.labels_shape))
    for frame, crossing in crossings.items():
        for _ in crossing.propagate(frames=range(min(start, place), max(start, place) + 1)):
            pass
        for item in crossing.objects.values():
            mask = crossing.mask(item.object_id, place)
            if mask.any():
                if item.object_id not in there.objects:
                    add_alike(there, session.objects[item.object_id])
                there.add_mask(item.object_id, frame, mask)
    return there
