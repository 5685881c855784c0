import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.layer_placement import SPATIAL
from napari_sam2.plugin.layer_actions.use_layer import LayerReader
from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.prompts.object_commands import RemoveObject, RenameObject
from widget_driving import LateRunner, check_agreement, click, expected, in_layer, in_session, labels, one_warning, plain_click

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


# --- clicks --------------------------------------------------------------------------------------------------------


def test_a_click_is_a_mask_on_its_frame_at_once(controller, blobs):
    click(controller, (1, 10, 10))
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[1]))
    assert labels(controller).dtype == np.uint16


def test_layers_come_with_the_first_click_and_lie_on_the_image(viewer, controller):
    assert [layer.name for layer in viewer.layers] == ["movie"]
    click(controller, SQUARE)
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – clicks"]
    for layer in viewer.layers[1:]:
        for name in SPATIAL:
            assert np.all(np.asarray(getattr(layer, name)) == np.asarray(getattr(viewer.layers[0], name))), name
    assert viewer.layers.selection.active == viewer.layers["movie"]


def test_layers_follow_the_image_when_it_is_calibrated(viewer, controller):
    click(controller, SQUARE)
    viewer.layers["movie"].scale = (1, 7, 7)
    viewer.layers["movie"].units = ("s", "nm", "nm")
    assert tuple(viewer.layers["movie – objects"].scale) == tuple(viewer.layers["movie – clicks"].scale) == (1, 7, 7)
    assert viewer.layers["movie – objects"].units == viewer.layers["movie"].units


def test_clicks_are_points_with_object_and_side(controller):
    click(controller, SQUARE)
    click(controller, (0, 2, 2), is_inside=False)
    controller.next_object()
    click(controller, MOVING)
    points = controller.workspace.points.layer
    np.testing.assert_allclose(points.data, [SQUARE, (0, 2, 2), MOVING], atol=1e-9)
    assert points.features["object"].tolist() == [1, 1, 2]
    assert points.features["side"].tolist() == ["inside", "outside", "inside"]
    assert [str(symbol) for symbol in points.symbol] == ["disc", "x", "disc"]
    np.testing.assert_array_equal(points.face_color[0], points.face_color[1])
    assert (points.face_color[0] != points.face_color[2]).any(), "the colour is that of the object"
    assert (points.border_color[0] != points.border_color[1]).any()


def test_a_click_outside_takes_a_blob_away(controller, blobs):
    click(controller, SQUARE)
    click(controller, MOVING)
    assert (labels(controller)[0] > 0).sum() == (blobs[0] > 0).sum()
    controller.switch_side()
    click(controller, MOVING)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


def test_next_object(controller, texts, blobs):
    click(controller, SQUARE)
    controller.next_object()
    assert controller.current_object == 2
    assert controller.workspace.result.layer.selected_label == 2
    controller.next_object()
    assert controller.current_object == 2, "an object without a click is the next one"
    assert texts[-1] == "Object 2 has no click yet: click on it."
    click(controller, MOVING)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0], object_2=[0]))
    controller.choose_object(1)
    controller.next_object()
    assert controller.current_object == 3


def test_a_next_object_starts_with_clicks_inside(controller):
    click(controller, SQUARE)
    controller.switch_side()
    controller.next_object()
    assert controller.is_inside


def test_undo_and_redo(controller, blobs, opener, texts):
    click(controller, SQUARE)
    click(controller, MOVING)
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    check_agreement(controller)
    controller.undo()
    assert texts[-1] == "Undone."
    assert not labels(controller).any()
    assert not opener.opened[0].objects, "the object came with its first click"
    controller.undo()
    assert texts[-1] == "There is nothing to undo."
    controller.redo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    check_agreement(controller)
    controller.redo()
    assert texts[-1] == "Redone."
    assert (labels(controller)[0] == 1).sum() == 196
    controller.redo()
    assert texts[-1] == "There is nothing to redo."
    assert len(opener.opened) == 1


def test_undo_of_a_propagation(controller, blobs):
    click(controller, SQUARE)
    controller.propagate()
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    controller.redo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))


def test_undo_during_a_propagation_ends_it(controller, blobs, texts):
    click(controller, SQUARE)
    controller.progressed.connect(lambda done, total: controller.undo())
    controller.propagate()
    assert controller.is_idle
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert texts[-1] == "Undone."


