"""Propagates objects at every position on another axis: through each volume of a time-lapse, or along T at each plane.

Prompts are given once, at one position. The prompted frames are propagated to the other positions, where the masks are prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_sam2.checks import check_text, check_wholes
from napari_sam2.images.axes import SEPARATE_AXIS
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.planes import NoLabels
from napari_sam2.images.stack import Stack
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.readable_frames import propagate_readable
from napari_sam2.session.session import Session
from napari_sam2.session.state.calls import LoggedCall
from napari_sam2.session.state.history import Action
from napari_sam2.session.state.objects import SessionObject
from napari_sam2.session.state.packed_labels import pack_plane, unpack_plane
from napari_sam2.session.volumes.fuse_axes import check_fusion, fuse_axes


@dataclass(frozen=True)
class PositionResult:
    """The result of one frame at one position.

    Attributes
    ----------
    position : int
        On the axis of positions.
    session : Session
        The session of that position; it has no labels of its own, and is closed unless the caller keeps it.
    result : FrameResult
        The frame, counted along the session's axis, or along one of those that are fused.
    """

    position: int
    session: Session
    result: FrameResult


def check_each(stack: Stack, over: str) -> str:
    """Check that a stack is at one position on an axis, and has frames there to propagate along; return the axis in capitals.

    Raises
    ------
    ValueError
        If it is not.
    """
    axis = check_text("over", over).upper()
    if axis == stack.along:
        raise ValueError(f"objects are propagated along {axis}: they can be propagated at each position of another axis only")
    if axis not in stack.axes:
        raise ValueError(f"there is no axis {axis} to propagate at each position of: labels have axes {stack.axes}")
    if SEPARATE_AXIS in (axis, stack.along):
        raise ValueError(f"along {SEPARATE_AXIS} are separate images: objects are not propagated from one to another")
    if axis not in stack.at:
        raise ValueError(f"{axis} is an axis of the frames: objects cannot be propagated at each position of it")
    if not stack.along:
        raise ValueError(f"at one position of {axis}, axes {stack.axes} leave none to propagate along: that takes a fourth axis")
    return axis


def propagate_each(
    session: Session, over: str, positions: Iterable[int] | None = None, fuse: str | None = None
) -> Iterator[PositionResult]:
    """Propagate objects through the stack of a session, then through those at all other positions of an axis.

    For example, through each volume of a time-lapse. Each finished position is kept, as part of one action; :attr:`Session.labels`
    has all of them. Of other positions only labels are kept: to correct them, open :meth:`Session.reslice`, or correct the prompts
    here and propagate again. Hidden and locked objects are not propagated to other positions; their labels there stay.

    Parameters
    ----------
    session : Session
        The session.
    over : str
        The axis of the positions, one of those in ``at``.
    positions : iterable of int, optional
        The positions; all by default. After an interruption, those that are left.
    fuse : str, optional
        Axes that are fused at each position, see :func:`~napari_sam2.session.volumes.fuse_axes.fuse_axes`; objects are propagated
        along the session's own axis by default.

    Yields
    ------
    PositionResult
        One frame after another: of the session itself, of the positions after it and of those before it. Stop iterating to stop:
        then the unfinished position is left out.

    Raises
    ------
    ValueError
        If nothing was prompted, the session is not at a position on that axis, there is no such position, the axes that are fused
        are others, or objects are changed in between.
    FrameReadError
        At the end, if a frame could not be read: its position is left out, all others are done. At the session's own position,
        frames that are not behind it are done.

    Notes
    -----
    A mask that is right at one time is wrong at the next, where the cell has moved. So every prompted frame is propagated along
    ``over``, through the same frame of the other positions, and the masks found there are the prompts of these positions. Where an
    object is absent it is not prompted.
    """
    history, found = session.state.history, session.state.positions
    axis = check_each(session.stack, over)
    start = session.stack.at[axis]
    chosen = _check_positions(session.stack, axis, positions)
    fused = None if fuse is None else check_fusion(session.stack, fuse)
    unreadable: dict[int, FrameReadError] = {}
    if start in chosen:
        try:
            for result in _propagated(session, fused):
                yield PositionResult(start, session, result)
        except FrameReadError as error:
            unreadable[start] = error
    crossings = _crossings(session, axis)
    if not crossings:
        raise ValueError("there is nothing to propagate: no object is present on a frame on which it was prompted")
    action, done, changes = Action(), list[int](), history.num_changes
    for position in [*(one for one in chosen if one > start), *(one for one in reversed(chosen) if one < start)]:
        try:
            there = _prompted_there(session, axis, position, crossings)
            if there.objects:
                for result in _propagated(there, fused):
                    yield PositionResult(position, there, result)
        except FrameReadError as error:
            unreadable[position] = error
            continue
        if history.num_changes != changes:
            raise ValueError(f"objects were changed while they were propagated at each position of {axis}: begin again")
        done = [*done, position]
        number = session.stack.number_of_position(there.stack.at)
        planes = (there.label_plane(frame) for frame in range(len(there.stack)))  # one at a time: a volume need not fit into memory
        if number in found:
            planes = (_with_what_stays(plane, packed, session) for plane, packed in zip(planes, found[number], strict=True))
        packed_planes = tuple(pack_plane(plane) for plane in planes)
        arguments = {"over": axis, "positions": done, "fuse": fused}
        with history.action(partial(LoggedCall, "propagate_each", arguments), continued=action) as action:
            found[number] = packed_planes
        changes = history.num_changes
    if unreadable:
        raise _summary(unreadable, axis, start)


def _summary(unreadable: dict[int, FrameReadError], axis: str, start: int) -> FrameReadError:
    """Summarize which positions were left out, and why."""
    left_out = [str(position) for position in sorted(unreadable) if position != start]
    parts = [
        f"{axis} {start} is done in part" if start in unreadable else "",
        f"{axis} {', '.join(left_out)} {'is' if len(left_out) == 1 else 'are'} left out" if left_out else "",
    ]
    first = next(iter(unreadable.values()))
    error = FrameReadError(f"{first}; {' and '.join(filter(None, parts))}")
    error.__cause__ = first
    return error


def _with_what_stays(plane: npt.NDArray[np.uint16], earlier: bytes, session: Session) -> npt.NDArray[np.uint16]:
    """Restore the earlier labels of locked objects, and those of hidden ones on background."""
    before = unpack_plane(earlier, (plane.shape[0], plane.shape[1]))
    infos = {object_id: item.info for object_id, item in session.objects.items()}
    locked = np.isin(before, [object_id for object_id, info in infos.items() if info.is_locked])
    hidden = np.isin(before, [object_id for object_id, info in infos.items() if info.is_hidden])
    return np.where(locked | (hidden & (plane == 0)), before, plane)


def _propagated(session: Session, axes: str | None) -> Iterator[FrameResult]:
    """Propagate objects along one axis, or several."""
    if axes is None:
        yield from propagate_readable(session)
    else:
        for done in fuse_axes(session, axes):
            yield done.result


def _check_positions(stack: Stack, axis: str, positions: Iterable[int] | None) -> list[int]:
    count = dict(zip(stack.axes, stack.labels_shape, strict=True))[axis]
    chosen = sorted(set(range(count) if positions is None else check_wholes("positions", positions)))
    for position in chosen:
        if position not in range(count):
            raise ValueError(f"{axis} {position} does not exist: the image has {count}, counted from 0")
    return chosen


def _crossings(session: Session, axis: str) -> dict[int, Session]:
    """Open a session for each prompted frame, which propagates it along the other axis."""
    stack = session.stack
    start = stack.at[axis]
    rest = {other: index for other, index in stack.at.items() if other != axis}
    crossings: dict[int, Session] = {}
    for item in session.objects.values():
        for frame in () if item.info.is_hidden or item.info.is_locked else item.anchors:
            mask = session.mask(item.object_id, frame)
            if not mask.any():
                continue
            if frame not in crossings:
                crossings[frame] = session.reslice(axis, {**rest, stack.along: frame}, labels=NoLabels(stack.labels_shape))
            crossings[frame].add_object(item.name, item.object_id)
            crossings[frame].add_mask(item.object_id, start, mask)
    return crossings


def _prompted_there(session: Session, axis: str, position: int, crossings: dict[int, Session]) -> Session:
    """Propagate the prompted frames to a position, and prompt the session of that position by the masks."""
    stack = session.stack
    start = stack.at[axis]
    there = session.reslice(stack.along, {**stack.at, axis: position}, labels=NoLabels(stack.labels_shape))
    for frame, crossing in crossings.items():
        for _ in crossing.propagate(frames=range(min(start, position), max(start, position) + 1)):
            pass
        for item in crossing.objects.values():
            mask = crossing.mask(item.object_id, position)
            if mask.any():
                if item.object_id not in there.objects:
                    _add_alike(there, session.objects[item.object_id])
                there.add_mask(item.object_id, frame, mask)
    return there


def _add_alike(session: Session, item: SessionObject) -> None:
    """Add an object with the id, the name and the frames of one of another session."""
    with session.state.history.action():
        session.add_object(item.name, item.object_id)
        info = session.state.infos[item.object_id]
        session.state.infos[item.object_id] = replace(info, first_frame=item.info.first_frame, end_frame=item.info.end_frame)
