import pytest

from napari_sam2.plugin.prompts.click_rule import ClickDecision, ClickEffect, Hand, decide

BEGIN, NONE = ClickDecision(ClickEffect.BEGIN), ClickDecision(ClickEffect.NONE)


def take(object_id):
    return ClickDecision(ClickEffect.TAKE, object_id)


def add(object_id):
    return ClickDecision(ClickEffect.ADD, object_id)


@pytest.mark.parametrize(
    ("hand", "on_background", "on_1", "on_2"),
    [
        (Hand(None), BEGIN, take(1), take(2)),
        (Hand(None, is_kept=True), BEGIN, take(1), take(2)),
        (Hand(1), add(1), add(1), take(2)),
        (Hand(1, is_kept=True), add(1), add(1), add(1)),
        (Hand(3, is_begun=False), add(3), add(3), add(3)),
    ],
)
def test_plain_clicks(hand, on_background, on_1, on_2):
    assert [decide(hand, under, True) for under in (None, 1, 2)] == [on_background, on_1, on_2]


@pytest.mark.parametrize(
    ("hand", "on_background", "on_1", "on_2"),
    [
        (Hand(None), NONE, add(1), add(2)),
        (Hand(None, is_kept=True), NONE, add(1), add(2)),
        (Hand(1), add(1), add(1), add(1)),
        (Hand(1, is_kept=True), add(1), add(1), add(1)),
    ],
)
def test_clicks_outside(hand, on_background, on_1, on_2):
    assert [decide(hand, under, False) for under in (None, 1, 2)] == [on_background, on_1, on_2]
