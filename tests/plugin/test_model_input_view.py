import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image_stack import ImageStack
from napari_sam2.plugin.model_input_view import ModelInputView, is_model_input, placed
from napari_sam2.plugin.reading import Reading
from widget_driving import labels, plain_click


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


@pytest.fixture
def controller(blobs, opener):
    viewer, _ = add("tzyx", (3, 2, 40, 50))
    viewer.layers[0].data = np.stack([blobs] * 2, 1)
    viewer.dims.set_point([0, 1], [0, 0])
    return Controller(viewer, opener=opener)


def shown(controller):
    return [layer for layer in controller._viewer.layers if is_model_input(layer)]


def test_what_the_model_sees_follows_frames_positions_and_readings(controller, opener):
    viewer = controller._viewer
    controller.shows_model_input = True
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – what the model sees"], "no session begins by that"
    (layer,) = shown(controller)
    side = opener.opened[-1].model.image_size
    assert layer.data.shape == (1, 1, side, side, 3)
    assert (layer.data.min(), layer.data.max()) == (0, 255)
    viewer.dims.set_point([0, 1], [2, 1])
    assert shown(controller)[0].translate[:2].tolist() == [2, 1]
    controller.choose_reading(Reading(intensity_range=(0, 2000)))
    assert shown(controller)[0].data.max() == pytest.approx(25.5, abs=5), "resizing overshoots at edges"
    controller.choose_reading(Reading())
    plain_click(controller, (2, 1, 10, 10))
    assert (labels(controller) > 0).sum() == 100
    viewer.dims.set_point(0, 0)
    assert shown(controller)[0].translate[:2].tolist() == [0, 1]
    assert controller.images == [controller.image]
    controller.shows_model_input = False
    assert shown(controller) == []


def test_a_person_removes_the_layer(controller):
    controller.shows_model_input = True
    controller._viewer.layers.remove(shown(controller)[0])
    assert not controller.shows_model_input
    controller._viewer.dims.set_point(0, 1)
    assert shown(controller) == []


def test_it_goes_with_the_image_and_with_the_widget(controller):
    controller.shows_model_input = True
    controller._viewer.layers.remove(controller.image)
    assert list(controller._viewer.layers) == []
    controller._viewer.add_image(np.eye(30), name="other")
    assert [layer.name for layer in shown(controller)] == ["other – what the model sees"]
    controller.close()
    assert shown(controller) == []


def test_without_the_weights_of_the_model_nothing_is_shown(controller, notices, monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.image_workspace.is_on_this_machine", lambda name: False)
    controller.shows_model_input = True
    controller._viewer.dims.set_point(0, 1)
    assert shown(controller) == []
    assert notices() == []
