import numpy as np
import pytest

from blob_tracker import blob_session, tiny_model
from napari_sam2.plugin.options.tracking_options import TrackingOptions
from napari_sam2.plugin.reports.reports import FrameDone
from napari_sam2.plugin.worker.tracking_steps import link_labels, track_everything
from napari_sam2.session.session import Session


@pytest.mark.usefixtures("finding")
def test_a_movie_from_where_it_was_stopped(blobs):
    session = blob_session(blobs, "TYX")
    steps = track_everything(session, TrackingOptions())
    assert next(steps) == FrameDone(0, 1, 3)
    steps.close()
    assert not session.labels[1:].any()
    assert list(track_everything(session, TrackingOptions())) == [FrameDone(1, 1, 2), FrameDone(2, 2, 2)]
    for labels, pixels in zip(session.labels, blobs, strict=True):
        # the mask of a prompt is that of the model: the double reads it from its input
        assert np.count_nonzero((labels > 0) != (pixels > 0)) <= 1


@pytest.mark.usefixtures("opener")  # whose double is sure of its masks
def test_of_a_volume_no_total_is_known(blobs):
    session = Session(blobs, "ZYX", tiny_model())
    steps = list(track_everything(session, TrackingOptions()))
    assert [(step.done, step.total) for step in steps] == [(number, 0) for number in range(1, len(steps) + 1)]
    assert {step.frame for step in steps} == {0, 1, 2}
    assert session.objects


@pytest.mark.usefixtures("finding")
def test_options_are_those_of_the_session(blobs):
    session = blob_session(blobs, "TYX")
    list(track_everything(session, TrackingOptions(16, least_area_px=98)))
    assert len(session.objects) == 1
    (call,) = session.document().calls
    assert call.arguments == {"area_px": [98, 1000], "points_per_side": 16, "steps": None}


def test_nothing_is_found(blobs):
    with pytest.raises(ValueError, match="nothing was found on any frame: change the intensities in the first line of the dock"):
        list(track_everything(blob_session(np.zeros_like(blobs), "TYX"), TrackingOptions()))


class Given:
    """Labels that differ from frame to frame."""

    def __init__(self, blobs):
        self.array = np.where(blobs > 0, (blobs > 170) + 1 + 10 * np.arange(3)[:, None, None], 0)

    def labels(self, stack):
        assert stack.labels_shape == self.array.shape
        return self.array


def test_labels_are_linked_from_where_it_was_stopped(blobs):
    session = blob_session(blobs, "TYX")
    steps = link_labels(session, Given(blobs))
    assert next(steps) == FrameDone(0, 1, 3)
    steps.close()
    assert not session.labels[1:].any()
    assert list(link_labels(session)) == [FrameDone(1, 1, 2), FrameDone(2, 2, 2)]
    assert np.count_nonzero(session.labels != np.where(blobs == 200, 2, np.where(blobs == 150, 1, 0))) <= 1
