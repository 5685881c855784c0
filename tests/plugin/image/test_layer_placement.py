import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Points

from napari_sam2.plugin.image.image_stack import ImageStack, Pixel
from napari_sam2.plugin.image.layer_placement import (
    SPATIAL,
    check_display,
    data_position,
    displayed_frame,
    show_frame,
    spatial_metadata,
)

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
    other = Points(np.zeros((1, 3)), **spatial_metadata(layer, ImageStack.of(layer)))
    for name in SPATIAL:
        assert np.all(np.asarray(getattr(other, name)) == np.asarray(getattr(layer, name))), name
    assert other.data_to_world((2, 13, 44)) == pytest.approx(layer.data_to_world((2, 13, 44)))


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
    stack = ImageStack.of(layer)
    check_display(viewer, layer, stack)
    viewer.dims.transpose()
    check_display(viewer, layer, stack)
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(ValueError, match="from the side"):
        check_display(viewer, layer, stack)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    with pytest.raises(ValueError, match="no depth"):
        check_display(viewer, layer, stack)
