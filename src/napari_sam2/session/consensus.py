"""A volume followed along several axes, and the vote. Z, Y, X sides of the volume · H, W height and width of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from scipy import ndimage as ndi

from napari_sam2.checks import check_text, check_wholes
from napari_sam2.files import temporary_file
from napari_sam2.images.axes import SPACE
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.planes import NoLabels
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.mask_postprocessing import resize_logits
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import OUTSIDE_LOGIT, bounding_box, whole_view
from napari_sam2.session.calls import LoggedCall, encode
from napari_sam2.session.history import History
from napari_sam2.session.objects import SessionObject
from napari_sam2.session.readable_frames import propagate_readable

if TYPE_CHECKING:
    from napari_sam2.session.session import FrameResult, Session

MAX_VOTE = 4.0
"""Logits count up to plus and minus this, 98 % sure: one axis that is very sure must not outvote two that are sure."""
INSIDE = (0.25, 0.5, 0.75)
"""Where on the known line through an object it is clicked on, from its first to its last pixel."""
MARGIN = 0.15
"""How far beyond the ends of that line is outside, in lengths of the line; one pixel at least."""


@dataclass(frozen=True)
class AxisResult:
    """One frame done along one axis."""

    axis: str
    result: FrameResult


def check_voters(axes: str) -> str:
    """Check that axes can vote, and return them in capitals.

    Raises
    ------
    ValueError
        If they are not two or three of Z, Y and X.
    """
    chosen = check_text("axes", axes).upper()
    if len(chosen) < 2 or not len(chosen) == len(set(chosen)) == len(set(chosen) & set(SPACE)):
        raise ValueError(f"a consensus is a vote of two or three of the axes Z, Y and X, got {axes!r}")
    return chosen


def check_consensus(stack: Stack, axes: str) -> str:
    """Check that a stack can be followed along several axes, and return them in capitals.

    Raises
    ------
    ValueError
        If they are not two or three of Z, Y and X, the stack does not have them, or is followed along another.
    """
    chosen = check_voters(axes)
    if "Z" not in stack.axes:
        raise ValueError(f"a consensus of axes needs a volume: axes {stack.axes} have no Z")
    if stack.along not in chosen:
        raise ValueError(f"objects are followed along {stack.along}: a consensus of {chosen} starts along one of these")
    return chosen


def follow_by_consensus(
    session: Session, history: History, axes: str = SPACE, objects: Iterable[int] | None = None
) -> Iterator[AxisResult]:
    """Carry objects along several axes and show what these agree on; see :meth:`Session.consensus`.

    Parameters
    ----------
    session : Session
        The session.
    history : History
        Its history, of which the vote is an action.
    axes, objects
        See there.

    Notes
    -----
    On a prompted frame the mask is known; on a plane that crosses it only a line is, where the two meet. The planes chosen go
    through the point that lies deepest inside the mask. On each the object is clicked on at three places of the line, and just
    beyond its two ends it is said not to be. So the axes start from the same prompts, and none from what another made of them.

    Votes are mean logits within plus and minus :data:`MAX_VOTE`; the object is where their mean is above 0. An axis that does not
    find an object where it is clicked on has no vote. Votes are counted object by object in a temporary file of one float32 volume.
    """
    chosen_axes = check_consensus(session.stack, axes)
    wanted = None if objects is None else check_wholes("objects", objects)
    try:
        yield from _follow_and_vote(session, history, chosen_axes, wanted)
    except FrameReadError as error:
        own = session.stack.along
        raise FrameReadError(
            f"{error}; so there was no vote of {chosen_axes}, and what is shown was followed along {own}"
        ) from error


def _follow_and_vote(session: Session, history: History, chosen_axes: str, wanted: list[int] | None) -> Iterator[AxisResult]:
    own = session.stack.along
    for result in propagate_readable(session, objects=wanted):
        yield AxisResult(own, result)
    asked = dict.fromkeys(sorted(session.objects) if wanted is None else wanted)
    items = [item for i in asked if (item := session.objects.get(i)) is not None and not item.info.is_locked]
    changes, voters = history.num_changes, {own: session}
    for axis in chosen_axes.replace(own, ""):
        voters[axis] = _crossing(session, axis, items)
        if voters[axis].objects:
            for result in voters[axis].propagate():
                yield AxisResult(axis, result)
    if history.num_changes != changes:
        raise ValueError("objects were changed while axes were followed: begin the consensus again")
    with history.action(lambda: LoggedCall("consensus", {"axes": chosen_axes, "objects": encode(wanted)})):
        _vote(session, items, voters)


def _crossing(session: Session, axis: str, items: Sequence[SessionObject]) -> Session:
    """Prompt the planes across an axis by what is known of the objects."""
    stack = session.stack
    crossing = session.elsewhere(axis, stack.at, labels=NoLabels(stack.labels_shape))
    for item in items:
        for frame in item.anchors:
            mask = session.mask(item.object_id, frame)
            if not mask.any():
                continue
            if item.object_id not in crossing.objects:
                crossing.add_object(item.name, item.object_id)
            plane, line, labels = line_through(mask, along_rows=axis == stack.layout.columns)
            other = stack.layout.rows if axis == stack.layout.columns else stack.layout.columns
            places = {stack.along: np.full(len(line), frame), other: line}
            points = np.stack([places[crossing.stack.layout.rows], places[crossing.stack.layout.columns]], axis=1)
            crossing.add_points(item.object_id, plane, points, labels)
    return crossing


def line_through(mask: npt.NDArray[np.bool_], along_rows: bool) -> tuple[int, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Find the line through the deepest point of a mask, and places on it.

    Parameters
    ----------
    mask : ndarray
        (H, W), bool, not empty.
    along_rows : bool
        The line is a column of the mask, and places are rows; else it is a row.

    Returns
    -------
    fixed : int
        The column, or the row.
    places : ndarray
        Where on the line: inside the object, and beyond its ends as far as the frame goes.
    labels : ndarray
        1 inside, 0 outside.
    """
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = (int(index) for index in np.unravel_index(depth.argmax(), mask.shape))
    fixed, deepest, line = (column, row, mask[:, column]) if along_rows else (row, column, mask[row])
    outside = np.flatnonzero(~line)
    first = int(max(outside[outside < deepest], default=-1)) + 1
    last = int(min(outside[outside > deepest], default=len(line))) - 1
    inside = np.unique(np.rint(first + (last - first) * np.array(INSIDE)))
    margin = max(1, round(MARGIN * (last - first + 1)))
    beyond = np.array([place for place in (first - margin, last + margin) if 0 <= place < len(line) and not line[place]], float)
    return fixed, np.concatenate([inside, beyond]), np.array([1] * len(inside) + [0] * len(beyond))


