import numpy as np
import pytest
from napari.components import ViewerModel

from blob_tracker import blob_session
from napari_sam2.plugin.image.alignment import AlignedPlanes, Alignment, FrameGrid, place_on
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layer_prompts.labels_to_link import LabelsToLink


def given(blobs, labels, **place):
    viewer = ViewerModel()
    image, mine = viewer.add_image(blobs), viewer.add_labels(labels, **place)
    stack = ImageStack.of(image)
    return LabelsToLink("mine", AlignedPlanes(labels, Alignment.of(viewer, place_on(image, stack), mine), FrameGrid.of(stack)))


def test_they_have_the_shape_of_the_session(blobs):
    labels = (blobs > 0).astype(np.int32) * np.arange(5, 8)[:, None, None]
    stack = blob_session(blobs, "TYX").stack
    np.testing.assert_array_equal(given(blobs, labels).labels(stack), labels)
    later = given(blobs, labels[1:], translate=(1, 0, 0)).labels(stack)
    assert not later[0].any(), "there is no plane"
    np.testing.assert_array_equal(later[1:], labels[1:])


def test_they_are_whole_numbers(blobs):
    planes = given(blobs, blobs).planes
    real = LabelsToLink("mine", AlignedPlanes(blobs.astype(np.float32), planes.alignment, planes.grid))
    with pytest.raises(ValueError, match="labels are whole numbers, got float32 in mine"):
        real.labels(blob_session(blobs, "TYX").stack)
