import pytest

from measured_frames import measured
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.reports.reports import RecordKind
from napari_sam2.plugin.review.review import frames_to_approve
from napari_sam2.plugin.review.review_queue import ANY_REASON
from napari_sam2.session.review.track_measurements import ReviewReason
from widget_driving import click

CURRENT, STALE, NO_RECORD = RecordKind.CURRENT, RecordKind.STALE, RecordKind.NONE
R = ReviewReason
NUM_FRAMES = 8


def keys(queue):
    return [queue[i].key for i in range(len(queue))]


# --- decisions, with the real session --------------------------------------------------------------------------------


@pytest.fixture
def review(controller):
    """Object 1, prompted on frame 0, and 2, prompted on frame 2, both propagated; the double is sure of prompted masks alone."""
    for object_id, position in ((1, (0, 10, 10)), (2, (2, 26, 35))):
        controller.choose_object(object_id)
        click(controller, position)
    controller.propagate()
    controller.keeps_object = False
    controller.put_down()
    return controller.review


ALL = [(1, 1), (2, 0), (2, 1), (1, 2)]


def shown(controller):
    return controller.object_in_hand, controller.frame


def listed(review):
    return sorted(keys(review.queue()))


def test_one_item_after_another(review, controller, texts):
    order = keys(review.queue())
    assert sorted(order) == sorted(ALL)
    seen = []
    for _ in order:
        review.next_item()
        seen.append(shown(controller))
    assert seen == order
    review.next_item()
    assert (shown(controller), texts[-1]) == (order[-1], "That was the last item of the list.")
    review.previous_item()
    assert shown(controller) == order[-2]
    assert texts[-1] == f"Object {order[-2][0]} on frame {order[-2][1]}: a doubtful mask"
    controller.go_to_frame(0)
    controller.put_down()
    review.previous_item()
    assert shown(controller) == order[-3], "from the last one on, after a look around"
    for _ in range(9):
        review.previous_item()
    assert texts[-1] == "This is the first item of the list."


def test_approving_shows_the_next_item_and_undo_brings_it_back(review, controller, texts):
    order = keys(review.queue())
    review.next_item()
    review.approve()
    assert controller.session.objects[order[0].object_id].prompts[order[0].frame].is_approved
    assert shown(controller) == order[1]
    assert sorted([*listed(review), order[0]]) == sorted(ALL)
    controller.undo()
    assert keys(review.queue()) == order


def test_all_are_approved_one_after_another(review, controller, texts):
    review.next_item()
    for _ in ALL:
        review.approve()
    assert listed(review) == []
    assert texts[-1] == "That was the last one: there is nothing to review any more."
    assert all(controller.session.objects[i].anchors == [0, 1, 2] for i in (1, 2))
    review.next_item()
    assert texts[-1] == "There is nothing to review."


def test_several_are_approved_at_once(review, controller):
    controller.choose_object(1)
    controller.go_to_frame(0)
    review.accept([ObjectFrame(1, 1), ObjectFrame(2, 1)])
    assert listed(review) == [(1, 2), (2, 0)]
    assert shown(controller) == (1, 0), "none of them was shown"
    controller.undo()
    assert listed(review) == sorted(ALL), "one undo takes all of it back"


def test_a_frame_that_is_no_item_is_approved_too(review, controller, texts):
    controller.workspace.rows.show_measured(measured((1, 1, CURRENT, 100, 0.1)))
    controller.choose_object(1)
    controller.go_to_frame(1)
    review.approve()
    assert controller.session.objects[1].anchors == [0, 1]
    assert shown(controller) == (1, 1)
    controller.put_down()
    review.approve()
    assert texts[-1] == "Take an object in hand first: click on it, or choose it in a list."


def test_an_object_ends_here(review, controller):
    review.go_to(ObjectFrame(1, 1))
    review.end_here()
    assert controller.session.objects[1].info.end_frame == 1
    assert not (controller.session.labels[1:] == 1).any()
    assert listed(review) == [(2, 0), (2, 1)]
    assert shown(controller)[0] == 2, "what was after the end is no item any more"
    controller.undo()
    assert listed(review) == sorted(ALL)
    review.end([ObjectFrame(1, 2), ObjectFrame(1, 1)])
    assert controller.session.objects[1].info.end_frame == 1, "one object ends once, at the first"


