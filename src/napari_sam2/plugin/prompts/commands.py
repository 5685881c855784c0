"""What a person does to prompts in the viewer, as immutable commands that the worker runs on the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam2.plugin.prompts.clicks import Box, Click, ObjectFrame, clicks_of, points_and_labels
from napari_sam2.plugin.prompts.drawn_prompts import Outline, prompt_by_outlines

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam2.session.session import Session


@dataclass(frozen=True)
class Outcome:
    """What a command did that is more than one mask.

    Attributes
    ----------
    text : str
        A sentence or two for the person.
    """

    text: str


class Command(Protocol):
    """Something to be done to the session."""

    @property
    def key(self) -> ObjectFrame:
        """The object and the frame it is about."""

    def run(self, session: Session) -> npt.NDArray[np.bool_] | Outcome | None:
        """Do it.

        Returns
        -------
        ndarray, Outcome or None
            (H, W), the mask of the object on that frame, where it was segmented; or what was done, in words.

        Raises
        ------
        ValueError
            If the session refuses it.
        """

    @property
    def addition(self) -> AddClicks | None:
        """The pending clicks that it adds to the session."""


class WithoutClicks:
    """A command that adds no pending click; see :class:`Command`."""

    @property
    def addition(self) -> None:
        """There is none."""
        return


Progress = Callable[[int, int], bool]
"""Called with how many steps are done, and of how many; False asks to stop."""


class LongCommand(WithoutClicks):
    """A command of many steps, after each of which it can be stopped: what is done is kept. See :class:`Command`."""

    def run(self, session: Session) -> Outcome:
        """Do all steps."""
        return self.run_steps(session, lambda _done, _total: True)

    def run_steps(self, session: Session, progress: Progress) -> Outcome:
        """Do the steps until one is the last, or it is asked to stop.

        Raises
        ------
        ValueError
            If nothing could be done.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class AddClicks:
    """Add clicks to an object on a frame; the object is added with its first click.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    clicks : tuple of Click
        In the order in which they were given.
    ids : frozenset of int
        Those of the pending clicks.
    """

    key: ObjectFrame
    clicks: tuple[Click, ...]
    ids: frozenset[int]

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        object_id, frame = self.key
        item = session.objects.get(object_id)
        if not any(click.is_inside for click in self.clicks) and (item is None or item.shown(frame) is None):
            raise ValueError(f"object {object_id} has only clicks outside it on frame {frame}: click inside it, too")
        with session.grouped():
            if item is None:
                session.add_object(object_id=object_id)
            return session.add_points(object_id, frame, *points_and_labels(self.clicks))

    @property
    def addition(self) -> AddClicks:
        """All of it."""
        return self


@dataclass(frozen=True)
class AddBox(WithoutClicks):
    """Prompt an object on a frame by a box, in place of an earlier one there; the object is added with its first prompt.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    box : Box
        The box.
    """

    key: ObjectFrame
    box: Box

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        object_id, frame = self.key
        with session.grouped():
            if object_id not in session.objects:
                session.add_object(object_id=object_id)
            return session.add_box(object_id, frame, self.box)


@dataclass(frozen=True)
class AddOutline(WithoutClicks):
    """Prompt an object on a frame by the mask that an outline holds, in place of all earlier prompts of it there.

    Attributes
    ----------
    key : ObjectFrame
        The object, which is added with its first prompt, and the frame.
    box : Outline
        The outline.
    """

    key: ObjectFrame
    box: Outline

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        object_id, frame = self.key
        with session.grouped():
            if object_id not in session.objects:
                session.add_object(object_id=object_id)
            return prompt_by_outlines(session, object_id, frame, (self.box,))


@dataclass(frozen=True)
class RemoveDrawing(WithoutClicks):
    """Remove the box or the mask by which an object is prompted on a frame.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    """

    key: ObjectFrame

    def run(self, session: Session) -> None:
        """Do it; see :class:`Command`."""
        item: Any = session.objects.get(self.key.object_id)
        prompts = None if item is None else item.prompts.get(self.key.frame)
        if prompts is None or (prompts.box_rc is None and prompts.packed_mask is None):
            raise ValueError("the shape is not there any more: what was done before has changed it")
        if prompts.box_rc is not None:
            session.remove_box(*self.key)
        else:
            session.remove_mask(*self.key)


@dataclass(frozen=True)
class MoveDrawing(WithoutClicks):
    """Move a box or an outline to another object or another frame: removed there and added here, or neither."""

    removal: RemoveDrawing
    drawn: AddBox | AddOutline

    @property
    def key(self) -> ObjectFrame:
        """The object and the frame to which it is moved."""
        return self.drawn.key

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        with session.grouped():
            self.removal.run(session)
            return self.drawn.run(session)


@dataclass(frozen=True)
class ChangeClicks(WithoutClicks):
    """Move clicks of an object on a frame, or turn them from inside to outside.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    changes : tuple of pairs of Click
        Before and after.
    """

    key: ObjectFrame
    changes: tuple[tuple[Click, Click], ...]

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        clicks = list(_clicks_in(session, self.key))
        for before, after in self.changes:
            index = _index(clicks, before)
            clicks[index] = after
        if len(self.changes) > 1:
            return session.set_points(*self.key, *points_and_labels(tuple(clicks)))
        return session.change_point(*self.key, index, (after.row, after.col), int(after.is_inside))


@dataclass(frozen=True)
class RemoveClicks(WithoutClicks):
    """Remove clicks of an object on a frame.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    clicks : tuple of Click
        Which.
    """

    key: ObjectFrame
    clicks: tuple[Click, ...]

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        left = list(_clicks_in(session, self.key))
        for click in self.clicks:
            index = _index(left, click)
            del left[index]
        if len(self.clicks) == 1:
            session.remove_point(*self.key, index)
        elif left:
            return session.set_points(*self.key, *points_and_labels(tuple(left)))
        elif _has_box_or_mask(session, self.key):
            for _ in self.clicks:
                session.remove_point(*self.key, 0)
        else:
            session.clear_prompts(*self.key)
        return None


@dataclass(frozen=True)
class MoveClicks:
    """Move clicks to another object or another frame: removed there and added here, or neither."""

    removal: RemoveClicks
    addition: AddClicks

    @property
    def key(self) -> ObjectFrame:
        """The object and the frame to which they are moved."""
        return self.addition.key

    def run(self, session: Session) -> npt.NDArray[np.bool_] | None:
        """Do it; see :class:`Command`."""
        with session.grouped():
            self.removal.run(session)
            return self.addition.run(session)


def _clicks_in(session: Session, key: ObjectFrame) -> tuple[Click, ...]:
    item: Any = session.objects.get(key.object_id)
    return () if item is None else clicks_of(item.prompts.get(key.frame))


def _has_box_or_mask(session: Session, key: ObjectFrame) -> bool:
    prompts = session.objects[key.object_id].prompts[key.frame]
    return prompts.box_rc is not None or prompts.packed_mask is not None


def _index(clicks: list[Click], click: Click) -> int:
    """Find a click by what it is: what was done meanwhile may have changed its index."""
    if click not in clicks:
        raise ValueError("the point is not there any more: what was done before has changed it")
    return clicks.index(click)
