"""SEG, DET and TRA of cases small enough to count by hand.

An object missed costs 10, one merged 5, one too many 1; a link missing 1.5, one too many or of the wrong kind 1.
"""

from __future__ import annotations

import sys
from dataclasses import astuple

import numpy as np
import pytest

from blob_tracker import Square, squares
from napari_sam2.evaluation.tracks import DivisionScores, TrackScores, division_scores, track_scores

pytest.importorskip("ctc_metrics")

A, B, C = (2, 2, 4), (2, 10, 4), (10, 2, 4)
SHAPE = (16, 16)
TRUTH = squares(3, SHAPE, {1: [A] * 3, 2: [B] * 3})
FROM_NOTHING = 6 * 10 + 4 * 1.5
"""Six objects on three frames and four links."""


def labels(tracks: dict[int, list[Square | None]]) -> np.ndarray:
    return squares(3, SHAPE, tracks)


def half(row: int, col: int, side: int) -> np.ndarray:
    """Two labels on each frame: of object 2 the upper part is missing on the last."""
    found = TRUTH.copy()
    found[2, row : row + 1, col : col + side] = 0
    return found


CASES: dict[str, tuple[np.ndarray, TrackScores]] = {
    "all right": (TRUTH, TrackScores(1, 1, 1)),
    "other numbers": (np.where(TRUTH == 1, 40, TRUTH * 3), TrackScores(1, 1, 1)),
    "nothing": (TRUTH * 0, TrackScores(0, 0, 0)),
    "a quarter less": (half(*B), TrackScores((5 + 0.75) / 6, 1, 1)),
    "missed at the end": (labels({1: [A] * 3, 2: [B, B, None]}), TrackScores(5 / 6, 1 - 10 / 60, 1 - 11.5 / FROM_NOTHING)),
    # The track is broken; its second part is linked to the first across the gap, which the truth is not: but the frame between is
    # missing, so two links are.
    "missed in the middle": (
        labels({1: [A] * 3, 2: [B, None, B]}),
        TrackScores(5 / 6, 1 - 10 / 60, 1 - (10 + 2 * 1.5 + 1) / FROM_NOTHING),
    ),
    "one too many": (labels({1: [A] * 3, 2: [B] * 3, 3: [None, C, None]}), TrackScores(1, 1 - 1 / 60, 1 - 1 / FROM_NOTHING)),
    "exchanged": (labels({1: [A, B, B], 2: [B, A, A]}), TrackScores(1, 1, 1 - (2 * 1 + 2 * 1.5) / FROM_NOTHING)),
}


@pytest.mark.parametrize("case", CASES)
def test_scores(case: str) -> None:
    found, expected = CASES[case]
    assert_equal(track_scores(TRUTH, found, [1, 2]), expected)


def test_merged() -> None:
    """One label over both on the last frame: one split to make; the links to it are those of neither."""
    found = TRUTH.copy()
    found[2, 2:6, 2:14] = 1
    expected = TrackScores((4 + 2 * 16 / 48) / 6, 1 - 5 / 60, 1 - (5 + 2 * 1.5) / FROM_NOTHING)
    assert_equal(track_scores(TRUTH, found, [1, 2]), expected)


def test_divisions() -> None:
    """A parent and two children: four objects on two frames and three links, of which two are found only by a lineage."""
    truth = squares(2, SHAPE, {1: [A, None], 2: [None, A], 3: [None, B], 5: [C, C]})
    found = track_scores(truth, truth, [1, 2, 3, 5], {2: 1, 3: 1})
    assert_equal(found, TrackScores(1, 1, 1 - 2 * 1.5 / (5 * 10 + 3 * 1.5)))
    assert track_scores(truth, truth, [1, 2, 3, 5]) == TrackScores(1, 1, 1)
    assert track_scores(truth, truth * 7, [1, 2, 3, 5], {2: 1, 3: 1}, {14: 7, 21: 7}) == TrackScores(1, 1, 1)
    # One child has a wrong parent: a link is missing, one is too many, and that of the wrong parent to itself is of another kind,
    # as it is cut where the child begins.
    wrong = track_scores(truth, truth, [1, 2, 3, 5], {2: 1, 3: 1}, {2: 1, 3: 5})
    assert_equal(wrong, TrackScores(1, 1, 1 - (1.5 + 1 + 1) / (5 * 10 + 3 * 1.5)))


DIVIDED = squares(
    6, SHAPE, {1: [A, A, None, None, None, None], 2: [None, None, A, A, A, A], 3: [None, None, B, B, B, B], 5: [C] * 6}
)
LINEAGE = {2: 1, 3: 1}


def moved(to: int) -> np.ndarray:
    """The same division on another frame."""
    found = DIVIDED.copy()
    for t in range(6):
        found[t, 2:6] = np.where(DIVIDED[4 if t >= to else 0, 2:6] > 0, DIVIDED[4 if t >= to else 0, 2:6], 0)
    return found


