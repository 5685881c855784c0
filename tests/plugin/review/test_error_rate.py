import pytest

from napari_sam2.plugin.review.error_rate import DrawSample, JudgeMask
from napari_sam2.plugin.worker.session_worker import _whole
from widget_driving import click


@pytest.fixture
def rate(controller):
    """Object 1, prompted on frame 0, and 2, prompted on frame 2, both propagated: four masks may be drawn."""
    for object_id, position in ((1, (0, 10, 10)), (2, (2, 26, 35))):
        controller.choose_object(object_id)
        click(controller, position)
    controller.propagate()
    controller.keeps_object = False
    controller.put_down()
    return controller.review.error_rate


def shown(controller):
    return controller.object_in_hand, controller.frame


def press(viewer, name):
    {str(key): action for key, action in viewer.keymap.items()}[name](viewer)


def test_one_mask_after_another_is_judged_by_keys(rate, controller, viewer, texts):
    assert (rate.sample, rate.current, rate.text, rate.is_judging) == (None, None, "", False)
    rate.draw(3, 0)
    masks = controller.session.error_sample.masks
    assert len(masks) == 3
    assert shown(controller) == masks[0] == rate.current
    assert texts[-1] == f"Object {masks[0][0]} on frame {masks[0][1]}: is it right? Y for yes, N for no."
    assert rate.text == "0 of 3 judged, of 4 masks."
    press(viewer, "Y")
    assert shown(controller) == masks[1]
    press(viewer, "N")
    assert rate.text == "2 of 3 judged, 1 wrong: 50 % (95 %: 9.5 to 91 %)."
    press(viewer, "Y")
    assert controller.session.error_sample.is_wrong == (False, True, False)
    assert texts[-1] == "The sample is judged: 3 of 3 judged, 1 wrong: 33 % (95 %: 6.1 to 79 %)."
    assert not rate.is_judging
    press(viewer, "N")
    assert texts[-1] == "Object 3: click on it.", "the keys are given back"


def test_undo_takes_a_judgement_back_and_shows_the_mask_again(rate, controller, viewer):
    rate.draw(4, 1)
    masks = controller.session.error_sample.masks
    press(viewer, "N")
    press(viewer, "N")
    controller.undo()
    assert shown(controller) == masks[1]
    assert rate.sample.is_wrong == (True, None, None, None)
    controller.undo()
    controller.undo()
    assert (rate.sample, rate.is_judging) == (None, False)


def test_what_is_judged_is_seen_first(rate, controller, viewer):
    rate.draw(4, 0)
    first = rate.current
    controller.go_to_frame((first.frame + 1) % 3)
    press(viewer, "N")
    assert (shown(controller), rate.sample.num_judged) == (first, 0)
    press(viewer, "N")
    assert rate.sample.num_judged == 1


def test_judging_is_stopped_and_gone_on_with(rate, controller, viewer):
    heard = []
    rate.changed.connect(lambda: heard.append(rate.is_judging))
    rate.draw(4, 0)
    rate.judge_right()
    rate.stop()
    assert heard[-1] is False
    rate.judge_wrong()
    assert rate.sample.num_judged == 1, "not while nobody asks"
    controller.put_down()
    rate.go_on()
    assert (shown(controller), rate.is_judging) == (rate.current, True)
    of_image = {str(key) for key in viewer.layers[0].keymap}
    assert {"Y", "N"} <= of_image, "an image layer has a use for Y"
    controller.close()
    assert not {"Y", "N"} & {str(key) for key in viewer.keymap}
    assert not {"Y", "N"} & {str(key) for key in viewer.layers[0].keymap}


def test_masks_of_an_object_that_is_gone_are_left_out(rate, controller):
    rate.draw(4, 0)
    controller.session.remove_object(rate.current.object_id)
    left = [mask for mask in rate.sample.masks if mask[0] in controller.session.objects]
    assert rate.current == left[0]
    rate.go_on()
    for _ in left:
        rate.judge_right()
    assert (rate.sample.num_judged, rate.current, rate.is_judging) == (2, None, False)


def test_what_the_session_refuses_is_told(controller, rate, texts):
    rate.draw(0, 0)
    assert texts[-1] == "A sample has one mask or more, got size 0."
    assert rate.sample is None


def test_another_image_has_a_sample_of_its_own(rate, controller, viewer, blobs):
    rate.draw(4, 0)
    movie = viewer.layers["movie"]
    other = viewer.add_image(blobs, name="other")
    controller.choose_image(other)
    assert (rate.sample, rate.is_judging) == (None, False)
    controller.choose_image(movie)
    assert rate.sample is not None
    rate.go_on()
    assert rate.is_judging


def test_a_continued_session_has_its_sample(rate, controller):
    rate.draw(4, 0)
    rate.judge_wrong()
    session = controller.session
    assert _whole(session.state).error_samples == {0: session.error_sample}


def test_commands(rate, controller):
    session = controller.session
    assert DrawSample(2, 3).run(session) is None
    assert JudgeMask(*session.error_sample.masks[0], True).run(session) is None
    assert session.error_sample.is_wrong == (True, None)
    assert (DrawSample(2, 3).addition, DrawSample(2, 3).key) == (None, (0, 0))
