"""Actions of a session that a person did at one stroke: undone and redone together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


class JoinedActions:
    """Undo and redo of a session by what a person did, such as the first click on an object, which also adds the object.

    Parameters
    ----------
    session : Session
        Whose actions.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._history = session.state.history
        self._with_the_one_before: set[int] = set()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Join the actions that are done inside."""
        before = max((action.number for action in (*self._history.done, *self._history.undone)), default=0)
        try:
            yield
        finally:
            numbers = [action.number for action in self._history.done if action.number > before]
            self._with_the_one_before.update(numbers[1:])

    def undo(self) -> bool:
        """Undo the latest action, and those that are joined with it; return whether there was one.

        Raises
        ------
        FileNotFoundError, ValueError
            If the model before cannot be loaded any more.
        """
        while self._history.done:
            number = self._history.done[-1].number
            self._session.undo()
            if number not in self._with_the_one_before:
                return True
        return False

    def redo(self) -> bool:
        """Redo what was undone last; return whether there was such a thing.

        Raises
        ------
        FileNotFoundError, ValueError
            As :meth:`undo`.
        """
        if not self._session.redo():
            return False
        while self._history.undone and self._history.undone[-1].number in self._with_the_one_before:
            self._session.redo()
        return True
