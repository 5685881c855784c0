"""The scores that the model predicts for one object on one frame."""

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
        The IoU of the mask with the true one as the model predicts it, 0 .. 1.
    """

    object_score: float
    predicted_iou: float

    @classmethod
    def of(cls, record: FrameRecord) -> ObjectScore:
        """Take the scores of a record."""
        return cls(record.object_score, record.predicted_iou)
