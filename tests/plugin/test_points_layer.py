import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.plugin.layers import ImageStack, Pixel
from napari_sam2.plugin.prompt_layers import Click, Place, add_click, new_prompt_layer, read_prompts, remove_last, set_next


@pytest.fixture
def image():
    return Image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(60, 0.5, 0.25))


@pytest.fixture
def stack(image):
    return ImageStack.of(image)


@pytest.fixture
def layer(image, stack):
    return new_prompt_layer(image, stack)


def test_what_is_added_is_read(layer, stack):
    add_click(layer, stack, Pixel(1, 10.25, 20), 7, True)
    add_click(layer, stack, Pixel(0, 1, 2), 3, False)
    add_click(layer, stack, Pixel(1, 11, 21), 7, False)
    assert read_prompts(layer, stack) == {
        Place(7, 1): (Click(10.25, 20, True), Click(11, 21, False)),
        Place(3, 0): (Click(1, 2, False),),
    }
    assert remove_last(layer)
    assert read_prompts(layer, stack)[Place(7, 1)] == (Click(10.25, 20, True),)


def test_what_comes_next_leaves_earlier_points_alone(layer, stack):
    add_click(layer, stack, Pixel(1, 10, 20), 1, True)
    layer.selected_data = {0}  # as napari's own tool leaves it
    set_next(layer, 2, False)
    assert layer.features.to_dict("list") == {"object": [1], "side": ["inside"]}
    layer.add((1, 5, 5))
    assert layer.features.to_dict("list") == {"object": [1, 2], "side": ["inside", "outside"]}


@pytest.mark.parametrize("object_id", [0, -1, 70_000, float("nan"), "cell", None])
def test_points_of_no_object_say_nothing(layer, stack, object_id):
    add_click(layer, stack, Pixel(1, 10, 20), 1, True)
    layer.features = {"object": [object_id], "side": ["inside"]}
    assert read_prompts(layer, stack) == {}


def test_frames_are_rounded_as_they_are_displayed(layer, stack):
    layer.add([(0.9999999, 10, 20), (2.4, 10, 20)])
    assert [place.frame for place in read_prompts(layer, stack)] == [1, 2]


def test_no_layer_says_nothing(stack):
    assert read_prompts(None, stack) == {}
