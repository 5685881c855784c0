"""What the model thinks of its own work."""

from __future__ import annotations

import torch

from napari_sam2.predictors.object_score import ObjectScore
from packed_records import record_of


def test_scores_are_those_of_the_record() -> None:
    record = record_of(torch.zeros(2, 2), torch.zeros(1), -3.5, 0.25)
    assert ObjectScore.of(record) == ObjectScore(object_score=-3.5, predicted_iou=0.25)
