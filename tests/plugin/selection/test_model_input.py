import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.layers.model_input_view import is_model_input
from widget_driving import labels, plain_click


@pytest.fixture
def controller(blobs, opener):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 2, 40, 50), np.uint8), name="movie", axis_labels=tuple("tzyx"), rgb=False)
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
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: False)
    controller.shows_model_input = True
    controller._viewer.dims.set_point(0, 1)
    assert shown(controller) == []
    assert notices() == []
