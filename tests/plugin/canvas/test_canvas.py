"""The tools on the canvas, with the real session and no display."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding

from napari_sam2.plugin.canvas.tools.tool import Tool
from napari_sam2.plugin.controller import Controller
from widget_driving import LateRunner, check_agreement, labels, plain_click

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)
LEFT, RIGHT = 1, 2


def drag(viewer, *positions, button=LEFT, modifiers=(), during=lambda: None):
    """Press at the first position, in data coordinates, move over the others, and release at the last."""
    (image,) = [layer for layer in viewer.layers if layer.name == "movie"]
    world = [image.data_to_world(position) for position in positions]
    event = SimpleNamespace(type="mouse_press", pos=(0, 0), position=world[0], button=button, modifiers=modifiers)
    running = viewer.mouse_drag_callbacks[-1](viewer, event)
    if next(running, "end") == "end":
        return
    for number, event.position in enumerate(world[1:], 1):
        event.type, event.pos = "mouse_move", (20 * number, 0)
        if next(running, "end") == "end":
            return
    during()
    event.type = "mouse_release"
    assert next(running, "end") == "end"


def around(frame, row0, col0, row1, col1):
    return [(frame, *corner) for corner in ((row0, col0), (row0, col1), (row1, col1), (row1, col0), (row0, col0))]


def is_object(controller, object_id, frame=0):
    return labels(controller)[frame] == object_id


def test_the_click_tool_clicks_and_pans(viewer, controller):
    drag(viewer, SQUARE, MOVING)
    assert controller.workspace.worker.session is None
    drag(viewer, SQUARE)
    assert sorted(controller.session.objects) == [1]


def test_the_box_tool_draws_boxes_without_shift(viewer, controller, blobs):
    controller.use_box()
    drag(viewer, (0, 2.5, 2.5), (0, 10, 10), (0, 16.5, 16.5))
    np.testing.assert_allclose(controller.session.objects[1].prompts[0].box_rc, (3, 3, 17, 17))
    drag(viewer, MOVING)
    assert sorted(controller.session.objects) == [1, 2], "what does not move is a click"
    controller.use_click()
    drag(viewer, (0, 1, 1), (0, 17, 17), modifiers=("Shift",))
    assert sorted(controller.session.objects) == [1, 2, 3], "with Shift it is a box with every tool"


def test_a_box_beside_the_image_has_one_sentence(viewer, controller, notices):
    controller.use_box()
    drag(viewer, (0, -9, -9), (0, -5, -5))
    assert notices() == [("warning", "The box is outside the image, which has 40 rows and 50 columns.")]
    controller.use_click()
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_a_lasso_begins_objects_and_cuts_off(viewer, controller):
    controller.use_lasso()
    drag(viewer, *around(0, 4, 4, 15, 15))
    assert sorted(controller.session.objects) == [1]
    before = is_object(controller, 1)
    assert before[5:15, 5:15].all()
    drag(viewer, (0, 10, 9.5), *around(0, 0, 9.5, 20, 20)[:-1], button=RIGHT)
    after = is_object(controller, 1)
    assert (after[5:15, 5:9].all(), after[:, 10:].any()) == (True, False)
    controller.undo()
    np.testing.assert_array_equal(is_object(controller, 1), before)
    controller.undo()
    assert not controller.session.objects


def test_a_scribble_is_one_action(viewer, controller):
    controller.use_scribble()
    drag(viewer, (0, 7, 6), (0, 7, 13), (0, 13, 13))
    (prompts,) = controller.session.objects[1].prompts.values()
    assert (len(prompts.points_rc), set(prompts.labels)) == (3, {1})
    assert is_object(controller, 1).sum() == 100
    check_agreement(controller)
    controller.choose_object(1)
    controller.switch_side()
    drag(viewer, (0, 30, 6), (0, 30, 13))
    assert controller.session.objects[1].prompts[0].labels == (1, 1, 1, 0)
    controller.undo()
    controller.undo()
    assert not controller.session.objects
    check_agreement(controller)


def test_the_brush_paints_the_object_in_hand_or_a_new_one(viewer, controller):
    controller.use_brush()
    controller.canvas.choose_diameter(5)
    drag(viewer, (0, 20, 10))
    assert is_object(controller, 1).sum() == 21, "a press is a dab"
    assert controller.object_in_hand is None
    drag(viewer, (0, 20, 11), (0, 20, 20))
    assert sorted(controller.session.objects) == [1], "it began on the object"
    assert is_object(controller, 1)[18:23, 9:20].all()
    drag(viewer, (0, 35, 30), (0, 35, 40))
    assert sorted(controller.session.objects) == [1, 2]
    controller.choose_object(1)
    drag(viewer, (0, 20, 15), (0, 20, 30), button=RIGHT)
    assert not is_object(controller, 1)[18:23, 15:].any()
    for _ in range(4):
        controller.undo()
    assert not controller.session.objects
    assert not viewer.layers["stroke"].data.any(), "no stroke is left"
    controller.cancel()
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – clicks"]


def test_the_eraser_removes_from_the_object_where_it_begins(viewer, controller, texts):
    plain_click(controller, SQUARE)
    controller.use_eraser()
    controller.canvas.choose_diameter(9)
    drag(viewer, (0, 30, 5), (0, 30, 30))
    assert texts[-1] == "There is no object here that could end: take one in hand, or draw over one."
    drag(viewer, (0, 10, 14), (0, 10, 20))
    assert 0 < is_object(controller, 1).sum() < 100
    assert sorted(controller.session.objects) == [1]
    drag(viewer, (0, 10, 6), (0, 10, 20), button=RIGHT)
    assert is_object(controller, 1)[10, 5:20].all(), "the other button adds"


def test_side_keys_turn_the_brush_into_the_eraser(controller):
    controller.use_brush()
    assert controller.canvas.is_inside
    controller.switch_side()
    assert (controller.canvas.tool, controller.canvas.is_inside, controller.is_inside) == (Tool.ERASER, False, True)
    controller.switch_side()
    assert controller.canvas.tool == Tool.BRUSH


def test_the_size_of_the_brush(viewer, controller):
    controller.enlarge_brush()
    assert controller.canvas.diameter_px == 10, "with the click tool the keys do nothing"
    controller.use_brush()
    controller.enlarge_brush()
    assert controller.canvas.diameter_px == 11
    controller.shrink_brush()
    controller.shrink_brush()
    assert controller.canvas.diameter_px == 9
    painted = viewer.add_labels(np.zeros((3, 40, 50), np.uint16))
    painted.mode, painted.brush_size = "paint", 7
    controller.enlarge_brush()
    assert (controller.canvas.diameter_px, painted.brush_size) == (9, 8), "napari's own is in use"


def test_esc_gives_up_the_drawing_then_the_tool_then_the_object(viewer, controller, texts):
    plain_click(controller, SQUARE)
    plain_click(controller, SQUARE)
    controller.use_lasso()
    drag(viewer, *around(0, 4, 4, 15, 15), during=controller.cancel)
    assert (len(controller.session.objects), controller.canvas.tool) == (1, Tool.LASSO)
    assert not controller.session.objects[1].prompts[0].packed_mask
    controller.cancel()
    assert (controller.canvas.tool, controller.object_in_hand) == (Tool.CLICK, 1)
    controller.cancel()
    assert controller.object_in_hand is None


def test_a_key_that_is_held_lets_drags_move_the_view(viewer, controller):
    controller.use_brush()
    hold = viewer.keymap[coerce_keybinding("Space")](viewer)
    next(hold)
    assert not controller.canvas.is_ours
    drag(viewer, SQUARE, MOVING)
    assert controller.workspace.worker.session is None
    next(hold, None)
    assert controller.canvas.is_ours
    drag(viewer, SQUARE, MOVING)
    assert controller.session.objects


def test_a_key_that_is_held_puts_the_tool_of_a_layer_aside(viewer, controller):
    shapes = viewer.add_shapes(ndim=3)
    shapes.mode = "add_rectangle"
    hold = viewer.keymap[coerce_keybinding("Space")](viewer)
    next(hold)
    assert shapes.mode == "pan_zoom"
    next(hold, None)
    assert shapes.mode == "add_rectangle"


def test_the_mouse_belongs_to_the_tool_of_another_layer_until_one_of_ours_is_chosen(viewer, controller):
    shapes = viewer.add_shapes(ndim=3)
    shapes.mode = "add_rectangle"
    controller.canvas.choose_diameter(9)
    drag(viewer, SQUARE)
    assert controller.workspace.worker.session is None
    controller.use_brush()
    assert (shapes.mode, viewer.layers.selection.active.name) == ("add_rectangle", "movie")
    drag(viewer, SQUARE)
    assert is_object(controller, 1).sum() >= 68
    result = viewer.layers["movie – objects"]
    viewer.layers.selection.active = result
    result.mode = "paint"
    controller.use_lasso()
    assert (result.mode, viewer.layers.selection.active.name) == ("pan_zoom", "movie – objects")


def test_the_cursor_shows_the_tool(viewer, controller):
    assert viewer.cursor.style == "standard"
    controller.use_box()
    assert viewer.cursor.style == "cross"
    controller.use_brush()
    assert viewer.cursor.style == "circle"
    if hasattr(viewer, "canvas"):  # napari 0.9 or newer
        assert not viewer.canvas.overlays._brush_circle.box, "it would leave a square on the canvas"
    assert viewer.cursor.size == pytest.approx(10 / np.sqrt((2**2 + 4**2) / 2)), "in units of the viewer"
    viewer.add_points([(1, 1, 1)])
    assert viewer.cursor.style == "circle", "napari chooses another one as a layer is selected"
    viewer.layers.selection.active.mode = "add"
    assert viewer.cursor.style == "crosshair", "that of the layer's own tool"
    viewer.layers.selection.active.mode = "pan_zoom"
    assert viewer.cursor.style == "circle"
    controller.use_click()
    assert viewer.cursor.style == "standard"
    controller.use_box()
    controller.close()
    assert viewer.cursor.style == "standard"
    assert coerce_keybinding("Space") not in viewer.keymap


def test_a_hidden_result_is_shown_again(viewer, controller, texts):
    plain_click(controller, SQUARE)
    viewer.layers["movie – objects"].visible = False
    plain_click(controller, MOVING)
    assert viewer.layers["movie – objects"].visible
    assert "The objects were hidden: they are shown again." in texts


def test_nothing_to_draw_on(viewer, controller, notices, texts):
    viewer.dims.ndisplay = 3
    controller.use_lasso()
    drag(viewer, *around(0, 4, 4, 15, 15))
    assert [message.split(":")[0] for _, message in notices()] == ["A click in the 3-D view has no depth"]
    viewer.dims.ndisplay = 2
    drag(viewer, (0, 4, 4), (0, 4, 20))
    assert "a polygon" in notices()[-1][1].lower(), "a line encloses nothing"
    assert not controller.session.objects
    assert "stroke" in viewer.layers
    viewer.layers.remove(viewer.layers["movie"])
    assert "stroke" not in viewer.layers
    controller.use_box()
    running = viewer.mouse_drag_callbacks[-1](
        viewer, SimpleNamespace(type="mouse_press", pos=(0, 0), position=(0, 0, 0), button=LEFT, modifiers=())
    )
    next(running)
    assert next(running, "end") == "end", "without an image it is a click, which does nothing"


# --- napari's own tools on the result ------------------------------------------------------------------------------


def test_strokes_of_napari_on_the_result_count(viewer, controller):
    plain_click(controller, SQUARE)
    plain_click(controller, MOVING)
    result = viewer.layers["movie – objects"]
    before = result.data.copy()
    result.brush_size = 5
    result.paint((0, 10, 17), 1)
    assert controller.session.objects[1].prompts[0].packed_mask
    assert is_object(controller, 1)[10, 5:20].all()
    plain_click(controller, (0, 35, 45))
    assert is_object(controller, 1)[10, 5:20].all(), "it is not lost where the frame is written again"
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(result.data, before)
    controller.redo()
    assert is_object(controller, 1)[10, 5:20].all()


def test_a_stroke_of_napari_is_one_action_about_all_objects(viewer, controller):
    plain_click(controller, SQUARE)
    plain_click(controller, MOVING)
    result = viewer.layers["movie – objects"]
    before = result.data.copy()
    result.brush_size = 5
    result.paint((0, 10, 14), 9)
    assert sorted(controller.session.objects) == [1, 2, 9]
    assert is_object(controller, 9)[10, 14]
    assert not is_object(controller, 1)[10, 14]
    controller.undo()
    np.testing.assert_array_equal(result.data, before)
    assert sorted(controller.session.objects) == [1, 2]


def test_what_was_painted_and_is_refused_is_not_shown(viewer, controller, notices):
    plain_click(controller, SQUARE)
    controller.session.lock_object(1)
    result = viewer.layers["movie – objects"]
    before = result.data.copy()
    result.paint((0, 10, 17), 1)
    np.testing.assert_array_equal(result.data, before)
    assert "locked" in notices()[-1][1]


# --- everything ----------------------------------------------------------------------------------------------------


def test_everything_on_a_frame_is_one_action(viewer, controller, finding, texts, blobs):
    progress = []

    def show(*done):
        progress.append(done)

    controller.progressed.connect(show)
    viewer.dims.set_point(0, viewer.layers["movie"].data_to_world((1, 0, 0))[0])
    controller.find_everything()
    assert (sorted(controller.session.objects), progress) == ([1, 2], [(1, 2), (2, 2)])
    assert texts[-1] == "2 objects found on frame 1: press U to take them back."
    np.testing.assert_array_equal(labels(controller)[1] > 0, blobs[1] > 0)
    controller.find_everything()
    assert texts[-1] == "Nothing was found on frame 1 that is no object yet."
    controller.undo()
    assert not controller.session.objects
    plain_click(controller, SQUARE)
    assert sorted(controller.session.objects) == [1]


def test_esc_stops_finding_everything(viewer, opener, finding, texts):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    runner.finish()
    controller.find_everything()
    assert controller.is_busy
    controller.cancel()
    runner.finish()
    assert (list(controller.session.objects), controller.is_busy) == ([], False)
    controller.find_everything()
    runner.finish()
    assert sorted(controller.session.objects) == [1, 2]


def test_everything_needs_a_frame_and_weights(viewer, controller, notices, monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: False)
    controller.find_everything()
    viewer.layers.clear()
    controller.find_everything()
    assert [message.split(":")[0] for _, message in notices()] == [
        "The weights of micro are not on this machine",
        "There is no frame to find objects on",
    ]


def test_tracking_everything_needs_frames_and_weights(viewer, controller, shown, notices, monkeypatch):
    shown(np.zeros((20, 30), np.uint8)).track_everything()
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: False)
    controller.track_everything()
    viewer.layers.clear()
    controller.track_everything()
    assert [message for _, message in notices()] == [
        "There is nothing to track through: this is a single image.",
        controller.models.missing_weights,
        "There is nothing to track: open an image first.",
    ]


# --- undo, and models that are not here ----------------------------------------------------------------------------


def test_what_waits_for_weights_is_withdrawn_in_the_order_in_which_it_was_given(viewer, opener, all_models_here, monkeypatch):
    controller = Controller(viewer, opener=opener)
    controller.choose_model("sam2.1_hiera_t")
    workspace = controller.workspace
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: False)
    plain_click(controller, SQUARE)
    controller.use_box()
    drag(viewer, (0, 19, 29), (0, 29, 43))
    controller.use_brush()
    drag(viewer, (0, 35, 5), (0, 35, 15))
    assert workspace.objects.ids == {1, 2, 3}
    assert not viewer.layers["stroke"].data.any()
    controller.undo()
    assert workspace.objects.ids == {1, 2}
    assert len(workspace.boxes.layer.data) == 1
    controller.undo()
    assert (workspace.objects.ids, len(workspace.boxes.layer.data)) == ({1}, 0)
    assert workspace.can_undo
    controller.undo()
    assert (workspace.objects.ids, workspace.can_undo) == (set(), False)


def test_what_waited_for_weights_is_done_when_they_come(viewer, opener, all_models_here, monkeypatch):
    controller = Controller(viewer, opener=opener)
    controller.choose_model("sam2.1_hiera_t")
    is_here = False
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: is_here)
    controller.use_brush()
    drag(viewer, (0, 35, 5), (0, 35, 15))
    is_here = True
    controller.models.downloaded("sam2.1_hiera_t")
    assert is_object(controller, 1)[35, 5:16].all()


def test_undo_of_a_stroke_that_is_on_its_way(viewer, opener):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    runner.finish()
    controller.use_brush()
    drag(viewer, (0, 35, 5), (0, 35, 15))
    assert viewer.layers["stroke"].data.any(), "it is shown until its mask is there"
    controller.undo()
    runner.finish()
    assert not controller.session.objects
    assert not viewer.layers["stroke"].data.any()
    controller.redo()
    runner.finish()
    assert is_object(controller, 1)[35, 5:16].all()
