"""N objects are N clicks: what clicks do, with the real session and no display."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.predictors import tracker
from widget_driving import LateRunner, check_agreement, in_session, labels, plain_click

SQUARE, MOVING, EMPTY = (0, 10, 10), (0, 24, 35), (0, 35, 5)


@pytest.fixture
def ten_blobs():
    """Two frames with ten bright squares in two rows."""
    stack = np.zeros((2, 40, 120), np.uint8)
    for row in (5, 25):
        for col in range(5, 120, 24):
            stack[:, row : row + 8, col : col + 10] = 200
    return stack


def centres():
    return [(row + 4, col + 5) for row in (5, 25) for col in range(5, 120, 24)]


def test_ten_objects_are_ten_clicks_and_one_key(opener, ten_blobs):
    viewer = ViewerModel()
    viewer.add_image(ten_blobs, name="movie")
    controller = Controller(viewer, opener=opener)
    for row, col in centres():
        plain_click(controller, (0, row, col))
    assert sorted(controller.session.objects) == list(range(1, 11))
    controller.propagate()
    for frame in labels(controller):
        assert [frame[at] for at in centres()] == list(range(1, 11))
    assert (labels(controller) > 0).sum() == (ten_blobs > 0).sum()


def test_ten_clicks_before_the_first_is_answered(opener, ten_blobs):
    viewer, runner = ViewerModel(), LateRunner()
    viewer.add_image(ten_blobs, name="movie")
    controller = Controller(viewer, runner, opener)
    for row, col in centres():
        plain_click(controller, (0, row, col))
    runner.finish()
    assert [labels(controller)[0][at] for at in centres()] == list(range(1, 11))
    check_agreement(controller)


def test_a_second_click_on_the_same_place_begins_no_second_object(opener, blobs, viewer):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    plain_click(controller, SQUARE)
    plain_click(controller, (0, 10.3, 10))
    assert controller.object_in_hand == 1
    runner.finish()
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}


def test_a_click_on_an_object_takes_it_in_hand_until_esc(controller, texts):
    plain_click(controller, SQUARE)
    assert controller.object_in_hand is None
    plain_click(controller, (0, 7, 7))
    assert (controller.object_in_hand, controller.current_object) == (1, 1)
    assert texts[-1] == "Object 1 is in hand: clicks add to it. Esc puts it down."
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}, "that click adds no point"
    plain_click(controller, MOVING)
    assert (labels(controller)[0] == 1).sum() == 196, "the missed half is no second object"
    controller.cancel()
    assert controller.object_in_hand is None
    assert texts[-1] == "No object is in hand: a click where nothing is begins object 2."
    plain_click(controller, EMPTY)
    assert sorted(controller.session.objects) == [1, 2]
    check_agreement(controller)


def test_a_click_on_another_object_takes_that_one(controller):
    plain_click(controller, SQUARE)
    plain_click(controller, MOVING)
    for position, object_id in ((SQUARE, 1), (MOVING, 2)):
        plain_click(controller, position)
        assert controller.object_in_hand == object_id
    assert len(in_session(controller.session)) == 2
    assert all(len(clicks) == 1 for clicks in in_session(controller.session).values())


def test_the_object_in_hand_stands_out(controller):
    plain_click(controller, SQUARE)
    plain_click(controller, MOVING)
    result = controller.workspace.result.layer

    def opacities():
        return [round(float(result.get_color(object_id)[3]), 3) for object_id in (1, 2)]

    assert opacities() == [1, 1]
    plain_click(controller, MOVING)
    assert opacities() == [0.4, 1]
    assert result.selected_label == 2
    controller.put_down()
    assert opacities() == [1, 1]
    assert result.selected_label == 3


def test_not_here_of_the_object_under_the_cursor_or_in_hand(controller, texts):
    plain_click(controller, SQUARE)
    plain_click(controller, MOVING)
    plain_click(controller, MOVING)
    plain_click(controller, SQUARE, is_inside=False)
    assert in_session(controller.session)[2, 0] == (Click(24, 35, True), Click(10, 10, False)), "of the one in hand"
    controller.put_down()
    plain_click(controller, (0, 6, 6), is_inside=False)
    assert in_session(controller.session)[1, 0] == (Click(10, 10, True), Click(6, 6, False)), "of the one under the cursor"
    assert controller.object_in_hand is None
    before = in_session(controller.session)
    plain_click(controller, EMPTY, is_inside=False)
    assert texts[-1] == "There is no object here that could end: click on one, or take one in hand first."
    assert in_session(controller.session) == before


def test_after_t_a_plain_click_is_not_here(controller):
    plain_click(controller, SQUARE)
    controller.switch_side()
    plain_click(controller, (0, 6, 6))
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True), Click(6, 6, False))}
    controller.put_down()
    assert controller.is_inside


def test_n_begins_an_object_on_top_of_another(controller):
    plain_click(controller, SQUARE)
    controller.next_object()
    plain_click(controller, (0, 7, 7))
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),), (2, 0): (Click(7, 7, True),)}
    assert controller.object_in_hand is None
    controller.next_object()
    controller.cancel()
    plain_click(controller, (0, 7, 7))
    assert len(controller.session.objects) == 2, "N was taken back by Esc"


def test_an_object_that_is_kept_gets_every_click(controller):
    controller.keeps_object = True
    plain_click(controller, SQUARE)
    assert controller.object_in_hand == 1
    plain_click(controller, MOVING)
    plain_click(controller, SQUARE)
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True), Click(24, 35, True), Click(10, 10, True))}
    controller.next_object()
    plain_click(controller, EMPTY)
    plain_click(controller, MOVING)
    assert len(in_session(controller.session)[2, 0]) == 2
    controller.keeps_object = False
    plain_click(controller, SQUARE)
    assert controller.object_in_hand == 1


def test_undo_puts_down_what_is_not_there_any_more(controller):
    plain_click(controller, SQUARE)
    plain_click(controller, SQUARE)
    assert controller.object_in_hand == 1
    controller.undo()
    assert controller.object_in_hand is None
    plain_click(controller, MOVING)
    assert sorted(controller.session.objects) == [1]


def test_points_of_napari_begin_objects_too(controller):
    plain_click(controller, SQUARE)
    points = controller.workspace.points.layer
    points.add([MOVING])
    points.add([EMPTY])
    assert sorted(in_session(controller.session)) == [(1, 0), (2, 0), (3, 0)]
    check_agreement(controller)


@pytest.mark.parametrize("state", ["hidden", "trashed"])
def test_the_object_under_the_cursor_whether_or_not_it_is_shown(viewer, controller, state):
    plain_click(controller, SQUARE)
    if state == "hidden":
        viewer.layers["movie – objects"].visible = False
    else:
        viewer.layers.remove("movie – objects")
    plain_click(controller, (0, 6, 6))
    assert controller.object_in_hand == 1
    assert len(controller.session.objects) == 1


def test_what_was_painted_under_a_label_of_no_object_is_background(controller):
    plain_click(controller, SQUARE)
    labels(controller)[0, 35, 5] = 7
    plain_click(controller, EMPTY)
    assert sorted(controller.session.objects) == [1, 2]


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": (5, 2, 3), "translate": (1, 2, 3)},
        {"affine": np.array([[1, 0, 0, 0], [0, 0.8, -0.6, 5], [0, 0.6, 0.8, -3], [0, 0, 0, 1.0]])},
        {"shear": [0, 0, 0.5]},
    ],
    ids=["scaled", "rotated", "sheared"],
)
def test_the_object_under_the_cursor_of_transformed_images(opener, blobs, arguments):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 90, 90), np.uint8), name="other", scale=(0.5, 0.5, 0.5))
    image = viewer.add_image(blobs, name="movie", **arguments)
    controller = Controller(viewer, opener=opener)
    controller.choose_image(image)
    plain_click(controller, (2, 10, 10))
    plain_click(controller, (2, 28, 35))
    plain_click(controller, (2, 14, 14))
    assert controller.object_in_hand == 1
    plain_click(controller, (2, 31, 41))
    assert controller.object_in_hand == 2
    assert len(controller.session.objects) == 2


# --- boxes ---------------------------------------------------------------------------------------------------------


def box(controller, frame, *edges):
    row0, col0, row1, col1 = np.array(edges) - 0.5
    image = controller.image
    controller.draw_box(image.data_to_world((frame, row0, col1)), image.data_to_world((frame, row1, col0)))


def boxes_of(session):
    return {
        (object_id, frame): tuple(np.round(prompts.box_rc, 6))
        for object_id, item in session.objects.items()
        for frame, prompts in item.prompts.items()
        if prompts.box_rc is not None
    }


def shown_boxes(viewer):
    layer = viewer.layers["movie – boxes"]
    return [
        (int(i), *data.min(axis=0), *data.max(axis=0)[1:]) for i, data in zip(layer.features["object"], layer.data, strict=True)
    ]


def test_a_box_begins_an_object_by_one_action(viewer, controller, blobs):
    box(controller, 0, 3, 3, 17, 17)
    assert boxes_of(controller.session) == {(1, 0): (3, 3, 17, 17)}
    np.testing.assert_array_equal(labels(controller)[0] == 1, blobs[0] == 200)
    np.testing.assert_allclose(shown_boxes(viewer), [(1, 0, 2.5, 2.5, 16.5, 16.5)], atol=1e-4)
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – boxes", "movie – clicks"]
    plain_click(controller, MOVING)
    assert sorted(controller.session.objects) == [1, 2]
    controller.undo()
    controller.undo()
    assert not controller.session.objects
    assert shown_boxes(viewer) == []
    controller.redo()
    assert len(shown_boxes(viewer)) == 1


def test_a_box_is_of_the_object_in_hand(viewer, controller):
    plain_click(controller, SQUARE)
    plain_click(controller, SQUARE)
    box(controller, 1, 20, 28, 32, 44)
    assert boxes_of(controller.session) == {(1, 1): (20, 28, 32, 44)}
    box(controller, 1, 21, 28, 32, 44)
    assert boxes_of(controller.session) == {(1, 1): (21, 28, 32, 44)}
    assert len(shown_boxes(viewer)) == 1


def test_what_is_outside_the_image_is_cut_off_a_box(controller, notices):
    box(controller, 0, -8, -9, 17, 17)
    assert boxes_of(controller.session) == {(1, 0): (0, 0, 17, 17)}
    box(controller, 0, -8, -9, -2, 17)
    ((severity, message),) = notices()
    assert (severity, message) == ("warning", "The box is outside the image, which has 40 rows and 50 columns.")
    assert len(controller.session.objects) == 1


def test_boxes_of_the_console_are_shown_and_edited(viewer, controller):
    plain_click(controller, SQUARE)
    assert "movie – boxes" not in viewer.layers
    controller.session.add_box(1, 2, (3, 3, 17, 17))
    before = shown_boxes(viewer)
    assert len(before) == 1
    layer = viewer.layers["movie – boxes"]
    layer.data = []
    assert boxes_of(controller.session) == {}
    assert shown_boxes(viewer) == []
    controller.undo()
    assert shown_boxes(viewer) == before
    viewer.layers.remove(layer)
    plain_click(controller, MOVING)
    assert shown_boxes(viewer) == before


def test_a_box_that_is_refused_is_not_shown(viewer, controller, notices):
    plain_click(controller, SQUARE)
    controller.session.lock_object(1)
    plain_click(controller, SQUARE)
    box(controller, 0, 3, 3, 17, 17)
    assert [message for _, message in notices()] == ["Object 1 is locked: unlock it first."]
    assert shown_boxes(viewer) == []


def test_a_box_is_kept_while_a_session_cannot_be_opened(controller, opener, notices, monkeypatch):
    def fail(request):
        raise ValueError("bad weights")

    with monkeypatch.context() as patch:
        patch.setattr(opener, "open", fail)
        box(controller, 0, 3, 3, 17, 17)
    assert [message for _, message in notices()] == ["Bad weights."]
    plain_click(controller, MOVING)
    assert boxes_of(controller.session) == {(1, 0): (3, 3, 17, 17)}
    assert sorted(controller.session.objects) == [1, 2]


def test_boxes_and_clicks_on_their_way_are_of_different_objects(viewer, opener):
    runner = LateRunner()
    controller = Controller(viewer, runner, opener)
    box(controller, 0, 3, 3, 17, 17)
    plain_click(controller, MOVING)
    assert len(shown_boxes(viewer)) == 1, "shown at once"
    runner.finish()
    assert boxes_of(controller.session) == {(1, 0): (3, 3, 17, 17)}
    assert in_session(controller.session) == {(2, 0): (Click(24, 35, True),)}


def test_a_later_widget_goes_on_with_boxes(viewer, controller, opener):
    box(controller, 0, 3, 3, 17, 17)
    controller.close()
    later = Controller(viewer, opener=opener)
    plain_click(later, MOVING)
    assert boxes_of(later.session) == {(1, 0): (3, 3, 17, 17)}
    assert in_session(later.session) == {(2, 0): (Click(24, 35, True),)}


# --- proposals, history, status bar --------------------------------------------------------------------------------


def test_a_huge_mask_is_a_proposal(opener, notices):
    viewer = ViewerModel()
    plane = np.zeros((40, 50), np.uint8)
    plane[:31, :40] = 200  # 62 % of the frame
    viewer.add_image(plane, name="movie")
    controller, texts = Controller(viewer, opener=opener), []

    def show(text):
        texts.append(text)

    controller.status_changed.connect(show)
    plain_click(controller, (10, 10))
    assert texts[-1] == "Object 1 fills 62 % of the frame: press U to take it back, or right-click where it is not."
    plain_click(controller, (10, 10))
    plain_click(controller, (12, 12))
    assert texts[-1] == "Object 1: 1240 px", "it was looked at"
    controller.undo()
    controller.undo()
    assert not controller.session.objects
    assert notices() == []


@pytest.mark.parametrize(("iou", "is_proposal"), [(0.49, True), (0.5, False)])
def test_an_uncertain_mask_is_a_proposal(controller, texts, monkeypatch, iou, is_proposal):
    monkeypatch.setattr(tracker.Tracker, "predicted_iou", iou)
    plain_click(controller, SQUARE)
    uncertain = "Object 1 is uncertain (predicted IoU 0.49): press U to take it back, or right-click where it is not."
    assert texts[-1] == (uncertain if is_proposal else "Object 1: 100 px on frame 0")


def test_what_can_be_undone(controller):
    def state():
        return controller.can_undo, controller.can_redo

    assert state() == (False, False)
    plain_click(controller, SQUARE)
    assert state() == (True, False)
    controller.undo()
    assert state() == (False, True)
    controller.redo()
    assert state() == (True, False)
    controller.session.rename_object(1, "nucleus")
    controller.session.undo()
    assert state() == (True, True)


def test_the_status_bar_names_the_object_under_the_cursor(viewer, controller):
    plain_click(controller, SQUARE)
    controller.session.rename_object(1, "nucleus")
    viewer.mouse_over_canvas = True

    def status(position):
        viewer.cursor.position = controller.image.data_to_world(position)
        viewer.update_status_from_cursor()
        return viewer.status if isinstance(viewer.status, str) else viewer.status["coordinates"]

    assert status((0, 6, 6)).endswith(" · object 1, nucleus")
    assert "object" not in status((0, 30, 6))
    viewer.layers.selection.clear()
    assert status((0, 7, 7)).endswith(" · object 1, nucleus")
    controller.close()
    assert "object" not in status((0, 6, 6))
