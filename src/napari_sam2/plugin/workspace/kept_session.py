"""The file of the session on an image, and an earlier session that can be continued instead of a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2.plugin.reports.reports import SessionsFound

if TYPE_CHECKING:
    from napari_sam2.plugin.sessions.autosave import SessionSummary


class KeptSession:
    """Knows where the session is saved, and what is to be continued.

    Attributes
    ----------
    offer : SessionSummary or None
        An earlier session on the image, while nobody chose whether to continue it.
    continued : Path or None
        The file of an earlier session that is still to be opened.
    saved_to : Path or None
        The file of the session; before it is opened, that of the one to continue.
    not_kept : str
        Why what was done is in memory alone; empty where it is in a file.
    """

    def __init__(self) -> None:
        self.offer: SessionSummary | None = None
        self.continued: Path | None = None
        self.saved_to: Path | None = None
        self.not_kept = ""

    @property
    def is_reopening(self) -> bool:
        """The session that an earlier widget had open in this viewer is still to be opened."""
        return self.continued is not None and self.saved_to is not None

    @property
    def has_work(self) -> bool:
        """There is a session in a file, or one that may be continued."""
        return self.offer is not None or self.continued is not None or self.saved_to is not None

    def found(self, item: SessionsFound, has_session: bool) -> None:
        """Take note of an earlier session, unless another one was opened meanwhile."""
        self.offer = None if has_session else item.found
        if not item.is_chosen:
            self.saved_to = None

    def continue_offer(self) -> None:
        """Let the session that is offered be opened with the next request."""
        if self.offer is not None:
            self.continued, self.offer = self.offer.path, None

    def begin_anew(self) -> None:
        """Let the next request open a new session; the one that is offered stays where it is."""
        self.offer = self.saved_to = None

    def opened(self) -> None:
        """Take note that the session is open: nothing is still to be continued."""
        self.continued = None

    def not_continued(self) -> None:
        """Take note that the session could not be opened: the next request opens a new one."""
        if self.continued is not None:
            self.continued = self.saved_to = None

    def now_saved_to(self, path: Path) -> None:
        """Take note where the session is saved."""
        self.saved_to, self.not_kept = path, ""

    def now_not_kept(self, reason: str) -> bool:
        """Take note why the session is in no file; return whether that is news."""
        before, self.not_kept = self.not_kept, reason
        return reason != before
