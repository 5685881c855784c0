"""The state of each object on each frame, as values that follow what the worker reports. F frames of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.reports.reports import FramesMeasured, RecordKind
from napari_sam2.session.review.track_measurements import UNCERTAIN_ABOVE

if TYPE_CHECKING:
    from napari_sam2.session.state.prompts import FramePrompts
    from napari_sam2.session.state.session_state import StateChange

TO_REVIEW = np.dtype(
    [("object_id", np.int32), ("frame", np.int32), ("uncertainty", np.float32), ("reasons", np.uint16), ("other_id", np.int32)]
)
"""An object on a frame that is to be reviewed; see :class:`~napari_sam2.plugin.reports.reports.FramesMeasured`."""


class FrameState(IntEnum):
    """State of an object on a frame. Of several, the highest is the one to be shown."""

    NONE = 0
    FOUND = 1
    ABSENT = 2
    APPROVED = 3
    PROMPTED = 4
    STALE = 5
    UNCERTAIN = 6

    @property
    def description(self) -> str:
        """What it is called."""
        return _DESCRIPTIONS[self]


_NUM_STATES = len(FrameState)
_PROPAGATED = [FrameState.FOUND, FrameState.ABSENT, FrameState.STALE, FrameState.UNCERTAIN]
_DESCRIPTIONS = {
    FrameState.NONE: "not propagated yet",
    FrameState.FOUND: "found",
    FrameState.ABSENT: "absent",
    FrameState.APPROVED: "approved",
    FrameState.PROMPTED: "prompted",
    FrameState.STALE: "stale: propagate again",
    FrameState.UNCERTAIN: "uncertain",
}


class ObjectFrameStates:
    """One object on all frames.

    Parameters
    ----------
    num_frames : int
        Of the stack.

    Attributes
    ----------
    prompts : dict of int to bool
        By frame with prompts, whether the mask there was approved instead.
    counts : ndarray
        (7,), how many frames there are of each :class:`FrameState`.
    """

    def __init__(self, num_frames: int) -> None:
        self.prompts: dict[int, bool] = {}
        self.counts = np.zeros(_NUM_STATES, np.int64)
        self.counts[FrameState.NONE] = num_frames
        self._is_found = np.zeros(num_frames, np.bool_)
        # as measured, and with the prompts: of many objects and frames only what changed is computed
        self._measured_states = np.zeros(num_frames, np.uint8)
        self._states = np.zeros(num_frames, np.uint8)
        self._uncertainties = np.zeros(num_frames, np.float32)
        self._reasons = np.zeros(num_frames, np.uint16)
        self._other_ids = np.zeros(num_frames, np.int32)
        self._centroids_rc = np.full((num_frames, 2), np.nan, np.float32)

    def set_prompts(self, frame: int, prompts: FramePrompts | None) -> None:
        """Replace the prompts of a frame."""
        self.prompts.pop(frame, None)
        if prompts is not None and not prompts.is_empty:
            self.prompts[frame] = prompts.is_approved
        self._update(np.array([frame]))

    def set_measured(
        self, measured: FramesMeasured, rows: slice, states: npt.NDArray[np.uint8], uncertainties: npt.NDArray[np.float32]
    ) -> None:
        """Replace measurements of the frames of some rows: with states (N,) without prompts, and uncertainties (N,) that count."""
        frames = measured.frames[rows]
        self._is_found[frames] = measured.areas_px[rows] > 0
        self._measured_states[frames] = states[rows]
        self._uncertainties[frames] = uncertainties[rows]
        self._reasons[frames] = measured.reasons[rows]
        self._other_ids[frames] = measured.other_ids[rows]
        self._centroids_rc[frames] = measured.centroids_rc[rows]
        self._update(frames)

    def _update(self, frames: npt.NDArray[np.integer]) -> None:
        before = self._states[frames]
        self._states[frames] = self._measured_states[frames]
        for frame in self.prompts.keys() & set(frames.tolist()) if self.prompts else ():
            self._states[frame] = FrameState.APPROVED if self.prompts[frame] else FrameState.PROMPTED
        self.counts += np.bincount(self._states[frames], minlength=_NUM_STATES)
        self.counts -= np.bincount(before, minlength=_NUM_STATES)

    @property
    def states(self) -> npt.NDArray[np.uint8]:
        """Its :class:`FrameState` on each frame, (F,), a copy."""
        return self._states.copy()

    @property
    def is_left(self) -> npt.NDArray[np.bool_]:
        """It is still to be propagated to a frame, or again, (F,), a copy."""
        return (self._states == FrameState.NONE) | (self._states == FrameState.STALE)

    @property
    def is_propagated(self) -> bool:
        """It was propagated to any frame, whether or not that is stale."""
        return bool(self.counts[_PROPAGATED].any())

    def raise_to(self, states: npt.NDArray[np.uint8]) -> None:
        """Raise states (F,) of others to its own, where these are higher."""
        np.maximum(states, self._states, out=states)

    @property
    def num_found(self) -> int:
        """Frames on which it is, by what was found last."""
        return int(np.count_nonzero(self._is_found))

    @property
    def first_found(self) -> int | None:
        """The first frame on which it is."""
        first = int(self._is_found.argmax())
        return first if self._is_found[first] else None

    def is_found(self, frame: int) -> bool:
        """It is on a frame."""
        return bool(self._is_found[frame])

    def centroid_rc(self, frame: int) -> tuple[float, float] | None:
        """Return its row and column on a frame; None where it is absent."""
        row, col = self._centroids_rc[frame].tolist()
        return None if np.isnan(row) else (row, col)

    @property
    def is_present(self) -> npt.NDArray[np.bool_]:
        """Where it is, (F,), a copy."""
        return self._is_found.copy()

    def to_review(self, object_id: int) -> npt.NDArray[np.void]:
        """Return the frames (n,) that are to be reviewed, in order, of :data:`TO_REVIEW`.

        Stale ones have the uncertainty 0: they may be found anew.
        """
        is_one = self._reasons > 0
        if self.prompts:
            is_one[list(self.prompts)] = False
        frames = np.flatnonzero(is_one)
        found = np.zeros(len(frames), TO_REVIEW)
        found["object_id"], found["frame"], found["uncertainty"] = object_id, frames, self._uncertainties[frames]
        found["reasons"], found["other_id"] = self._reasons[frames], self._other_ids[frames]
        return found

    @property
    def worst(self) -> tuple[int, float] | None:
        """The most uncertain frame, and how uncertain it is; None where all are certain, or are to be found again."""
        frame = int(self._uncertainties.argmax())
        uncertainty = float(self._uncertainties[frame])
        return (frame, uncertainty) if uncertainty > 0 else None


class FrameStates:
    """All objects of a session on all frames.

    Parameters
    ----------
    num_frames : int
        Of the stack, 1 or more.
    """

    def __init__(self, num_frames: int) -> None:
        self.num_frames = num_frames
        self._objects: dict[int, ObjectFrameStates] = {}
        self._all: npt.NDArray[np.uint8] | None = None

    def reset(self) -> None:
        """Forget all objects."""
        self._objects.clear()
        self._all = None

    def show(self, change: StateChange) -> set[int]:
        """Take over what the session changed; return the objects whose prompts are others now, or that were removed."""
        changed = set[int]()
        for object_id, info in change.infos.items():
            if info is None:
                self._objects.pop(object_id, None)
                changed.add(object_id)
            elif object_id not in self._objects:
                self._objects[object_id] = ObjectFrameStates(self.num_frames)
        for (object_id, frame), prompts in change.prompts.items():
            if object_id in self._objects:
                self._objects[object_id].set_prompts(frame, prompts)
                changed.add(object_id)
        self._all = None if changed else self._all
        return changed

    def show_measured(self, measured: FramesMeasured) -> set[int]:
        """Take over measurements; return the objects. Those of objects that were removed meanwhile are of no use."""
        changed = set[int]()
        # all objects at a time: of hundreds, one after another takes too long
        states = np.where(measured.areas_px > 0, np.uint8(FrameState.FOUND), np.uint8(FrameState.ABSENT))
        states[(measured.uncertainties > UNCERTAIN_ABOVE) | (measured.reasons > 0)] = FrameState.UNCERTAIN
        states[measured.kinds == RecordKind.STALE] = FrameState.STALE
        states[measured.kinds == RecordKind.NONE] = FrameState.NONE
        # how bad a stale mask is does not matter: it is found again
        uncertainties = np.where(measured.kinds == RecordKind.CURRENT, measured.uncertainties, 0)
        for object_id, rows in _runs(measured.object_ids):
            if object_id in self._objects:
                self._objects[object_id].set_measured(measured, rows, states, uncertainties)
                changed.add(object_id)
        self._all = None if changed else self._all
        return changed

    def of(self, object_id: int) -> ObjectFrameStates | None:
        """Return one object; None where there is none."""
        return self._objects.get(object_id)

    def states_of(self, object_id: int) -> npt.NDArray[np.uint8]:
        """Return the :class:`FrameState` of an object on each frame, (F,), a copy; none anywhere, if there is no such object."""
        item = self._objects.get(object_id)
        return np.zeros(self.num_frames, np.uint8) if item is None else item.states

    @property
    def of_all(self) -> npt.NDArray[np.uint8]:
        """The highest :class:`FrameState` of any object on each frame, (F,), read-only."""
        if self._all is None:
            self._all = np.zeros(self.num_frames, np.uint8)
            for item in self._objects.values():
                item.raise_to(self._all)
            self._all.flags.writeable = False
        return self._all

    def next_uncertain(self, object_id: int, frame: int, step: int) -> int | None:
        """Find the next uncertain frame of an object.

        Parameters
        ----------
        object_id : int
            Which.
        frame : int
            It is not this one, but one beyond.
        step : int
            1 for the next one, -1 for the one before.

        Returns
        -------
        int or None
            The frame, or None where there is none.
        """
        found = np.flatnonzero(self.states_of(object_id) == FrameState.UNCERTAIN)
        beyond = found[found > frame] if step > 0 else found[found < frame][::-1]
        return int(beyond[0]) if len(beyond) else None


def states_by_column(states: npt.NDArray[np.uint8], num_columns: int) -> npt.NDArray[np.uint8]:
    """Return the state to be drawn in each of C columns, one or more for each frame, or one for several frames.

    Parameters
    ----------
    states : ndarray
        (F,), of :class:`FrameState`; F is 1 or more.
    num_columns : int
        C, 0 or more.

    Returns
    -------
    ndarray
        (C,). Of several frames in one column the highest state is drawn.
    """
    if num_columns <= len(states):
        edges = np.arange(num_columns) * len(states) // max(num_columns, 1)
        return np.maximum.reduceat(states, edges) if num_columns else states[:0]
    return states[np.arange(num_columns) * len(states) // num_columns]


def frame_of_column(column: int, num_columns: int, num_frames: int) -> int:
    """Return the frame at a column; beyond the ends, the first or the last one."""
    return min(max(column * num_frames // max(num_columns, 1), 0), num_frames - 1)


def columns_of_frame(frame: int, num_columns: int, num_frames: int) -> tuple[int, int]:
    """Return the first column of a frame, and the one after its last one; at least one column."""
    if num_columns <= num_frames:
        column = ((frame + 1) * num_columns - 1) // num_frames
        return column, column + 1
    # the first column at or after the edge of the frame
    return -(-frame * num_columns // num_frames), -(-(frame + 1) * num_columns // num_frames)


def _runs(values: npt.NDArray[np.int32]) -> Iterator[tuple[int, slice]]:
    """Split values into runs of equal ones."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    for start, stop in pairwise(edges):
        if stop > start:
            yield int(values[start]), slice(start, stop)
