"""The objects of a session: added, named, locked, hidden, removed, merged, split, divided."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from napari_sam2.checks import check_flag, check_whole, check_wholes
from napari_sam2.session import editing
from napari_sam2.session.history import History, action, weakly
from napari_sam2.session.objects import ObjectInfo, ObjectsById, PutRecord, SessionObject, check_colour, check_name
from napari_sam2.session.packed_labels import replace_label
from napari_sam2.session.prompt_segmenter import PromptSegmenter
from napari_sam2.session.state import SessionState
from napari_sam2.session.undoable import Action

MAX_OBJECT_ID = np.iinfo(np.uint16).max


class ObjectEditing:
    """The part of a session that knows its objects.

    Parameters
    ----------
    num_frames : int
        Length of the stack.
    put : callable
        Keeps a record.
    finish, write_down : callable
        Are given each action that was done or taken back: to write labels, and to save it.
    segmenter : PromptSegmenter
        Makes masks of objects that are merged.
    """

    def __init__(
        self,
        num_frames: int,
        put: PutRecord,
        finish: Callable[[Action], None],
        write_down: Callable[[Action], None],
        segmenter: PromptSegmenter,
    ) -> None:
        self._num_frames = num_frames
        self._segmenter = segmenter
        self._history = History(weakly(finish), weakly(write_down))
        self._state = SessionState(self._history, put)

    @property
    def objects(self) -> ObjectsById:
        """Objects by id, to be read; methods of the session change them."""
        return ObjectsById(self._state.objects)

    @property
    def parents(self) -> dict[int, int]:
        """The mother of each object that came from a division, by object id, in order; those without one are left out."""
        return {object_id: info.mother for object_id, info in sorted(self._state.infos.items()) if info.mother is not None}

    def _line_of(self, object_id: int | None) -> set[int]:
        """Return an object, its mother, her mother, and so on."""
        line: set[int] = set()
        while object_id is not None:
            line.add(object_id)
            object_id = self.parents.get(object_id)
        return line

    # --- one object ------------------------------------------------------------------------------------------------

    @action
    def add_object(self, name: str | None = None, object_id: int | None = None, colour: str | None = None) -> int:
        """Add an object.

        Parameters
        ----------
        name : str, optional
            What to call it.
        object_id : int, optional
            Its label value, 1 to 65535; the next free one by default.
        colour : str, optional
            ``#rrggbb``; by default whoever draws it chooses.

        Returns
        -------
        int
            Its id.

        Raises
        ------
        ValueError
            If the id is taken or out of range, the name is no text, or the colour is none.
        """
        object_id = self._free_id() if object_id is None else check_whole("object_id", object_id)
        if object_id in self._state.objects:
            raise ValueError(f"there is already an object {object_id}")
        if object_id not in range(1, MAX_OBJECT_ID + 1):
            raise ValueError(f"an object id is a label value between 1 and {MAX_OBJECT_ID}, got {object_id}")
        name = check_name(f"object {object_id}" if name is None else name)
        self._state.add(object_id, ObjectInfo(name, check_colour(colour)))
        return object_id

    def _free_id(self) -> int:
        """The id after the highest one; where that is taken, the lowest that is free."""
        highest = max(self._state.objects, default=0)
        if highest < MAX_OBJECT_ID:
            return highest + 1
        free = next((number for number in range(1, MAX_OBJECT_ID + 1) if number not in self._state.objects), None)
        if free is None:
            raise ValueError(f"there are {MAX_OBJECT_ID} objects already, as many as a label image can tell apart")
        return free

    @action
    def rename_object(self, object_id: int, name: str) -> None:
        """Call an object by another name, locked or not.

        Raises
        ------
        ValueError
            If there is no such object, or the name is no text or empty.
        """
        self._change_info(object_id, name=check_name(name))

    @action
    def set_colour(self, object_id: int, colour: str | None) -> None:
        """Give an object a colour, locked or not.

        Parameters
        ----------
        object_id : int
            The object.
        colour : str or None
            ``#rrggbb``; None leaves it to whoever draws it.

        Raises
        ------
        ValueError
            If there is no such object, or the colour is none.
        """
        self._change_info(object_id, colour=check_colour(colour))

    @action
    def lock_object(self, object_id: int, is_locked: bool = True) -> None:
        """Lock an object: nothing changes its masks until it is unlocked, by ``is_locked=False``.

        It refuses prompts and edits, propagation passes it by; name and colour can be changed, and it can be hidden.

        Raises
        ------
        ValueError
            If there is no such object, or ``is_locked`` is neither True nor False.
        """
        self._change_info(object_id, is_locked=check_flag("is_locked", is_locked))

    @action
    def hide_object(self, object_id: int, is_hidden: bool = True) -> None:
        """Leave an object out of the labels, or put it back, by ``is_hidden=False``. It is followed all the same, but for
        other places, where what was found stays.

        Raises
        ------
        ValueError
            If there is no such object, or ``is_hidden`` is neither True nor False.
        """
        self._change_info(object_id, is_hidden=check_flag("is_hidden", is_hidden))

    @action
    def remove_object(self, object_id: int) -> None:
        """Remove an object and its labels; its daughters stay, and have no mother then.

        Raises
        ------
        ValueError
            If there is no such object, or it is locked.
        """
        self._forget(self._unlocked(object_id))

    @action
    def approve(self, object_id: int, frame: int) -> None:
        """Say that what is shown of an object on a frame is right: nothing changes it, and frames around go by it.

        That it is absent can be approved too: beyond such a frame it is found again only from where it is said to be. On a frame
        on which something was said about it, this changes nothing.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, or nothing is known of it there.
        """
        editing.approve(self._unlocked(object_id), self._check_frame(frame), self._num_frames)

    # --- several objects -------------------------------------------------------------------------------------------

    @action
    def merge_objects(self, object_id: int, other_id: int) -> None:
        """Make two objects one, the first: it has the prompts of both and, on frames where both are shown, the masks together.

        Between prompts, what is shown is found again by the next propagation. It keeps its name and colour, may be on the frames
        of both, and becomes the mother of the other's daughters.

        Parameters
        ----------
        object_id : int
            The object that is kept.
        other_id : int
            The object that becomes part of it, and is removed.

        Raises
        ------
        ValueError
            If there is no such object, one is locked, or they are the same.
        OSError
            If a frame on which both are shown cannot be read.
        """
        kept, other = self._unlocked(object_id), self._unlocked(other_id, "other_id")
        if kept is other:
            raise ValueError(f"object {object_id} cannot be merged with itself")
        ends = kept.info.end_frame, other.info.end_frame
        mothers = [mother for mother in (kept.info.mother, other.info.mother) if not {object_id, other_id} & self._line_of(mother)]
        editing.join(kept, other, self._segmenter)
        self._replace_elsewhere(other.object_id, kept.object_id)
        self._change_info(
            object_id,
            first_frame=min(kept.info.first_frame, other.info.first_frame),
            end_frame=None if None in ends else max(end for end in ends if end is not None),
            mother=next((mother for mother in mothers if mother is not None), None),
        )
        for daughter, mother in self.parents.items():
            if mother == other_id and daughter != object_id:
                self._change_info(daughter, mother=kept.object_id)
        self._forget(other)

    @action
    def split_object(self, object_id: int, frame: int, name: str | None = None) -> int:
        """Make what an object is from a frame on a new object.

        A part that has no prompt keeps what is shown on the frame next to the cut, as if that had been approved.

        Parameters
        ----------
        object_id : int
            The object, which then ends before the frame.
        frame : int
            Where the new one begins.
        name : str, optional
            What to call the new one; by default the name of the object and the frame.

        Returns
        -------
        int
            The id of the new object, which has the colour of the other one and its daughters, and is hidden if that is.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the frame is its first one or beyond its end, or there is nothing of
            it on one side of the cut.
        """
        item = self._unlocked(object_id)
        frame = self._check_cut(item, frame)
        later_id = self.add_object(f"{item.name}, from frame {frame}" if name is None else name)
        info = item.info
        self._change_info(later_id, colour=info.colour, first_frame=frame, end_frame=info.end_frame, is_hidden=info.is_hidden)
        editing.cut(item, frame, self._num_frames, self._state.objects[later_id])
        self._replace_elsewhere(item.object_id, later_id, frame)
        self._change_info(object_id, end_frame=frame)
        for daughter, mother in self.parents.items():
            if mother == object_id:
                self._change_info(daughter, mother=later_id)
        return later_id

    @action
    def divide_object(self, object_id: int, frame: int, daughters: int = 2) -> list[int]:
        """Let an object divide: it ends before a frame, and daughters begin there, each with the prompts that it will be given.

        Parameters
        ----------
        object_id : int
            The mother. What is known of it from the frame on is forgotten; daughters that begin later have no mother then.
        frame : int
            First frame of the daughters.
        daughters : int
            How many, 1 or more.

        Returns
        -------
        list of int
            The ids of the daughters, which are called as the mother, with .1, .2, ...; :attr:`parents` keeps the link.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the frame is its first one or beyond its end, there is nothing of it
            before the frame, or there is no daughter.
        """
        item = self._unlocked(object_id)
        frame = self._check_cut(item, frame)
        daughters = check_whole("daughters", daughters)
        if daughters < 1:
            raise ValueError(f"an object divides into one or more, got {daughters}")
        editing.cut(item, frame, self._num_frames)
        self._replace_elsewhere(item.object_id, 0, frame)
        self._change_info(object_id, end_frame=frame)
        for daughter, mother in self.parents.items():
            if mother == object_id and self._state.objects[daughter].info.first_frame > frame:
                self._change_info(daughter, mother=None)
        ids = [self.add_object(f"{item.name}.{number}") for number in range(1, daughters + 1)]
        for daughter in ids:
            self._change_info(daughter, first_frame=frame, mother=item.object_id)
        return ids

    # --- pieces ----------------------------------------------------------------------------------------------------

    def _object(self, object_id: int, argument: str = "object_id") -> SessionObject:
        object_id = check_whole(argument, object_id)
        if object_id not in self._state.objects:
            raise ValueError(f"there is no object {object_id}; objects are {sorted(self._state.objects)}")
        return self._state.objects[object_id]

    def _unlocked(self, object_id: int, argument: str = "object_id") -> SessionObject:
        item = self._object(object_id, argument)
        if item.info.is_locked:
            raise ValueError(f"object {object_id} is locked: unlock it first")
        return item

    def _ordered(self, object_ids: Iterable[int] | None = None) -> list[SessionObject]:
        """Return objects as they were asked for; all in the order of their ids by default."""
        wanted = sorted(self._state.objects) if object_ids is None else check_wholes("objects", object_ids)
        return [self._object(object_id) for object_id in dict.fromkeys(wanted)]

    def _change_info(self, object_id: int, **changes: Any) -> None:
        item = self._object(object_id)
        info = replace(item.info, **changes)
        if info != item.info:
            # Not by the id that was given: one of NumPy is no key for a file.
            self._state.infos[item.object_id] = info

    def _forget(self, item: SessionObject) -> None:
        for daughter, mother in self.parents.items():
            if mother == item.object_id:
                self._change_info(daughter, mother=None)
        self._replace_elsewhere(item.object_id, 0)
        del self._state.objects[item.object_id]
        del self._state.infos[item.object_id]

    def _replace_elsewhere(self, object_id: int, by: int, first_frame: int = 0) -> None:
        """Give the label of an object at other places to another one, 0 for none, from a frame on."""
        for number, planes in self._state.places.items():
            later = tuple(replace_label(plane, object_id, by) for plane in planes[first_frame:])
            if later != planes[first_frame:]:
                self._state.places[number] = planes[:first_frame] + later

    def _check_frame(self, frame: int) -> int:
        frame = check_whole("frame", frame)
        if frame not in range(self._num_frames):
            raise ValueError(f"frame {frame} does not exist: the stack has {self._num_frames}, counted from 0")
        return frame

    def _check_cut(self, item: SessionObject, frame: int) -> int:
        frame = self._check_frame(frame)
        if not item.info.first_frame < frame or not item.info.may_be_on(frame):
            raise ValueError(f"object {item.object_id} cannot be cut at frame {frame}: {item.info.lifetime}")
        return frame


def add_alike(session: ObjectEditing, item: SessionObject) -> None:
    """Add an object to a session that is called as one of another and may be on the same frames; nothing was said about it yet."""
    with session._history.action():
        session.add_object(item.name, item.object_id)
        session._change_info(item.object_id, first_frame=item.info.first_frame, end_frame=item.info.end_frame)
