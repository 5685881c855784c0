from types import SimpleNamespace

import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.mouse import ClickListener


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def clicks():
    return []


@pytest.fixture
def listener(viewer, clicks):
    return ClickListener(viewer, lambda world, is_other: clicks.append((world, is_other)))


def press(viewer, *moves, button=1, modifiers=()):
    """Press at (10, 10), move, and release."""
    event = SimpleNamespace(type="mouse_press", pos=(10, 10), position=(0.0, 3.0, 4.0), button=button, modifiers=modifiers)
    running = viewer.mouse_drag_callbacks[-1](viewer, event)
    if next(running, "end") == "end":
        return
    for event.pos in moves:
        event.type = "mouse_move"
        if next(running, "end") == "end":
            return
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
