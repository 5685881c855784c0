import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.plugin.layer_prompts.object_numbers import describe_renumbered, number_objects


@pytest.mark.parametrize(
    ("wanted", "taken", "expected"),
    [
        ([1, 2, 3], [], {1: 1, 2: 2, 3: 3}),
        ([3, 7, 3], [3], {3: 10, 7: 7}),
        ([1, 2, 3], [1, 2, 3], {1: 4, 2: 5, 3: 6}),
        ([5], [1, 9], {5: 5}),
        (["a", 4, "b"], [2], {"a": 5, 4: 4, "b": 6}),
        ([0, -1, 70000, 2], [2], {2: 4, 0: 5, -1: 6, 70000: 7}),
        ([65535, 1], [65535], {65535: 2, 1: 1}),
    ],
)
def test_numbers(wanted, taken, expected):
    assert number_objects(wanted, taken) == expected


@given(st.lists(st.one_of(st.integers(-2, 12), st.sampled_from("abc"), st.integers(65530, 65540))), st.sets(st.integers(1, 8)))
def test_each_gets_a_free_number_of_its_own(wanted, taken):
    found = number_objects(wanted, taken)
    assert list(found) == list(dict.fromkeys(wanted))
    assert len(set(found.values())) == len(found)
    assert not set(found.values()) & taken
    assert all(1 <= number <= 65535 for number in found.values())
    assert all(found[one] == one for one in wanted if isinstance(one, int) and 1 <= one <= 65535 and one not in taken)


def test_more_objects_than_numbers():
    with pytest.raises(ValueError, match="there would be more than 65535 objects"):
        number_objects([1, "a"], range(1, 65535))


def test_which_numbers_are_new():
    assert describe_renumbered({1: 1, "a": 7}) == ""
    assert describe_renumbered({1: 4, 2: 2}) == "New numbers, since theirs are taken: 1 → 4."
    ids = {number: number + 10 for number in range(5)}
    assert describe_renumbered(ids) == "New numbers, since theirs are taken: 0 → 10, 1 → 11, 2 → 12 and 2 more."
