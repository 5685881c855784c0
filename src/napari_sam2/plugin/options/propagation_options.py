"""Where objects are propagated to: in which direction, to which frames, all objects or some; and what is left to do there."""

# without annotations from the future: the form is made of the types themselves

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, cast

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.reports.frame_states import FrameStates

if TYPE_CHECKING:
    from napari_sam2.session.state.objects import ObjectInfo

# not those of the session, which imports torch: the form is made of them before there is one
Direction = Literal["both", "forward", "backward"]
_Direction = Annotated[
    str,
    {
        "choices": [("both ways", "both"), ("forward", "forward"), ("backward", "backward")],
        "tooltip": "Forward leaves out the frames before the first prompt of an object, backward those after its last one.",
    },
]
_Objects = Annotated[
    str,
    {
        "choices": [("all objects", "all"), ("selected objects", "selected")],
        "tooltip": "All objects, or those that are selected in the table.",
    },
]
_FirstFrame = Annotated[int, {"tooltip": "No frame before this one is propagated to."}]
_LastFrame = Annotated[int, {"tooltip": "No frame after this one is propagated to."}]


@dataclass(frozen=True)
class PropagationOptions:
    """Where objects are propagated to.

    Attributes
    ----------
    direction : {"both", "forward", "backward"}
        See :meth:`~napari_sam2.session.session.Session.propagate`.
    first_frame : int
        No frame before it.
    last_frame : int or None
        No frame after it; None for the last one of the stack.
    objects : tuple of int or None
        Which; None for all.
    """

    direction: Direction = "both"
    first_frame: int = 0
    last_frame: int | None = None
    objects: tuple[int, ...] | None = None

    def frames(self, num_frames: int) -> range | None:
        """Return the frames, of a stack of so many; None for all of them."""
        end = num_frames if self.last_frame is None else min(self.last_frame + 1, num_frames)
        return None if self.first_frame == 0 and end == num_frames else range(self.first_frame, end)


def propagation_options(
    direction: _Direction = "both",
    first_frame: _FirstFrame = 0,
    last_frame: _LastFrame = 0,
    objects: _Objects = "all",
    *,
    selected: Collection[int] = (),
    num_frames: int = 1,
) -> PropagationOptions:
    """Read the options of the form, whose fields are the first arguments.

    Parameters
    ----------
    direction : {"both", "forward", "backward"}
        Both ways, or without the frames before the first prompt of an object, or without those after its last one.
    first_frame, last_frame : int
        The first and the last frame to propagate to.
    objects : {"all", "selected"}
        All objects, or those that are selected in the table.
    selected : collection of int
        Those.
    num_frames : int
        Of the stack.

    Returns
    -------
    PropagationOptions

    Raises
    ------
    ValueError
        If there is no frame in it.
    """
    if first_frame > last_frame:
        raise ValueError(f"there is no frame from {first_frame} to {last_frame}: the first one is not after the last one")
    return PropagationOptions(
        cast(Direction, direction),
        first_frame,
        None if last_frame >= num_frames - 1 else last_frame,
        tuple(sorted(selected)) if objects == "selected" else None,
    )


@dataclass(frozen=True)
class FramesLeft:
    """What a propagation would do.

    Attributes
    ----------
    num_frames : int
        Frames to which any object is propagated.
    num_masks : int
        Objects on them, counted on each frame.
    is_begun : bool
        All objects that are not done were propagated to some frames already.
    num_skipped : int
        Frames between those and the nearest prompt that are not propagated to: objects may be lost there.
    """

    num_frames: int = 0
    num_masks: int = 0
    is_begun: bool = False
    num_skipped: int = 0

    @classmethod
    def of(cls, states: FrameStates, infos: Mapping[int, "ObjectInfo"], options: PropagationOptions) -> "FramesLeft":
        """Count what is left; the same frames as in :meth:`~napari_sam2.session.session.Session.plan`, without its session."""
        num_objects = np.zeros(states.num_frames, np.int64)
        is_begun, num_skipped = True, 0
        wanted = np.zeros(states.num_frames, np.bool_)
        frames = options.frames(states.num_frames)
        wanted[slice(None) if frames is None else slice(frames.start, frames.stop)] = True
        for object_id in infos if options.objects is None else options.objects:
            info, item = infos.get(object_id), states.of(object_id)
            if info is None or item is None or info.is_locked or not item.prompts:
                continue
            left = item.is_left
            left[: info.first_frame] = False
            if info.end_frame is not None:
                left[info.end_frame :] = False
            if options.direction == "forward":
                left[: min(item.prompts)] = False
            elif options.direction == "backward":
                left[max(item.prompts) :] = False
            chosen = left & wanted
            if chosen.any():
                num_objects += chosen
                is_begun = is_begun and item.is_propagated
                num_skipped = max(num_skipped, _num_skipped(left & ~wanted, chosen, sorted(item.prompts)))
        num_frames = int(np.count_nonzero(num_objects))
        return cls(num_frames, int(num_objects.sum()), is_begun and num_frames > 0, num_skipped)


def _num_skipped(left_out: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_], prompted: list[int]) -> int:
    """Count the frames that are left out between chosen ones and the nearer of the prompts around them."""
    first, last = np.flatnonzero(chosen)[[0, -1]].tolist()
    if any(first <= frame <= last for frame in prompted):
        return 0
    gaps = [slice(max(frame for frame in prompted if frame < first), first)] if prompted[0] < first else []
    gaps += [slice(last + 1, min(frame for frame in prompted if frame > last))] if prompted[-1] > last else []
    return min(int(np.count_nonzero(left_out[gap])) for gap in gaps)
