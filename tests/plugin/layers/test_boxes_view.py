import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers.base import ActionType

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.boxes_layer import ShownBox, is_boxes_layer_of
from napari_sam2.plugin.layers.boxes_view import BoxesCalls, BoxesView
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import AddBox, AddOutline, MoveDrawing, RemoveDrawing
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts
from napari_sam2.session.state.session_state import StateChange

KEY, OTHER, BOX, LARGER = ObjectFrame(1, 0), ObjectFrame(2, 1), (3.0, 4.0, 10.0, 20.0), (2.0, 3.0, 11.0, 21.0)


@pytest.fixture
def image():
    return ViewerModel().add_image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(1, 2, 3))


class Calls(list):
    """What the view called."""

    def as_calls(self):
        names = ("drawn", "stroke_drawn", "edited")
        noting = [lambda *arguments, name=name: self.append((name, *arguments)) for name in names]
        return BoxesCalls(*noting, lambda: 9, lambda text: self.append(("warn", text)), lambda function: function())


@pytest.fixture
def calls():
    return Calls()


@pytest.fixture
def view(image, calls):
    return BoxesView(image, ImageStack.of(image), calls.as_calls())


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


def test_the_layer_of_an_earlier_widget(view, image, calls):
    view.show(prompted(KEY, BOX))
    view.show(prompted(OTHER, LARGER))
    layer = view.new_layer()
    view.close()
    later = BoxesView(image, ImageStack.of(image), calls.as_calls())
    later.adopt(layer)
    assert later.take() == [AddBox(KEY, BOX), AddBox(OTHER, LARGER)]
    assert len(layer.data) == 2


def test_boxes_have_the_colours_of_their_objects(image):
    colours = {1: "#ff0000", 2: "#0000ff"}
    view = BoxesView(image, ImageStack.of(image), Calls().as_calls(), colours.get)
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


# --- drawn and edited with napari's own tools ----------------------------------------------------------------------


def corners(frame, row0, col0, row1, col1):
    return np.array([(frame, row0, col0), (frame, row0, col1), (frame, row1, col1), (frame, row1, col0)], float)


def edit(layer, index, vertices):
    """Change a shape as napari does where it is dragged."""
    layer.events.data(value=layer.data, action=ActionType.CHANGING, data_indices=(index,), vertex_indices=((),))
    layer._data_view.edit(index, vertices)
    layer.events.data(value=layer.data, action=ActionType.CHANGED, data_indices=(index,), vertex_indices=((),))


def test_a_rectangle_that_is_drawn_is_a_box(view, calls):
    view.is_wanted = True
    layer = view.new_layer()
    view.set_next(4)
    layer.add(corners(1, 2.5, 3.5, 9.5, 19.5))
    assert calls == [("drawn",)]
    assert view.take() == [AddBox(ObjectFrame(4, 1), BOX)]
    assert layer.features["object"].tolist() == [4]


def test_an_outline_stays_as_it_was_drawn(view, calls):
    view.is_wanted = True
    layer = view.new_layer()
    layer.add(corners(0, 4.5, 4.5, 14.5, 14.5), shape_type="polygon")
    (command,) = view.take()
    assert command == AddOutline(KEY, ((4.5, 4.5), (4.5, 14.5), (14.5, 14.5), (14.5, 4.5)))
    mask = np.zeros((40, 50), bool)
    mask[5:15, 5:15] = True
    taken = StateChange(prompts={KEY: FramePrompts(packed_mask=PackedMask.pack(mask))})
    view.show(taken)
    assert view.shown == [ShownBox(KEY, command.box)]
    assert layer.shape_type == ["polygon"]
    view.show(prompted(KEY, None))
    assert len(layer.data) == 0
    view.show(taken)
    assert view.shown == [ShownBox(KEY, command.box)], "redone"
    mask[20, 20] = True
    view.show(StateChange(prompts={KEY: FramePrompts(packed_mask=PackedMask.pack(mask))}))
    assert view.shown == [], "a mask that was not drawn here"


