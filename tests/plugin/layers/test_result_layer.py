import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.result_layer import is_result_of, new_result_layer


@pytest.fixture
def image():
    return Image(np.zeros((3, 40, 50, 3), np.uint8), rgb=True, name="movie")


def test_a_result_is_known_again_by_image_shape_and_dtype(image):
    stack = ImageStack.of(image)
    labels = np.zeros((3, 40, 50), np.uint16)
    result = new_result_layer(image, stack, labels)
    assert np.shares_memory(result.data, labels)
    assert is_result_of(result, image, stack)
    assert not is_result_of(result, Image(image.data, rgb=True), stack)
    assert not is_result_of(image, image, stack)
    result.data = result.data[:2]
    assert not is_result_of(result, image, stack)
    result.data = np.zeros((3, 40, 50), np.int32)
    assert not is_result_of(result, image, stack)
