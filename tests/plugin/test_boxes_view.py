import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.boxes_layer import ShownBox, is_boxes_layer_of
from napari_sam2.plugin.boxes_view import BoxesView
from napari_sam2.plugin.clicks import ObjectFrame
from napari_sam2.plugin.commands import AddBox
from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange

KEY, OTHER, BOX, LARGER = ObjectFrame(1, 0), ObjectFrame(2, 1), (3.0, 4.0, 10.0, 20.0), (2.0, 3.0, 11.0, 21.0)


@pytest.fixture
def image():
    return ViewerModel().add_image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(1, 2, 3))


@pytest.fixture
def view(image):
    return BoxesView(image, ImageStack.of(image), pytest.fail)


def prompted(key, box):
    return StateChange(prompts={key: None if box is None else FramePrompts(box_rc=box)})


def test_boxes_are_shown_until_they_are_removed(view, image):
    assert not view.is_missing
    view.show(prompted(KEY, BOX))
    assert view.is_missing
    layer = view.new_layer()
    assert is_boxes_layer_of(layer, image, ImageStack.of(image))
    np.testing.assert_array_equal(layer.data[0], [(0, 2.5, 3.5), (0, 2.5, 19.5), (0, 9.5, 19.5), (0, 9.5, 3.5)])
    assert (layer.features["object"].tolist(), layer.shape_type, tuple(layer.scale)) == ([1], ["rectangle"], (1, 2, 3))
    view.show(prompted(OTHER, LARGER))
    assert layer.features["object"].tolist() == [1, 2]
    view.show(prompted(KEY, None))
    assert view.shown == [ShownBox(OTHER, LARGER)]
    assert len(layer.data) == 1
    view.reset(prompted(KEY, BOX))
    assert view.shown == [ShownBox(KEY, BOX)]


def test_a_box_is_sent_once_and_pending_until_it_is_taken(view):
    view.add(KEY, BOX)
    layer = view.new_layer()
    assert view.has_pending
    assert view.object_ids == {1}
    pending_colour = layer.edge_color[0].copy()
    assert view.take() == [AddBox(KEY, BOX)]
    assert view.take() == []
    view.show(prompted(KEY, LARGER))  # what was done before
    assert view.shown == [ShownBox(KEY, BOX, True)]
    view.show(prompted(KEY, BOX))
    assert view.shown == [ShownBox(KEY, BOX)]
    assert (layer.edge_color[0] != pending_colour).any()
    assert not view.has_pending


def test_a_box_that_is_refused_shows_the_one_before(view):
    view.show(prompted(KEY, BOX))
    view.add(KEY, LARGER)
    assert view.shown == [ShownBox(KEY, LARGER, True)]
    view.reject(AddBox(KEY, BOX))
    assert view.shown == [ShownBox(KEY, LARGER, True)], "that was another one"
    view.reject(AddBox(KEY, LARGER))
    assert view.shown == [ShownBox(KEY, BOX)]


def test_a_box_that_failed_is_sent_again(view):
    view.add(KEY, BOX)
    (command,) = view.take()
    view.reject(command, is_refused=False)
    assert view.take() == [command]
    view.show(prompted(KEY, BOX))
    view.reject(command, is_refused=False)
    assert view.take() == [], "it was taken before something else failed"


def test_the_layer_of_an_earlier_widget(view, image):
    view.show(prompted(KEY, BOX))
    view.show(prompted(OTHER, LARGER))
    layer = view.new_layer()
    view.close()
    later = BoxesView(image, ImageStack.of(image), pytest.fail)
    later.adopt(layer)
    assert later.take() == [AddBox(KEY, BOX), AddBox(OTHER, LARGER)]
    assert len(layer.data) == 2


def test_boxes_have_the_colours_of_their_objects(image):
    colours = {1: "#ff0000", 2: "#0000ff"}
    view = BoxesView(image, ImageStack.of(image), pytest.fail, colours.get)
    view.show(prompted(KEY, BOX))
    layer = view.new_layer()
    np.testing.assert_array_equal(layer.edge_color, [(1, 0, 0, 1)])
    colours[1] = "#00ff00"
    view.show_colours()
    np.testing.assert_array_equal(layer.edge_color, [(0, 1, 0, 1)])


def test_the_latest_box_that_waits_is_withdrawn(view):
    view.add(KEY, BOX, 3)
    view.add(OTHER, LARGER, 5)
    assert (view.latest_waiting(before=9), view.latest_waiting(before=5), view.latest_sent) == (5, 3, 0)
    view.withdraw(5)
    assert view.shown == [ShownBox(KEY, BOX, True)]
    view.take()
    assert (view.latest_waiting(before=9), view.latest_sent) == (0, 3)
