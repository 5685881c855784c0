"""Samples open from napari's menu as layers with axes, scale and credit."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from npe2 import PluginManager, PluginManifest

from napari_sam2.data.samples import SAMPLES
from napari_sam2.plugin.samples import fluo_mitocheck, vol_embryo_8cell


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-sam2")


@pytest.mark.parametrize(
    ("sample", "shape", "dtype", "axes", "scale", "licence"),
    [
        (fluo_mitocheck, (30, 190, 211), np.uint8, ("t", "y", "x"), (1, 1, 1), "CC BY 4.0"),
        (vol_embryo_8cell, (51, 120, 122), np.uint16, ("z", "y", "x"), (2.18, 1, 1), "CC BY 3.0"),
    ],
)
def test_a_sample_is_a_layer_with_axes_and_credit(sample, shape, dtype, axes, scale, licence):
    ((image, arguments, kind),) = sample()
    layer = Layer.create(image, arguments, kind)
    assert (layer.data.shape, layer.data.dtype, layer.axis_labels) == (shape, dtype, axes)
    np.testing.assert_array_equal(layer.scale, scale)
    assert licence in layer.metadata["credit"]
    assert layer.metadata["source"].startswith("https://")


def test_napari_finds_the_samples(manifest):
    manager = PluginManager()
    manager.register(manifest)
    manager.activate("napari-sam2")
    ((name, samples),) = manager.iter_sample_data()
    assert name == "napari-sam2"
    opened = [layer for sample in samples for layer in sample.open(_registry=manager.commands)]
    assert [arguments["name"] for _, arguments, _ in opened] == [sample.folder.name for sample in SAMPLES]
    for image, arguments, _ in opened:
        ViewerModel().add_image(image, **arguments)
