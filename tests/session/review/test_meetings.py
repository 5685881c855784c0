"""Objects that met between two frames."""

from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.session.review.meetings import Seen, fusions, swaps
from thoroughness import examples

POSITIONS = st.tuples(st.floats(0, 100), st.floats(0, 100))


def seen(row, column, side=10.0):
    half = side / 2
    return Seen(side**2, (row, column), (row - half, column - half, row + half, column + half))


def test_one_that_grew_over_another_that_is_gone_may_have_taken_it_in():
    before = {1: seen(20, 20), 2: seen(20, 32), 3: seen(80, 80)}
    assert fusions(before, {1: seen(20, 25, 14), 3: seen(80, 80)}) == {1}
    assert fusions(before, {1: seen(20, 25, 14), 2: seen(20, 40), 3: seen(80, 80)}) == set(), "that is not gone"
    assert fusions(before, {1: seen(20, 25, 12), 3: seen(80, 80)}) == set(), "it grew by 44 of 100"
    assert fusions(before, {1: seen(20, 20), 3: seen(80, 80, 14)}) == set(), "it is elsewhere"


def test_two_that_would_have_moved_less_may_be_swapped():
    before = {1: seen(20, 20), 2: seen(20, 40), 3: seen(80, 80)}
    assert swaps(before, {1: seen(20, 38), 2: seen(20, 23), 3: seen(82, 80)}) == {1, 2}
    assert swaps(before, {1: seen(20, 29), 2: seen(20, 31), 3: seen(82, 80)}) == set()
    assert swaps(before, {1: seen(20, 38)}) == set(), "the other one is gone"


@settings(max_examples=examples(40), deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(POSITIONS, POSITIONS), min_size=2, max_size=6, unique=True))
def test_a_swap_that_is_undone_is_none(moves):
    before = {i: seen(*old) for i, (old, _) in enumerate(moves)}
    after = {i: seen(*new) for i, (_, new) in enumerate(moves)}
    found = swaps(before, after)
    ids = sorted(found)
    if len(ids) == 2:
        one, other = ids
        assert swaps(before, {**after, one: after[other], other: after[one]}).isdisjoint(ids) or len(moves) > 2
