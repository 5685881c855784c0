import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layers.painted_strokes import read_painted, strokes_of
from napari_sam2.plugin.prompts.clicks import ObjectFrame

STACK = ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8)))


@pytest.fixture
def layer():
    data = np.zeros((3, 40, 50), np.uint16)
    data[1, 10:20, 10:20] = 2
    return Labels(data, name="result")


def painted_by(layer, paint):
    """Return what becomes of a stroke."""
    atoms, stack = [], ImageStack.of(Image(layer.data))
    layer.events.paint.connect(lambda event: atoms.extend(event.value))
    paint(layer)
    painted = read_painted(atoms, stack)
    assert all(one.is_written(layer.data) for one in painted)
    return painted


def summary(painted):
    return [(one.key, one.is_inside, int(one.pixels.pixels.sum())) for one in strokes_of(painted, STACK)]


def test_the_brush_gives_pixels_to_one_object_and_takes_them_from_others(layer):
    before = layer.data.copy()
    layer.brush_size = 3
    painted = painted_by(layer, lambda layer: layer.paint((1, 10, 9), 5))
    added, taken = (layer.data == 5).sum(), ((before == 2) & (layer.data == 5)).sum()
    assert summary(painted) == [(ObjectFrame(2, 1), False, taken), (ObjectFrame(5, 1), True, added)]
    stroke = strokes_of(painted, STACK)[1]
    np.testing.assert_array_equal(stroke.pixels.mask((40, 50)), layer.data[1] == 5)
    for one in painted:
        one.restore(layer.data)
    np.testing.assert_array_equal(layer.data, before)
    assert not any(one.is_written(layer.data) for one in painted)


def test_the_eraser_and_the_fill(layer):
    assert summary(painted_by(layer, lambda layer: layer.fill((1, 15, 15), 0))) == [(ObjectFrame(2, 1), False, 100)]
    layer.data[1, 10:20, 10:20] = 2
    filled = summary(painted_by(layer, lambda layer: layer.fill((1, 15, 15), 7)))
    assert filled == [(ObjectFrame(2, 1), False, 100), (ObjectFrame(7, 1), True, 100)]


def test_several_entries_of_one_stroke_are_one(layer):
    before = layer.data.copy()

    def paint(layer):
        with layer.block_history():
            layer.paint((1, 30, 30), 5)
            layer.paint((1, 30, 33), 6)
            layer.paint((1, 15, 15), 5)
            layer.paint((1, 15, 15), 2)

    layer.brush_size = 5
    painted = painted_by(layer, paint)
    assert [key for key, *_ in summary(painted)] == [ObjectFrame(5, 1), ObjectFrame(6, 1)], "what came back is no change"
    for one in painted:
        one.restore(layer.data)
    np.testing.assert_array_equal(layer.data, before)


def test_what_a_script_sets_on_several_frames(layer):
    index = np.array([0, 2]), np.array([1, 3]), np.array([2, 4])
    painted = painted_by(layer, lambda layer: layer.data_setitem(index, 9))
    assert summary(painted) == [(ObjectFrame(9, 0), True, 1), (ObjectFrame(9, 2), True, 1)]


def test_a_single_image():
    layer = Labels(np.zeros((40, 50), np.uint16))
    assert summary(painted_by(layer, lambda layer: layer.paint((4, 4), 3)))[0][:2] == (ObjectFrame(3, 0), True)
    assert summary(painted_by(layer, lambda layer: layer.paint((4, 4), 3))) == []
