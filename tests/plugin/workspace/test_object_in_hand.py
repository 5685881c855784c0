import pytest

from napari_sam2.plugin.prompts.click_rule import Hand
from napari_sam2.plugin.workspace.object_in_hand import ObjectInHand


class Objects:
    """Objects that there are."""

    def __init__(self):
        self.infos, self.prompted = {}, set()

    @property
    def ids(self):
        return set(self.infos) | self.prompted

    @property
    def next_id(self):
        return max(self.ids, default=0) + 1

    def has_prompt_inside(self, object_id):
        return object_id in self.ids


@pytest.fixture
def objects():
    return Objects()


@pytest.fixture
def told():
    return []


@pytest.fixture
def hand(objects, told):
    hand = ObjectInHand(objects, lambda: told.append((hand.current, hand.is_inside)))
    return hand


def test_an_object_that_a_click_begins_is_put_down_by_it(hand, objects, told):
    assert (hand.object_id, hand.current) == (None, 1)
    assert hand.begin() == 1
    assert hand.hand == Hand(1, False, False)
    hand.prompted()
    assert hand.object_id == 1, "a click outside begins nothing"
    objects.prompted = {1}
    hand.prompted()
    assert (hand.object_id, hand.current) == (None, 2)
    assert told[-1] == (2, True)


def test_one_that_is_kept_stays_in_hand(hand, objects):
    hand.is_kept = True
    hand.begin()
    objects.prompted = {1}
    hand.prompted()
    assert hand.hand == Hand(1, True, True)
    objects.prompted = set()
    hand.follow_objects()
    assert hand.object_id == 1


def test_taking_an_object_chooses_inside(hand, objects, told):
    objects.infos = {1: "info", 2: "info"}
    hand.choose_side(False)
    assert told == [(3, False)]
    hand.take(2)
    assert told[-1] == (2, True)
    assert hand.is_in_session
    assert hand.hand == Hand(2, True, False)
    hand.take(None)
    assert told[-1] == (3, True)


def test_an_object_that_is_gone_is_put_down(hand, objects, told):
    objects.infos = {1: "info"}
    hand.take(1)
    del told[:]
    hand.follow_objects()
    assert told == [], "it is told only when the next click is about something else"
    objects.infos = {}
    hand.follow_objects()
    assert (hand.object_id, told) == (None, [(1, True)])


def test_an_object_that_is_chosen_and_not_begun_stays_in_hand(hand, objects):
    hand.take(5)
    hand.follow_objects()
    assert hand.object_id == 5
    objects.infos = {5: "info"}
    hand.follow_objects()
    objects.infos = {}
    hand.follow_objects()
    assert hand.object_id is None