def test_an_ellipse_is_an_outline_and_a_path_is_clicks(view, calls):
    view.is_wanted = True
    layer = view.new_layer()
    layer.add([corners(0, 4, 4, 12, 16)], shape_type="ellipse")
    (command,) = view.take()
    assert len(command.box) == 64
    layer.add(np.array([(2, 8, 6), (2, 8, 14)]), shape_type="path")
    assert calls[1] == ("stroke_drawn", ObjectFrame(1, 2), (Click(8, 8, True), Click(8, 12, True)))
    assert layer.shape_type == ["polygon"], "its points are in the other layer"


def test_a_box_is_moved_resized_and_deleted(view, calls):
    view.show(prompted(KEY, BOX))
    view.show(prompted(OTHER, LARGER))
    layer = view.new_layer()
    layer.selected_data = {0}
    edit(layer, 0, corners(0, 1.5, 2.5, 10.5, 20.5))
    assert view.take() == [AddBox(KEY, LARGER)]
    view.show(prompted(KEY, LARGER))
    assert not view.has_pending
    layer.selected_data = {i for i, number in enumerate(layer.features["object"]) if number == 2}
    layer.remove_selected()
    assert calls == [("drawn",), ("edited", (RemoveDrawing(OTHER),))]
    view.show(prompted(OTHER, None))
    assert view.shown == [ShownBox(KEY, LARGER)]


def test_a_box_that_is_not_on_its_way_is_deleted(view, calls):
    view.add(KEY, BOX)
    layer = view.new_layer()
    layer.data = []
    assert (view.shown, view.take(), calls) == ([], [], [])


def test_a_box_is_given_to_another_object(view, calls):
    view.show(prompted(KEY, BOX))
    layer = view.new_layer()
    layer.features = {"object": [5]}
    key = ObjectFrame(5, 0)
    command = MoveDrawing(RemoveDrawing(KEY), AddBox(key, BOX))
    assert calls == [("edited", (command,))]
    assert view.take() == []
    view.reject(command)
    assert (view.shown, layer.features["object"].tolist()) == ([ShownBox(KEY, BOX)], [1])
    view.add(OTHER, BOX)
    layer.features = {"object": [1, 7]}
    assert view.take() == [AddBox(ObjectFrame(7, 1), BOX)]


def test_a_copy_that_is_pasted_is_another_object(view, calls):
    view.show(prompted(KEY, BOX))
    layer = view.new_layer()
    view.set_next(2)
    layer.selected_data = {0}
    layer._copy_data()
    layer._paste_data()
    assert view.take() == [AddBox(ObjectFrame(9, 0), BOX)]


def test_nothing_is_drawn_while_a_person_draws(view):
    view.show(prompted(KEY, BOX))
    layer = view.new_layer()
    layer.events.data(value=layer.data, action=ActionType.CHANGING, data_indices=(0,), vertex_indices=((),))
    view.show(prompted(OTHER, LARGER))
    assert len(layer.data) == 1
    layer.events.data(value=layer.data, action=ActionType.CHANGED, data_indices=(0,), vertex_indices=((),))
    assert len(layer.data) == 2


def test_shapes_that_are_no_prompts_vanish_with_a_sentence(view, calls):
    view.show(prompted(KEY, BOX))
    layer = view.new_layer()
    layer.add(corners(0, 60, 4, 70, 15))
    layer.add(corners(7, 4, 4, 15, 15))
    layer.add(np.array([(0, 4, 4), (0, 4, 9), (1, 9, 9), (1, 9, 4)]))
    layer.features = {"object": [0.5]}
    layer.features = {"thing": [1]}
    assert [text for _, text in calls] == [
        "A shape outside the image is no prompt.",
        "A shape on frames that the image does not have is no prompt.",
        "A shape across several frames is no prompt.",
        "An object is a whole number from 1 to 65535, got 0.5.",
        "The table of features needs the column object.",
    ]
    assert len(layer.data) == 1
    assert layer.features["object"].tolist() == [1]


def test_what_is_selected_stays_selected(view):
    view.add(KEY, BOX)
    layer = view.new_layer()
    layer.selected_data = {0}
    view.show(prompted(KEY, BOX))
    assert layer.selected_data == {0}


# --- with the session ----------------------------------------------------------------------------------------------