def test_what_the_session_refuses_is_told(review, controller, texts):
    review.go_to(ObjectFrame(1, 0))
    review.end_here()
    assert texts[-1] == "Object 1 cannot be cut at frame 0: it lasts from frame 0 to the last frame."
    assert listed(review) == sorted(ALL)


@pytest.mark.parametrize(
    ("prompted", "shown_frame", "expected"),
    [
        ([0], 3, (1, 3)),
        ([0, 2, 7], 5, (3, 5)),
        ([5], 2, (2, 4)),
        ([1, 5], 5, (6, 5)),
        ([], 4, (4, 4)),
    ],
)
def test_from_the_nearest_prompted_frame_to_the_shown_one(prompted, shown_frame, expected):
    assert frames_to_approve(prompted, shown_frame) == expected


def test_approve_to_here(review, controller, texts):
    review.go_to(ObjectFrame(1, 2))
    review.approve_to_here()
    assert controller.session.objects[1].anchors == [0, 1, 2]
    assert listed(review) == [(2, 0), (2, 1)]
    assert shown(controller)[0] == 2, "on to the next item"
    controller.undo()
    assert controller.session.objects[1].anchors == [0]
    review.go_to(ObjectFrame(2, 0))
    review.approve_to_here()
    assert controller.session.objects[2].anchors == [0, 1, 2]
    review.go_to(ObjectFrame(2, 2))
    review.approve_to_here()
    assert texts[-1] == "Object 2 has prompts on frame 2, or is approved: there is nothing to approve."


def test_from_prompt_to_prompt(review, controller, texts):
    review.go_to(ObjectFrame(1, 0))
    click(controller, (2, 10, 10))
    controller.keeps_object = False
    review.next_prompted()
    assert shown(controller) == (1, 2)
    review.next_prompted()
    assert (shown(controller), texts[-1]) == ((1, 2), "Object 1 has no prompts after frame 2.")
    review.previous_prompted()
    assert shown(controller) == (1, 0)
    review.previous_prompted()
    assert texts[-1] == "Object 1 has no prompts before frame 0."


def test_the_kinds_that_are_wanted(review, controller):
    heard = []
    review.changed.connect(lambda: heard.append(True))
    review.wanted = R.DIVISION
    assert (listed(review), heard) == ([], [True])
    review.wanted = ANY_REASON
    assert listed(review) == sorted(ALL)


def test_keys_are_bound_while_the_widget_is_there(review, controller, viewer):
    ours = {"PageDown", "PageUp", "Y", "Shift+Y", "H", "Shift+PageDown", "Shift+PageUp"}
    bound = {str(key): action for key, action in viewer.keymap.items()}
    assert ours <= bound.keys()
    bound["PageDown"](viewer)
    first, second = keys(review.queue())[:2]
    assert shown(controller) == first
    of_image = {str(key): action for key, action in viewer.layers[0].keymap.items()}
    of_image["Y"](viewer.layers[0])
    assert shown(controller) == second, "an image layer has a use for this key, which is ours"
    controller.close()
    assert not ours & {str(key) for key in viewer.keymap}
    assert "Y" not in {str(key) for key in viewer.layers[0].keymap}


def test_what_ends_before_its_prompts_ends_backward(review, controller):
    """Object 2 is prompted on frame 2: on frame 0 it is not there yet, or in a volume not any more."""
    review.go_to(ObjectFrame(2, 0))
    review.end_here()
    assert [2 in plane for plane in controller.session.labels] == [False, True, True]
    assert controller.session.objects[2].info.first_frame == 1
    controller.undo()
    review.end([ObjectFrame(2, 0), ObjectFrame(2, 1), ObjectFrame(1, 1), ObjectFrame(1, 2)])
    assert [[one in plane for plane in controller.session.labels] for one in (1, 2)] == [[True, False, False], [False, False, True]]
    controller.undo()
    assert [2 in plane for plane in controller.session.labels] == [True] * 3, "one undo takes both back"
