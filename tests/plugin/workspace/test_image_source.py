import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.image.reading import Reading, reading_of
from napari_sam2.plugin.workspace.image_source import ImageSource


def source_of(pixels, **layer):
    viewer = ViewerModel()
    return ImageSource(viewer, viewer.add_image(pixels, **layer))


def test_the_request_is_the_same_for_the_same_image(blobs):
    source = source_of(blobs[:, None])
    request = source.request("micro", None, None)
    assert request.image.shape == (3, 40, 50)
    assert (request.axes, request.model, request.labels) == ("TYX", "micro", None)
    assert source.request("micro", None, None).image is request.image
    source.image.data = source.image.data.copy()
    assert source.request("micro", None, None).image is not request.image


def test_intensities_follow_the_contrast_or_are_chosen(blobs):
    source = source_of(blobs.astype(np.uint16), contrast_limits=(10, 90))
    assert source.request("micro", None, None).intensity_range is None
    source.read_as(Reading(intensity_range=(5, 50)), source.stack)
    assert source.request("micro", None, None).intensity_range == (5, 50)
    source.read_as(Reading(follows_contrast=True), source.stack)
    assert source.request("micro", None, None).intensity_range == (10, 90)


def test_a_layer_that_is_no_channel_changes_nothing(blobs):
    source = source_of(blobs, name="movie")
    before = source.stack
    with pytest.raises(ValueError, match=r"^'gone' is no layer of the same file, shape and place as 'movie'\.$"):
        source.read_as(Reading(channel_layers=("gone",)), source.stack)
    assert (source.stack, source.reading, source.channel_layers) == (before, Reading(), ())


def test_channels_of_a_session_are_those_of_the_layer_from_then_on(blobs):
    source = source_of(np.stack([blobs] * 2, 1), axis_labels=("t", "c", "y", "x"))
    assert source.channel_names == ("", "")
    source.use_channels(())
    assert reading_of(source.image) == Reading()
    source.use_channels((1,))
    assert source.stack.channels == source.reading.channels == (1,)
    assert reading_of(source.image) == Reading(channels=(1,))


def test_an_image_outgrows_what_is_read(blobs):
    source = source_of(blobs)
    source.image.data = blobs[::-1].copy()
    assert not source.is_outgrown
    source.image.data = blobs[:2]
    assert source.is_outgrown


def test_a_resolution_that_is_not_there_any_more(blobs):
    source = source_of([blobs, blobs[:, ::2, ::2]], multiscale=True)
    source.read_as(Reading(level=1), source.stack)
    assert source.is_outgrown, "another shape than that of the full resolution"
