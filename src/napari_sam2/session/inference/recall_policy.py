"""Which earlier frames a frame of a session recalls: its neighbouring anchor frames and what was tracked between them.

Anchor frames are those with prompts or approved masks; the predictor calls them conditioning frames.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from napari_sam2.model.memory_recall import OfficialRecall, Recall
from napari_sam2.predictors.memory_bank import FrameRecord, MemoryGate, ObjectMemory, header


def neighbouring_anchors(frame: int, anchors: Collection[int]) -> tuple[int | None, int | None]:
    """Find the nearest anchor before and the nearest after a frame; the frame itself counts as neither."""
    before = max((anchor for anchor in anchors if anchor < frame), default=None)
    after = min((anchor for anchor in anchors if anchor > frame), default=None)
    return before, after


def anchors_to_recall(frame: int, conditioning: Mapping[int, FrameRecord]) -> list[int]:
    """Choose the anchors next to a frame on which an object is present; if it is present on neither, both."""
    neighbours = [anchor for anchor in neighbouring_anchors(frame, conditioning) if anchor is not None]
    return [anchor for anchor in neighbours if header(conditioning, anchor).is_present] or neighbours


def span_between(before: int | None, after: int | None, num_frames: int) -> range:
    """Frames strictly between two anchors, or an anchor and the end of the stack."""
    return range(0 if before is None else before + 1, num_frames if after is None else after)


@dataclass(frozen=True)
class BetweenAnchorsPolicy:
    """Recalls as the official policy does, but only the neighbouring anchors and what was tracked between them.

    The mask of a frame then depends on nothing beyond its anchors: a correction leaves all other spans exactly as they are. Of two
    anchors, one on which the object is absent is not recalled: it does not show the object, and what was tracked from the other
    anchor stays as it was.

    Attributes
    ----------
    recall : OfficialRecall
        The official choice.
    gate : MemoryGate, optional
        Keeps uncertain frames out of the memory.
    """

    recall: OfficialRecall
    gate: MemoryGate | None = None

    @property
    def reach(self) -> int:
        """Nothing tracked farther away is ever recalled."""
        official = max(self.recall.num_maskmem * self.recall.memory_temporal_stride, self.recall.max_obj_ptrs)
        return official if self.gate is None else max(official, self.gate.look_back)

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:
        """Choose for ``frame``; see :class:`~napari_sam2.predictors.memory_bank.MemoryPolicy`."""
        span = span_between(*neighbouring_anchors(frame, memory.conditioning), num_frames)
        anchors = anchors_to_recall(frame, memory.conditioning)
        if self.gate is not None:
            return self.gate.recall(self.recall, frame, anchors, memory.tracked, num_frames, reverse, span)
        near = range(max(span.start, frame - self.reach), min(span.stop, frame + self.reach + 1))
        tracked = {t for t in near if t != frame and t in memory.tracked}
        return self.recall(frame, anchors, tracked, num_frames, reverse)
