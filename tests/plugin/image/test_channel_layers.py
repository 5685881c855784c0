import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.channel_layers import ChannelArrays, layers_of_one_file
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.selection.image_summary import changed_only, read_image, summarize
from widget_driving import in_session, labels, plain_click


def of_file(pixels, path, **layer):
    image = Image(pixels, **layer)
    image._source = image.source.model_copy(update={"path": path})
    return image


@pytest.fixture
def controller(blobs, opener):
    """A movie of two channels, the second of which is seen in the first click nowhere, and a layer of another file."""
    viewer = ViewerModel()
    viewer.add_layer(of_file(np.where(blobs == 200, blobs, 0), "/data/movie.czi", name="DAPI", scale=(1, 2, 2)))
    viewer.add_layer(of_file(np.where(blobs == 150, blobs, 0), "/data/movie.czi", name="GFP", scale=(1, 2, 2)))
    viewer.add_layer(of_file(blobs, "/data/other.czi", name="other", scale=(1, 2, 2)))
    viewer.add_layer(of_file(blobs[:2], "/data/movie.czi", name="another shape", scale=(1, 2, 2)))
    viewer.dims.set_point(0, 0)
    controller = Controller(viewer, opener=opener)
    controller.choose_image(viewer.layers["DAPI"])
    return controller


def test_which_layers_are_channels_of_one_image(controller):
    layers = list(controller._viewer.layers)
    assert [layer.name for layer in layers_of_one_file(layers, layers[1])] == ["DAPI", "GFP"]
    assert [layer.name for layer in layers_of_one_file(layers, layers[2])] == ["other"]
    layers[1].translate = (0, 1, 0)
    assert layers_of_one_file(layers, layers[0]) == [layers[0]]
    array = Image(np.eye(3))
    assert layers_of_one_file([array, Image(np.eye(3))], array) == [array]


def test_one_layer_is_used_until_others_are_chosen(controller):
    workspace = controller.workspace
    assert workspace.source.channel_names == ("DAPI", "GFP")
    assert workspace.stack.axes == "TYX"
    assert changed_only(read_image("TYX", "T", "DAPI"), workspace) == Reading()
    plain_click(controller, (0, 24, 36))
    assert not labels(controller).any()
    controller.choose_reading(Reading(channel_layers=("GFP", "DAPI")))
    assert summarize("DAPI", controller.workspace, "micro").startswith("DAPI · TYX? along T · channel GFP, DAPI · ")
    assert controller.session.stack.layout.axes == "CTYX"
    assert controller.session.stack.channels == (0, 1, 0)
    assert len(in_session(controller.session)) == 1
    assert (labels(controller)[0] > 0).sum() == 96
    assert labels(controller).shape == (3, 40, 50)
    controller.propagate()
    assert [int((plane > 0).sum()) for plane in labels(controller)] == [96, 96, 96]


@pytest.mark.parametrize("name", ["other", "another shape", "gone"])
def test_a_layer_that_is_no_channel(controller, name):
    with pytest.raises(ValueError, match=f"'{name}' is no layer of the same file"):
        controller.choose_reading(Reading(channel_layers=("DAPI", name)))
    assert controller.workspace.source.reading == Reading()
    plain_click(controller, (0, 10, 10))
    assert (labels(controller) > 0).sum() == 100


def test_arrays_as_one():
    first = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    joined = ChannelArrays([first, dask.array.from_array(first.astype(np.uint16) + 300)])
    assert (joined.shape, joined.ndim, joined.dtype) == ((2, 2, 3, 4), 4, np.uint16)
    whole = np.stack([first, first.astype(np.uint16) + 300])
    for key in (0, (1,), (1, 1), (0, slice(None), 2), np.s_[:, 1], np.s_[...], np.s_[1:, 0, :, 1:3]):
        found = joined[key]
        np.testing.assert_array_equal(found, whole[key])
        assert found.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(joined), whole)