def test_undo_takes_a_pending_click_first(controller, blobs):
    click(controller, SQUARE)
    click(controller, (1, 20, 5), is_inside=False)
    click(controller, (2, 10, 10))
    assert len(in_layer(controller)) == 3
    controller.undo()
    assert in_layer(controller).keys() == {(1, 0), (1, 2)}
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 2]))
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


def test_without_a_click_no_key_makes_a_layer(viewer, controller, texts):
    for command in (controller.undo, controller.redo, controller.propagate):
        command()
    assert texts[:2] == ["There is nothing to undo.", "There is nothing to redo."]
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_nothing_is_shown_for_ever(controller, texts):
    click(controller, SQUARE)
    controller.workspace.points.layer.remove([0])
    assert texts[-1] == ""
    click(controller, SQUARE)
    assert texts[-1] == "Object 1: 100 px on frame 0"


def test_the_keys_of_undo_are_those_of_our_layers(viewer, controller, blobs):
    click(controller, SQUARE)
    mine = viewer.add_labels(np.zeros((3, 40, 50), int), name="mine")

    def press(layer, name):
        (function,) = [function for key, function in layer.keymap.items() if str(key) == name]
        function(layer)

    for layer in ("movie", "movie – objects", "movie – clicks"):
        press(viewer.layers[layer], "Ctrl+Z")
        assert not labels(controller).any()
        press(viewer.layers[layer], "Ctrl+Shift+Z")
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert [str(key) for key in mine.keymap] == ["Escape"], "that of napari gives up a polygon, and there is none"
    layers = [viewer.layers[name] for name in ("movie", "movie – objects", "movie – clicks")]
    controller.close()
    assert not any(layer.keymap for layer in [*layers, mine])


def test_points_of_napari_are_clicks_too(controller, blobs):
    click(controller, SQUARE)
    controller.next_object()
    points = controller.workspace.points.layer
    points.add([(1, 10, 10), (1, 27, 35)])
    assert controller.workspace.objects.ids == {1, 2}
    assert set(np.unique(labels(controller)[1])) == {0, 2}
    points.selected_data = {1, 2}
    points.remove_selected()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


def test_moving_a_point_moves_what_it_says(controller, blobs):
    click(controller, SQUARE)
    controller.workspace.points.layer.data = np.array([MOVING])
    np.testing.assert_array_equal(labels(controller) > 0, expected(blobs, object_2=[0]) > 0)


def test_another_object_in_the_table_of_features(controller, blobs):
    click(controller, MOVING)
    points = controller.workspace.points.layer
    points.features = {"object": [2], "side": ["inside"]}
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_2=[0]))


def test_no_rgb_no_time(opener):
    viewer = ViewerModel()
    picture = np.zeros((40, 50, 3), np.uint8)
    viewer.add_image(picture, rgb=True)
    controller = Controller(viewer, opener=opener)
    assert controller.describe() == "Click on objects."
    controller.propagate()
    assert opener.opened == []


def test_2d(opener, blobs):
    viewer = ViewerModel()
    viewer.add_image(blobs[0])
    controller = Controller(viewer, opener=opener)
    click(controller, SQUARE[1:])
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0])[0])


def test_axes_of_length_one(opener, blobs):
    viewer = ViewerModel()
    viewer.add_image(blobs[:, None])
    controller = Controller(viewer, opener=opener)
    click(controller, (1, 0, 10, 10))
    assert labels(controller).shape == (3, 1, 40, 50)
    click(controller, (0, 0, 10, 10))
    np.testing.assert_array_equal(labels(controller)[:, 0], expected(blobs, object_1=[0, 1]))
    assert len(opener.opened) == 1


def test_objects_have_the_colours_of_the_session(controller, opener):
    click(controller, SQUARE)
    controller.next_object()
    click(controller, MOVING)
    result, (session,) = controller.workspace.result.layer, opener.opened
    controller.put_down()
    of_napari = [result.get_color(object_id) for object_id in (1, 2, 3)]

    session.set_colour(1, "#ff8000")
    controller.propagate()
    controller.next_object()
    shown = [result.get_color(object_id) for object_id in (1, 2, 3)]
    np.testing.assert_allclose(shown, [(1, 128 / 255, 0, 1), *of_napari[1:]], atol=1e-6)
    np.testing.assert_allclose(controller.workspace.result.colour(), of_napari[2], atol=1e-6)
    session.set_colour(1, None)
    assert not np.allclose(result.get_color(1), (1, 128 / 255, 0, 1))
    controller.undo()
    np.testing.assert_allclose(result.get_color(1), (1, 128 / 255, 0, 1), atol=1e-6)
    controller.redo()
    np.testing.assert_array_equal([result.get_color(object_id) for object_id in (1, 2, 3)], of_napari)


