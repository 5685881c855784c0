import numpy as np
import pytest
from napari.layers import Image, Points

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.points_layer import (
    ShownPoint,
    is_points_layer_of,
    marker_size_px,
    new_points_layer,
    read_point,
    set_next,
    style_points,
    write_points,
)
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame

POINTS = [
    ShownPoint(ObjectFrame(7, 1), Click(10.25, 20, True)),
    ShownPoint(ObjectFrame(3, 0), Click(1, 2, False)),
    ShownPoint(ObjectFrame(7, 1), Click(11, 21, False), pending=5),
]


@pytest.fixture
def image():
    return Image(np.zeros((3, 40, 50), np.uint8), name="movie", scale=(60, 0.5, 0.25))


@pytest.fixture
def stack(image):
    return ImageStack.of(image)


@pytest.fixture
def layer(image, stack):
    return new_points_layer(image, stack)


def test_what_is_written_is_read(layer, stack):
    write_points(layer, stack, POINTS)
    assert [read_point(layer, stack, index) for index in range(3)] == [(point.key, point.click) for point in POINTS]
    assert [str(symbol) for symbol in layer.symbol] == ["disc", "x", "x"]
    assert (layer.face_color[0] != layer.face_color[1]).any()
    np.testing.assert_array_equal(layer.face_color[0], layer.face_color[2], "the colour is that of the object")
    assert (layer.border_color[1] != layer.border_color[2]).any(), "a pending click looks different"
    write_points(layer, stack, POINTS[:1])
    assert layer.features.to_dict("list") == {"object": [7], "side": ["inside"]}
    write_points(layer, stack, [])
    assert len(layer.data) == len(layer.features) == 0


def test_what_is_selected_stays_so(layer, stack):
    write_points(layer, stack, POINTS)
    layer.selected_data = {1}
    write_points(layer, stack, POINTS[::-1])
    assert layer.selected_data == {1}
    write_points(layer, stack, POINTS[:2])
    assert layer.selected_data == set()


def test_what_comes_next_leaves_earlier_points_alone(layer, stack):
    write_points(layer, stack, POINTS[:1])
    layer.selected_data = {0}  # as napari's own tool leaves it
    set_next(layer, 2, False)
    layer.add((1, 5, 5))
    assert layer.features.to_dict("list") == {"object": [7, 2], "side": ["inside", "outside"]}


@pytest.mark.parametrize("object_id", [0, -1, 70_000, 1.5, float("nan"), "cell", None])
def test_points_of_no_object_cannot_be_read(layer, stack, object_id):
    write_points(layer, stack, POINTS[:1])
    layer.features = {"object": [object_id], "side": ["inside"]}
    with pytest.raises(ValueError, match="An object is a whole number from 1 to 65535, got"):
        read_point(layer, stack, 0)


def test_another_table_cannot_be_read(layer, stack):
    write_points(layer, stack, POINTS[:1])
    layer.features = {"class": [1]}
    with pytest.raises(ValueError, match="needs the columns object and side"):
        read_point(layer, stack, 0)


def test_frames_are_rounded_as_they_are_displayed(layer, stack):
    layer.add([(0.9999999, 10, 20), (2.4, 10, 20)])
    assert [read_point(layer, stack, index)[0].frame for index in range(2)] == [1, 2]


def test_points_outside_the_image_cannot_be_read(layer, stack):
    layer.add((0, 10, 400))
    with pytest.raises(ValueError, match="outside the image"):
        read_point(layer, stack, 0)


def test_a_layer_is_known_again_by_its_image(layer, image):
    assert is_points_layer_of(layer, image, ImageStack.of(image))
    assert not is_points_layer_of(layer, Image(image.data), ImageStack.of(image))
    assert not is_points_layer_of(Points(np.zeros((1, 3))), image, ImageStack.of(image))
    assert not is_points_layer_of(image, image, ImageStack.of(image))


def test_points_have_the_colours_that_were_chosen(layer, stack):
    write_points(layer, stack, POINTS, {7: "#ff0000", 3: "#0000ff"}.get)
    np.testing.assert_array_equal(layer.face_color[:, :3], [(1, 0, 0), (0, 0, 1), (1, 0, 0)])
    style_points(layer, POINTS, {7: "#00ff00", 3: "#0000ff"}.get)
    np.testing.assert_array_equal(layer.face_color[0, :3], (0, 1, 0))


def test_markers_are_small_on_large_fields():
    sides = [stack_of((side, side)) for side in (200, 512, 2048)]
    assert [round(marker_size_px(one), 1) for one in sides] == [2.0, 2.8, 11.4]


def stack_of(shape):
    return ImageStack.of(Image(np.zeros(shape, np.uint8)))
