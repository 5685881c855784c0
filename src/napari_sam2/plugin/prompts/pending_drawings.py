"""What was drawn and the session has not taken yet: while a model is loaded, or its weights are missing."""

from __future__ import annotations

from dataclasses import replace

from napari_sam2.plugin.prompts.drawn_commands import DrawnCommand


class PendingDrawings:
    """Drawn commands that the session has not taken yet, by numbers that rise in the order in which they were given."""

    def __init__(self) -> None:
        self._waiting: dict[int, DrawnCommand] = {}
        self._sent: dict[int, DrawnCommand] = {}

    @property
    def has_pending(self) -> bool:
        """There are some that are not on their way."""
        return bool(self._waiting)

    @property
    def object_ids(self) -> set[int]:
        """Objects that they are about, or begin."""
        return {one.key.object_id for one in (*self._waiting.values(), *self._sent.values()) if one.is_inside}

    @property
    def latest_sent(self) -> int:
        """The number of the latest that is on its way; 0 for none."""
        return max(self._sent, default=0)

    def latest_waiting(self, before: int) -> int:
        """Return the number of the latest below a number that is not on its way; 0 for none."""
        return max((number for number in self._waiting if number < before), default=0)

    def add(self, number: int, command: DrawnCommand) -> None:
        """Add a command."""
        self._waiting[number] = command

    def withdraw(self, number: int) -> None:
        """Remove a command that is not on its way."""
        del self._waiting[number]

    def shift(self, offset: int) -> None:
        """Add to the object ids of commands that are not on their way."""
        for number, one in self._waiting.items():
            self._waiting[number] = replace(one, key=one.key._replace(object_id=one.key.object_id + offset))

    def take(self) -> list[DrawnCommand]:
        """Send the commands that wait to the session."""
        self._sent |= self._waiting
        taken, self._waiting = list(self._waiting.values()), {}
        return taken

    def reject(self, command: DrawnCommand, is_refused: bool) -> None:
        """Forget a command that the session refused; one that failed otherwise goes along with the next one."""
        for number, one in list(self._sent.items()):
            if one is command:
                del self._sent[number]
                if not is_refused:
                    self._waiting[number] = one

    def job_ended(self) -> None:
        """Take note that what was on its way came to its end."""
        self._sent.clear()
