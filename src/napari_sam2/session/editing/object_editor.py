"""Adds, names, locks, hides, removes, merges, splits and divides the objects of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_sam2.checks import check_flag, check_whole
from napari_sam2.images.label_images import MAX_LABEL
from napari_sam2.images.stack import Stack
from napari_sam2.session.editing import cut_join
from napari_sam2.session.inference.prompt_segmenter import PromptSegmenter
from napari_sam2.session.state.history import action
from napari_sam2.session.state.objects import ObjectInfo, SessionObject, check_colour, check_name
from napari_sam2.session.state.packed_labels import replace_label
from napari_sam2.session.state.session_state import SessionState


class ObjectEditor:
    """Edits the objects of a session.

    Parameters
    ----------
    state : SessionState
        What is edited.
    stack : Stack
        The frames.
    segmenter : PromptSegmenter
        Segments objects that are merged.
    """

    def __init__(self, state: SessionState, stack: Stack, segmenter: PromptSegmenter) -> None:
        self._state = state
        self._history = state.history
        self._stack = stack
        self._segmenter = segmenter

    def _line_of(self, object_id: int | None) -> set[int]:
        """Return an object and its ancestors."""
        line: set[int] = set()
        while object_id is not None:
            line.add(object_id)
            object_id = self._state.lineage.get(object_id)
        return line

    # --- one object ------------------------------------------------------------------------------------------------

    @action
    def add_object(self, name: str | None = None, object_id: int | None = None, colour: str | None = None) -> int:
        """Add an object.

        Parameters
        ----------
        name : str, optional
            Its name.
        object_id : int, optional
            Its label value, 1 to 65535; the next free one by default.
        colour : str, optional
            ``#rrggbb``; by default the viewer chooses.

        Returns
        -------
        int
            Its id.

        Raises
        ------
        ValueError
            If the id is taken or out of range, the name is no text, or the colour is none.
        """
        object_id = self.free_id() if object_id is None else check_whole("object_id", object_id)
        if object_id in self._state.objects:
            raise ValueError(f"there is already an object {object_id}")
        if object_id not in range(1, MAX_LABEL + 1):
            raise ValueError(f"an object id is a label value between 1 and {MAX_LABEL}, got {object_id}")
        name = check_name(f"object {object_id}" if name is None else name)
        self._state.add(object_id, ObjectInfo(name, check_colour(colour)))
        return object_id

    def free_id(self) -> int:
        """The id after the highest one; where that is taken, the lowest that is free."""
        highest = max(self._state.objects, default=0)
        if highest < MAX_LABEL:
            return highest + 1
        free = next((number for number in range(1, MAX_LABEL + 1) if number not in self._state.objects), None)
        if free is None:
            raise ValueError(f"there are {MAX_LABEL} objects already, as many as a label image can hold")
        return free

    @action
    def rename_object(self, object_id: int, name: str) -> None:
        """Rename an object, locked or not.

        Raises
        ------
        ValueError
            If there is no such object, or the name is no text or empty.
        """
        self._change_info(object_id, name=check_name(name))

    @action
    def set_colour(self, object_id: int, colour: str | None) -> None:
        """Set the colour of an object, locked or not.

        Parameters
        ----------
        object_id : int
            The object.
        colour : str or None
            ``#rrggbb``; None leaves the choice to the viewer.

        Raises
        ------
        ValueError
            If there is no such object, or the colour is none.
        """
        self._change_info(object_id, colour=check_colour(colour))

    @action
    def lock_object(self, object_id: int, is_locked: bool = True) -> None:
        """Lock an object: nothing changes its masks until it is unlocked, by ``is_locked=False``.

        Prompts and edits are refused, and propagation skips it; it can still be renamed, coloured and hidden.

        Raises
        ------
        ValueError
            If there is no such object, or ``is_locked`` is neither True nor False.
        """
        self._change_info(object_id, is_locked=check_flag("is_locked", is_locked))

    @action
    def hide_object(self, object_id: int, is_hidden: bool = True) -> None:
        """Leave an object out of the labels, or show it again, by ``is_hidden=False``. It is still propagated, but
        not to other positions, where its masks stay as they are.

        Raises
        ------
        ValueError
            If there is no such object, or ``is_hidden`` is neither True nor False.
        """
        self._change_info(object_id, is_hidden=check_flag("is_hidden", is_hidden))

    @action
    def remove_object(self, object_id: int) -> None:
        """Remove an object and its masks; its children stay, without a parent.

        Raises
        ------
        ValueError
            If there is no such object, or it is locked.
        """
        self._forget(self._state.unlocked(object_id))

    @action
    def approve(self, object_id: int, frame: int) -> None:
        """Approve the mask of an object on a frame: nothing changes it any more, and the frame is an anchor frame.

        That it is absent can be approved too: beyond such a frame it is tracked only from another anchor. On a frame with prompts,
        this changes nothing.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, or it has no mask there.
        """
        cut_join.approve(self._state.unlocked(object_id), self._stack.check_frame(frame), len(self._stack))

    @action
    def approve_range(self, object_id: int, first_frame: int, last_frame: int) -> list[int]:
        """Approve the masks of an object on all frames of a range, as :meth:`approve` does; frames without a mask are left out.

        Parameters
        ----------
        object_id : int
            The object.
        first_frame, last_frame : int
            The range, both included.

        Returns
        -------
        list of int
            The frames that were approved, in order.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the last frame comes before the first, or it has no mask on any.
        """
        item = self._state.unlocked(object_id)
        first, last = self._stack.check_frame(first_frame), self._stack.check_frame(last_frame)
        if last < first:
            raise ValueError(f"a range ends where it begins or later, got frames {first} to {last}")
        shown = [frame for frame in sorted(item.shown_frames()) if first <= frame <= last]
        if not shown:
            raise ValueError(f"object {item.object_id} has no mask on frames {first} to {last}: there is nothing to approve")
        frames = [frame for frame in shown if frame not in item.memory.conditioning]
        for frame in frames:
            cut_join.approve(item, frame, len(self._stack))
        return frames

    @action
    def end_object(self, object_id: int, frame: int) -> None:
        """Let an object end before a frame: it is absent from there on, and not propagated there any more.

        Its masks and prompts from the frame on are removed; children that begin later lose their parent.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the frame is its first one or beyond its end, or there is nothing of
            it before the frame.
        """
        item = self._state.unlocked(object_id)
        self._end(item, self._check_cut(item, frame))

    @action
    def begin_object(self, object_id: int, frame: int) -> None:
        """Let an object begin on a frame: it is absent before, and not propagated there any more.

        Its masks and prompts before the frame are removed, and it has no parent any more.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the frame is its first one or beyond its end, or there is nothing of
            it from the frame on.
        """
        item = self._state.unlocked(object_id)
        frame = self._check_cut(item, frame)
        cut_join.cut_before(item, frame, len(self._stack))
        self._replace_label(item.object_id, 0, 0, frame)
        self._change_info(item.object_id, first_frame=frame, parent=None)

    # --- several objects -------------------------------------------------------------------------------------------

    @action
    def merge_objects(self, object_id: int, other_id: int) -> None:
        """Merge two objects into the first: it has the prompts of both and, on frames where both have masks, their union.

        Between anchors, masks are stale until the next propagation. The first object keeps its name and colour, lasts over the
        frames of both, and becomes the parent of the other's children.

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
            If a frame on which both have masks cannot be read.
        """
        kept, other = self._state.unlocked(object_id), self._state.unlocked(other_id, "other_id")
        if kept is other:
            raise ValueError(f"object {object_id} cannot be merged with itself")
        ends = kept.info.end_frame, other.info.end_frame
        parents = [parent for parent in (kept.info.parent, other.info.parent) if not {object_id, other_id} & self._line_of(parent)]
        cut_join.join(kept, other, self._segmenter)
        self._replace_label(other.object_id, kept.object_id)
        self._change_info(
            object_id,
            first_frame=min(kept.info.first_frame, other.info.first_frame),
            end_frame=None if None in ends else max(end for end in ends if end is not None),
            parent=next((parent for parent in parents if parent is not None), None),
        )
        for child, parent in self._state.lineage.items():
            if parent == other_id and child != object_id:
                self._change_info(child, parent=kept.object_id)
        self._forget(other)

    @action
    def split_object(self, object_id: int, frame: int, name: str | None = None) -> int:
        """Split an object in time: from a frame on it is a new object.

        A part without an anchor frame keeps the mask next to the cut, as if that had been approved.

        Parameters
        ----------
        object_id : int
            The object, which then ends before the frame.
        frame : int
            Where the new one begins.
        name : str, optional
            Name of the new object; by default the name of the object and the frame.

        Returns
        -------
        int
            The id of the new object, which has the colour of the other one and its children, and is hidden if that is.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the frame is its first one or beyond its end, or there is nothing of
            it on one side of the cut.
        """
        item = self._state.unlocked(object_id)
        frame = self._check_cut(item, frame)
        later_id = self.add_object(f"{item.name}, from frame {frame}" if name is None else name)
        info = item.info
        self._change_info(later_id, colour=info.colour, first_frame=frame, end_frame=info.end_frame, is_hidden=info.is_hidden)
        cut_join.cut(item, frame, len(self._stack), self._state.objects[later_id])
        self._replace_label(item.object_id, later_id, frame)
        self._change_info(object_id, end_frame=frame)
        for child, parent in self._state.lineage.items():
            if parent == object_id:
                self._change_info(child, parent=later_id)
        return later_id

    @action
    def divide_object(self, object_id: int, frame: int, children: int = 2) -> list[int]:
        """Divide an object: it ends before a frame, and children begin there, each segmented from prompts of its own.

        Parameters
        ----------
        object_id : int
            The parent. Its masks and prompts from the frame on are removed; children that begin later lose their parent.
        frame : int
            First frame of the children.
        children : int
            How many, 1 or more.

        Returns
        -------
        list of int
            The ids of the children, which are named after the parent, with .1, .2, ...; see :attr:`Session.lineage`.

        Raises
        ------
        ValueError
            If there is no such object or frame, it is locked, the frame is its first one or beyond its end, there is nothing of it
            before the frame, or there is no child.
        """
        item = self._state.unlocked(object_id)
        frame = self._check_cut(item, frame)
        children = check_whole("children", children)
        if children < 1:
            raise ValueError(f"an object divides into one child or more, got {children}")
        self._end(item, frame)
        ids = [self.add_object(f"{item.name}.{number}") for number in range(1, children + 1)]
        for child in ids:
            self._change_info(child, first_frame=frame, parent=item.object_id)
        return ids

    # --- found without a prompt ------------------------------------------------------------------------------------

    def mark_found(
        self, object_id: int, first_frame: int | None = None, parent: int | None = None, end_frame: int | None = None
    ) -> None:
        """Take note, inside an action, that an object was found without a prompt, where it begins and ends, and what divided."""
        changes = {"first_frame": first_frame, "parent": parent, "end_frame": end_frame}
        self._change_info(object_id, is_found=True, **{name: value for name, value in changes.items() if value is not None})

    # --- pieces ----------------------------------------------------------------------------------------------------

    def _end(self, item: SessionObject, frame: int) -> None:
        cut_join.cut(item, frame, len(self._stack))
        self._replace_label(item.object_id, 0, frame)
        self._change_info(item.object_id, end_frame=frame)
        for child, parent in self._state.lineage.items():
            if parent == item.object_id and self._state.objects[child].info.first_frame > frame:
                self._change_info(child, parent=None)

    def _change_info(self, object_id: int, **changes: Any) -> None:
        item = self._state.object(object_id)
        info = replace(item.info, **changes)
        if info != item.info:
            # Not the id as given: a NumPy integer cannot be written to the file.
            self._state.infos[item.object_id] = info

    def _forget(self, item: SessionObject) -> None:
        for child, parent in self._state.lineage.items():
            if parent == item.object_id:
                self._change_info(child, parent=None)
        self._replace_label(item.object_id, 0)
        self._state.remove(item.object_id)

    def _replace_label(self, object_id: int, by: int, first_frame: int = 0, end_frame: int | None = None) -> None:
        """Replace the label of an object at other positions by another one, 0 for none, from a frame on, or up to another."""
        frames = slice(first_frame, end_frame)
        for number, planes in self._state.positions.items():
            replaced = tuple(replace_label(plane, object_id, by) for plane in planes[frames])
            if replaced != planes[frames]:
                self._state.positions[number] = planes[:first_frame] + replaced + planes[first_frame + len(replaced) :]

    def _check_cut(self, item: SessionObject, frame: int) -> int:
        frame = self._stack.check_frame(frame)
        if not item.info.first_frame < frame or not item.info.may_be_on(frame):
            raise ValueError(f"object {item.object_id} cannot be cut at frame {frame}: {item.info.lifetime}")
        return frame
