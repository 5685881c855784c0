"""A volume followed along all three axes, and the vote. Z, Y, X sides of the volume · H, W height and width of a frame."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.predictors.mask_postprocessing import resize_logits
from napari_sam2.predictors.views import OUTSIDE_LOGIT, whole_view
from napari_sam2.session.axes import SPACE
from napari_sam2.session.planes import NoLabels
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


def follow_by_consensus(session: Session) -> Iterator[AxisResult]:
    """Carry the objects of a volume along Z, Y and X, and write what the three agree on to the session's labels.

    Parameters
    ----------
    session : Session
        Of a volume, along one of Z, Y and X, with prompts.

    Yields
    ------
    AxisResult
        One frame after another. The labels are those of the session's own axis until all are done; then they are the vote.

    Raises
    ------
    ValueError
        If nothing was prompted, or the stack is no volume.

    Notes
    -----
    On a prompted frame the mask is known; on a plane that crosses it only a line is, where the two meet. The planes chosen go
    through the point that lies deepest inside the mask. On each the object is clicked on at three places of the line, and just
    beyond its two ends it is said not to be. So the axes start from the same prompts, and none from what another made of them.

    Votes are mean logits within plus and minus :data:`MAX_VOTE`; the object is where their mean is above 0, and of two objects the
    one with the higher mean. An axis that does not find an object where it is clicked on has no vote. Frames prompted by a person
    are voted on like others. Votes are counted object by object in a temporary file of two float32 volumes.
    """
    own = session.stack.along
    if own not in SPACE or not set(SPACE) <= set(session.stack.axes):
        raise ValueError(f"a consensus of axes needs a volume, followed along Z, Y or X, not axes {session.stack.axes} along {own}")
    for result in session.propagate():
        yield AxisResult(own, result)
    voters = {own: session}
    for axis in SPACE.replace(own, ""):
        voters[axis] = _crossing(session, axis)
        if voters[axis].objects:
            for result in voters[axis].propagate():
                yield AxisResult(axis, result)
    _write_votes(session, voters)


def _crossing(session: Session, axis: str) -> Session:
    """Prompt the planes across an axis by what is known of the objects."""
    stack = session.stack
    crossing = session.elsewhere(axis, stack.at, labels=NoLabels(stack.labels_shape))
    for item in session.objects.values():
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


def _write_votes(session: Session, voters: dict[str, Session]) -> None:
    own, planes = SPACE.index(session.stack.along), session.stack.planes(session.labels)
    size = dict(zip(session.stack.axes, session.stack.labels_shape, strict=True))
    with tempfile.TemporaryFile() as file:
        volumes = np.memmap(file, np.float32, "w+", shape=(2, *(size[axis] for axis in SPACE)))
        votes, highest = np.moveaxis(volumes[0], own, 0), np.moveaxis(volumes[1], own, 0)
        for frame in range(len(planes)):
            planes[frame] = np.zeros(planes.shape[1:], np.uint16)
        for object_id in sorted(session.objects):
            _count(volumes[0], object_id, voters)
            for frame in range(len(planes)):
                wins = votes[frame] > highest[frame]
                if wins.any():
                    highest[frame][wins] = votes[frame][wins]
                    planes[frame] = np.where(wins, np.uint16(object_id), planes[frame])


def _count(votes: npt.NDArray[np.float32], object_id: int, voters: dict[str, Session]) -> None:
    """Fill votes (Z, Y, X) with the mean of those who have one."""
    votes[...] = 0
    heard = {axis: voter for axis, voter in voters.items() if _finds(voter, object_id)}
    for axis, voter in heard.items():
        planes = np.moveaxis(votes, SPACE.index(axis), 0)
        for frame in range(len(planes)):
            planes[frame] += np.clip(_logits(voter, object_id, frame), -MAX_VOTE, MAX_VOTE) / len(heard)


def _finds(session: Session, object_id: int) -> bool:
    """Tell whether an object is to be seen on any frame on which it is prompted."""
    item = session.objects.get(object_id)
    return item is not None and any(session.mask(object_id, frame).any() for frame in item.anchors)


def _logits(session: Session, object_id: int, frame: int) -> npt.NDArray[np.float32]:
    """Logits of an object on a frame, (H, W)."""
    frame_shape = session.stack.height, session.stack.width
    logits: npt.NDArray[np.float32] = np.full(frame_shape, OUTSIDE_LOGIT, np.float32)
    record = session.objects[object_id].shown(frame)
    if record is not None:
        view = record.view or whole_view(frame_shape)
        resized = resize_logits(record.mask_logits[None, None], (view.height, view.width))[0, 0]
        logits[view.window] = resized.float().cpu().numpy()
    return logits
