"""Each object prompted once, followed and scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blob_tracker import blob_session, squares
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation, ObjectScores

TRUTH = squares(4, (24, 24), {1: [(3, 3 + t, 5) for t in range(4)], 2: [None, (14, 14, 5), (14, 15, 5), (14, 16, 5)]})
IMAGE = np.where(TRUTH > 0, 200, 0).astype(np.uint8)
DATASET = Dataset(Path("squares"), TRUTH, {1: 0, 2: 1})


@pytest.mark.parametrize("kind", ["point", "box", "mask"])
def test_frames_and_then_the_scores(kind: str) -> None:
    *frames, found = prompt_and_score(blob_session(IMAGE), DATASET, kind)
    assert sorted(frames) == [0, 1, 2, 3]
    assert isinstance(found, Evaluation)
    assert found.objects == (ObjectScores(1, 1.0, 1.0, 1.0), ObjectScores(2, 1.0, 1.0, 1.0))


def test_what_is_not_found_costs() -> None:
    """Of the second object nothing is to be seen on its last frame."""
    image = IMAGE.copy()
    image[3][TRUTH[3] == 2] = 0
    *_, found = prompt_and_score(blob_session(image), DATASET)
    assert isinstance(found, Evaluation)
    assert found.objects == (ObjectScores(1, 1.0, 1.0, 1.0), ObjectScores(2, 1.0, 2 / 3, 2 / 3))


def test_another_kind_is_refused_before_anything_is_done() -> None:
    session = blob_session(IMAGE)
    with pytest.raises(ValueError, match="scribble"):
        next(prompt_and_score(session, DATASET, "scribble"))
    assert session.objects == {}
