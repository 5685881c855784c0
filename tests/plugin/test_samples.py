import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from npe2 import PluginManager, PluginManifest

from napari_sam2.plugin.samples import fluo_mitocheck


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-sam2")


def test_sample_is_a_calibrated_movie_with_its_credit():
    ((movie, arguments, kind),) = fluo_mitocheck()
    layer = Layer.create(movie, arguments, kind)
    assert (layer.data.shape, layer.data.dtype, layer.axis_labels) == ((30, 190, 211), np.uint8, ("t", "y", "x"))
    assert "NEUBIAS" in layer.metadata["credit"]
    assert "CC BY 4.0" in layer.metadata["credit"]


def test_napari_finds_the_sample(manifest):
    manager = PluginManager()
    manager.register(manifest)
    manager.activate("napari-sam2")
    ((name, samples),) = manager.iter_sample_data()
    assert name == "napari-sam2"
    for sample in samples:
        for data, arguments, _ in sample.open(_registry=manager.commands):
            ViewerModel().add_image(data, **arguments)
