import numpy as np
from napari.layers import Image

from blob_tracker import blob_session
from napari_sam2.plugin.boxes_layer import ShownBox
from napari_sam2.plugin.carried_prompts import CarriedPrompts, GivenPrompts, carried_to, carry_prompts
from napari_sam2.plugin.clicks import Click, ObjectFrame
from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.reading import Reading


def test_prompts_names_and_colours_are_carried(blobs):
    source, target = blob_session(blobs, "TYX"), blob_session(blobs.copy(), "TYX")
    source.add_object("nucleus", 4, "#ff8000")
    source.add_points(4, 0, [(10, 10), (20, 5)], [1, 0])
    source.add_box(4, 1, (5, 5, 15, 15))
    source.add_points(4, 1, [(11, 11)])
    source.add_object("other", 2)
    source.add_mask(2, 1, blobs[1] == 150)
    source.propagate_all()
    assert carry_prompts(source, target) == {}
    assert {key: item.info for key, item in target.objects.items()} == {key: item.info for key, item in source.objects.items()}
    assert all(dict(item.prompts) == dict(source.objects[key].prompts) for key, item in target.objects.items())
    np.testing.assert_array_equal(
        target.labels[:2], np.where(blobs == 200, 4, np.where(blobs == 150, [[[0]], [[2]], [[2]]], 0))[:2]
    )


def test_what_the_other_refuses_is_returned(blobs):
    source, target = blob_session(blobs, "TYX"), blob_session(blobs, "TYX")
    source.add_object(object_id=1)
    source.add_points(1, 0, [(10, 10)])
    source.propagate_all()
    source.add_points(1, 2, [(20, 5)], [0])
    assert carry_prompts(source, target) == {(1, 2): (Click(20, 5, False),)}
    assert list(target.objects[1].prompts) == [0]


def test_prompts_on_other_frames_of_the_image():
    layer = Image([np.zeros((3, 2, 40, 50)), np.zeros((3, 2, 20, 25))], multiscale=True, axis_labels=tuple("tzyx"))
    source = ImageStack.of(layer).moved_to((("Z", 1),))
    target = ImageStack.of(layer, Reading(along="Z", level=1))
    clicks = [(ObjectFrame(1, 2), Click(10.5, 20.5, True)), (ObjectFrame(1, 2), Click(4.5, 6.5, False))]
    boxes = [ShownBox(ObjectFrame(3, 0), (4.0, 6.0, 20.0, 50.0))]
    found = carried_to(target, [GivenPrompts(source, clicks, boxes)])
    assert found == {
        (("T", 2),): CarriedPrompts({ObjectFrame(1, 1): [Click(5, 10, True), Click(2, 3, False)]}),
        (("T", 0),): CarriedPrompts(boxes={ObjectFrame(3, 1): (2.0, 3.0, 10.0, 25.0)}),
    }


def test_what_lies_on_no_frame_is_left_out():
    source = ImageStack.of(Image(np.zeros((5, 40, 50)), axis_labels=tuple("tyx")))
    target = ImageStack.of(Image(np.zeros((3, 40, 50)), axis_labels=tuple("zyx")))
    given = GivenPrompts(source, [(ObjectFrame(1, 4), Click(10, 10, True))], [ShownBox(ObjectFrame(1, 4), (0, 0, 5, 5))])
    assert carried_to(target, [given]) == {}
