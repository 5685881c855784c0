import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_sam2.plugin.layers.points_layer import IMAGE_KEY
from napari_sam2.plugin.layers.session_layers import SESSION_KEY, join_result


@pytest.fixture
def viewer():
    return ViewerModel()


def image(path=None):
    return Image(np.zeros((3, 4, 5)), metadata={} if path is None else {SESSION_KEY: path})


def result(path="a.sam2", **metadata):
    return Labels(np.zeros((3, 4, 5), np.uint16), metadata={SESSION_KEY: path, **metadata})


def test_a_result_belongs_to_the_image_of_its_session(viewer):
    layers = [image(), image("b.sam2"), image("a.sam2"), result()]
    viewer.layers.extend(layers)
    assert join_result(viewer, layers[3]) is layers[2]
    assert layers[3].metadata == {SESSION_KEY: "a.sam2", IMAGE_KEY: layers[2].unique_id}
    assert layers[2].metadata == {}, "another result is not joined with it"
    assert layers[1].metadata == {SESSION_KEY: "b.sam2"}


@pytest.mark.parametrize(
    "layer", [image("a.sam2"), Labels(np.zeros((3, 4, 5), int)), result("other.sam2"), result(**{IMAGE_KEY: "an image"})]
)
def test_other_layers_are_left_alone(viewer, layer):
    before = dict(layer.metadata)
    viewer.add_layer(image("a.sam2"))
    assert join_result(viewer, layer) is None
    assert layer.metadata == before
    assert viewer.layers[0].metadata == {SESSION_KEY: "a.sam2"}
