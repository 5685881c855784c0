import numpy as np
import pandas as pd
from napari.layers import Image

from napari_sam2.plugin.image.alignment import FramePlaces
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layer_prompts.choices import Objects
from napari_sam2.plugin.layer_prompts.points import names_of, read_points
from napari_sam2.plugin.prompts.clicks import Click
from napari_sam2.plugin.prompts.drawn_prompts import DrawnPrompts

STACK = ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8)))


def test_what_points_call_their_objects():
    features = pd.DataFrame({"cell": ["a", None, "7"]})
    assert names_of(features, Objects.EACH, 3) == [1, 2, 3]
    assert names_of(features, Objects.ALL, 3) == [1, 1, 1]
    assert names_of(features, "cell", 3) == ["a", None, 7]


def test_points_of_an_object_on_a_frame_are_together():
    places = FramePlaces.of(STACK, np.array([(0, 1, 2), (1, 3, 4), (0, 5, 6), (9, 7, 8)], float))
    found = read_points(places, [1, 1, 1, 2], [1, 1, 0, 1])
    assert found.prompts == (
        DrawnPrompts(1, 0, (Click(1, 2, True), Click(5, 6, False))),
        DrawnPrompts(1, 1, (Click(3, 4, True),)),
    )
    assert found.left_out == {("point", "on frames that the image does not have"): 1}
    alone = read_points(places, [1, 1, 1, 2], None, 1)
    assert (alone.prompts, alone.left_out) == ((DrawnPrompts(1, 1, (Click(3, 4, True),)),), {})