# --- propagation ---------------------------------------------------------------------------------------------------


def test_propagation_streams_every_object_both_ways(controller, blobs):
    click(controller, (1, 10, 10))
    controller.next_object()
    click(controller, (1, 26, 35))
    seen = []
    controller.progressed.connect(lambda done, total: seen.append((done, total, labels(controller).any((1, 2)).tolist())))
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3), object_2=range(3)))
    assert seen == [(1, 2, [False, True, True]), (2, 2, [True, True, True])]
    assert not controller.is_busy


def test_the_key_goes_where_the_widget_says(controller, blobs):
    click(controller, (1, 10, 10))
    controller.propagation = PropagationOptions("backward")
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))


@pytest.mark.parametrize(("direction", "frames"), [("forward", [1, 2]), ("backward", [0, 1]), ("both", [0, 1, 2])])
def test_direction(controller, texts, blobs, direction, frames):
    click(controller, (1, 10, 10))
    controller.propagate(PropagationOptions(direction))
    number = len(frames) - 1
    assert texts[-1].startswith(f"{number} frame{'' if number == 1 else 's'} done in ")
    controller.propagate(PropagationOptions(direction))
    assert texts[-1] == "Everything is up to date already."
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=frames))


def test_cancel_stops_within_a_frame_and_keeps_what_is_done(controller, texts, blobs):
    click(controller, SQUARE)
    controller.progressed.connect(lambda done, total: controller.cancel())
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
    assert texts[-1] == "Stopped: 1 frame done and kept, 1 left."
    assert not controller.is_busy
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1, 2]))


def test_a_click_during_propagation_is_answered_between_two_frames(controller, texts, blobs):
    click(controller, SQUARE)
    at_click = []

    def interrupt(done, total):
        if not at_click:
            at_click.append(done)
            controller.next_object()
            click(controller, MOVING)

    controller.progressed.connect(interrupt)
    controller.propagate()
    assert at_click == [1]
    order = [text.split(":")[0] for text in texts if text.startswith(("Frame", "Object 2: 96"))]
    assert order == ["Frame 1", "Object 2", "Frame 1", "Frame 2"], "and goes on after it, with the new object"
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3), object_2=range(3)))


def test_cancel_during_propagation_keeps_a_click_made_at_the_same_time(controller, blobs):
    click(controller, SQUARE)

    def interrupt(done, total):
        controller.next_object()
        click(controller, MOVING)
        controller.cancel()

    controller.progressed.connect(interrupt)
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1], object_2=[0]))


def test_the_displayed_frame_is_drawn_when_it_is_written(viewer, controller):
    click(controller, SQUARE)
    viewer.dims.set_point(0, controller.image.data_to_world((2, 0, 0))[0])
    result = controller.workspace.result.layer
    world = controller.image.data_to_world((2, 10, 10))
    assert result.get_value(world, world=True) == 0
    controller.propagate()
    assert result.get_value(world, world=True) == 1


# --- bad input: one clear sentence, and nothing is lost ----------------------------------------------------------------


def test_click_outside_the_image(controller, notices):
    click(controller, (0, 10, 60))
    assert "outside the image" in one_warning(notices)
    assert controller.workspace.points.layer is None


def test_only_clicks_outside_the_object(controller, notices, blobs):
    controller.choose_object(1)
    click(controller, MOVING, is_inside=False)
    assert one_warning(notices) == "Object 1 has only clicks outside it on frame 0: click inside it, too."
    assert len(controller.workspace.points.layer.data) == 1, "the click is kept"
    click(controller, SQUARE)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert len(notices()) == 1


def test_a_refusal_is_told_once(controller, notices):
    controller.choose_object(1)
    click(controller, MOVING, is_inside=False)
    controller.choose_object(2)
    click(controller, SQUARE)
    assert len(notices()) == 1


