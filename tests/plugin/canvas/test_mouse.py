from types import SimpleNamespace

import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.canvas.mouse import ClickListener, DrawingBegins, MouseCalls, Press
from widget_driving import camera_of


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def clicks():
    return []


@pytest.fixture
def drawn():
    """What became of drawings."""
    return []


class Recorded:
    """Writes down what is drawn."""

    def __init__(self, drawn, press):
        self.drawn = drawn
        drawn.append(("begun", press.position))

    def move(self, world):
        self.drawn.append(("moved", world))

    def finish(self):
        self.drawn.append("finished")

    def cancel(self):
        self.drawn.append("cancelled")


@pytest.fixture
def begins():
    """When a press draws, by what is asked."""
    return {"answer": lambda press: DrawingBegins.MOVED if press.has_shift else DrawingBegins.NEVER}


@pytest.fixture
def listener(viewer, clicks, drawn, begins):
    calls = MouseCalls(
        lambda press: clicks.append((press.position, press.is_other)),
        lambda press: begins["answer"](press),
        lambda press: Recorded(drawn, press),
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


def test_a_press_is_read_from_an_event_of_napari():
    event = SimpleNamespace(position=[0.0, 3.0, 4.0], button=1, modifiers=("Shift", "Alt"))
    assert Press.of(event) == Press((0.0, 3.0, 4.0), is_other=True, has_shift=True, has_alt=True)
    event.button, event.modifiers = 2, ("Shift",)
    assert Press.of(event) == Press((0.0, 3.0, 4.0), is_other=True)


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


def test_a_drag_that_draws(viewer, listener, clicks, drawn):
    press(viewer, FIRST[1:], LAST[1:], modifiers=("Shift",))
    assert drawn == [("begun", START), ("moved", FIRST), ("moved", LAST), ("moved", LAST), "finished"]
    assert clicks == []
    assert not listener.is_drawing


def test_what_comes_back_to_where_it_began_is_drawn(viewer, listener, clicks, drawn):
    press(viewer, FIRST[1:], (10, 10), modifiers=("Shift",))
    assert drawn[-2:] == [("moved", (0.0, 10, 10)), "finished"]


@pytest.mark.parametrize("arguments", [{"modifiers": ("Alt",)}, {"modifiers": ()}])
def test_other_drags_draw_nothing(viewer, listener, clicks, drawn, arguments):
    press(viewer, FIRST[1:], LAST[1:], **arguments)
    assert drawn == clicks == []


def test_a_press_that_does_not_move_is_a_click(viewer, listener, clicks, drawn):
    press(viewer, (12, 12), modifiers=("Shift",))
    assert (clicks, drawn) == ([(START, False)], [])


def test_a_press_that_draws_at_once(viewer, listener, clicks, drawn, begins):
    begins["answer"] = lambda press: DrawingBegins.PRESSED
    press(viewer)
    assert (clicks, drawn) == ([], [("begun", START), ("moved", START), "finished"])


def test_the_view_stays_while_something_is_drawn(viewer, listener, drawn):
    seen = []
    press(viewer, FIRST[1:], modifiers=("Shift",), during=lambda: seen.append(camera_of(viewer).mouse_pan))
    press(viewer, (12, 12), during=lambda: seen.append(camera_of(viewer).mouse_pan))
    assert (seen, camera_of(viewer).mouse_pan) == ([False, True], True)


def test_the_view_stays_also_after_a_layer_was_selected(viewer, listener, drawn):
    viewer.add_points([(1, 1)])
    seen = []

    def select():
        viewer.layers.selection.active = None
        viewer.layers.selection.active = viewer.layers[0]
        assert camera_of(viewer).mouse_pan, "napari sets it"

    event = SimpleNamespace(type="mouse_press", pos=(10, 10), position=START, button=1, modifiers=("Shift",))
    running = viewer.mouse_drag_callbacks[-1](viewer, event)
    next(running)
    event.type, event.pos, event.position = "mouse_move", FIRST[1:], FIRST
    next(running)
    select()
    next(running)
    seen.append(camera_of(viewer).mouse_pan)
    event.type = "mouse_release"
    assert next(running, "end") == "end"
    assert seen == [False]


def test_what_cannot_be_drawn_moves_nothing(viewer, listener, clicks, begins, monkeypatch):
    listener._calls = MouseCalls(lambda press: clicks.append(press), lambda press: DrawingBegins.MOVED, lambda press: None)
    press(viewer, FIRST[1:], LAST[1:])
    assert clicks == []
    assert not listener.is_drawing


def test_nothing_is_drawn_while_the_view_is_moved_or_with_a_third_button(viewer, listener, clicks, drawn):
    listener.is_paused = True
    press(viewer, FIRST[1:], modifiers=("Shift",))
    listener.is_paused = False
    press(viewer, FIRST[1:], button=3)
    press(viewer, button=3)
    assert (clicks, drawn) == ([], [])


@pytest.mark.parametrize("how", ["cancel_drawing", "close", "off"])
def test_a_drawing_that_is_given_up(viewer, listener, drawn, how):
    def give_up():
        if how == "off":
            listener.is_on = False
        else:
            getattr(listener, how)()

    press(viewer, FIRST[1:], modifiers=("Shift",), during=give_up)
    assert drawn == [("begun", START), ("moved", FIRST), "cancelled"]
    assert not listener.cancel_drawing(), "there is none any more"
