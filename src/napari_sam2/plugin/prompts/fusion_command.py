"""Propagates objects through a volume along all of its axes, and fuses these, as a command that the worker runs on the session."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.prompts.commands import LongCommand, Outcome, Progress
from napari_sam2.wording import counted

if TYPE_CHECKING:
    from napari_sam2.session.session import Session


@dataclass(frozen=True)
class FuseAxes(LongCommand):
    """Propagate objects along Z, Y and X; see :func:`~napari_sam2.session.volumes.fuse_axes.fuse_axes`.

    Attributes
    ----------
    objects : tuple of int or None
        Which; None for all.
    """

    objects: tuple[int, ...] | None = None

    @property
    def key(self) -> ObjectFrame:
        """No object in particular."""
        return ObjectFrame(0, 0)

    def run_steps(self, session: Session, progress: Progress) -> Outcome:
        """Do it, frame by frame. Where it is stopped, nothing is fused.

        Raises
        ------
        ValueError
            If there is nothing to propagate, or the image is no volume.
        """
        from napari_sam2.session.volumes.fuse_axes import fuse_axes

        wanted = None if self.objects is None else [one for one in self.objects if one in session.objects]
        size = dict(zip(session.stack.layout.label_axes, session.stack.labels_shape, strict=True))
        num_frames = sum(size.get(axis, 0) for axis in "ZYX")
        with contextlib.closing(fuse_axes(session, objects=wanted)) as results:  # type: ignore[type-var]
            for done, _ in enumerate(results, 1):
                if not progress(done, max(done, num_frames)):
                    return Outcome(f"Stopped before the axes were fused: what was tracked along {session.stack.along} is kept.")
        number = len(session.objects) if wanted is None else len(wanted)
        return Outcome(f"{counted(number, 'object')} propagated along Z, Y and X, and fused.")
