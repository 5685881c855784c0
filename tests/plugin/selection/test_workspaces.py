"""Images with more axes than frames: what is done at a position stays there, and nothing of it is lost."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from widget_driving import LateRunner, check_agreement, found, go_to, in_layer, in_session, labels, plain_click, volumes

SQUARE = (10, 10)


def check_outlines(controller):
    """The result lies exactly on the image, from the first edge to the last."""
    image, result = controller.image, controller.workspace.result.layer
    for side in (0, 1):
        there, here = (layer.data_to_world(np.array(layer.data.shape) * side - 0.5) for layer in (image, result))
        np.testing.assert_allclose(here, there[-result.ndim :])


LAYERS = [
    pytest.param("TZYX", {}, id="TZYX"),
    pytest.param("TZYX", {"scale": (60, 2, 0.5, 0.25), "translate": (3, 7, 2, 1)}, id="scaled"),
    pytest.param("TZYX", {"units": ("s", "um", "um", "um"), "scale": (60, 2, 0.5, 0.25)}, id="units"),
]


@pytest.mark.parametrize(("axes", "layer"), LAYERS)
def test_a_click_prompts_the_position_that_is_shown(shown, blobs, axes, layer):
    controller = shown(volumes(blobs), axes, **layer)
    go_to(controller, 2, 1)
    plain_click(controller, (2, 1, *SQUARE))
    assert controller.workspace.stack.at == (("Z", 1),)
    assert in_session(controller.session) == {ObjectFrame(1, 2): (Click(*SQUARE, True),)}
    assert found(controller) == {(2, 1): {1}}
    result = controller.workspace.result.layer
    assert result.data.shape == (3, 2, 40, 50)
    check_outlines(controller)
    controller.propagate()
    assert found(controller) == {(frame, 1): {1} for frame in range(3)}


def test_going_to_another_position_and_back(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    plain_click(controller, (0, 0, *SQUARE))
    first = controller.workspace
    points = first.points.layer
    go_to(controller, 1, 1)
    second = controller.workspace
    assert second is not first
    assert (second.points.layer, first.points.layer) == (points, None), "there is one layer of clicks"
    assert in_layer(controller) == {}
    assert controller.current_object == 2, "one label image holds all positions"
    plain_click(controller, (1, 1, 24, 36))
    assert in_layer(controller) == {ObjectFrame(2, 1): (Click(24, 36, True),)}
    assert found(controller) == {(0, 0): {1}, (1, 1): {2}}
    go_to(controller, 0, 0)
    assert controller.workspace is first
    assert in_layer(controller) == {ObjectFrame(1, 0): (Click(*SQUARE, True),)}
    check_agreement(controller)
    controller.undo()
    assert found(controller) == {(1, 1): {2}}, "an undo is of what is shown"
    controller.redo()
    assert found(controller) == {(0, 0): {1}, (1, 1): {2}}
    assert [layer.name for layer in controller._viewer.layers] == ["movie", "movie – objects", "movie – clicks"]


def test_a_point_of_napari_s_own_tool_is_at_the_position_that_is_shown(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    plain_click(controller, (0, 0, *SQUARE))
    go_to(controller, 0, 1)
    controller.workspace.points.layer.add((1, 1, *SQUARE))
    assert in_session(controller.session) == {ObjectFrame(2, 1): (Click(*SQUARE, True),)}
    assert found(controller) == {(0, 0): {1}, (1, 1): {2}}


def test_boxes_stay_where_they_were_drawn(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    image = controller.image
    controller.draw_box(image.data_to_world((0, 0, 4, 4)), image.data_to_world((0, 0, 15, 15)))
    boxes = controller.workspace.boxes.layer
    assert [data[0, :2].tolist() for data in boxes.data] == [[0, 0]]
    go_to(controller, 0, 1)
    assert len(boxes.data) == 0
    go_to(controller, 1, 0)
    assert [data[0, :2].tolist() for data in boxes.data] == [[0, 0]]


@pytest.mark.parametrize(
    ("axes", "channel_axis", "result_shape"),
    [("CTYX", 0, (3, 40, 50)), ("TCYX", 1, (3, 1, 40, 50))],
)
def test_channels_are_one_image_for_the_model(shown, blobs, axes, channel_axis, result_shape):
    pixels = np.stack([blobs, np.zeros_like(blobs)], axis=channel_axis)
    controller = shown(pixels, axes)
    for channel in range(2):
        index = [0, 0]
        index[channel_axis] = channel
        go_to(controller, *index)
        plain_click(controller, (*index, 10 + 14 * channel, 10 + 26 * channel))
    assert in_session(controller.session) == {
        ObjectFrame(1, 0): (Click(10, 10, True),),
        ObjectFrame(2, 0): (Click(24, 36, True),),
    }
    assert controller.session.stack.channels == (0, 1, 0)
    controller.propagate()
    result = controller.workspace.result.layer
    assert result.data.shape == result_shape
    np.testing.assert_array_equal(np.squeeze(result.data) > 0, blobs > 0)
    check_outlines(controller)
    for channel in range(2):  # napari shows the labels, and the clicks, whichever channel is shown
        index = [0, 0]
        index[channel_axis] = channel
        go_to(controller, *index)
        for layer in (result, controller.workspace.points.layer):
            at = layer.world_to_data(controller._viewer.dims.point[-layer.ndim :])
            assert np.abs(np.round(at[:-2])).max() == 0


def test_five_axes(shown, blobs):
    pixels = np.stack([volumes(blobs), np.zeros_like(volumes(blobs))], axis=1)
    controller = shown(pixels, "TCZYX", scale=(60, 1, 2, 0.5, 0.25))
    go_to(controller, 1, 1, 1)
    plain_click(controller, (1, 1, 1, *SQUARE))
    assert controller.workspace.stack.at == (("Z", 1),)
    assert found(controller) == {(1, 0, 1): {1}}
    assert controller.workspace.result.layer.data.shape == (3, 1, 2, 40, 50)
    check_outlines(controller)
    assert controller.session.labels.shape == (3, 2, 40, 50)


def test_a_channel_that_is_no_frame(shown, blobs, notices):
    controller = shown(blobs[:2], "CYX")
    plain_click(controller, (1, *SQUARE))
    assert labels(controller).shape == (40, 50)
    assert (labels(controller) > 0).sum() == 100
    controller.propagate()
    assert "single image" in notices()[-1][1]


def test_a_volume_at_each_time(shown, blobs):
    controller = shown(np.stack([blobs] * 2), "TZYX", Reading(along="Z"))
    go_to(controller, 1, 2)
    plain_click(controller, (1, 2, *SQUARE))
    controller.propagate()
    assert found(controller) == {(1, plane): {1} for plane in range(3)}
    assert controller.session.stack.along == "Z"


def test_rows_and_columns_that_are_not_the_last(shown, blobs, notices):
    controller = shown(np.ascontiguousarray(np.moveaxis(blobs, 0, -1)), "YXT", rgb=False)
    plain_click(controller, (10, 10, 1))
    assert "from the side" in notices()[-1][1]
    controller._viewer.dims.order = (2, 0, 1)
    plain_click(controller, (10, 10, 1))
    controller.propagate()
    np.testing.assert_array_equal(np.moveaxis(labels(controller), -1, 0) > 0, blobs == 200)


def test_sessions_of_positions_are_found_again(keeping, blobs):
    viewer = ViewerModel()
    image = viewer.add_image(volumes(blobs), name="movie", axis_labels=("t", "z", "y", "x"))
    controller = Controller(viewer, opener=keeping)
    for plane in (0, 1):
        go_to(controller, plane, plane)
        plain_click(controller, (plane, plane, *SQUARE))
    controller.close()
    later = ViewerModel()
    later.add_image(image.data, name="movie", axis_labels=("t", "z", "y", "x"))
    controller = Controller(later, opener=keeping)
    for plane in (1, 0):
        go_to(controller, 0, plane)
        assert controller.workspace.kept.offer is not None
        controller.continue_session()
        assert in_session(controller.session) == {ObjectFrame(plane + 1, plane): (Click(*SQUARE, True),)}
    assert found(controller) == {(0, 0): {1}, (1, 1): {2}}


# --- read in another way ---------------------------------------------------------------------------------------------


def test_a_name_in_the_status_bar_is_of_the_position_that_is_shown(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    plain_click(controller, (0, 0, *SQUARE))
    image = controller.image
    assert controller.canvas._name_at(image.data_to_world((0, 0, *SQUARE))) == "object 1"
    assert controller.canvas._name_at(image.data_to_world((0, 1, *SQUARE))) == "", "another position"
    go_to(controller, 0, 1)
    assert controller.canvas._name_at(image.data_to_world((0, 1, *SQUARE))) == ""


def test_a_propagation_goes_on_while_another_position_is_looked_at(blobs, opener):
    runner = LateRunner()
    viewer = ViewerModel()
    image = viewer.add_image(volumes(blobs), name="movie", axis_labels=("t", "z", "y", "x"))
    controller = Controller(viewer, runner, opener)
    go_to(controller, 0, 0)
    runner.finish()
    plain_click(controller, (0, 0, *SQUARE))
    runner.finish()
    controller.propagate()
    runner.work()
    runner.deliver(2)
    viewer.dims.set_point(1, image.data_to_world((0, 1, 0, 0))[1])
    plain_click(controller, (0, 1, 24, 36))
    runner.finish()
    assert found(controller) == {(0, 0): {1}, (1, 0): {1}, (2, 0): {1}, (0, 1): {2}}
    go_to(controller, 0, 0)
    assert controller.workspace.rows.by_id[1].num_found == 3
    check_agreement(controller)


def test_a_session_on_other_channels_is_found_again(keeping, blobs):
    pixels = np.stack([np.zeros_like(blobs), blobs], axis=1)
    for is_later in (False, True):
        viewer = ViewerModel()
        viewer.add_image(pixels, name="movie", axis_labels=("t", "c", "y", "x"))
        controller = Controller(viewer, opener=keeping)
        go_to(controller, 0, 0)
        if not is_later:
            controller.choose_reading(Reading(channels=(1,)))
            plain_click(controller, (0, 0, *SQUARE))
        else:
            controller.continue_session()
            assert controller.workspace.source.reading == Reading(channels=(1,))
            session = controller.session
            plain_click(controller, (0, 0, 24, 36))
            assert controller.session is session
        controller.close()
    assert sorted(session.objects) == [1, 2]


def test_colours_are_those_of_the_objects_of_a_position(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    plain_click(controller, (0, 0, *SQUARE))
    result = controller.workspace.result
    default = result.layer.get_color(1)
    controller.session.set_colour(1, "#ff8000")
    np.testing.assert_allclose(result.layer.get_color(1)[:3], (1, 128 / 255, 0), atol=1e-6)
    go_to(controller, 0, 1)
    np.testing.assert_allclose(result.layer is None and controller.workspace.result.layer.get_color(1), default)
    go_to(controller, 0, 0)
    np.testing.assert_allclose(controller.workspace.result.layer.get_color(1)[:3], (1, 128 / 255, 0), atol=1e-6)
