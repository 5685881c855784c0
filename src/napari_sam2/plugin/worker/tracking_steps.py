"""Tracks everything in the stack of a session, or links labels that were given, and reports each frame."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

from napari_sam2.plugin.layer_prompts.labels_to_link import LabelsToLink
from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.reports.reports import FrameDone

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


_NOTHING_FOUND = (
    "nothing was found on any frame: change the intensities in the first line of the dock, ask for more clicks per side where "
    "objects are small, or click on one object"
)


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
        As :meth:`~napari_sam2.session.session.Session.track_everything`; that nothing was found, in words of the dock.
    """
    from napari_sam2.session.editing.everything import NothingFoundError

    stack, total = session.stack, 0
    try:
        with contextlib.closing(session.track_everything(**options.arguments((stack.height, stack.width)))) as results:
            for done, result in enumerate(results, 1):
                if stack.along == "T" and not total:
                    total = len(stack) - result.frame
                yield FrameDone(result.frame, done, total)
    except NothingFoundError as error:
        raise ValueError(_NOTHING_FOUND) from error


def link_labels(session: Session, given: LabelsToLink | None = None) -> Generator[FrameDone]:
    """Link labels that were given frame by frame, and report each frame when it is done; close it to stop.

    Parameters
    ----------
    session : Session
        The session.
    given : LabelsToLink, optional
        The labels; by default those whose linking was stopped.

    Yields
    ------
    FrameDone
        The total is known from the first frame on.

    Raises
    ------
    ValueError, OSError
        As :meth:`~napari_sam2.session.session.Session.link_labels`.
    """
    total = 0
    labels = None if given is None else given.labels(session.stack)
    with contextlib.closing(session.link_labels(labels)) as results:
        for done, result in enumerate(results, 1):
            total = total or len(session.stack) - result.frame
            yield FrameDone(result.frame, done, total)
