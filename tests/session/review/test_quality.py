"""Scores, sizes and jumps, and what is most uncertain."""

from __future__ import annotations

import math

import pytest
import torch

from blob_tracker import blob_session
from napari_sam2.predictors.zoom import View
from napari_sam2.session.review.quality import Extent, FrameQuality
from napari_sam2.session.session import Session
from packed_records import record_of
from square_movies import CHANGING_MOVIE, INSIDE_CHANGING, NUM_CHANGING, SHAPE


def opened(*values: int) -> Session:
    session = blob_session(CHANGING_MOVIE)
    for value in values:
        session.add_points(session.add_object(object_id=value), 0, [INSIDE_CHANGING[value]])
    return session


def test_area_centroid_and_jump() -> None:
    session = opened(1, 2)
    list(session.propagate())
    one = session.quality(1)
    assert list(one) == list(range(NUM_CHANGING))
    assert (one[0].area_px, one[0].centroid_rc, one[0].is_anchor, one[0].uncertainty) == (16, (3.5, 3.5), True, 0)
    assert (one[9].area_px, one[9].centroid_rc, one[9].jump) == (64, (5.5, 5.5), 0)
    expected = math.log(4) + 2 * math.sqrt(2) / (2 * math.sqrt(40 / math.pi))
    assert one[4].jump == pytest.approx(expected)
    assert one[5].jump == pytest.approx(expected)
    two = session.quality(2)
    assert [two[t].jump for t in range(NUM_CHANGING)] == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0]
    assert (two[4].area_px, two[4].centroid_rc) == (0, None)


def test_the_most_uncertain_first() -> None:
    session = opened(1, 2)
    list(session.propagate())
    review_queue = session.review_queue()
    assert len(review_queue) == 2 * (NUM_CHANGING - 1)
    assert [(one.object_id, one.frame) for one in review_queue[:2]] == [(1, 4), (1, 5)]
    assert [one.uncertainty for one in review_queue] == sorted((one.uncertainty for one in review_queue), reverse=True)
    assert {one.object_id for one in session.review_queue([2])} == {2}
    session.approve(1, 4)
    assert (1, 4) not in [(one.object_id, one.frame) for one in session.review_queue()]


def test_uncertainty_as_documented() -> None:
    def uncertainty(score: float, iou: float, area: float = 5.0, jump: float = 0.0) -> float:
        return FrameQuality(score, iou, area, (1, 1), jump, False).uncertainty

    assert uncertainty(1e9, 1.0) == pytest.approx(0, abs=1e-300)
    assert uncertainty(0.0, 1.0) == 1
    assert uncertainty(-1e9, 0.3, area=0) == pytest.approx(0, abs=1e-300)
    assert uncertainty(-1e9, 0.3) == pytest.approx(0.7)
    assert uncertainty(1e9, 1.0, jump=math.inf) == 1
    assert uncertainty(2.0, 0.5, jump=1.0) == pytest.approx(0.5 + 2 / (1 + math.exp(2)) + 1 - math.exp(-1))


@pytest.mark.parametrize(
    ("view", "at_border"),
    [(None, True), (View(4, 8, 8, 16), False), (View(4, 0, 8, 16), True), (View(24, 8, 8, 16), False), (View(4, 8, 8, 24), False)],
)
def test_extent_in_a_view(view: View | None, at_border: bool) -> None:
    """Of a mask of 4 x 4 cells, the second of the first column: it reaches the left edge of the view."""
    logits = torch.full((4, 4), -1.0)
    logits[1, 0] = 2.0
    extent = Extent.of(record_of(logits, torch.zeros(1), 1.0, 1.0, view=view), SHAPE)
    seen = view or View(0, 0, *SHAPE)
    height, width = seen.height / 4, seen.width / 4
    assert extent.area_px == height * width
    assert extent.centroid_rc == (seen.row + 1.5 * height - 0.5, seen.column + 0.5 * width - 0.5)
    assert extent.touches_border == at_border