NUMBERS = {
    "right, with other numbers": (DIVIDED * 7, {14: 7, 21: 7}, (1, 1, 1)),
    "no lineage": (DIVIDED, {}, (1, 0, 0)),
    "a frame earlier": (moved(1), LINEAGE, (1, 1, 1)),
    "a frame later": (moved(3), LINEAGE, (1, 1, 1)),
    "two frames later": (moved(4), LINEAGE, (1, 1, 0)),
    "wrong parent": (DIVIDED, {2: 5, 3: 5}, (1, 1, 0)),
    "one child wrong": (DIVIDED, {2: 1, 5: 1}, (1, 1, 0)),
    "one child missing": (np.where(DIVIDED == 3, 0, DIVIDED), LINEAGE, (1, 0, 0)),
    "one child alone is no division": (DIVIDED, {2: 1}, (1, 0, 0)),
    "a third child": (DIVIDED, {2: 1, 3: 1, 5: 1}, (1, 1, 0)),
    "nothing": (DIVIDED * 0, LINEAGE, (1, 0, 0)),
}


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_of_divisions(case: str) -> None:
    found, lineage, expected = NUMBERS[case]
    assert division_scores(DIVIDED, found, LINEAGE, lineage) == DivisionScores(*expected)


def test_a_child_half_of_which_is_elsewhere_is_not_found() -> None:
    found = DIVIDED.copy()
    found[2:, 12:16, 10:14] = 3  # as many pixels where there is nothing
    assert division_scores(DIVIDED, found, LINEAGE, LINEAGE) == DivisionScores(1, 1, 0)
    found[5, 12:16, 10:14] = 0
    assert division_scores(DIVIDED, found, LINEAGE, LINEAGE) == DivisionScores(1, 1, 1)


def test_shares_of_divisions() -> None:
    """Two are true; of three that were found, one is right."""
    scores = DivisionScores(num_true=2, num_found=3, num_right=1)
    assert (scores.precision, scores.recall, scores.f1) == (1 / 3, 1 / 2, 2 / 5)
    assert (DivisionScores(2, 0, 0).precision, DivisionScores(2, 0, 0).f1) == (1, 0)
    assert (DivisionScores(0, 1, 0).recall, DivisionScores(0, 1, 0).f1) == (1, 0)
    assert DivisionScores(0, 0, 0).f1 == 1


def test_divisions_of_labels_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"labels and truth must have one shape, got \(5, 16, 16\) and \(6, 16, 16\)"):
        division_scores(DIVIDED, DIVIDED[1:], LINEAGE, LINEAGE)


def test_objects_that_were_not_prompted_do_not_count() -> None:
    assert track_scores(TRUTH, labels({1: [A] * 3}), [1]) == TrackScores(1, 1, 1)


def test_a_parent_that_was_not_prompted_is_no_link() -> None:
    truth = squares(2, SHAPE, {1: [A, None], 2: [None, A], 5: [C, C]})
    assert track_scores(truth, truth, [2, 5], {2: 1}).tra < 1  # label 1 was found, which nothing true is
    assert track_scores(truth, np.where(truth == 1, 0, truth), [2, 5], {2: 1}) == TrackScores(1, 1, 1)


def test_labels_in_another_order_than_objects_appear() -> None:
    truth = labels({1: [None, A, A], 2: [B] * 3})
    found = np.where(truth == 1, 3, truth)
    found[2][truth[2] == 1] = 0
    expected = TrackScores(4 / 5, 1 - 10 / 50, 1 - (10 + 1.5) / (50 + 3 * 1.5))
    assert_equal(track_scores(truth, truth, [1, 2]), TrackScores(1, 1, 1))
    assert_equal(track_scores(truth, found, [1, 2]), expected)


def test_frames_without_objects() -> None:
    truth = squares(4, SHAPE, {1: [None, A, A, None]})
    assert track_scores(truth, truth, [1]) == TrackScores(1, 1, 1)


def test_frames_without_background() -> None:
    """As in tissue, where every pixel has a label."""
    truth = np.ones((2, 4, 4), int)
    truth[:, :, 2:] = 2
    assert track_scores(truth, truth, [1, 2]) == TrackScores(1, 1, 1)


def test_a_single_image_has_no_tracks() -> None:
    with pytest.raises(ValueError, match="at least two frames"):
        track_scores(TRUTH[:1], TRUTH[:1], [1, 2])


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctc_metrics", None)
    with pytest.raises(ImportError, match=r"SEG, DET and TRA need an extra: pip install 'napari-sam2\[evaluate\]'"):
        track_scores(TRUTH, TRUTH, [1, 2])


def assert_equal(found: TrackScores, expected: TrackScores) -> None:
    assert astuple(found) == pytest.approx(astuple(expected))
