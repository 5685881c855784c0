"""The frames of a session drawn and measured: those that it had when it was opened, and what changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from napari_sam2.plugin.reports.frame_measurements import FrameMeasurements
from napari_sam2.plugin.reports.reports import FrameDrawn, FramesMeasured

if TYPE_CHECKING:
    from napari_sam2.session.session import Session

SENT_EACH_S = 0.3
"""A propagation of many objects is measured with each frame, and shown less often."""
AT_ONCE_S = 0.3
"""So long a session draws when it is opened; what is left then, in a stack of many frames, is drawn when nothing else is done."""


class SessionDrawing:
    """Draws and measures the frames of a session.

    Parameters
    ----------
    session : Session
        The session, which was just opened.
    send : callable
        Called with a :class:`FrameDrawn` and with :class:`FramesMeasured`.
    """

    def __init__(self, session: Session, send: Callable[[FrameDrawn | FramesMeasured], None]) -> None:
        self._session = session
        self._send = send
        self._measurements = FrameMeasurements(session)
        self._unmeasured = set[int]().union(*(item.shown_frames() for item in session.objects.values()))
        self._sent_at_s = time.monotonic()

    @property
    def frames_left(self) -> frozenset[int]:
        """Frames that the session had, and that are not drawn and measured yet."""
        return self._session.undrawn | self._unmeasured

    @property
    def is_done(self) -> bool:
        """All of them are."""
        return not (self._unmeasured or self._session.undrawn)

    def draw_next(self, shown: int | None) -> int:
        """Draw and measure a frame: the shown one, else the next one that is left; return which.

        Raises
        ------
        OSError
            If a record cannot be read back, or the labels cannot be written.
        """
        left = self.frames_left
        frame = shown if shown in left else min(left)
        self._session.draw_frames([frame])
        self.measure((object_id, frame) for object_id, item in self._session.objects.items() if item.shown(frame) is not None)
        self._unmeasured.discard(frame)
        return frame

    def draw_at_once(self, shown: int | None) -> None:
        """Draw for a moment; of what is left then, send where objects are known to be.

        Raises
        ------
        OSError
            As :meth:`draw_next`.
        """
        until_s = time.monotonic() + AT_ONCE_S
        while not self.is_done and time.monotonic() < until_s:
            self._send(FrameDrawn(self.draw_next(shown)))
        if not self.is_done and (known := self._measurements.first_look()) is not None:
            self._send(known)

    def begin_job(self) -> None:
        """Take note that a job begins: what it changes is sent after a while."""
        self._sent_at_s = time.monotonic()

    def measure(self, keys: Iterable[tuple[int, int]]) -> None:
        """Measure objects on frames, by pairs of both, where their shown records changed."""
        self._measurements.measure(keys)

    def take(self) -> FramesMeasured | None:
        """Take what was measured since the last time."""
        return self._measurements.take()

    def send(self) -> None:
        """Send what was measured since the last time."""
        if (measured := self.take()) is not None:
            self._send(measured)
            self._sent_at_s = time.monotonic()

    def send_if_due(self) -> None:
        """Send it, if the last time is long enough ago."""
        if time.monotonic() - self._sent_at_s >= SENT_EACH_S:
            self.send()
