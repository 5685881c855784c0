"""Which remembered frames a frame attends to: bookkeeping on frame numbers, no tensors (SAM 2 paper, section 4, "Memory bank").

A *conditioning* frame is one a person prompted; any other remembered frame is *non-conditioning*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class RecalledFrame:
    """One remembered frame.

    Attributes
    ----------
    frame : int
        Its number.
    is_conditioning : bool
        In which of the two stores it lies.
    offset : int
        For a memory: its slot, 0 for conditioning frames, else 1 (the frame just before) to ``num_maskmem - 1`` (the oldest).
        For a pointer: its distance from the current frame, against the direction of tracking; negative lies ahead.
    """

    frame: int
    is_conditioning: bool
    offset: int


@dataclass(frozen=True)
class Recall:
    """What one frame attends to: memories for memory attention, object pointers, and the scale of the pointers' distances."""

    memories: tuple[RecalledFrame, ...]
    pointers: tuple[RecalledFrame, ...]
    longest_pointer_offset: int


@dataclass(frozen=True)
class OfficialRecall:
    """The official choice (official ``sam2_base.py`` L518-640).

    Attributes
    ----------
    num_maskmem : int
        Memories beside those of further conditioning frames: one conditioning frame and ``num_maskmem - 1`` recent ones.
    max_cond_frames_in_attn : int
        At most so many conditioning frames, the nearest; -1 for all.
    memory_temporal_stride : int
        Take every so-many-th frame before the previous one.
    use_obj_ptrs : bool
        Recall object pointers at all.
    max_obj_ptrs : int
        At most so many.
    only_past_pointers : bool
        Leave out pointers of conditioning frames ahead.
    signed_pointer_offsets : bool
        Distinguish pointers ahead from pointers behind.
    """

    num_maskmem: int = 7
    max_cond_frames_in_attn: int = -1
    memory_temporal_stride: int = 1
    use_obj_ptrs: bool = True
    max_obj_ptrs: int = 16
    only_past_pointers: bool = True
    signed_pointer_offsets: bool = True

    def __call__(
        self, frame: int, conditioning: Collection[int], non_conditioning: Collection[int], num_frames: int, reverse: bool = False
    ) -> Recall:
        """Choose among the frames remembered of one object.

        Parameters
        ----------
        frame : int
            The frame to be segmented.
        conditioning, non_conditioning : collection of int
            Frames remembered; testing for membership should be cheap.
        num_frames : int
            Length of the video.
        reverse : bool
            Tracking runs towards frame 0.

        Returns
        -------
        Recall
            Conditioning frames first, then recent ones from the oldest to the newest.
        """
        selected, unselected = select_closest_cond_frames(frame, conditioning, self.max_cond_frames_in_attn)
        memories = [RecalledFrame(t, True, 0) for t in selected]
        for slot in reversed(range(1, self.num_maskmem)):
            # A gap stays a gap: no older frame moves up (official L538-568).
            recalled = _look_up(self._recent_frame(frame, slot, reverse), slot, non_conditioning, unselected)
            memories += [recalled] if recalled else []
        longest = min(num_frames, self.max_obj_ptrs) - 1
        pointers = self._pointers(frame, selected, unselected, non_conditioning, num_frames, reverse) if self.use_obj_ptrs else []
        return Recall(tuple(memories), tuple(pointers), longest)

    def _recent_frame(self, frame: int, slot: int, reverse: bool) -> int:
        """Frame that belongs in memory slot ``slot``, 1 the newest."""
        if slot == 1:
            return frame + 1 if reverse else frame - 1
        stride = self.memory_temporal_stride
        if reverse:
            return -(-(frame + 2) // stride) * stride + (slot - 2) * stride
        return (frame - 2) // stride * stride - (slot - 2) * stride

    def _pointers(
        self,
        frame: int,
        selected: list[int],
        unselected: set[int],
        non_conditioning: Collection[int],
        num_frames: int,
        reverse: bool,
    ) -> list[RecalledFrame]:
        sign = -1 if reverse else 1
        pointers = []
        for t in selected:
            behind = (frame - t) * sign
            if behind >= 0 or not self.only_past_pointers:
                pointers.append(RecalledFrame(t, True, behind if self.signed_pointer_offsets else abs(behind)))
        for offset in range(1, min(num_frames, self.max_obj_ptrs)):
            t = frame - offset * sign
            if not 0 <= t < num_frames:
                break
            recalled = _look_up(t, offset, non_conditioning, unselected)
            pointers += [recalled] if recalled else []
        return pointers


def _look_up(frame: int, offset: int, non_conditioning: Collection[int], unselected: set[int]) -> RecalledFrame | None:
    """Find a frame among the non-conditioning ones, else among the conditioning ones that were not selected."""
    if frame in non_conditioning:
        return RecalledFrame(frame, False, offset)
    return RecalledFrame(frame, True, offset) if frame in unselected else None


def select_closest_cond_frames(frame: int, conditioning: Collection[int], max_frames: int) -> tuple[list[int], set[int]]:
    """Choose the conditioning frames to attend to.

    Parameters
    ----------
    frame : int
        The frame to be segmented.
    conditioning : collection of int
        All conditioning frames.
    max_frames : int
        How many at most, -1 for all; otherwise at least 2.

    Returns
    -------
    selected : list of int
        The nearest before ``frame``, the nearest at or after it, then the nearest of the rest.
    unselected : set of int
        The others.

    Notes
    -----
    Official ``sam2_utils.py`` L19-61.
    """
    if max_frames == -1 or len(conditioning) <= max_frames:
        return list(conditioning), set()
    if max_frames < 2:
        raise ValueError(f"at least two conditioning frames must be allowed, got {max_frames}")
    before = max((t for t in conditioning if t < frame), default=None)
    after = min((t for t in conditioning if t >= frame), default=None)
    selected = [t for t in (before, after) if t is not None]
    rest = sorted((t for t in conditioning if t not in selected), key=lambda t: abs(t - frame))
    selected += rest[: max_frames - len(selected)]
    return selected, set(conditioning) - set(selected)