def test_all_tools_of_napari_with_the_session(viewer, controller, blobs):
    layer = controller.workspace.show_shapes_layer()
    layer.add(corners(0, 3.5, 3.5, 15.5, 15.5))
    layer.add(corners(0, 19.5, 29.5, 27.5, 41.5), shape_type="polygon")
    layer.add(np.array([(1, 8, 6), (1, 8, 14)]), shape_type="path")
    session = controller.session
    prompts = {(i, t): p for i, item in session.objects.items() for t, p in item.prompts.items()}
    assert list(prompts) == [(1, 0), (2, 0), (3, 1)]
    assert prompts[1, 0].box_rc == (4, 4, 16, 16)
    np.testing.assert_array_equal(prompts[2, 0].mask, blobs[0] == 150)
    assert prompts[3, 1].points_rc == ((8, 8), (8, 12))
    assert layer.shape_type == ["rectangle", "polygon"]
    edit(layer, 0, corners(0, 2.5, 3.5, 15.5, 15.5))
    assert session.objects[1].prompts[0].box_rc == (3, 4, 16, 16)
    layer.remove([1])
    assert 0 not in session.objects[2].prompts
    for _ in range(5):
        assert session.can_undo
        controller.undo()
    assert not session.can_undo
    assert len(layer.data) == 0
    for _ in range(3):
        controller.redo()
    assert layer.shape_type == ["rectangle", "polygon"]


def test_an_edit_that_is_refused_is_taken_back(viewer, controller, notices):
    layer = controller.workspace.show_shapes_layer()
    layer.add(corners(0, 3.5, 3.5, 15.5, 15.5))
    before = layer.data[0].copy()
    controller.session.lock_object(1)
    edit(layer, 0, corners(0, 2.5, 3.5, 15.5, 15.5))
    np.testing.assert_array_equal(layer.data[0], before)
    layer.data = []
    np.testing.assert_array_equal(layer.data[0], before)
    assert [message for _, message in notices()] == ["Object 1 is locked: unlock it first."] * 2


def test_a_later_widget_goes_on_with_outlines_and_boxes(viewer, keeping):
    first = Controller(viewer, opener=keeping)
    layer = first.workspace.show_shapes_layer()
    layer.add(corners(0, 3.1, 3.3, 15.7, 15.9))
    layer.add(corners(0, 19.5, 29.5, 27.5, 41.5), shape_type="polygon")
    result = first.session.labels.copy()
    first.close()
    later = Controller(viewer, opener=keeping)
    assert later.workspace.worker.session is not None
    assert not later.workspace.boxes.has_pending, "the session has them already"
    later.propagate()
    np.testing.assert_array_equal(later.session.labels[0], result[0])
    edit(layer, 1, corners(0, 19.5, 29.5, 26.5, 41.5))
    assert later.session.objects[2].prompts[0].mask.sum() == 84
    for _ in range(3):
        later.undo()
    assert list(later.session.objects) == [1]
    assert layer.shape_type == ["rectangle"]


def test_the_layer_is_trashed_while_it_is_empty(viewer, controller):
    layer = controller.workspace.show_shapes_layer()
    layer.add(corners(0, 3.5, 3.5, 15.5, 15.5))
    controller.undo()
    viewer.layers.remove(layer)
    controller.redo()
    assert viewer.layers["movie – boxes"].features["object"].tolist() == [1]
    controller.undo()
    viewer.layers.remove("movie – boxes")
    controller.workspace.layers.show()
    assert "movie – boxes" not in viewer.layers
    assert controller.workspace.show_shapes_layer() == viewer.layers["movie – boxes"]


def test_esc_finishes_what_is_being_drawn(view):
    assert not view.finish_drawing()
    view.is_wanted = True
    layer = view.new_layer()
    assert not view.finish_drawing()
    layer.mode = "add_polygon"
    layer.add(corners(0, 3.5, 3.5, 15.5, 15.5), shape_type="polygon", gui=True)
    assert view.finish_drawing()
    assert layer.mode == "add_polygon"
    view.add(KEY, BOX)
    assert [one.key for one in view.shown] == [KEY]


def test_a_stroke_is_outside_after_t(viewer, controller):
    layer = controller.workspace.show_shapes_layer()
    layer.add(corners(0, 3.5, 3.5, 15.5, 15.5))
    controller.choose_object(1)
    controller.switch_side()
    layer.add(np.array([(0, 30, 6), (0, 30, 14)]), shape_type="path")
    assert controller.session.objects[1].prompts[0].labels == (0, 0)
    controller.undo()
    assert controller.session.objects[1].prompts[0].labels == (), "one action"
