"""What a session asks of a tracker, wherever its model is: steps in NumPy, and choices without the network.

P points · S side of the input · h, w mask size · H', W' size of a window.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_sam2.model.memory_recall import Recall
from napari_sam2.predictors.logits import Logits
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryPolicy, ObjectMemory
from napari_sam2.predictors.zoom import View, Zoom, whole_view

MAX_BATCH = 16
POSITIONS_IN_CACHE = 8192
"""Positions of feature maps, of all objects of a batch together, that a CPU works on at a time."""
STRIDE = 16
"""Pixels of the input from position to position."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """The prompts of one object on one frame, in the coordinates of the model.

    Attributes
    ----------
    points_xy : ndarray or None
        (P, 2), float32, pixels of the S x S input; the two corners of a box come first.
    labels : ndarray or None
        (P,), int32: 1 inside, 0 outside, 2 and 3 the corners of a box.
    mask : ndarray or None
        (H', W'), bool, of whatever size, of the whole window; it excludes points.
    previous_logits : ndarray or None
        (h, w), the prediction that further points refine.
    previous_mask : ndarray or None
        (H', W'), bool, a mask in the place of such a prediction.
    """

    points_xy: npt.NDArray[np.float32] | None = None
    labels: npt.NDArray[np.int32] | None = None
    mask: npt.NDArray[np.bool_] | None = None
    previous_logits: Logits | None = None
    previous_mask: npt.NDArray[np.bool_] | None = None

    def refining(self, previous_logits: Logits) -> Prompt:
        """Return the prompt as a refinement of an earlier prediction."""
        return replace(self, previous_logits=previous_logits)

    @property
    def signature(self) -> Hashable:
        """Prompts with equal signatures fit into one batch."""
        points = None if self.points_xy is None else self.points_xy.shape[0]
        return points, self.mask is None, self.previous_logits is None and self.previous_mask is None


class AnyTracker(ABC):
    """Segments and tracks objects of one video.

    Parameters
    ----------
    num_frames : int
        Length of the video.
    policy : MemoryPolicy
        What a frame recalls.
    zoom : Zoom, optional
        Chooses a window for each tracked object; the whole frame by default.
    """

    def __init__(self, num_frames: int, policy: MemoryPolicy, zoom: Zoom | None = None) -> None:
        self.num_frames = num_frames
        self.policy = policy
        self.zoom = zoom

    # --- steps -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def segment(
        self,
        frame: int,
        prompts: Sequence[Prompt],
        memories: Sequence[ObjectMemory] | None = None,
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """Segment a frame as prompted.

        Parameters
        ----------
        frame : int
            The frame.
        prompts : sequence of Prompt
            One per object.
        memories : sequence of ObjectMemory, optional
            What is remembered of each object; without it the frame starts their tracks.
        reverse : bool
            The direction in which the frame was tracked before.
        views : sequence of View or None, optional
            The window in which each object is segmented, and in which its prompt is given; the whole frame by default.

        Returns
        -------
        list of FrameRecord
            One per object, without memories: those are encoded by :meth:`remember`.
        """

    @abstractmethod
    def remember(self, frame: int, records: Sequence[FrameRecord]) -> list[FrameRecord]:
        """Encode the memories of objects from their masks, and return the records with them (official L502-521)."""

    @abstractmethod
    def track(
        self,
        frame: int,
        memories: Sequence[ObjectMemory],
        reverse: bool = False,
        views: Sequence[View | None] | None = None,
    ) -> list[FrameRecord]:
        """Find objects on a frame by what is remembered of them.

        Parameters
        ----------
        frame : int
            The frame.
        memories : sequence of ObjectMemory
            One per object, each with at least one conditioning frame; they are not changed.
        reverse : bool
            Tracking runs towards frame 0.
        views : sequence of View or None, optional
            The window in which each object is looked for; by default as :attr:`zoom` chooses it.

        Returns
        -------
        list of FrameRecord
            One per object, with memories.
        """

    @abstractmethod
    def absent(self, record: FrameRecord) -> FrameRecord:
        """Return a record as the network makes it of an object that is not on the frame, without a memory."""

    @abstractmethod
    def release_features(self) -> None:
        """Release the features of frames, where they are kept here; they are computed again when they are needed."""

    # --- choices ---------------------------------------------------------------------------------------------------

    def choose(self, frame: int, memory: ObjectMemory, reverse: bool) -> Recall:
        """Choose what a frame recalls of an object."""
        return self.policy(frame, memory, self.num_frames, reverse)

    def follow(self, frame: int, memories: Sequence[ObjectMemory], reverse: bool) -> list[View | None]:
        """Choose the windows in which objects are looked for, by where they were on the nearest frame that is recalled."""
        return [self._follow(frame, memory, reverse) for memory in memories]

    def _follow(self, frame: int, memory: ObjectMemory, reverse: bool) -> View | None:
        """Choose the window of an object by where it was on the nearest frame that is recalled."""
        if self.zoom is None:
            return None
        # Of two as near, the one that tracking comes from.
        recall = self.choose(frame, memory, reverse)
        nearest = min(recall.memories, key=lambda slot: (abs(slot.frame - frame), (slot.frame < frame) == reverse))
        (record,) = memory.recalled((nearest,))
        return self.zoom.next_view(record.view or whole_view(self.zoom.frame_shape), record.mask_logits)


def best_batch(image_size: int, device_kind: str) -> int:
    """Choose how many objects are tracked at a time by a model with a size of input that computes on a kind of device.

    Measured on a CPU at 1024 pixels, 4096 positions: two objects took 2 % less time each than one, four 5 % more; at 320 pixels,
    400 positions, sixteen 6 % more than four. On a GPU a batch is what fills it.
    """
    if device_kind != "cpu":
        return MAX_BATCH
    return min(MAX_BATCH, max(1, POSITIONS_IN_CACHE // (image_size // STRIDE) ** 2))
