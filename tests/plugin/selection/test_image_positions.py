import numpy as np
import pytest

from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from widget_driving import check_agreement, found, go_to, in_layer, in_session, labels, plain_click, volumes

SQUARE = (10, 10)


def test_positions_at_which_nothing_was_done_leave_nothing(shown, blobs):
    controller = shown(volumes(blobs, 5), "TZYX")
    for plane in range(5):
        go_to(controller, 0, plane)
    assert len(controller._workspaces.of(controller.image)) == 1
    assert controller.workspace.stack.at == (("Z", 4),)


def test_an_edit_while_another_position_is_shown_is_drawn_when_it_comes_back(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    plain_click(controller, (0, 0, *SQUARE))
    session = controller.session
    go_to(controller, 0, 1)
    session.add_points(1, 1, [SQUARE])
    assert in_layer(controller) == {}
    go_to(controller, 0, 0)
    assert in_layer(controller) == {ObjectFrame(1, frame): (Click(*SQUARE, True),) for frame in (0, 1)}
    assert found(controller) == {(0, 0): {1}, (1, 0): {1}}


def test_other_channels_begin_the_session_anew_with_all_prompts(shown, blobs):
    controller = shown(np.stack([blobs, np.zeros_like(blobs)], axis=1), "TCYX")
    plain_click(controller, (0, 0, *SQUARE))
    controller.propagate()
    before = controller.session
    controller.choose_reading(Reading(channels=(0,)))
    assert controller.session is not before
    assert controller.session.stack.channels == (0,)
    assert in_session(controller.session) == {ObjectFrame(1, 0): (Click(*SQUARE, True),)}
    assert found(controller) == {(0, 0): {1}}, "tracked masks are of other channels"
    controller.choose_reading(Reading(channels=(1,)))
    assert found(controller) == {}
    assert in_session(controller.session) == {ObjectFrame(1, 0): (Click(*SQUARE, True),)}
    check_agreement(controller)


def test_other_intensities(shown, blobs):
    controller = shown(blobs, "TYX", contrast_limits=(10, 100))
    plain_click(controller, (0, *SQUARE))
    for reading, ranges in (
        (Reading(intensity_range=(5, 50)), ((5.0, 50.0),)),
        (Reading(percentiles=(0, 100)), ((0.0, 200.0),)),
        (Reading(follows_contrast=True), ((10.0, 100.0),)),
    ):
        controller.choose_reading(reading)
        assert controller.session.intensity_ranges == controller.workspace.intensity_ranges == ranges
        assert in_session(controller.session) == {ObjectFrame(1, 0): (Click(*SQUARE, True),)}


def test_all_positions_are_read_in_the_new_way_and_keep_their_labels(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    for plane in (0, 1):
        go_to(controller, 0, plane)
        plain_click(controller, (0, plane, *SQUARE))
    controller.choose_reading(Reading(intensity_range=(0, 100)))
    assert found(controller) == {(0, 0): {1}, (0, 1): {2}}
    for plane in (0, 1):
        go_to(controller, 0, plane)
        assert controller.session.intensity_ranges == ((0.0, 100.0),)
        check_agreement(controller)


def test_frames_along_another_axis_carry_clicks_and_boxes(shown, blobs):
    controller = shown(volumes(blobs), "TZYX")
    image = controller.image
    go_to(controller, 2, 1)
    plain_click(controller, (2, 1, *SQUARE))
    controller.draw_box(image.data_to_world((0, 1, 19.5, 29.5)), image.data_to_world((0, 1, 27.5, 41.5)))
    before = controller.workspace
    controller.choose_reading(Reading(along="Z"))
    assert controller.workspace.stack.at == (("T", 2),)
    assert in_session(controller.session) == {ObjectFrame(1, 1): (Click(*SQUARE, True),)}
    go_to(controller, 0, 0)
    assert controller.session.objects[2].prompts[1].box_rc == (20, 30, 28, 42)
    assert found(controller) == {(2, 1): {1}, (0, 1): {2}}
    controller.choose_reading(Reading())
    go_to(controller, 0, 1)
    assert controller.workspace is before, "nothing is lost when going back"
    assert found(controller) == {(2, 1): {1}, (0, 1): {2}}
    assert [layer.name for layer in controller._viewer.layers] == ["movie", "movie – objects", "movie – boxes", "movie – clicks"]


def test_a_lower_resolution(shown, blobs):
    levels = [np.kron(blobs, np.ones((1, 2, 2), np.uint8)), blobs]
    controller = shown(levels, "TYX", multiscale=True, scale=(60, 0.5, 0.25))
    plain_click(controller, (0, 20.5, 20.5))
    assert (labels(controller)[0] == 1).sum() == 400
    controller.choose_reading(Reading(level=1))
    assert in_session(controller.session) == {ObjectFrame(1, 0): (Click(10, 10, True),)}
    result = controller.workspace.result.layer
    assert result.data.shape == (3, 40, 50)
    assert (result.data[0] == 1).sum() == 100
    for side in (0, 1):
        there = controller.image.data_to_world(np.array((3, 80, 100)) * side - 0.5)
        np.testing.assert_allclose(result.data_to_world(np.array((3, 40, 50)) * side - 0.5), there)
    controller.image.translate = (0, 7, 7)
    np.testing.assert_allclose(result.data_to_world((0, -0.5, -0.5)), controller.image.data_to_world((0, -0.5, -0.5)))
    plain_click(controller, (1, 20.5, 20.5))
    assert (labels(controller)[1] > 0).sum() == 100


def test_axes_that_a_person_names(shown, blobs):
    controller = shown(np.stack([blobs] * 2))
    assert controller.workspace.stack.along == "T"
    controller.choose_reading(Reading("CZYX"))
    plain_click(controller, (1, 2, *SQUARE))
    assert labels(controller).shape == (3, 40, 50)
    assert controller.session.stack.along == "Z"


@pytest.mark.parametrize(
    ("reading", "part"),
    [
        (Reading("TYX"), "has 4 axes"),
        (Reading("TTYX"), "a letter of its own"),
        (Reading("TZCX"), "need rows and columns"),
        (Reading(along="C"), "no axis C"),
        (Reading("TCYX", channels=(5,)), "no channel 5"),
        (Reading("TCYX", channels=(0, 0)), "different channels"),
        (Reading(level=1), "no resolution 1"),
    ],
)
def test_what_does_not_fit_the_image_changes_nothing(shown, blobs, reading, part):
    controller = shown(volumes(blobs), "TZYX")
    plain_click(controller, (0, 0, *SQUARE))
    before = controller.session
    with pytest.raises(ValueError, match=part):
        controller.choose_reading(reading)
    plain_click(controller, (0, 0, 24, 36))
    assert controller.session is before
    assert found(controller) == {(0, 0): {1, 2}}


def test_what_was_chosen_for_other_data_is_forgotten_where_it_does_not_fit(shown, blobs):
    controller = shown(volumes(blobs), "TZYX", Reading("ZTYX"))
    assert controller.workspace.stack.along == "T"
    assert controller.workspace.stack.num_frames == 2
    controller.image.data = blobs
    assert controller.workspace.source.reading == Reading()
    plain_click(controller, (0, *SQUARE))
    assert (labels(controller) > 0).sum() == 100
