"""The objects of a session: their names, prompts, and records of each frame."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from napari_sam2.checks import shown
from napari_sam2.model.memory_recall import RecalledFrame
from napari_sam2.predictors.memory_bank import FrameRecord, MaskOrigin, ObjectMemory
from napari_sam2.predictors.record_store import StoredRecord
from napari_sam2.session.state.history import History
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.undoable import Address, UndoableDict
from napari_sam2.wording import counted

RECORD_KINDS = ("anchor", "tracked", "stale", "fused", "corrected")
"""The kinds of records of an object on a frame."""
SHOWN_KINDS = ("fused", "anchor", "tracked", "stale")
"""Of several records of an object on a frame the first of these kinds is shown."""
MAX_WRITTEN = 5
"""Of more frames than these, the first are listed."""

PutRecord = Callable[[FrameRecord], StoredRecord]
"""Stores a record, in memory or on disk."""


@dataclass(frozen=True)
class ObjectInfo:
    """Properties of an object as a whole.

    Attributes
    ----------
    name : str
        Its name.
    colour : str or None
        ``#rrggbb``; None leaves the choice to the viewer.
    is_locked : bool
        Nothing changes its masks.
    is_hidden : bool
        It is not in the labels.
    first_frame : int
        It is absent from all frames before.
    end_frame : int or None
        It is absent from this frame on; None if it may last to the end of the stack.
    parent : int or None
        The object that divided into this one and others.
    is_found : bool
        It was found without a prompt; the same search may also end, divide or remove it.
    """

    name: str
    colour: str | None = None
    is_locked: bool = False
    is_hidden: bool = False
    first_frame: int = 0
    end_frame: int | None = None
    parent: int | None = None
    is_found: bool = False

    def may_be_on(self, frame: int) -> bool:
        """The object may be on a frame."""
        return self.first_frame <= frame and (self.end_frame is None or frame < self.end_frame)

    @property
    def lifetime(self) -> str:
        """The frames on which the object may be, in words."""
        end = "the last frame" if self.end_frame is None else f"frame {self.end_frame - 1}"
        return f"it lasts from frame {self.first_frame} to {end}"


class SessionObject:
    """One object: a view of the state of its session.

    Parameters
    ----------
    object_id : int
        Its label value.
    infos : mapping
        :class:`ObjectInfo` by object id.
    history : History
        Records all changes.
    put : callable
        Stores a record.

    Attributes
    ----------
    object_id : int
        Its label value.
    conditioning, tracked : mapping
        Records by frame: of anchor frames, which have prompts or were approved and which the predictor calls conditioning frames;
        and of frames to which the object was tracked.
    memory : ObjectMemory
        Both.
    prompts : mapping
        :class:`FramePrompts` by frame.
    stale : mapping
        Tracked records that a later change of anchors made stale; shown until the frames are tracked again.
    fused : mapping
        Records with the mean logits of several axes; shown instead of tracked ones until these are tracked again, never recalled.
    corrected : mapping
        The shown record of a frame, tracked or found, before the first prompt of a person, which points on it refine.
    """

    def __init__(self, object_id: int, infos: UndoableDict[ObjectInfo], history: History, put: PutRecord) -> None:
        self.object_id = object_id
        self._infos = infos
        self.records = {kind: UndoableDict(history, Address(kind, object_id), put) for kind in RECORD_KINDS}
        self.conditioning, self.tracked, self.stale, self.fused, self.corrected = self.records.values()
        self.memory = ObjectMemory(self.conditioning, self.tracked)
        self.prompts: UndoableDict[FramePrompts] = UndoableDict(history, Address("prompts", object_id))

    def __repr__(self) -> str:
        states = [state for state, is_so in (("locked", self.info.is_locked), ("hidden", self.info.is_hidden)) if is_so]
        frames = self.shown_frames()
        shown = f"on {counted(len(frames), 'frame')}, {min(frames)} to {max(frames)}" if frames else "on no frame"
        prompted = f"prompted on {written_frames(self.anchors)}" if self.anchors else "not prompted"
        return f"<object {self.object_id} {self.name!r}: {'; '.join([shown, prompted, *states])}>"

    @property
    def info(self) -> ObjectInfo:
        """Name, colour and other properties of the object as a whole."""
        return self._infos[self.object_id]

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.name

    @property
    def record_mappings(self) -> tuple[UndoableDict[FrameRecord], ...]:
        """Records that are shown, by frame; of several records of a frame the first."""
        return tuple(self.records[kind] for kind in SHOWN_KINDS)

    @property
    def anchors(self) -> list[int]:
        """Anchor frames, those with prompts or approved masks, in order."""
        return sorted(self.memory.conditioning)

    def shown(self, frame: int) -> FrameRecord | None:
        """Return the shown record of a frame; None where there is none."""
        return next((mapping[frame] for mapping in self.record_mappings if frame in mapping), None)

    def shown_frames(self) -> set[int]:
        """Frames with a shown record."""
        return set[int]().union(*self.record_mappings)

    def drop_provisional(self, frame: int) -> None:
        """Remove the stale and the fused record of a frame."""
        self.stale.discard(frame)
        self.fused.discard(frame)

    def forget(self, frame: int) -> None:
        """Remove the prompts and all records of a frame."""
        self.prompts.discard(frame)
        for mapping in self.records.values():
            mapping.discard(frame)

    def clear(self) -> None:
        """Remove all prompts and records."""
        self.prompts.clear()
        for mapping in self.records.values():
            mapping.clear()

    def memory_around(self, frame: int, reach: int) -> ObjectMemory:
        """Return the memory for a prompt on a frame.

        It has stale frames too: a second click on a frame must recall the same frames as the first.
        """
        near = [t for t in range(frame - reach, frame + reach + 1) if t in self.stale]
        remembered = {t: self.stale[t] for t in near if self.stale.header(t).origin is not MaskOrigin.OTHER}
        return ObjectMemory(self.memory.conditioning, ChainMap(self.memory.tracked, remembered))

    def recalled(self, slot: RecalledFrame) -> StoredRecord:
        """Return the stored record of a frame that is recalled, of :attr:`memory` or :meth:`memory_around`."""
        mappings = (self.conditioning,) if slot.is_conditioning else (self.tracked, self.stale)
        found = next(stored for mapping in mappings if (stored := mapping.stored(slot.frame)) is not None)
        assert isinstance(found, StoredRecord)
        return found


class ObjectsById(Mapping[int, SessionObject]):
    """The objects of a session by id, to be read.

    Parameters
    ----------
    infos : mapping
        :class:`ObjectInfo` by object id: of these there are objects.
    history, put
        See :class:`SessionObject`.
    """

    def __init__(self, infos: UndoableDict[ObjectInfo], history: History, put: PutRecord) -> None:
        self._infos = infos
        self._make = partial(SessionObject, infos=infos, history=history, put=put)
        # Also removed objects, which are empty: undo restores them.
        self._made: dict[int, SessionObject] = {}

    def __getitem__(self, object_id: int) -> SessionObject:
        if object_id not in self._infos:
            raise KeyError(object_id)
        return self.made(object_id)

    def made(self, object_id: int) -> SessionObject:
        """Return an object, also one that was removed, or is to be added."""
        if object_id not in self._made:
            # Not the id as given: a NumPy integer cannot be written to the file.
            self._made[int(object_id)] = self._make(int(object_id))
        return self._made[object_id]

    @property
    def made_ids(self) -> list[int]:
        """Ids of objects that were made, also of those that were removed."""
        return list(self._made)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._infos

    def __iter__(self) -> Iterator[int]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{object_id}: {item!r}" for object_id, item in sorted(self.items())) + "}"


def hidden_ids(infos: Mapping[int, ObjectInfo]) -> list[int]:
    """Return the ids of hidden objects, in order."""
    return sorted(object_id for object_id, info in infos.items() if info.is_hidden)


def written_frames(frames: Sequence[int]) -> str:
    """List frames in a few words, as 0, 7, 12 and 30 more."""
    first = ", ".join(map(str, frames[:MAX_WRITTEN]))
    return first if len(frames) <= MAX_WRITTEN else f"{first} and {len(frames) - MAX_WRITTEN} more"


def shown_on(frame: int, objects: Iterable[SessionObject]) -> dict[int, FrameRecord]:
    """Return the shown records of a frame by object id, without hidden objects."""
    drawn = ((item.object_id, item.shown(frame)) for item in objects if not item.info.is_hidden)
    return {object_id: record for object_id, record in drawn if record is not None}


def check_name(name: str) -> str:
    """Check an object's name.

    Raises
    ------
    ValueError
        If it is empty, or no text.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a name is a text with something in it, got {shown(name)}")
    return name.strip()


def check_colour(colour: str | None) -> str | None:
    """Check a colour.

    Raises
    ------
    ValueError
        If it is not ``#rrggbb``, or None.
    """
    if colour is not None and not (isinstance(colour, str) and re.fullmatch("#[0-9a-fA-F]{6}", colour)):
        raise ValueError(f"a colour has the form #rrggbb, got {shown(colour)}")
    return None if colour is None else colour.lower()
