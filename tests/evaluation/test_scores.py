"""Scores object by object, as exact figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blob_tracker import squares
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.scores import Evaluation, ObjectScores, score
from napari_sam2.evaluation.simulated_prompts import simulated_prompts

TRUTH = squares(
    4, (20, 20), {1: [(3, 3, 4)] * 3 + [None], 2: [None, (12, 12, 4), None, (12, 12, 4)]}
)  # 2 is absent in the middle of its span
DATASET = Dataset(Path("squares"), TRUTH, {1: 0, 2: 1})


def test_each_object_over_its_span() -> None:
    labels = TRUTH.copy()
    labels[1][labels[1] == 1] = 0
    labels[2, 3:7, 3:5] = 0  # half of object 1; two columns of ring lie within the tolerance
    labels[3, 0:2] = 1  # after its last frame: not scored
    labels[3][labels[3] == 2] = 0
    found = score(DATASET, simulated_prompts(DATASET), labels)
    one, two = found.objects
    assert (one.object_id, one.prompted, one.mean) == (1, 1.0, (1 + 0 + 0.5) / 3)
    assert two == ObjectScores(2, prompted=1.0, mean=2 / 3, boundary_f=2 / 3)
    assert two.j_and_f == 2 / 3


def test_summary() -> None:
    objects = (ObjectScores(1, 1.0, 0.75, 0.5), ObjectScores(2, 0.5, 0.85, 0.9))
    assert Evaluation("squares", objects).summary() == {
        "dataset": "squares",
        "objects": 2,
        "prompted_iou": 0.75,
        "mean_iou": 0.8,
        "boundary_f": 0.7,
        "j_and_f": 0.75,
        "hits_0.75": 0.5,
    }


def test_single_image_of_two_axes() -> None:
    dataset = Dataset(Path("squares"), TRUTH[:1], {1: 0})
    assert score(dataset, simulated_prompts(dataset), TRUTH[0]).objects == (ObjectScores(1, 1.0, 1.0, 1.0),)
    assert score(dataset, simulated_prompts(dataset), np.zeros((20, 20), int)).objects == (ObjectScores(1, 0.0, 0.0, 0.0),)