def _vote(session: Session, items: Sequence[SessionObject], voters: Mapping[str, Session]) -> None:
    """Show of tracked frames what the voters agree on; frames that a person decided on stay as they are."""
    size = dict(zip(session.stack.axes, session.stack.labels_shape, strict=True))
    with temporary_file("votes cannot be counted in a temporary file") as file:
        volume = np.memmap(file, np.float32, "w+", shape=tuple(size[axis] for axis in SPACE))
        votes = np.moveaxis(volume, SPACE.index(session.stack.along), 0)
        for item in items:
            heard = {axis: voter for axis, voter in voters.items() if _finds(voter, item.object_id)}
            if heard:
                _count(volume, item.object_id, heard)
                for frame in sorted(item.tracked):
                    item.voted[frame] = _voted(item.tracked[frame], _logits(session, item.object_id, frame) > 0, votes[frame])


def _finds(session: Session, object_id: int) -> bool:
    """Tell whether an object is to be seen on any frame on which it is prompted."""
    item = session.objects.get(object_id)
    return item is not None and any(session.mask(object_id, frame).any() for frame in item.anchors)


def _count(votes: npt.NDArray[np.float32], object_id: int, voters: Mapping[str, Session]) -> None:
    """Fill votes (Z, Y, X) with the mean of those who have one."""
    votes[...] = 0
    for axis, voter in voters.items():
        planes = np.moveaxis(votes, SPACE.index(axis), 0)
        for frame in range(len(planes)):
            planes[frame] += np.clip(_logits(voter, object_id, frame), -MAX_VOTE, MAX_VOTE) / len(voters)


def _logits(session: Session, object_id: int, frame: int) -> npt.NDArray[np.float32]:
    """Logits of an object on a frame as it was prompted or tracked, (H, W)."""
    frame_shape = session.stack.height, session.stack.width
    logits: npt.NDArray[np.float32] = np.full(frame_shape, OUTSIDE_LOGIT, np.float32)
    record = session.objects[object_id].memory.get(frame)
    if record is not None:
        view = record.view or whole_view(frame_shape)
        resized = resize_logits(record.mask_logits[None, None], (view.height, view.width))[0, 0]
        logits[view.window] = resized.float().cpu().numpy()
    return logits


def _voted(tracked: FrameRecord, mask: npt.NDArray[np.bool_], votes: npt.NDArray[np.float32]) -> FrameRecord:
    """Show votes (H, W) in the place of what was tracked and its mask (H, W); nothing of it is remembered.

    The object score is the highest vote; how good the mask is believed to be is how far the two masks agree (IoU).
    """
    whole, elected = whole_view((votes.shape[0], votes.shape[1])), votes > 0
    view, box = tracked.view or whole, bounding_box(elected)
    if box is not None:
        view = view.expand_to(box)
    seen = torch.from_numpy(np.ascontiguousarray(votes[view.window])).to(tracked.mask_logits.device)
    size = (tracked.mask_logits.shape[0], tracked.mask_logits.shape[1])
    logits = F.interpolate(seen[None, None], size=size, mode="bilinear", align_corners=False, antialias=True)[0, 0]
    either = int((mask | elected).sum())
    return replace(
        tracked,
        mask_logits=logits,
        object_score=float(votes.max()),
        predicted_iou=float((mask & elected).sum() / either) if either else 1.0,
        memory=None,
        view=None if view == whole else view,
    )