def test_3d_display(viewer, controller, notices):
    viewer.dims.ndisplay = 3
    click(controller, SQUARE)
    assert "2-D view" in one_warning(notices)


def test_a_point_that_is_outside(controller, notices):
    click(controller, SQUARE)
    controller.workspace.points.layer.add((0, 10, 400))
    assert "outside the image" in one_warning(notices)
    click(controller, MOVING)
    assert len(notices()) == 1


def test_no_image(opener, notices):
    controller = Controller(ViewerModel(), opener=opener)
    assert controller.describe() == "Open an image, or drop a file on the viewer."
    controller.propagate()
    assert "open an image first" in one_warning(notices)
    controller.click((3, 3))
    controller.next_object()
    controller.undo()


def test_nothing_to_propagate(controller, notices):
    controller.propagate()
    assert one_warning(notices) == "There is nothing to propagate: click on an object first."


@pytest.mark.parametrize(
    ("error", "severity", "part"),
    [
        (ValueError("bad weights"), "warning", "Bad weights."),
        (RuntimeError("CUDA out of memory"), "warning", "There is not enough memory: choose a smaller model"),
        (RuntimeError("a bug"), "error", "RuntimeError: a bug."),
    ],
)
def test_when_computing_fails(viewer, opener, notices, blobs, monkeypatch, error, severity, part):
    def fail(request):
        raise error

    controller = Controller(viewer, opener=opener)
    with monkeypatch.context() as patch:
        patch.setattr(opener, "open", fail)
        click(controller, SQUARE)
    ((shown_severity, message),) = notices()
    assert shown_severity == severity
    assert part in message
    check_agreement(controller)
    click(controller, (1, 10, 10))
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))  # the first click was kept
    check_agreement(controller)


@pytest.fixture
def late(viewer, opener):
    """A controller whose tasks are run when the test says so; the model is loaded."""
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    runner.finish()
    return controller, runner


def test_labels_that_are_still_being_used_as_prompts_are_propagated(viewer, late, notices, blobs):
    controller, runner = late
    image = controller.image
    mine = viewer.add_labels(expected(blobs, object_1=[0]), scale=image.scale, translate=image.translate, units=image.units)
    controller.use_prompts(LayerReader(viewer, controller.workspace).labels(mine))
    controller.propagate()
    runner.finish()
    assert notices() == []
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))


def test_reports_about_an_image_that_was_removed(viewer, late):
    controller, runner = late
    viewer.add_image(np.zeros((9, 9), np.uint8), name="flat")
    viewer.layers.selection.active = viewer.layers["movie"]
    click(controller, SQUARE)
    runner.finish()
    controller.propagate()
    runner.work()
    for name in ("movie – objects", "movie – clicks", "movie"):
        viewer.layers.remove(name)
    runner.finish()
    assert controller.is_idle
    assert controller.image == viewer.layers["flat"]


def test_clicks_while_the_model_is_loaded(viewer, opener, blobs):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    for position in (SQUARE, MOVING, (1, 10, 10)):
        click(controller, position)
    assert len(controller.workspace.points.layer.data) == 3, "shown at once"
    controller.undo()
    assert len(controller.workspace.points.layer.data) == 2, "withdrawn at once"
    runner.finish()
    check_agreement(controller)
    assert (labels(controller)[0] == 1).sum() == 196
    controller.undo()
    runner.finish()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


def test_undo_of_a_click_that_is_on_its_way(late):
    controller, runner = late
    click(controller, SQUARE)
    runner.finish()
    click(controller, MOVING)
    controller.undo()
    click(controller, (1, 10, 10))
    runner.finish()
    check_agreement(controller)
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),), (1, 1): (Click(10, 10, True),)}


def test_undo_of_a_click_that_is_refused_on_its_way(late):
    controller, runner = late
    click(controller, SQUARE)
    runner.finish()
    click(controller, (1, 20, 5), is_inside=False)
    controller.undo()
    runner.finish()
    check_agreement(controller)
    assert in_layer(controller) == {(1, 0): (Click(10, 10, True),)}


