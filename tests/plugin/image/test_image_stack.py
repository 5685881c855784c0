import numpy as np
import pytest
from napari.layers import Image

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel

# layer arguments, shape → frame axis, axes, description
STACKS = [
    pytest.param((40, 50), {}, None, "YX", "50 × 40 px", id="2-D"),
    pytest.param((40, 50, 3), {"rgb": True}, None, "YXC", "50 × 40 px in colour", id="2-D rgb"),
    pytest.param((3, 40, 50), {}, 0, "TYX", "axis 0 3 · 50 × 40 px", id="unknown axis"),
    pytest.param((3, 40, 50), {"axis_labels": ("t", "y", "x")}, 0, "TYX", "T 3 · 50 × 40 px", id="TYX"),
    pytest.param((3, 40, 50), {"axis_labels": ("Z", "Y", "X")}, 0, "ZYX", "Z 3 · 50 × 40 px", id="ZYX"),
    pytest.param((3, 40, 50), {"axis_labels": ("Timepoint", "y", "x")}, 0, "TYX", "T 3 · 50 × 40 px", id="a word for time"),
    pytest.param((3, 40, 50), {"axis_labels": ("section", "y", "x")}, 0, "ZYX", "Z 3 · 50 × 40 px", id="a word for depth"),
    pytest.param((3, 40, 50), {"axis_labels": ("angle", "y", "x")}, 0, "TYX", "angle 3 · 50 × 40 px", id="no axis of frames"),
    pytest.param((3, 40, 50), {"axis_labels": ("x", "y", "z")}, 0, "TYX", "x 3 · 50 × 40 px", id="an axis of the plane"),
    pytest.param((3, 40, 50, 4), {"rgb": True}, 0, "TYXC", "axis 0 3 · 50 × 40 px in colour", id="rgb stack"),
    pytest.param((1, 40, 50), {}, None, "YX", "50 × 40 px", id="one frame"),
    pytest.param((1, 3, 1, 40, 50), {}, 1, "TYX", "axis 1 3 · 50 × 40 px", id="short axes"),
]


@pytest.mark.parametrize(("shape", "arguments", "frame_axis", "axes", "description"), STACKS)
def test_image_layers_are_stacks(shape, arguments, frame_axis, axes, description):
    layer = Image(np.zeros(shape, np.uint8), **arguments)
    stack = ImageStack.of(layer)
    assert (stack.frame_axis, stack.axes, stack.describe()) == (frame_axis, axes, description)
    assert stack.frame_shape == (40, 50)
    squeezed = stack.without_short_axes(layer.data)
    assert squeezed.shape == (3,) * (frame_axis is not None) + (40, 50) + shape[layer.ndim :]
    assert np.shares_memory(squeezed, layer.data)


def test_multiscale_is_read_at_full_resolution():
    layer = Image([np.zeros((3, 40, 50), np.uint8), np.zeros((3, 20, 25), np.uint8)], multiscale=True)
    assert ImageStack.of(layer).shape == (3, 40, 50)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (np.zeros((3, 0, 50), np.uint8), "needs rows and columns"),
        (np.zeros((40, 50), np.complex64), "complex64"),
    ],
)
def test_other_images_are_refused_in_a_sentence(data, part):
    layer = Image(np.zeros((3, 40, 50)[-data.ndim :]), name="mine")
    layer._data = data
    with pytest.raises(ValueError, match=part) as caught:
        ImageStack.of(layer)
    assert "'mine'" in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("position", [(0, -0.6, 3), (0, 39.5, 3), (0, 3, 49.6), (3, 3, 3), (-1, 3, 3)])
def test_outside_the_image_there_is_no_pixel(position):
    with pytest.raises(ValueError, match="frame" if position[0] else "outside"):
        ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8))).pixel(position)


def test_the_index_of_a_pixel():
    stack = ImageStack.of(Image(np.zeros((3, 1, 40, 50), np.uint8)))
    assert stack.index(Pixel(2, -0.4, 48.6)) == (2, 0, 0, 49)
    assert ImageStack.of(Image(np.zeros((40, 50), np.uint8))).index(Pixel(0, 3.2, 4.8)) == (3, 5)


@pytest.mark.parametrize(
    ("first", "last", "box"),
    [
        ((2, 3, 4), (2, 9, 20), (3.5, 4.5, 9.5, 20.5)),
        ((2.4, 9, 4), (1.6, 3, 20), (3.5, 4.5, 9.5, 20.5)),
        ((2, -7, -7), (2, 100, 3), (0, 0, 40, 3.5)),
    ],
)
def test_the_box_between_two_positions(first, last, box):
    assert ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8))).box_between(first, last) == (2, box)


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ((0, -9, 4), (0, -2, 20), "The box is outside the image, which has 40 rows and 50 columns."),
        ((0, 3, 4), (0, 3, 20), "The box is outside"),
        ((3, 3, 4), (3, 9, 20), "its frames are 0 to 2"),
    ],
)
def test_no_box(first, last, message):
    with pytest.raises(ValueError, match=message):
        ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8))).box_between(first, last)
