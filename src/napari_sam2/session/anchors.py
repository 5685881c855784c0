"""Which remembered frames count for a frame between two anchors, the frames a person decided on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from napari_sam2.model.memory_recall import OfficialRecall, Recall
from napari_sam2.predictors.memory_bank import ObjectMemory


def neighbouring_anchors(frame: int, anchors: Collection[int]) -> tuple[int | None, int | None]:
    """Find the nearest anchor before and the nearest after a frame; the frame itself counts as neither."""
    before = max((anchor for anchor in anchors if anchor < frame), default=None)
    after = min((anchor for anchor in anchors if anchor > frame), default=None)
    return before, after


def span_between(before: int | None, after: int | None, num_frames: int) -> range:
    """Frames strictly between two anchors, or an anchor and the end of the stack."""
    return range(0 if before is None else before + 1, num_frames if after is None else after)


@dataclass(frozen=True)
class BetweenAnchorsPolicy:
    """Recalls as the official policy does, but only the neighbouring anchors and what was tracked between them.

    What is on a frame then depends on nothing beyond its anchors: a correction leaves all other spans as they are, exactly.
    """

    recall: OfficialRecall

    def __call__(self, frame: int, memory: ObjectMemory, num_frames: int, reverse: bool) -> Recall:
        """Choose for ``frame``; see :class:`~napari_sam2.predictors.memory_bank.MemoryPolicy`."""
        before, after = neighbouring_anchors(frame, memory.conditioning)
        span = span_between(before, after, num_frames)
        reach = max(self.recall.num_maskmem * self.recall.memory_temporal_stride, self.recall.max_obj_ptrs)
        near = range(max(span.start, frame - reach), min(span.stop, frame + reach + 1))
        tracked = {t for t in near if t != frame and t in memory.tracked}
        anchors = [anchor for anchor in (before, after) if anchor is not None]
        return self.recall(frame, anchors, tracked, num_frames, reverse)
