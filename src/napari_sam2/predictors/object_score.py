"""What the model thinks of its own work on one object and frame."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam2.predictors.memory_bank import FrameRecord


@dataclass(frozen=True)
class ObjectScore:
    """Scores of an object on a frame.

    Attributes
    ----------
    object_score : float
        Logit, above 0 where the object is on the frame.
    predicted_iou : float
        How good it believes the mask to be, 0 .. 1.
    """

    object_score: float
    predicted_iou: float

    @classmethod
    def of(cls, record: FrameRecord) -> ObjectScore:
        """Take the scores of a record."""
        return cls(record.object_score, record.predicted_iou)
