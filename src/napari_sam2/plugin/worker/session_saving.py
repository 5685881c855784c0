"""The session of one image saved where kept ones are, after everything that is done to it; what cannot be saved is told."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.plugin.reports.reports import SessionKept, SessionNotKept
from napari_sam2.plugin.sessions.autosave import ImageFingerprint
from napari_sam2.plugin.sessions.session_opener import SessionOpener

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

logger = logging.getLogger(__name__)

RETRY_S = 30.0
"""Where a session cannot be saved, that is tried again with the first click after so long."""


class SessionSaving:
    """Saves one session after another: each from its first change on.

    Parameters
    ----------
    opener : SessionOpener
        Has the folder of kept sessions.
    send : callable
        Called with a :class:`SessionKept` or a :class:`SessionNotKept`, when that is news.
    """

    def __init__(self, opener: SessionOpener, send: Callable[[SessionKept | SessionNotKept], None]) -> None:
        self._opener = opener
        self._send = send
        self._fingerprint: ImageFingerprint | None = None
        self._saved_to: Path | None = None
        self._is_saved = False
        self._retry_at_s = 0.0
        self._num_changes = 0
        self._num_changes_not_saved = -1

    def begin(self, fingerprint: ImageFingerprint | None) -> None:
        """Begin with another session, on an image that is known again by a fingerprint; None if it is not to be kept."""
        self._fingerprint = fingerprint
        self._is_saved, self._retry_at_s, self._num_changes_not_saved = False, 0.0, -1

    def end(self, session: Session) -> None:
        """Save a session a last time, also where it could not be saved just now."""
        self._retry_at_s = 0.0
        self.save(session)
        self._saved_to = None

    def count(self, session: Session) -> None:
        """Take note that what was done until now did not fail."""
        self._num_changes = session.state.history.num_changes

    @contextlib.contextmanager
    def after(self, session: Session) -> Iterator[None]:
        """Let the session be saved after what is done. If that was done, but could not be saved, it counts as done."""
        self.count(session)
        try:
            yield
        except (ValueError, OSError) as error:
            if session.state.history.num_changes == self._num_changes or session.saved_to is None:
                raise
            self._failed(session, error)
        finally:
            self.save(session)

    def save(self, session: Session) -> None:
        """Save the session where kept ones are, unless it is saved already, or nothing was done to it."""
        kept, fingerprint = self._opener.kept, self._fingerprint
        try:
            if session.saved_to is None and kept is not None and fingerprint is not None:
                if not (session.can_undo or session.can_redo) or time.monotonic() < self._retry_at_s:
                    return
                session.save(kept.new_path(fingerprint))
            if session.saved_to is None:
                return
            if kept is not None and self._saved_to not in (None, session.saved_to):
                kept.moved(self._saved_to, session.saved_to)
            elif kept is not None and self._saved_to is None and fingerprint is not None:
                kept.remember(fingerprint, session.saved_to)
        except (ValueError, OSError, RuntimeError) as error:
            self._failed(session, error)
            return
        is_written = self._is_saved or session.state.history.num_changes > self._num_changes_not_saved
        if is_written and (not self._is_saved or self._saved_to != session.saved_to):
            self._is_saved, self._saved_to = True, session.saved_to
            self._send(SessionKept(session.saved_to))

    def _failed(self, session: Session, error: Exception) -> None:
        logger.warning("the session is not kept: %s", error)
        self._is_saved, self._retry_at_s = False, time.monotonic() + RETRY_S
        if session.saved_to is not None:  # it is written with what is done next
            self._num_changes_not_saved = session.state.history.num_changes
        self._send(SessionNotKept(str(error)))
