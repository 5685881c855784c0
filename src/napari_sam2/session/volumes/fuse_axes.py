"""Propagates the objects of a volume along several axes, and fuses their logits.

Z, Y, X sides of the volume · H, W height and width of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from napari_sam2.checks import check_text, check_wholes
from napari_sam2.files import temporary_file
from napari_sam2.images.axes import SPACE
from napari_sam2.images.errors import FrameReadError
from napari_sam2.images.planes import NoLabels
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.logits import enlarge, reduce, rounded
from napari_sam2.predictors.mask_box import bounding_box
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import OUTSIDE_LOGIT, whole_view
from napari_sam2.session.propagation.propagator import FrameResult
from napari_sam2.session.readable_frames import propagate_readable
from napari_sam2.session.session import Session
from napari_sam2.session.state.calls import LoggedCall, encode
from napari_sam2.session.state.objects import SessionObject

MAX_LOGIT = 4.0
"""Logits are clipped to plus and minus this, a probability of 98 %, so that one axis does not outweigh two others."""
INSIDE = (0.25, 0.5, 0.75)
"""Positions of the points inside on the line through an object, from its first to its last pixel."""
MARGIN = 0.15
"""Distance of the points outside from the ends of that line, in lengths of the line; one pixel at least."""


@dataclass(frozen=True)
class AxisResult:
    """The result of one frame along one axis."""

    axis: str
    result: FrameResult


def check_axes(axes: str) -> str:
    """Check that axes can be fused, and return them in capitals.

    Raises
    ------
    ValueError
        If they are not two or three of Z, Y and X.
    """
    chosen = check_text("axes", axes).upper()
    if len(chosen) < 2 or not len(chosen) == len(set(chosen)) == len(set(chosen) & set(SPACE)):
        raise ValueError(f"two or three of the axes Z, Y and X are fused, got {axes!r}")
    return chosen


def check_fusion(stack: Stack, axes: str) -> str:
    """Check that a stack can be propagated along several axes, and return them in capitals.

    Raises
    ------
    ValueError
        If they are not two or three of Z, Y and X, the stack does not have them, or is propagated along another.
    """
    chosen = check_axes(axes)
    if "Z" not in stack.axes:
        raise ValueError(f"axes of a volume are fused: axes {stack.axes} have no Z")
    if stack.along not in chosen:
        raise ValueError(f"objects are propagated along {stack.along}: to fuse {chosen} they have to be along one of these")
    return chosen


def fuse_axes(session: Session, axes: str = SPACE, objects: Iterable[int] | None = None) -> Iterator[AxisResult]:
    """Propagate objects through a volume along several axes from the same prompts, and fuse the axes: take the mean of the logits.

    Objects are first propagated along the session's own axis by :meth:`Session.propagate`. The fusion comes at the end, and is one
    action. It changes tracked frames only: anchor frames stay. A later correction is propagated along the session's own axis, and
    replaces fused masks between the neighbouring anchors.

    Parameters
    ----------
    session : Session
        The session.
    axes : str
        Two or three of Z, Y and X, among them the one that the session goes along.
    objects : iterable of int, optional
        Which objects; all by default, but those that are locked.

    Yields
    ------
    AxisResult
        One frame after another, first along the session's own axis. Stop iterating to stop: then nothing is fused.

    Raises
    ------
    ValueError
        If nothing was prompted, the stack is no volume, the axes are others, there is no such object, or objects are changed
        before the fusion.
    FrameReadError
        If a frame cannot be read. Frames that are not behind it were tracked along the session's own axis; nothing is fused.

    Notes
    -----
    On a prompted frame the mask is known; on a plane that crosses it, only the line where the two meet. The planes are those
    through the deepest point of the mask. On each the object is prompted by three points inside on the line, and by one outside
    beyond each of its ends. So all axes start from the same prompts, and none from the result of another.

    Logits are clipped to plus and minus :data:`MAX_LOGIT`; the object is where their mean is above 0. An axis along which an object
    is absent from all frames with prompts is left out. Means are taken object by object in a temporary file of one float32 volume.
    """
    chosen_axes = check_fusion(session.stack, axes)
    wanted = None if objects is None else check_wholes("objects", objects)
    try:
        yield from _propagate_and_fuse(session, chosen_axes, wanted)
    except FrameReadError as error:
        own = session.stack.along
        raise FrameReadError(f"{error}; so {chosen_axes} were not fused, and objects were tracked along {own} only") from error


def _propagate_and_fuse(session: Session, chosen_axes: str, wanted: list[int] | None) -> Iterator[AxisResult]:
    own, history = session.stack.along, session.state.history
    for result in propagate_readable(session, objects=wanted):
        yield AxisResult(own, result)
    asked = dict.fromkeys(sorted(session.objects) if wanted is None else wanted)
    items = [item for i in asked if (item := session.objects.get(i)) is not None and not item.info.is_locked]
    changes, sessions = history.num_changes, {own: session}
    for axis in chosen_axes.replace(own, ""):
        sessions[axis] = _crossing(session, axis, items)
        if sessions[axis].objects:
            for result in sessions[axis].propagate():
                yield AxisResult(axis, result)
    if history.num_changes != changes:
        raise ValueError("objects were changed while axes were propagated: begin the fusion again")
    with history.action(lambda: LoggedCall("fuse_axes", {"axes": chosen_axes, "objects": encode(wanted)})):
        _fuse(session, items, sessions)


def _crossing(session: Session, axis: str, items: Sequence[SessionObject]) -> Session:
    """Prompt the planes across an axis by the masks of anchor frames."""
    stack = session.stack
    crossing = session.reslice(axis, stack.at, labels=NoLabels(stack.labels_shape))
    for item in items:
        for frame in item.anchors:
            mask = session.mask(item.object_id, frame)
            if not mask.any():
                continue
            if item.object_id not in crossing.objects:
                crossing.add_object(item.name, item.object_id)
            plane, line, labels = line_through(mask, along_rows=axis == stack.layout.columns)
            other = stack.layout.rows if axis == stack.layout.columns else stack.layout.columns
            indices = {stack.along: np.full(len(line), frame), other: line}
            points = np.stack([indices[crossing.stack.layout.rows], indices[crossing.stack.layout.columns]], axis=1)
            crossing.add_points(item.object_id, plane, points, labels)
    return crossing


def line_through(mask: npt.NDArray[np.bool_], along_rows: bool) -> tuple[int, npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Find the line through the deepest point of a mask, and points on it.

    Parameters
    ----------
    mask : ndarray
        (H, W), bool, not empty.
    along_rows : bool
        The line is a column of the mask, and points are rows; else it is a row.

    Returns
    -------
    fixed : int
        The column, or the row.
    points : ndarray
        Positions on the line: inside the object, and beyond its ends, if these lie on the frame.
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
    beyond = np.array([index for index in (first - margin, last + margin) if 0 <= index < len(line) and not line[index]], float)
    return fixed, np.concatenate([inside, beyond]), np.array([1] * len(inside) + [0] * len(beyond))


def _fuse(session: Session, items: Sequence[SessionObject], sessions: Mapping[str, Session]) -> None:
    """Set the fused records of tracked frames to the mean of all axes; anchor frames stay as they are."""
    size = dict(zip(session.stack.axes, session.stack.labels_shape, strict=True))
    with temporary_file("logits cannot be fused in a temporary file") as file:
        volume = np.memmap(file, np.float32, "w+", shape=tuple(size[axis] for axis in SPACE))
        means = np.moveaxis(volume, SPACE.index(session.stack.along), 0)
        for item in items:
            counted = {axis: one for axis, one in sessions.items() if _finds(one, item.object_id)}
            if counted:
                _take_mean(volume, item.object_id, counted)
                for frame in sorted(item.tracked):
                    item.fused[frame] = _fused(item.tracked[frame], _logits(session, item.object_id, frame) > 0, means[frame])


def _finds(session: Session, object_id: int) -> bool:
    """Return whether an object is present on any of its anchor frames."""
    item = session.objects.get(object_id)
    return item is not None and any(session.mask(object_id, frame).any() for frame in item.anchors)


def _take_mean(volume: npt.NDArray[np.float32], object_id: int, sessions: Mapping[str, Session]) -> None:
    """Fill a volume (Z, Y, X) with the mean logits of several axes."""
    volume[...] = 0
    for axis, session in sessions.items():
        planes = np.moveaxis(volume, SPACE.index(axis), 0)
        for frame in range(len(planes)):
            planes[frame] += np.clip(_logits(session, object_id, frame), -MAX_LOGIT, MAX_LOGIT) / len(sessions)


def _logits(session: Session, object_id: int, frame: int) -> npt.NDArray[np.float32]:
    """Logits of an object on a frame as it was prompted or tracked, (H, W)."""
    frame_shape = session.stack.height, session.stack.width
    logits: npt.NDArray[np.float32] = np.full(frame_shape, OUTSIDE_LOGIT, np.float32)
    record = session.objects[object_id].memory.get(frame)
    if record is not None:
        view = record.view or whole_view(frame_shape)
        logits[view.window] = enlarge(record.mask_logits, (view.height, view.width))
    return logits


def _fused(tracked: FrameRecord, mask: npt.NDArray[np.bool_], means: npt.NDArray[np.float32]) -> FrameRecord:
    """Make a record of mean logits (H, W), to replace a tracked record with a mask (H, W); it has no memory.

    The object score is the highest logit; the predicted IoU is the IoU of the two masks.
    """
    whole, fused = whole_view((means.shape[0], means.shape[1])), means > 0
    view, box = tracked.view or whole, bounding_box(fused)
    if box is not None:
        view = view.expand_to(box)
    rows, columns = tracked.mask_logits.shape
    either = int((mask | fused).sum())
    return replace(
        tracked.to_be_shown(rounded(reduce(means[view.window], (rows, columns)))),
        object_score=float(means.max()),
        predicted_iou=float((mask & fused).sum() / either) if either else 1.0,
        view=None if view == whole else view,
        anchor_distance=1,  # all alike: how far an anchor is along one axis tells nothing of a mean over several
    )