def test_points_that_are_edited_on_their_way(late):
    controller, runner = late
    click(controller, SQUARE)
    click(controller, MOVING)
    layer = controller.workspace.points.layer
    layer.data = [(0, 6, 6), MOVING]
    layer.data = [(0, 7, 7), MOVING]
    layer.remove([1])
    assert len(layer.data) == 1
    runner.finish()
    check_agreement(controller)
    assert in_session(controller.session) == {(1, 0): (Click(7, 7, True),)}


def test_an_edit_after_an_undo_that_is_on_its_way(late, notices):
    controller, runner = late
    click(controller, SQUARE)
    click(controller, MOVING)
    runner.finish()
    controller.undo()
    controller.workspace.points.layer.data = [SQUARE, (1, 26, 35)]
    runner.finish()
    assert one_warning(notices) == "The point is not there any more: what was done before has changed it."
    check_agreement(controller)
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}


def test_the_console_while_reports_are_on_their_way(late):
    controller, runner = late
    click(controller, SQUARE)
    runner.work()
    session = controller.workspace.worker.session
    session.add_points(1, 0, [MOVING[1:]])
    session.remove_point(1, 0, 0)
    runner.finish()
    check_agreement(controller)
    assert in_layer(controller) == {(1, 0): (Click(24, 35, True),)}


def test_a_frame_that_cannot_be_read_does_not_block_the_others(controller, notices, blobs, monkeypatch):
    click(controller, SQUARE)
    session = controller.session
    add_points = session.add_points

    def add_if_readable(object_id, frame, *said):
        if frame == 1:
            raise OSError("the disk is gone")
        return add_points(object_id, frame, *said)

    monkeypatch.setattr(session, "add_points", add_if_readable)
    click(controller, (1, 10, 10))
    assert notices() == [("warning", "The disk is gone.")]
    click(controller, (2, 10, 10))
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 2]))


# --- models --------------------------------------------------------------------------------------------------------


# --- layers come and go --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda data: data.astype(np.int32), lambda data: data[:, :20].copy()], ids=["dtype", "shape"])
def test_a_result_that_cannot_be_written_to_is_left_to_the_person(viewer, controller, blobs, change):
    click(controller, SQUARE)
    converted = viewer.layers["movie – objects"]
    converted.data = change(converted.data)  # napari's menu "Convert data type" does it
    before = converted.data.copy()
    click(controller, (1, 10, 10))
    np.testing.assert_array_equal(converted.data, before)
    assert controller.workspace.result.layer != converted
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))


def test_what_the_console_does_is_shown(controller, blobs):
    click(controller, SQUARE)
    session = controller.session
    session.add_object("by the console", 5)
    session.add_points(5, 0, [MOVING[1:]])
    session.add_box(5, 1, (22, 30, 30, 42))
    check_agreement(controller)
    assert (labels(controller)[0] == 5).sum() == 96
    assert (labels(controller)[1] == 5).sum() == 96
    controller.next_object()
    assert controller.current_object == 6
    controller.propagate()
    assert set(np.unique(labels(controller)[2])) == {0, 1, 5}
    session.undo()
    session.remove_object(1)
    check_agreement(controller)
    assert controller.workspace.objects.ids == {5}


@pytest.mark.parametrize("name", ["movie – objects", "movie – clicks"])
@pytest.mark.parametrize("command", ["click", "undo", "redo", "propagate"])
def test_a_layer_that_was_trashed_comes_back_with_everything(viewer, controller, blobs, name, command):
    click(controller, SQUARE)
    click(controller, (1, 10, 10))
    controller.undo()
    click(controller, (2, 10, 10), is_inside=False)  # refused for now
    viewer.layers.remove(name)
    before = in_session(controller.session)
    if command == "click":
        click(controller, (0, 11, 11))
        before[1, 0] = (*before[1, 0], Click(11, 11, True))
    else:
        getattr(controller, command)()
    assert len(controller.workspace.points.pending.by_id) == (command != "undo")
    check_agreement(controller)
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – clicks"]
    for key, clicks in before.items():
        assert in_layer(controller)[key] == clicks
    assert (labels(controller)[0] == 1).sum() == 100
    if command == "propagate":
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))


