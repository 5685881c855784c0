"""What a person does to whole objects, as immutable commands that the worker runs on the session."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.commands import WithoutClicks

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


@dataclass(frozen=True)
class ObjectCommand(WithoutClicks):
    """Something to be done to an object; see :class:`~napari_sam2.plugin.prompts.commands.Command`.

    Attributes
    ----------
    object_id : int
        Which.
    """

    object_id: int

    @property
    def key(self) -> ObjectFrame:
        """The object; the frame is of no importance."""
        return ObjectFrame(self.object_id, 0)

    def run(self, session: Session) -> None:
        """Do it.

        Raises
        ------
        ValueError
            If the session refuses it.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class RenameObject(ObjectCommand):
    """Rename an object."""

    name: str

    def run(self, session: Session) -> None:
        """Do it."""
        session.rename_object(self.object_id, self.name)


@dataclass(frozen=True)
class ColourObject(ObjectCommand):
    """Give an object a colour, ``#rrggbb``."""

    colour: str

    def run(self, session: Session) -> None:
        """Do it."""
        session.set_colour(self.object_id, self.colour)


@dataclass(frozen=True)
class LockObject(ObjectCommand):
    """Lock an object, or unlock it."""

    is_locked: bool

    def run(self, session: Session) -> None:
        """Do it."""
        session.lock_object(self.object_id, self.is_locked)


@dataclass(frozen=True)
class HideObject(ObjectCommand):
    """Hide an object, or show it."""

    is_hidden: bool

    def run(self, session: Session) -> None:
        """Do it."""
        session.hide_object(self.object_id, self.is_hidden)


@dataclass(frozen=True)
class RemoveObject(ObjectCommand):
    """Remove an object."""

    def run(self, session: Session) -> None:
        """Do it."""
        session.remove_object(self.object_id)


@dataclass(frozen=True)
class MergeObjects(ObjectCommand):
    """Merge another object into this one."""

    other_id: int

    def run(self, session: Session) -> None:
        """Do it."""
        session.merge_objects(self.object_id, self.other_id)


@dataclass(frozen=True)
class SplitObject(ObjectCommand):
    """Let an object be a new one from a frame on."""

    frame: int

    def run(self, session: Session) -> None:
        """Do it."""
        session.split_object(self.object_id, self.frame)


@dataclass(frozen=True)
class DivideObject(ObjectCommand):
    """Let an object end before a frame, and two children begin there."""

    frame: int

    def run(self, session: Session) -> None:
        """Do it."""
        session.divide_object(self.object_id, self.frame)


@dataclass(frozen=True)
class ApproveFrame(ObjectCommand):
    """Approve the mask of an object on a frame."""

    frame: int

    def run(self, session: Session) -> None:
        """Do it."""
        session.approve(self.object_id, self.frame)


@dataclass(frozen=True)
class ApproveRange(ObjectCommand):
    """Approve the masks of an object on a range of frames, both ends included."""

    first_frame: int
    last_frame: int

    def run(self, session: Session) -> None:
        """Do it."""
        session.approve_range(self.object_id, self.first_frame, self.last_frame)


@dataclass(frozen=True)
class EndObject(ObjectCommand):
    """Let an object be absent from a frame on; back from it, if all frames on which a person gave it are later."""

    frame: int

    def run(self, session: Session) -> None:
        """Do it."""
        item = session.objects.get(self.object_id)
        if item is not None and is_before(self.frame, item.prompts):
            session.begin_object(self.object_id, self.frame + 1)
        else:
            session.end_object(self.object_id, self.frame)


def is_before(frame: int, prompted: Collection[int]) -> bool:
    """A frame lies before all on which an object is prompted or approved: what ends there ends backward."""
    return bool(prompted) and frame < min(prompted)
