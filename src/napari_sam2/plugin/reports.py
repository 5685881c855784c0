"""What the worker reports to the viewer, as values that no later one changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.clicks import Click, ObjectFrame
from napari_sam2.plugin.commands import Command

if TYPE_CHECKING:
    from napari_sam2.session.state.session_state import StateChange


@dataclass(frozen=True)
class ModelLoaded:
    """A model was loaded."""

    name: str


@dataclass(frozen=True)
class SessionOpened:
    """A session was opened.

    Attributes
    ----------
    model : str
        The name of its model.
    labels : array-like
        Its result, without axes of length 1.
    state : StateChange
        All that it holds.
    not_carried : mapping
        Clicks of the session before that this one refuses.
    """

    model: str
    labels: Any
    state: StateChange
    not_carried: Mapping[ObjectFrame, tuple[Click, ...]]


@dataclass(frozen=True)
class StateChanged:
    """The session changed.

    Attributes
    ----------
    change : StateChange
        What.
    taken : frozenset of int
        Ids of pending clicks that are prompts of the session now.
    """

    change: StateChange
    taken: frozenset[int] = frozenset()


class RecordKind(IntEnum):
    """What the session has of an object on a frame."""

    NONE = 0
    CURRENT = 1
    STALE = 2


@dataclass(frozen=True, eq=False)
class FramesMeasured:
    """Objects were measured on frames; several changes of the same one are one measurement. N of them, in no order, read-only.

    Attributes
    ----------
    object_ids, frames : ndarray
        (N,), int32, where.
    kinds : ndarray
        (N,), uint8, of :class:`RecordKind`.
    areas_px : ndarray
        (N,), float32; 0 where the object is absent, or has no record.
    uncertainties : ndarray
        (N,), float32, 0 .. 3, see :attr:`~napari_sam2.session.review.quality.FrameQuality.uncertainty`.
    """

    object_ids: npt.NDArray[np.int32]
    frames: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    areas_px: npt.NDArray[np.float32]
    uncertainties: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameDone:
    """A propagation did a frame.

    Attributes
    ----------
    frame : int
        Which.
    done, total : int
        Frames of this propagation.
    """

    frame: int
    done: int
    total: int


@dataclass(frozen=True)
class ObjectSegmented:
    """An object was segmented on a frame.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    area_px : int
        Its size there.
    """

    key: ObjectFrame
    area_px: int


@dataclass(frozen=True)
class CommandRejected:
    """The session did not do a command.

    Attributes
    ----------
    command : Command
        Which.
    reason : str or None
        Why the session refused it; None where it failed by an error, which is shown for itself.
    """

    command: Command
    reason: str | None


@dataclass(frozen=True)
class HistoryMoved:
    """An undo or redo came to its end.

    Attributes
    ----------
    is_undo : bool
        It was an undo.
    is_done : bool
        There was something to undo or redo.
    """

    is_undo: bool
    is_done: bool