def test_trashed_layers_during_a_propagation(viewer, controller, blobs):
    click(controller, SQUARE)

    def trash(done, total):
        if "movie – clicks" in viewer.layers:
            viewer.layers.remove("movie – clicks")
            viewer.layers.remove("movie – objects")

    controller.progressed.connect(trash)
    controller.propagate()
    assert [layer.name for layer in viewer.layers] == ["movie"]
    np.testing.assert_array_equal(controller.session.labels, expected(blobs, object_1=range(3)))
    controller.redo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))
    check_agreement(controller)


def test_a_later_widget_goes_on(viewer, controller, opener, blobs):
    click(controller, SQUARE)
    controller.propagate()
    controller.close()
    later = Controller(viewer, opener=opener)
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – clicks"]
    later.next_object()
    click(later, MOVING)
    np.testing.assert_array_equal(labels(later), expected(blobs, object_1=range(3), object_2=[0]))


def test_closing_leaves_nothing_behind(viewer, controller):
    click(controller, SQUARE)
    controller.close()
    fresh = ViewerModel()
    assert viewer.mouse_drag_callbacks == fresh.mouse_drag_callbacks
    assert viewer.keymap.keys() == fresh.keymap.keys()
    viewer.layers["movie – clicks"].add((0, 24, 35))
    viewer.layers.remove("movie")
    assert viewer.layers["movie – objects"].data.max() == 1


def test_points_of_others_are_left_alone(viewer, controller):
    mine = viewer.add_points(np.array([SQUARE]), name="mine")
    click(controller, SQUARE)
    assert isinstance(mine, Points)
    assert len(mine.data) == 1
    mine.add(MOVING)
    assert controller.workspace.objects.ids == {1}


# --- frames and whole objects --------------------------------------------------------------------------------------


def test_what_is_done_to_objects_is_undone_at_once(controller, texts):
    click(controller, SQUARE)
    controller.next_object()
    click(controller, MOVING)
    texts.clear()
    controller.edit_objects(RenameObject(1, "a"), RenameObject(2, "b"))
    assert [row.name for row in controller.workspace.rows.by_id.values()] == ["a", "b"]
    assert texts == [], "nothing that a person waits for"
    controller.undo()
    assert [row.name for row in controller.workspace.rows.by_id.values()] == ["object 1", "object 2"]
    controller.edit_objects(RemoveObject(1), RemoveObject(7))
    assert sorted(controller.workspace.rows.by_id) == [2]
    assert texts[-1] == "There is no object 7; objects are [2]."


def test_rows_follow_a_propagation(controller):
    click(controller, SQUARE)
    controller.propagate()
    (row,) = controller.workspace.rows.by_id.values()
    quality = controller.session.quality(1)
    assert (row.num_found, row.prompted, row.num_stale) == (3, (0,), 0)
    assert row.uncertainty == pytest.approx(max(one.uncertainty for one in quality.values()), abs=1e-5)
    controller.undo()
    (row,) = controller.workspace.rows.by_id.values()
    assert (row.num_found, row.worst_frame) == (1, None)


# --- the status -------------------------------------------------------------------------------------------------------


def test_a_text_about_a_frame_goes_with_it(controller, viewer, texts):
    plain_click(controller, SQUARE)
    assert texts[-1] == "Object 1: 100 px on frame 0"
    controller.go_to_frame(0)
    assert texts[-1] == "Object 1: 100 px on frame 0", "it is still shown"
    controller.go_to_frame(1)
    assert texts[-1] == ""
    controller.propagate()
    assert texts[-1].startswith("2 frames done in")
    controller.go_to_frame(2)
    assert texts[-1].startswith("2 frames done in"), "it is about no frame in particular"


def test_what_is_reviewed_is_told_while_it_is_shown(controller, texts):
    controller.frames.go_to_uncertain(1)
    assert texts[-1] == "Object 1 has no uncertain frame after frame 0."
    controller.go_to_frame(1)
    assert texts[-1] == ""


# --- ahead of the first click -----------------------------------------------------------------------------------------


def test_a_session_is_opened_ahead_of_the_first_click(viewer, opener):
    controller = Controller(viewer, opener=opener)
    controller.prepares_sessions = True
    assert opener.opened == []
    controller.models.survey_machine()
    (prepared,) = opener.opened
    assert [layer.name for layer in viewer.layers] == ["movie"], "nobody sees it"
    with pytest.raises(RuntimeError, match="there is no session yet"):
        _ = controller.session
    click(controller, SQUARE)
    assert controller.session is prepared
    controller.close()
