"""The object in hand, which the next click is about; :mod:`~napari_sam2.plugin.prompts.click_rule` decides what a click does."""

from __future__ import annotations

from collections.abc import Callable

from napari_sam2.plugin.prompts.click_rule import Hand
from napari_sam2.plugin.workspace.known_objects import KnownObjects


class ObjectInHand:
    """Knows what the next click is about.

    Parameters
    ----------
    objects : KnownObjects
        The objects there are.
    changed : callable
        Called when the next click is about something else.

    Attributes
    ----------
    object_id : int or None
        The object that clicks are about, if one is in hand.
    is_inside : bool
        A plain click is inside the object.
    is_kept : bool
        Clicks do not change what is in hand.
    """

    def __init__(self, objects: KnownObjects, changed: Callable[[], None]) -> None:
        self._objects = objects
        self._changed = changed
        self.object_id: int | None = None
        self.is_inside = True
        self.is_kept = False
        self._is_begun = True
        self._told = (0, False)

    @property
    def hand(self) -> Hand:
        """What the rule of clicks needs of this."""
        return Hand(self.object_id, self._is_begun, self.is_kept)

    @property
    def current(self) -> int:
        """The object in hand; with none in hand the one that a click where nothing is begins."""
        return self._objects.next_id if self.object_id is None else self.object_id

    @property
    def is_in_session(self) -> bool:
        """The session has the object in hand."""
        return self.object_id in self._objects.infos

    def take(self, object_id: int | None) -> None:
        """Let clicks be about an object, which may be a new one; None puts down the one in hand."""
        self.object_id = object_id
        self._is_begun = object_id is None or self._objects.has_prompt_inside(object_id)
        self.is_inside = True
        self.tell()

    def begin(self) -> int:
        """Take a new object in hand; return it."""
        self.object_id, self._is_begun, self.is_inside = self._objects.next_id, False, True
        return self.object_id

    def choose_side(self, is_inside: bool) -> None:
        """Let plain clicks be inside the object, or outside it."""
        self.is_inside = is_inside
        self.tell()

    def prompted(self) -> None:
        """Put down an object that was just begun, as there are new prompts: the next click is about another one."""
        if not self._is_begun and self._objects.has_prompt_inside(self.object_id):
            self._is_begun = True
            if not self.is_kept:
                self.take(None)
        self.tell()

    def follow_objects(self) -> None:
        """Put down an object that is not there any more, and choose the next one."""
        self._is_begun |= self.is_in_session
        if self._is_begun and not self.is_kept and self.object_id not in self._objects.ids:
            self.object_id = None
        if (self.current, self.is_in_session) != self._told:
            self.tell()

    def tell(self) -> None:
        """Tell what the next click is about."""
        self._told = self.current, self.is_in_session
        self._changed()
