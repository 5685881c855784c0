"""What the worker reports to the viewer, as values that no later one changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import Command
from napari_sam2.session.propagation.run_estimate import StepTimed

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2.plugin.sessions.autosave import SessionSummary
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
    is_continued : bool
        It is an earlier one, from its file.
    intensity_ranges : tuple of tuple of float, or None
        What becomes black and white, for all channels or each; None for 8-bit colours, which are used unchanged.
    device : str
        On which the model runs.
    channels : tuple of int
        That the session uses; empty where there are none to choose from.
    """

    model: str
    labels: Any
    state: StateChange
    not_carried: Mapping[ObjectFrame, tuple[Click, ...]]
    is_continued: bool = False
    intensity_ranges: tuple[tuple[float, float], ...] | None = None
    device: str = ""
    channels: tuple[int, ...] = ()


@dataclass(frozen=True)
class FrameDrawn:
    """Labels that a session had when it was opened were drawn, and measured.

    Attributes
    ----------
    frame : int
        On which frame.
    """

    frame: int


@dataclass(frozen=True)
class SessionsFound:
    """Earlier sessions on an image were looked for.

    Attributes
    ----------
    found : SessionSummary or None
        The one to go on with; None if there is none.
    is_chosen : bool
        A person asked for this one, or had it open in this viewer before.
    """

    found: SessionSummary | None
    is_chosen: bool = False


@dataclass(frozen=True)
class SessionKept:
    """Everything that was done is in a file.

    Attributes
    ----------
    path : Path
        The file.
    """

    path: Path


@dataclass(frozen=True)
class SessionNotKept:
    """What was done is in memory alone, or in a file that is removed at the end.

    Attributes
    ----------
    reason : str
        Why.
    """

    reason: str


@dataclass(frozen=True, eq=False)
class ModelInput:
    """What the model sees of a frame.

    Attributes
    ----------
    frame : int
        Which.
    picture : ndarray
        (S, S, 3), uint8, red, green and blue.
    """

    frame: int
    picture: npt.NDArray[np.uint8]


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
    reasons : ndarray
        (N,), uint16, of :class:`~napari_sam2.session.review.track_measurements.ReviewReason`; 0 where there is nothing to review.
    other_ids : ndarray
        (N,), int32: the object on which it lies, where it overlaps another one; else 0.
    centroids_rc : ndarray
        (N, 2), float32, row and column; not a number where it is absent.
    """

    object_ids: npt.NDArray[np.int32]
    frames: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    areas_px: npt.NDArray[np.float32]
    uncertainties: npt.NDArray[np.float32]
    reasons: npt.NDArray[np.uint16]
    other_ids: npt.NDArray[np.int32]
    centroids_rc: npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrameDone:
    """A propagation, or tracking everything, did a frame.

    Attributes
    ----------
    frame : int
        Which.
    done, total : int
        Frames of this run; the total is 0 where it is not known.
    step : StepTimed or None
        How long it took.
    """

    frame: int
    done: int
    total: int
    step: StepTimed | None = field(default=None, compare=False)


@dataclass(frozen=True)
class EverythingFound:
    """Everything on a frame was found.

    Attributes
    ----------
    frame : int
        The frame.
    object_ids : tuple of int
        The new objects.
    """

    frame: int
    object_ids: tuple[int, ...]


HUGE_SHARE = 0.5
"""A mask that one click found is a proposal above this share of the frame."""
DOUBTFUL_IOU = 0.5
"""A mask that one click found is a proposal below this predicted IoU; those of nuclei and cells mostly lie above 0.7."""


@dataclass(frozen=True)
class Proposal:
    """A mask of one click that may not be what was meant.

    Attributes
    ----------
    share : float
        Its share of the frame, 0 .. 1.
    predicted_iou : float
        Its IoU with the true mask as the model predicts it, 0 .. 1.
    """

    share: float
    predicted_iou: float

    @property
    def reason(self) -> str | None:
        """Why it is to be looked at; None if it is not."""
        if self.share > HUGE_SHARE:
            return f"fills {self.share:.0%} of the frame".replace("%", " %")
        return f"is uncertain (predicted IoU {self.predicted_iou:.2f})" if self.predicted_iou < DOUBTFUL_IOU else None


@dataclass(frozen=True)
class StepDone:
    """A command of many steps did one, or a part of finding everything is done.

    Attributes
    ----------
    done, total : int
        Steps; 0 of 0 where it is not known how many there are.
    """

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
    proposal : Proposal or None
        Why the mask of a new object is to be looked at, if it is.
    step : StepTimed or None
        How long it took.
    """

    key: ObjectFrame
    area_px: int
    proposal: Proposal | None = None
    step: StepTimed | None = field(default=None, compare=False)


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
