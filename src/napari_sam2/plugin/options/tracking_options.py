"""How everything in a stack is tracked; where it cannot be; and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2.images.axes import SEPARATE_AXIS
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.options.everything_options import area_bounds
from napari_sam2.plugin.reports.frame_states import FrameStates

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import ObjectInfo


@dataclass(frozen=True)
class TrackingOptions:
    """How everything in a stack is tracked; 0 leaves an option to the session.

    Attributes
    ----------
    points_per_side : int
        Clicks along each side of a frame on which everything is looked for: more find smaller objects, and take longer.
    least_area_px, largest_area_px : int
        Areas of objects in data pixels.
    """

    points_per_side: int = 0
    least_area_px: int = 0
    largest_area_px: int = 0

    def arguments(self, frame_shape: tuple[int, int]) -> dict[str, Any]:
        """Return them as a session takes them: arguments of ``track_everything``, on frames of a shape (H, W)."""
        found: dict[str, Any] = {"points_per_side": self.points_per_side} if self.points_per_side else {}
        if (bounds := area_bounds(self.least_area_px, self.largest_area_px, frame_shape)) is not None:
            found["area_px"] = bounds
        return found


def why_not_tracked(stack: ImageStack) -> str:
    """Say why nothing can be tracked through a stack; empty where it can be."""
    if stack.frame_axis is None:
        return "There is nothing to track through: this is a single image."
    if stack.along == SEPARATE_AXIS:
        return "There is nothing to track through: the frames are separate images."
    return ""


@dataclass(frozen=True)
class TrackingLeft:
    """What tracking everything would do.

    Attributes
    ----------
    is_begun : bool
        Objects were found, and the rest of the stack was not looked at yet.
    num_frames : int or None
        Frames that are left; None where that is not known, as it is done object by object.
    """

    is_begun: bool = False
    num_frames: int | None = None

    @classmethod
    def of(cls, stack: ImageStack, states: FrameStates, infos: Mapping[int, ObjectInfo], is_stopped: bool) -> TrackingLeft:
        """Find out what is left.

        Parameters
        ----------
        stack : ImageStack
            How the image is read.
        states : FrameStates
            All objects on all frames.
        infos : mapping of int to ObjectInfo
            By object.
        is_stopped : bool
            The latest tracking of everything was stopped; along time it is seen from the frames, also after a restart.
        """
        found = [object_id for object_id, info in infos.items() if info.is_found]
        if not found:
            return cls()
        return cls._after_frames(states, found) if stack.along == "T" else cls(is_stopped)

    @classmethod
    def of_linking(cls, states: FrameStates, infos: Mapping[int, ObjectInfo]) -> TrackingLeft:
        """Find out what is left of labels whose linking was stopped, which are linked frame by frame along any axis."""
        found = [object_id for object_id, info in infos.items() if info.is_found]
        return cls._after_frames(states, found) if found else cls()

    @classmethod
    def _after_frames(cls, states: FrameStates, found: Sequence[int]) -> TrackingLeft:
        """Count the frames after the last one with one of the objects that were found."""
        is_done = np.logical_or.reduce([states.states_of(object_id) > 0 for object_id in found])
        num_left = states.num_frames - int(np.flatnonzero(is_done).max(initial=-1)) - 1
        return cls(num_left > 0, num_left)
