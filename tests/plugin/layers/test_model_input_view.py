import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.layers.model_input_view import ModelInputView, is_model_input, placed


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)


def add(axes, shape, **layer):
    viewer = ViewerModel()
    return viewer, viewer.add_image(np.zeros(shape, np.uint8), name="movie", axis_labels=tuple(axes), rgb=False, **layer)


@pytest.mark.parametrize(
    ("axes", "shape", "layer"),
    [
        ("tyx", (3, 40, 50), {}),
        ("tyx", (3, 40, 50), {"scale": (60, 0.5, 0.25), "translate": (3, 2, 1)}),
        ("tyx", (3, 40, 50), {"rotate": [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]], "scale": (1, 2, 3)}),
        ("tczyx", (3, 2, 4, 40, 50), {"scale": (60, 1, 2, 0.5, 0.25)}),
    ],
)
def test_it_lies_exactly_on_the_frame(picture, axes, shape, layer):
    viewer, image = add(axes, shape, **layer)
    stack = ImageStack.of(image)
    view = ModelInputView(viewer)
    view.show(image, stack, 2, picture)
    assert is_model_input(view.layer)
    for corner, side in ((-0.5, (0, 0)), (7.5, (40, 50))):
        at = np.zeros(view.layer.ndim)
        at[-2:] = corner
        wanted = np.zeros(image.ndim)
        wanted[0], wanted[-2:] = 2, np.array(side) - 0.5
        if "c" in axes:
            wanted[1] = 0.5  # between both channels
        np.testing.assert_allclose(view.layer.data_to_world(at), image.data_to_world(wanted), atol=1e-9)


def test_rows_after_columns(picture):
    _, image = add("xty", (50, 3, 40))
    data, _ = placed(image, ImageStack.of(image, Reading("XTY")), 1, picture)
    np.testing.assert_array_equal(data[:, 0], picture.swapaxes(0, 1))


def test_it_is_replaced_and_removed(picture):
    viewer, image = add("tyx", (3, 40, 50))
    viewer.layers.selection.active = image
    view = ModelInputView(viewer)
    for frame in (0, 2):
        view.show(image, ImageStack.of(image), frame, picture)
        assert [layer.name for layer in viewer.layers] == ["movie", "movie – what the model sees"]
        assert viewer.layers.selection.active == image
        assert view.layer.translate[0] == frame
    view.remove()
    view.remove()
    assert list(viewer.layers) == [image]
