"""The simulated person who reviews the most uncertain frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blob_tracker import Square, blob_session, squares
from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.review import Review, simulate_review

OBJECT, OTHER = 7, 99
HERE, THERE = (3, 3, 5), (20, 20, 5)


def reviewed(tracks: dict[int, list[Square | None]], rounds: int) -> tuple[list[int], Review]:
    planes = squares(len(tracks[OBJECT]), (32, 32), tracks)
    image = np.where(planes > 0, 200, 0).astype(np.uint8)
    dataset = Dataset(Path("squares"), np.where(planes == OBJECT, OBJECT, 0), {OBJECT: 0})
    *frames, review = simulate_review(blob_session(image), dataset, "point", rounds)
    assert isinstance(review, Review)
    return [frame for frame in frames if isinstance(frame, int)], review


def test_each_round_reviews_each_object_once() -> None:
    """On frame 3 another one stands there. Of equal uncertainty the earliest frame comes first: two are approved, two corrected."""
    frames, review = reviewed({OBJECT: [HERE, HERE, HERE, None, HERE], OTHER: [None, None, None, HERE, None]}, 5)
    # From a frame without it the double does not find it again.
    assert review.mean_ious == review.object_ious[OBJECT] == (0.8, 0.8, 0.8, 0.8, 1.0, 1.0)
    reviewed_frames = [(one.round, one.frame, one.are_inside, one.before, one.after) for one in review.reviewed]
    assert reviewed_frames == [(1, 1, (), 1, 1), (2, 2, (), 1, 1), (3, 3, (False,), 0, 1), (4, 4, (True,), 0, 1)]
    # After each round only what it can change.
    assert frames == [1, 2, 3, 4, *(2, 3, 4), *(3, 4), *(4,)]


def test_the_most_uncertain_frame_is_reviewed() -> None:
    """It jumps on frame 3: the uncertainty is high there, not on frame 1, which is wrong too."""
    _, review = reviewed({OBJECT: [HERE, None, HERE, THERE], OTHER: [None, HERE, None, (3, 6, 5)]}, 1)
    assert [one.frame for one in review.reviewed] == [2]


def test_no_round() -> None:
    with pytest.raises(ValueError, match="at least one round, got 0"):
        reviewed({OBJECT: [HERE]}, 0)
