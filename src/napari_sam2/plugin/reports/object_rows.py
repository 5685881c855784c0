"""The rows of the table of objects, as immutable values that follow what the worker reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_sam2.plugin.reports.frame_states import FrameState, FrameStates, ObjectFrameStates
from napari_sam2.plugin.reports.reports import FramesMeasured

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import ObjectInfo
    from napari_sam2.session.state.session_state import StateChange


@dataclass(frozen=True)
class ObjectRow:
    """A row.

    Attributes
    ----------
    object_id : int
        Label value of the object.
    name : str
        Its name.
    colour : str or None
        ``#rrggbb``; None where nobody chose one.
    num_found : int
        Frames on which it is.
    worst_frame : int or None
        The most uncertain frame; None where all are certain.
    uncertainty : float
        On that frame, 0 .. 3.
    num_uncertain, num_stale : int
        Frames that are uncertain, and those that are to be propagated to again.
    prompted, approved : tuple of int
        Frames, in order.
    is_locked, is_hidden : bool
        See :class:`~napari_sam2.session.state.objects.ObjectInfo`.
    """

    object_id: int
    name: str
    colour: str | None = None
    num_found: int = 0
    worst_frame: int | None = None
    uncertainty: float = 0.0
    num_uncertain: int = 0
    num_stale: int = 0
    prompted: tuple[int, ...] = ()
    approved: tuple[int, ...] = ()
    is_locked: bool = False
    is_hidden: bool = False

    @classmethod
    def of(cls, object_id: int, info: ObjectInfo, frames: ObjectFrameStates) -> ObjectRow:
        """Describe an object."""
        worst_frame, uncertainty = frames.worst or (None, 0.0)
        return cls(
            object_id=object_id,
            name=info.name,
            colour=info.colour,
            num_found=frames.num_found,
            worst_frame=worst_frame,
            uncertainty=uncertainty,
            num_uncertain=int(frames.counts[FrameState.UNCERTAIN]),
            num_stale=int(frames.counts[FrameState.STALE]),
            prompted=tuple(sorted(frame for frame, is_approved in frames.prompts.items() if not is_approved)),
            approved=tuple(sorted(frame for frame, is_approved in frames.prompts.items() if is_approved)),
            is_locked=info.is_locked,
            is_hidden=info.is_hidden,
        )

    @property
    def review(self) -> str:
        """What is to be done about it, in a word or two; empty where nothing is."""
        if self.num_uncertain:
            return f"{self.num_uncertain} uncertain"
        if self.num_stale:
            return f"{self.num_stale} stale"
        return f"{len(self.approved)} approved" if self.approved else ""


class ObjectRows:
    """The rows of all objects.

    Parameters
    ----------
    num_frames : int
        Of the stack.

    Attributes
    ----------
    frames : FrameStates
        The objects on each frame.
    by_id : dict of int to ObjectRow
        The rows, in no order.
    changed : Signal
        Emits a dictionary of the rows that are others now, by object id; None of objects that were removed.
    frames_changed : Signal
        States of frames may be others now; emitted after :attr:`changed`.
    """

    changed = Signal(dict)
    frames_changed = Signal()

    def __init__(self, num_frames: int) -> None:
        self.frames = FrameStates(num_frames)
        self.by_id: dict[int, ObjectRow] = {}
        self._infos: dict[int, ObjectInfo] = {}

    def reset(self, state: StateChange) -> None:
        """Show the whole state of a session that was opened."""
        gone = dict.fromkeys(self._infos.keys() - state.infos.keys())
        self._infos.clear()
        self.frames.reset()
        self._show(state, gone)

    def show(self, change: StateChange) -> None:
        """Show what the session changed."""
        self._show(change, {})

    def _show(self, change: StateChange, gone: Mapping[int, None]) -> None:
        changed = self.frames.show(change)
        for object_id, info in change.infos.items():
            if info is None:
                self._infos.pop(object_id, None)
            else:
                self._infos[object_id] = info
        self._update({*changed, *change.infos, *gone})

    def show_measured(self, measured: FramesMeasured) -> None:
        """Show what the worker measured."""
        self._update(self.frames.show_measured(measured))

    def _update(self, object_ids: Iterable[int]) -> None:
        changed: dict[int, ObjectRow | None] = {}
        wanted = sorted(object_ids)
        for object_id in wanted:
            info, frames = self._infos.get(object_id), self.frames.of(object_id)
            row = None if info is None or frames is None else ObjectRow.of(object_id, info, frames)
            if row == self.by_id.get(object_id):
                continue
            changed[object_id] = row
            if row is None:
                del self.by_id[object_id]
            else:
                self.by_id[object_id] = row
        if changed:
            self.changed.emit(changed)
        if wanted:
            self.frames_changed.emit()
