"""The view alone; what it does with a session is in test_scenarios."""

import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.points_layer import new_points_layer
from napari_sam2.plugin.layers.points_view import PointsView
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import AddClicks, ChangeClicks, MoveClicks, RemoveClicks
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange

A, B = ObjectFrame(1, 0), ObjectFrame(2, 2)
FIRST, SECOND, OUTSIDE = Click(10, 10, True), Click(24, 35, True), Click(20, 5, False)


def change(**clicks):
    prompts = {}
    for name, given in clicks.items():
        key = {"a": A, "b": B}[name]
        prompts[key] = FramePrompts(tuple(one[:2] for one in given), tuple(int(one.is_inside) for one in given)) if given else None
    return StateChange(prompts=prompts)


class Calls(list):
    """What the view called, and what it warned of."""

    def __init__(self):
        self.warnings = []


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def image():
    return Image(np.zeros((3, 40, 50), np.uint8), name="movie")


@pytest.fixture
def view(calls, image):
    view = PointsView(image, ImageStack.of(image), lambda: calls.append("clicks"), calls.extend, calls.warnings.append)
    view.new_layer()
    return view


def shown(view):
    return [(point.key, point.click, point.pending) for point in view.shown]


def test_what_the_session_changes_is_drawn_and_is_no_edit(view, calls):
    view.show(change(a=[FIRST, OUTSIDE], b=[SECOND]))
    view.show(change(a=[FIRST]))
    np.testing.assert_array_equal(view.layer.data, [(0, 10, 10), (2, 24, 35)])
    view.show(change(b=[]))
    view.show(change(a=[SECOND, FIRST]))
    np.testing.assert_array_equal(view.layer.data, [(0, 24, 35), (0, 10, 10)])
    assert view.object_ids == {1}
    view.reset(change(b=[FIRST]))
    assert shown(view) == [(B, FIRST, None)]
    assert calls == calls.warnings == []


def test_other_points_are_not_drawn_again(view):
    view.show(change(a=[FIRST]))
    layer = view.layer
    layer.selected_data = {0}
    before = layer.data
    view.show(change(a=[FIRST]))
    view.show(StateChange(masks=frozenset([(1, 0)])))
    assert layer.data is before
    assert layer.selected_data == {0}


def test_a_click_is_pending_until_it_is_taken(view, calls):
    view.show(change(a=[FIRST]))
    view.add(A, SECOND)
    assert calls == ["clicks"]
    assert shown(view) == [(A, FIRST, None), (A, SECOND, 1)]
    (command,) = view.pending.take(1)
    before = view.layer.data
    view.pending.discard(command.ids)
    view.show(change(a=[FIRST, SECOND]))
    assert shown(view) == [(A, FIRST, None), (A, SECOND, None)]
    np.testing.assert_array_equal(view.layer.data, before)


def test_an_edit_of_the_layer_is_commands(view, calls):
    view.show(change(a=[FIRST, OUTSIDE], b=[SECOND]))
    layer = view.layer
    layer.data = [(0, 6, 6), (1, 20, 5), (2, 24, 35)]
    layer.features = {"object": [1, 1, 2], "side": ["outside", "outside", "inside"]}
    layer.remove([2])
    moved = AddClicks(ObjectFrame(1, 1), (OUTSIDE,), frozenset([1]))
    assert calls == [
        ChangeClicks(A, ((FIRST, Click(6, 6, True)),)),
        MoveClicks(RemoveClicks(A, (OUTSIDE,)), moved),
        ChangeClicks(A, ((Click(6, 6, True), Click(6, 6, False)),)),
        RemoveClicks(B, (SECOND,)),
    ]
    assert calls.warnings == []


def test_points_that_are_added_are_pending_clicks(view, calls):
    view.set_next(2, False)
    view.layer.add([(0, 1, 1), (2, 3, 3)])
    assert shown(view) == [(ObjectFrame(2, 0), Click(1, 1, False), 1), (B, Click(3, 3, False), 2)]
    assert calls == ["clicks"]
    view.layer.data = [(0, 1, 1), (2, 3, 3), (1, 5, 5)]
    assert len(shown(view)) == 3
    view.layer.data = [(0, 1, 1)]
    assert list(view.pending.by_id) == [1]
    assert calls == ["clicks", "clicks"], "clicks that are not on their way are withdrawn without a command"


