import subprocess
import sys

import numpy as np
import pytest
from napari.layers import Image, Points

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.boxes_layer import ShownBox, corners, is_boxes_layer_of, new_boxes_layer, read_boxes, write_boxes
from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.prompts.clicks import ObjectFrame

BOXES = [ShownBox(ObjectFrame(4, 2), (0.0, 0.0, 1.0, 1.0)), ShownBox(ObjectFrame(2, 0), (3.5, 4.0, 10.0, 50.0))]


@pytest.fixture
def image():
    return Image(np.zeros((3, 1, 40, 50), np.uint8), scale=(1, 1, 2, 3))


def test_a_box_around_one_pixel(image):
    around = corners(ImageStack.of(image), 2, (0, 0, 1, 1))
    np.testing.assert_array_equal(around, [(2, 0, -0.5, -0.5), (2, 0, -0.5, 0.5), (2, 0, 0.5, 0.5), (2, 0, 0.5, -0.5)])


def test_boxes_are_written_and_read(image):
    stack = ImageStack.of(image)
    layer = new_boxes_layer(image, stack, "boxes")
    for boxes in (BOXES, BOXES[1:], [], BOXES):
        write_boxes(layer, stack, boxes)
        assert read_boxes(layer, stack) == boxes
        assert len(layer.features) == len(boxes)
        assert not layer.selected_data


def test_what_is_no_box_of_an_object_is_left_out(image):
    stack = ImageStack.of(image)
    layer = new_boxes_layer(image, stack, "boxes")
    write_boxes(layer, stack, BOXES)
    layer.add_rectangles([corners(stack, 0, (60, 60, 70, 70))])
    assert read_boxes(layer, stack) == BOXES
    layer.features = {"object": [4.0, np.nan, 2.0]}
    assert [one.key.object_id for one in read_boxes(layer, stack)] == [4]
    layer.features = {"object": [0, 70_000, 2]}
    assert read_boxes(layer, stack) == []
    layer.features = {"other": [1, 2, 3]}
    assert read_boxes(layer, stack) == []


def test_whose_boxes_they_are(image):
    stack = ImageStack.of(image)
    layer = new_boxes_layer(image, stack, "boxes")
    assert not is_boxes_layer_of(layer, image, stack)
    layer.metadata[IMAGE_KEY] = image.unique_id
    assert is_boxes_layer_of(layer, image, stack)
    assert not is_boxes_layer_of(layer, Image(np.zeros((4, 4))), stack)
    assert not is_boxes_layer_of(Points(ndim=4, metadata={IMAGE_KEY: image.unique_id}), image, stack)


def test_what_is_read_of_layers_needs_no_pytorch():
    """It is imported on the worker, lest the window stands still."""
    modules = "napari_sam2.plugin.layers.boxes_view, napari_sam2.plugin.layer_actions.use_layer"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
