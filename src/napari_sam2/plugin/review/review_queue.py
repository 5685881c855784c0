"""What is to be reviewed, the most uncertain first, as values from the rows of objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.reports.frame_states import TO_REVIEW
from napari_sam2.plugin.reports.object_rows import ObjectRows
from napari_sam2.session.review.track_measurements import ReviewReason

MAX_ITEMS = 2000
"""Of more items the most uncertain are listed."""
ANY_REASON = ~ReviewReason(0)


@dataclass(frozen=True)
class QueuedMask:
    """The mask of an object on a frame that is to be reviewed.

    Attributes
    ----------
    key : ObjectFrame
        The object and the frame.
    uncertainty : float
        0 .. 3; 0 where the mask is stale.
    reasons : ReviewReason
        Why.
    other_id : int
        The object on which it lies; 0 for none.
    """

    key: ObjectFrame
    uncertainty: float
    reasons: ReviewReason
    other_id: int = 0

    @property
    def text(self) -> str:
        """Why, in plain words."""
        text = self.reasons.description
        return f"{text} (object {self.other_id})" if self.other_id else text


class ReviewQueue:
    """Objects on frames in the order in which to review them, as values.

    Parameters
    ----------
    items : ndarray
        (N,), of :data:`~napari_sam2.plugin.reports.frame_states.TO_REVIEW`.
    num_by_reason : dict
        How many objects on frames there are for each reason, also those that are not listed.
    num_all : int
        How many there are of the wanted reasons, also those that are not listed.
    """

    def __init__(self, items: npt.NDArray[np.void], num_by_reason: dict[ReviewReason, int], num_all: int) -> None:
        self._items = items
        self.num_by_reason = num_by_reason
        self.num_all = num_all
        self._index = {
            key: index for index, key in enumerate(zip(items["object_id"].tolist(), items["frame"].tolist(), strict=True))
        }

    @classmethod
    def of(cls, rows: ObjectRows | None, wanted: ReviewReason = ANY_REASON, max_items: int = MAX_ITEMS) -> ReviewQueue:
        """List what is to be reviewed of some reasons, the most uncertain first; of equal ones the earlier frame, and the lower id.

        Locked objects are done, and hidden ones are not in the result: neither is listed.
        """
        items = np.zeros(0, TO_REVIEW) if rows is None else _to_review(rows)
        reasons, uncertainties = items["reasons"], items["uncertainty"]
        counts = {reason: int(np.count_nonzero(reasons & reason)) for reason in ReviewReason}
        chosen = np.flatnonzero(reasons & np.uint16(wanted & _ALL_REASONS))
        num_all = len(chosen)
        if num_all > max_items:  # to sort them all would take long
            chosen = chosen[np.argpartition(-uncertainties[chosen], max_items)[:max_items]]
        order = np.lexsort((items["object_id"][chosen], items["frame"][chosen], -uncertainties[chosen]))
        return cls(items[chosen[order]], counts, num_all)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> QueuedMask:
        object_id, frame, uncertainty, reasons, other_id = self._items[index].item()
        return QueuedMask(ObjectFrame(object_id, frame), uncertainty, ReviewReason(reasons), other_id)

    def index_of(self, key: ObjectFrame | None) -> int | None:
        """Return where an object on a frame is in the list; None where it is not."""
        return None if key is None else self._index.get(key)

    def beside(self, key: ObjectFrame | None, step: int) -> QueuedMask | None:
        """Return the next item after one, or the one before it; the first one, if that is not in the list, and None at its end."""
        index = self.index_of(key)
        index = 0 if index is None else index + step
        return self[index] if 0 <= index < len(self) else None


def _to_review(rows: ObjectRows) -> npt.NDArray[np.void]:
    """List objects on frames that are to be reviewed, in no order."""
    reviewed = [object_id for object_id, row in rows.by_id.items() if not (row.is_locked or row.is_hidden)]
    parts = [item.to_review(object_id) for object_id in reviewed if (item := rows.frames.of(object_id)) is not None]
    items = np.concatenate([np.zeros(0, TO_REVIEW), *parts])
    hidden = [object_id for object_id, row in rows.by_id.items() if row.is_hidden]
    if hidden:  # what lies on an object that is not in the result is alone there
        is_alone = np.isin(items["other_id"], hidden)
        items["reasons"][is_alone] &= ~np.uint16(ReviewReason.OVERLAP)
        items["other_id"][is_alone] = 0
    return items


_ALL_REASONS = ReviewReason(sum(ReviewReason))