def test_points_outside_the_image_are_removed_or_put_back(view, calls):
    view.show(change(a=[FIRST]))
    view.layer.add([(0, 10, 400), (0, 11, 11)])
    np.testing.assert_array_equal(view.layer.data, [(0, 10, 10), (0, 11, 11)])
    (warning,) = calls.warnings
    assert warning.startswith("A point was removed. The click is outside the image")
    view.layer.data = [(0, 90, 10), (0, 11, 11)]
    np.testing.assert_array_equal(view.layer.data, [(0, 10, 10), (0, 11, 11)])
    view.layer.features = {"object": [0, 1], "side": ["inside", "inside"]}
    assert view.layer.features["object"].tolist() == [1, 1]
    assert [text[:22] for text in calls.warnings[1:]] == ["A point was put back. "] * 2
    assert calls == ["clicks"]


def test_what_is_rejected_is_shown_as_it_is(view, calls):
    view.show(change(a=[FIRST, SECOND]))
    view.layer.data = [(0, 6, 6), (1, 24, 35)]
    changed, moved = calls
    assert view.reject(changed)
    assert view.reject(moved)
    assert shown(view) == [(A, FIRST, None), (A, SECOND, None)]
    np.testing.assert_array_equal(view.layer.data, [(0, 10, 10), (0, 24, 35)])
    assert not view.pending.by_id


def test_a_click_that_was_removed_and_is_not_taken_elsewhere_is_kept(view, calls):
    view.show(change(a=[FIRST, SECOND]))
    view.layer.data = [(0, 10, 10), (1, 24, 35)]
    (moved,) = calls
    view.show(change(a=[FIRST]))
    view.reject(moved)
    assert shown(view) == [(A, FIRST, None), (ObjectFrame(1, 1), SECOND, 1)]


def test_pending_clicks_are_withdrawn(view):
    view.show(change(a=[FIRST]))
    view.add(A, SECOND)
    view.add(B, SECOND)
    view.withdraw(2)
    assert shown(view) == [(A, FIRST, None), (A, SECOND, 1)]
    assert len(view.layer.data) == 2
    view.withdraw(1)
    assert shown(view) == [(A, FIRST, None)]


def test_a_new_layer_shows_everything(view, calls):
    view.show(change(a=[FIRST]))
    view.add(B, SECOND)
    old = view.layer
    view.close()
    view.show(change(a=[FIRST, OUTSIDE]))
    old.add((0, 1, 1))
    layer = view.new_layer()
    assert len(old.data) == 3
    np.testing.assert_array_equal(layer.data, [(0, 10, 10), (0, 20, 5), (2, 24, 35)])
    assert calls == ["clicks"]


def test_the_layer_of_an_earlier_widget_is_adopted(calls, image):
    stack = ImageStack.of(image)
    layer = new_points_layer(image, stack)
    layer.add([(0, 10, 10), (7, 10, 10), (2, 24, 35)])
    layer.features = {"object": [1, 1, 2], "side": ["inside", "inside", "outside"]}
    view = PointsView(image, stack, lambda: calls.append("clicks"), calls.extend, calls.warnings.append)
    view.adopt(layer)
    assert shown(view) == [(A, FIRST, 1), (B, Click(24, 35, False), 2)]
    assert len(layer.data) == 2
    (warning,) = calls.warnings
    assert "its frames are 0 to 2" in warning


def test_points_follow_the_colours_of_objects(view, calls):
    view.show(change(a=[FIRST]))
    before = view.layer.face_color[0].copy()
    view.show_colours({1: "#0000ff"})
    np.testing.assert_array_equal(view.layer.face_color[0], (0, 0, 1, 1))
    view.show_colours({1: None})
    np.testing.assert_array_equal(view.layer.face_color[0], before)
    assert view.colour_of(1) != view.colour_of(2)
    assert not calls
