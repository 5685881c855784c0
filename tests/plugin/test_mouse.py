from types import SimpleNamespace

import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.mouse import ClickListener, MouseCalls


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def clicks():
    return []


@pytest.fixture
def boxes():
    return []


@pytest.fixture
def listener(viewer, clicks, boxes):
    def note(name):
        return lambda *corners: boxes.append((name, *corners))

    calls = MouseCalls(
        lambda world, is_other: clicks.append((world, is_other)), note("dragged"), note("drawn"), lambda: boxes.append("cancelled")
    )
    return ClickListener(viewer, calls)


def press(viewer, *moves, button=1, modifiers=(), during=lambda: None):
    """Press at (10, 10), move, and release."""
    event = SimpleNamespace(type="mouse_press", pos=(10, 10), position=(0.0, 3.0, 4.0), button=button, modifiers=modifiers)
    running = viewer.mouse_drag_callbacks[-1](viewer, event)
    if next(running, "end") == "end":
        return
    for event.pos in moves:
        event.type, event.position = "mouse_move", (0.0, *event.pos)
        if next(running, "end") == "end":
            return
    during()
    event.type = "mouse_release"
    assert next(running, "end") == "end"


def test_clicks_and_drags(viewer, listener, clicks):
    press(viewer)
    press(viewer, (12, 14))
    assert clicks == [((0.0, 3.0, 4.0), False)] * 2
    press(viewer, (12, 14), (12, 16))
    press(viewer, (30, 10), (10, 10))
    assert len(clicks) == 2


@pytest.mark.parametrize("arguments", [{"button": 2}, {"modifiers": ("Alt",)}, {"modifiers": ("Control",)}])
def test_clicks_of_the_other_kind(viewer, listener, clicks, arguments):
    press(viewer, **arguments)
    assert clicks == [((0.0, 3.0, 4.0), True)]


def test_no_clicks_while_off_or_a_tool_is_in_use(viewer, listener, clicks):
    listener.is_on = False
    press(viewer)
    listener.is_on = True
    points = viewer.add_points([(1, 1)])
    points.mode = "add"
    press(viewer)
    assert clicks == []
    points.mode = "pan_zoom"
    press(viewer)
    assert len(clicks) == 1
    listener.close()
    listener.close()
    assert viewer.mouse_drag_callbacks == ViewerModel().mouse_drag_callbacks


START, FIRST, LAST = (0.0, 3.0, 4.0), (0.0, 30, 10), (0.0, 40, 50)


def test_a_drag_with_shift_draws_a_box(viewer, listener, clicks, boxes):
    press(viewer, FIRST[1:], LAST[1:], modifiers=("Shift",))
    assert boxes == [("dragged", START, FIRST), ("dragged", START, LAST), ("drawn", START, LAST)]
    assert clicks == []
    assert not listener.is_drawing


def test_a_box_that_comes_back_to_where_it_began_is_a_box(viewer, listener, clicks, boxes):
    press(viewer, FIRST[1:], (10, 10), modifiers=("Shift",))
    assert boxes[-1] == ("drawn", START, (0.0, 10, 10))


@pytest.mark.parametrize("arguments", [{"modifiers": ("Shift",), "button": 2}, {"modifiers": ("Alt",)}, {"modifiers": ()}])
def test_other_drags_draw_no_box(viewer, listener, clicks, boxes, arguments):
    press(viewer, FIRST[1:], LAST[1:], **arguments)
    assert boxes == clicks == []


def test_a_click_with_shift_is_a_click(viewer, listener, clicks, boxes):
    press(viewer, (12, 12), modifiers=("Shift",))
    assert (clicks, boxes) == ([(START, False)], [])


@pytest.mark.parametrize("how", ["cancel_box", "close", "off"])
def test_a_box_that_is_given_up(viewer, listener, boxes, how):
    def give_up():
        if how == "off":
            listener.is_on = False
        else:
            getattr(listener, how)()

    press(viewer, FIRST[1:], modifiers=("Shift",), during=give_up)
    assert boxes == [("dragged", START, FIRST), "cancelled"]
    assert not listener.cancel_box(), "there is none any more"
