"""The interval of a rate by its definition, and samples that are random and yet spread."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.session.state.error_sample import Z_95, ErrorSample, draw_masks, wilson_interval


@pytest.mark.parametrize(
    ("num_wrong", "num_judged", "expected"),
    [
        (0, 0, (0.0, 1.0)),
        (0, 10, (0.0, 0.2775)),
        (10, 10, (0.7225, 1.0)),
        (1, 10, (0.0179, 0.4042)),
        (5, 100, (0.0215, 0.1118)),
        (50, 100, (0.4038, 0.5962)),
        (0, 300, (0.0, 0.0126)),
    ],
)
def test_values_as_published(num_wrong: int, num_judged: int, expected: tuple[float, float]) -> None:
    """As Agresti and Coull (1998) and Newcombe (1998) define it, to four digits."""
    assert wilson_interval(num_wrong, num_judged) == pytest.approx(expected, abs=5e-5)


counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_the_ends_are_rates_at_which_the_share_lies_at_the_95_percent_bound(count: tuple[int, int]) -> None:
    num_wrong, n = count
    share = num_wrong / n
    for end in wilson_interval(num_wrong, n):
        if 0 < end < 1:
            assert abs(share - end) == pytest.approx(Z_95 * math.sqrt(end * (1 - end) / n), rel=1e-6, abs=1e-9)


@given(counts)
def test_rules_of_the_interval(count: tuple[int, int]) -> None:
    num_wrong, n = count
    low, high = wilson_interval(num_wrong, n)
    assert 0 <= low <= num_wrong / n <= high <= 1
    assert low < high
    mirrored = wilson_interval(n - num_wrong, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))
    more = wilson_interval(4 * num_wrong, 4 * n)
    assert more[1] - more[0] < high - low, "more judgements tell more"
    if num_wrong < n:
        worse = wilson_interval(num_wrong + 1, n)
        assert low < worse[0]
        assert high <= worse[1]


frames_of_objects = st.dictionaries(st.integers(1, 9), st.lists(st.integers(0, 40), unique=True, max_size=12), max_size=6)


@given(frames_of_objects, st.integers(1, 30), st.integers(0, 2**32))
def test_a_sample_is_spread_over_objects_and_frames(frames: dict[int, list[int]], size: int, seed: int) -> None:
    every = [(object_id, frame) for object_id in sorted(frames) for frame in sorted(frames[object_id])]
    drawn = draw_masks(frames, size, seed)
    assert len(drawn) == len(set(drawn)) == min(size, len(every))
    assert draw_masks(frames, size, seed) == drawn
    places = sorted(every.index(mask) for mask in drawn)
    for number, place in enumerate(places):
        assert number * len(every) // len(drawn) <= place < (number + 1) * len(every) // len(drawn), "one of each part"
    if places:
        assert all(after - before < 2 * math.ceil(len(every) / len(drawn)) for before, after in pairwise(places))


def test_each_mask_is_drawn_equally_often_and_the_order_is_random() -> None:
    frames = {1: list(range(6)), 2: list(range(4)), 5: [7, 9]}
    drawn = [draw_masks(frames, 4, seed) for seed in range(3000)]
    often = Counter(mask for sample in drawn for mask in sample)
    assert len(often) == 12
    assert all(abs(number - 1000) < 4 * math.sqrt(3000 * (1 / 3) * (2 / 3)) for number in often.values())
    first = Counter(sample[0][0] for sample in drawn)
    assert first[1] == pytest.approx(1500, abs=120), "the first one may be of any object"


def test_judgements() -> None:
    sample = ErrorSample(3, 40, ((1, 2), (5, 0), (1, 7)), (None, None, None))
    assert (sample.num_judged, sample.num_wrong, sample.next_mask, sample.interval) == (0, 0, (1, 2), (0, 1))
    assert math.isnan(sample.rate)
    sample = sample.with_judgement(5, 0, True, 8)
    assert (sample.num_judged, sample.num_wrong, sample.rate, sample.next_mask, sample.num_calls) == (1, 1, 1, (1, 2), 8)
    sample = sample.with_judgement(1, 2, False, 9).with_judgement(1, 7, False, 9)
    assert (sample.num_judged, sample.rate, sample.next_mask) == (3, pytest.approx(1 / 3), None)
    assert sample.with_judgement(1, 2, None, 9).next_mask == (1, 2)
    with pytest.raises(ValueError, match=r"^object 2 on frame 2 is not in the sample$"):
        sample.with_judgement(2, 2, True, 9)
    with pytest.raises(ValueError, match=r"^2 masks were sampled, and 1 are judged or to be judged$"):
        ErrorSample(0, 2, ((1, 1), (1, 2)), (None,))
