import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.plugin import result_layer
from napari_sam2.plugin.layers import ImageStack
from napari_sam2.plugin.result_layer import Redraw, is_result_of, new_result_layer


@pytest.fixture
def image():
    return Image(np.zeros((3, 40, 50, 3), np.uint8), rgb=True, name="movie")


def test_a_result_has_the_shape_of_the_image_without_colour(image):
    stack = ImageStack.of(image)
    result = new_result_layer(image, stack)
    assert (result.data.shape, result.data.dtype) == ((3, 40, 50), np.uint16)
    assert is_result_of(result, image, stack)
    assert not is_result_of(result, Image(image.data, rgb=True), stack)
    result.data = result.data[:2]
    assert not is_result_of(result, image, stack)


@pytest.mark.parametrize(("is_3d", "drawn"), [(False, 17), (True, 2)])
def test_it_is_not_drawn_more_often_than_one_can_see(image, monkeypatch, is_3d, drawn):
    result = new_result_layer(image, ImageStack.of(image))
    now, calls = [0.0], []
    monkeypatch.setattr(result_layer.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(result, "refresh", lambda **_: calls.append(now[0]))
    redraw = Redraw(result)
    for step in range(65):
        now[0] = step / 64
        redraw.written(is_3d)
    assert len(calls) == drawn, "in one second"
    redraw.written(is_3d)
    redraw.finish()
    redraw.finish()
    assert len(calls) == drawn + 1, "the last of it, once"
