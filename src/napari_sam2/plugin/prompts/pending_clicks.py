"""Clicks that the session has not taken yet: while a model is loaded, or where the session refused them for now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import AddClicks


@dataclass
class PendingClick:
    """A click that the session has not taken yet.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    click : Click
        The click.
    is_sent : bool
        It is on its way to the session.
    is_refused : bool
        The session refused it: it goes along with the next click on the same object and frame.
    """

    key: ObjectFrame
    click: Click
    is_sent: bool = False
    is_refused: bool = False


class PendingClicks:
    """Clicks that the session has not taken yet, by ids that rise in the order in which they were given."""

    def __init__(self) -> None:
        self.by_id: dict[int, PendingClick] = {}
        self.next_id = 1

    def add(self, key: ObjectFrame, click: Click, is_sent: bool = False) -> int:
        """Add a click; return its id."""
        number = self.new_number()
        self.by_id[number] = PendingClick(key, click, is_sent)
        return number

    def new_number(self) -> int:
        """Return the next number, also for what is pending elsewhere: the order in which everything was given is known by it."""
        self.next_id += 1
        return self.next_id - 1

    def change(self, number: int, key: ObjectFrame, click: Click) -> None:
        """Give a click that is not on its way another object, frame or position; the session is asked anew."""
        self.by_id[number] = PendingClick(key, click)

    def shift(self, offset: int) -> None:
        """Add to the object ids of clicks that are not on their way: they are on other objects than those of a session."""
        for one in self.by_id.values():
            if not one.is_sent:
                one.key = one.key._replace(object_id=one.key.object_id + offset)

    def discard(self, ids: Iterable[int]) -> None:
        """Remove clicks: they were taken, or withdrawn."""
        for number in ids:
            self.by_id.pop(number, None)

    def latest_waiting(self, before: int) -> int:
        """Return the id of the latest click below a number that is not on its way; 0 for none."""
        return max((number for number, one in self.by_id.items() if number < before and not one.is_sent), default=0)

    @property
    def latest_sent(self) -> int:
        """The id of the latest click that is on its way; 0 for none."""
        return max((number for number, one in self.by_id.items() if one.is_sent), default=0)

    def take(self, up_to: int) -> list[AddClicks]:
        """Send the clicks that were given up to an id, with those that were refused on the same object and frame."""
        waiting = {number: one for number, one in self.by_id.items() if not one.is_sent and number <= up_to}
        keys = dict.fromkeys(one.key for one in waiting.values() if not one.is_refused)
        return self._send(waiting, keys)

    def take_all(self) -> list[AddClicks]:
        """Send all clicks, also those that were refused."""
        waiting = {number: one for number, one in self.by_id.items() if not one.is_sent}
        return self._send(waiting, dict.fromkeys(one.key for one in waiting.values()))

    def _send(self, waiting: dict[int, PendingClick], keys: Iterable[ObjectFrame]) -> list[AddClicks]:
        commands = []
        for key in keys:
            group = {number: one for number, one in waiting.items() if one.key == key}
            for one in group.values():
                one.is_sent = True
            commands.append(AddClicks(key, tuple(one.click for one in group.values()), frozenset(group)))
        return commands

    def give_back(self, ids: Iterable[int], is_refused: bool) -> bool:
        """Keep clicks that were on their way and were not taken; return whether a refusal is new to one of them."""
        returned = [one for number in ids if (one := self.by_id.get(number)) is not None and one.is_sent]
        is_news = any(not one.is_refused for one in returned)
        for one in returned:
            one.is_sent, one.is_refused = False, is_refused
        return is_news
