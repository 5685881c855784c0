import pytest

from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import AddClicks
from napari_sam2.plugin.prompts.pending_clicks import PendingClicks

A, B = ObjectFrame(1, 0), ObjectFrame(2, 3)
CLICKS = [Click(row, 0, True) for row in range(5)]


@pytest.fixture
def pending():
    return PendingClicks()


def command(key, numbers):
    return AddClicks(key, tuple(CLICKS[number - 1] for number in numbers), frozenset(numbers))


def test_clicks_are_sent_in_the_order_in_which_they_were_given(pending):
    for key, click in zip((A, B, A, B), CLICKS, strict=False):
        pending.add(key, click)
    assert pending.take(up_to=3) == [command(A, [1, 3]), command(B, [2])]
    assert pending.take(up_to=3) == [], "they are on their way"
    assert pending.latest_sent == 3
    assert pending.take(up_to=4) == [command(B, [4])]
    assert pending.latest_sent == 4


def test_what_was_refused_goes_along_with_the_next_click_there(pending):
    pending.add(A, CLICKS[0])
    pending.take(1)
    assert pending.give_back([1], is_refused=True), "that is news"
    pending.add(B, CLICKS[1])
    assert pending.take(2) == [command(B, [2])]
    pending.add(A, CLICKS[2])
    assert pending.take(3) == [command(A, [1, 3])]
    assert pending.give_back([1, 3], is_refused=True), "of the second one"
    assert pending.take_all() == [command(A, [1, 3])]
    assert not pending.give_back([1, 3], is_refused=True), "both were refused before"


def test_what_failed_goes_along_with_the_next_click_anywhere(pending):
    pending.add(A, CLICKS[0])
    pending.take(1)
    pending.give_back([1], is_refused=False)
    pending.add(B, CLICKS[1])
    assert pending.take(2) == [command(A, [1]), command(B, [2])]


def test_the_latest_by_number(pending):
    for click in CLICKS[:4]:
        pending.add(A, click)
    pending.take(1)
    assert (pending.latest_waiting(before=4), pending.latest_sent) == (3, 1)
    pending.discard([2, 3])
    assert pending.latest_waiting(before=4) == 0, "the first is on its way"
    assert pending.new_number() == 5, "what is pending elsewhere is counted too"
    assert pending.add(A, CLICKS[0]) == 6


def test_a_click_that_is_changed_is_tried_anew(pending):
    number = pending.add(A, CLICKS[0])
    pending.take(number)
    pending.give_back([number], is_refused=True)
    assert pending.take(number) == []
    pending.change(number, B, CLICKS[1])
    assert pending.take(number) == [AddClicks(B, (CLICKS[1],), frozenset([number]))]
    pending.discard([number, 99])
    assert not pending.by_id
    assert pending.add(A, CLICKS[0]) == 2, "ids are not given twice"
