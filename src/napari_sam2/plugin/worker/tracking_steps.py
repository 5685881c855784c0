"""Tracks everything in the stack of a session, and reports each frame."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.reports.reports import FrameDone

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


def track_everything(session: Session, options: TrackingOptions) -> Generator[FrameDone]:
    """Track everything, and report each frame when it is done; close it to stop.

    Parameters
    ----------
    session : Session
        The session.
    options : TrackingOptions
        How.

    Yields
    ------
    FrameDone
        Along time, the total is known from the first frame on; else it is not, since each object is followed alone.

    Raises
    ------
    ValueError, OSError, FindingStopped
        As :meth:`~napari_sam2.session.session.Session.track_everything`.
    """
    stack, total = session.stack, 0
    with contextlib.closing(session.track_everything(**options.arguments((stack.height, stack.width)))) as results:
        for done, result in enumerate(results, 1):
            if stack.along == "T" and not total:
                total = len(stack) - result.frame
            yield FrameDone(result.frame, done, total)
