import numpy as np
from napari.layers import Image

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.layers.boxes_layer import ShownBox
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.workspace.carried_prompts import CarriedPrompts, GivenPrompts, carried_to


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
