import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points

from napari_sam2.plugin.layers import (
    SPATIAL,
    ImageStack,
    Pixel,
    check_display,
    data_position,
    displayed_frame,
    show_frame,
    spatial_metadata,
)

# layer arguments, shape → frame axis, axes, description
STACKS = [
    pytest.param((40, 50), {}, None, "YX", "50 × 40 px", id="2-D"),
    pytest.param((40, 50, 3), {"rgb": True}, None, "YXC", "50 × 40 px in colour", id="2-D rgb"),
    pytest.param((3, 40, 50), {}, 0, "TYX", "axis 0 3 · 50 × 40 px", id="unknown axis"),
    pytest.param((3, 40, 50), {"axis_labels": ("t", "y", "x")}, 0, "TYX", "T 3 · 50 × 40 px", id="TYX"),
    pytest.param((3, 40, 50), {"axis_labels": ("Z", "Y", "X")}, 0, "ZYX", "Z 3 · 50 × 40 px", id="ZYX"),
    pytest.param((3, 40, 50), {"axis_labels": ("Timepoint", "y", "x")}, 0, "TYX", "T 3 · 50 × 40 px", id="a word for time"),
    pytest.param((3, 40, 50), {"axis_labels": ("section", "y", "x")}, 0, "ZYX", "Z 3 · 50 × 40 px", id="a word for depth"),
    pytest.param((3, 40, 50), {"axis_labels": ("c", "y", "x")}, 0, "TYX", "c 3 · 50 × 40 px", id="no axis of frames"),
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
        (np.zeros((3, 4, 40, 50), np.uint8), "3 × 4"),
        (np.zeros((40, 50), np.complex64), "complex64"),
    ],
)
def test_other_images_are_refused_in_a_sentence(data, part):
    layer = Image(np.abs(data) if data.dtype.kind != "c" else data.real, name="mine")
    layer._data = data
    with pytest.raises(ValueError, match=part) as caught:
        ImageStack.of(layer)
    assert "'mine'" in str(caught.value)
    assert str(caught.value).endswith(".")


TRANSFORMS = [
    pytest.param({}, id="none"),
    pytest.param({"scale": (5, 0.2, 0.4), "translate": (1, 2, 3)}, id="scale, translate"),
    pytest.param({"rotate": [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]], "shear": (0, 0, 0.3)}, id="rotate, shear"),
    pytest.param({"affine": [[2, 0, 0, 1], [0, 0, 3, 2], [0, -1, 0, 3], [0, 0, 0, 1]]}, id="affine"),
    pytest.param({"units": ("s", "um", "um"), "scale": (2, 0.5, 0.5)}, id="units"),
]


@pytest.mark.parametrize("arguments", TRANSFORMS)
def test_a_position_in_the_viewer_is_a_pixel(arguments):
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 40, 50), np.uint8), axis_labels=("t", "y", "x"), **arguments)
    stack = ImageStack.of(layer)
    pixel = stack.pixel(data_position(viewer, layer, layer.data_to_world((2, 13.0, 44.25))))
    assert pixel == pytest.approx(Pixel(2, 13.0, 44.25))
    assert stack.position(pixel) == pytest.approx([2, 13.0, 44.25])
    viewer.dims.set_point(0, layer.data_to_world((1, 0, 0))[0])
    assert displayed_frame(viewer, layer, stack) == 1


def test_positions_are_in_the_smallest_units_of_all_layers():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 40, 50), np.uint8), units=("s", "um", "um"))
    viewer.add_image(np.zeros((3, 4, 5), np.uint8), units=("ms", "nm", "nm"))
    assert data_position(viewer, layer, (2000, 13000, 44000)) == pytest.approx([2, 13, 44])


def test_position_of_a_layer_with_fewer_axes_than_the_viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((2, 3, 40, 50), np.uint8))
    layer = viewer.add_image(np.zeros((40, 50), np.uint8))
    assert ImageStack.of(layer).pixel(data_position(viewer, layer, (1, 2, 13, 44))) == Pixel(0, 13, 44)


@pytest.mark.parametrize("arguments", TRANSFORMS)
def test_spatial_metadata_puts_a_layer_exactly_there(arguments):
    layer = Image(np.zeros((3, 40, 50), np.uint8), axis_labels=("t", "y", "x"), **arguments)
    other = Points(np.zeros((1, 3)), **spatial_metadata(layer))
    for name in SPATIAL:
        assert np.all(np.asarray(getattr(other, name)) == np.asarray(getattr(layer, name))), name
    assert other.data_to_world((2, 13, 44)) == pytest.approx(layer.data_to_world((2, 13, 44)))


@pytest.mark.parametrize("position", [(0, -0.6, 3), (0, 39.5, 3), (0, 3, 49.6), (3, 3, 3), (-1, 3, 3)])
def test_outside_the_image_there_is_no_pixel(position):
    with pytest.raises(ValueError, match="frame" if position[0] else "outside"):
        ImageStack.of(Image(np.zeros((3, 40, 50), np.uint8))).pixel(position)


def test_no_frame_is_displayed_beyond_the_end():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 40, 50), np.uint8))
    viewer.add_image(np.zeros((9, 40, 50), np.uint8))
    viewer.dims.set_point(0, 7)
    assert displayed_frame(viewer, layer, ImageStack.of(layer)) is None


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((5, 40, 50), {}),
        ((5, 40, 50), {"scale": (60, 0.5, 0.25), "translate": (7, 2, 1)}),
        ((5, 40, 50), {"scale": (2, 1, 1), "units": ("h", "um", "um")}),
        ((1, 5, 40, 50), {"affine": [[1, 0, 0, 0, 3], [0, 2.5, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]}),
    ],
)
def test_the_viewer_is_moved_to_a_frame(shape, arguments):
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros(shape, np.uint8), **arguments)
    viewer.add_image(np.zeros((2, *shape), np.uint8), name="another, with more axes")
    if "units" in arguments:
        viewer.layers[1].units = ("pixel", "s", "um", "um")
    stack = ImageStack.of(layer)
    before = viewer.dims.point
    for frame in (4, 0, 2):
        show_frame(viewer, layer, stack, frame)
        assert displayed_frame(viewer, layer, stack) == frame
    axis = viewer.dims.ndim - layer.ndim + stack.frame_axis
    assert [p for i, p in enumerate(viewer.dims.point) if i != axis] == [p for i, p in enumerate(before) if i != axis]


def test_a_single_image_has_no_frame_to_go_to():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((40, 50), np.uint8))
    before = viewer.dims.point
    show_frame(viewer, layer, ImageStack.of(layer), 0)
    assert viewer.dims.point == before
    assert displayed_frame(viewer, layer, ImageStack.of(layer)) == 0


def test_only_rows_and_columns_in_2d_can_be_clicked_on():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((3, 40, 50), np.uint8))
    check_display(viewer, layer)
    viewer.dims.transpose()
    check_display(viewer, layer)
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(ValueError, match="from the side"):
        check_display(viewer, layer)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    with pytest.raises(ValueError, match="no depth"):
        check_display(viewer, layer)


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
