from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.options.tracking_options import TrackingLeft, TrackingOptions, why_not_tracked
from napari_sam2.plugin.reports.frame_states import FrameStates
from napari_sam2.session.state.objects import ObjectInfo


def stack_of(axes, shape=(6, 8, 9)):
    layer = SimpleNamespace(
        name="movie",
        data=np.zeros(shape[-len(axes) :], np.uint8),
        multiscale=False,
        ndim=len(axes),
        rgb=False,
        axis_labels=("-3", "-2", "-1")[-len(axes) :],
    )
    return ImageStack.of(layer, Reading(axes=axes))


class Done:
    """Objects that were tracked to some frames."""

    num_frames = 6

    def __init__(self, frames):
        self._frames = frames

    def states_of(self, object_id):
        states = np.zeros(self.num_frames, np.uint8)
        states[self._frames[object_id]] = 1
        return states


def infos(*found, given=()):
    return {object_id: ObjectInfo(str(object_id), is_found=object_id in found) for object_id in (*found, *given)}


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (TrackingOptions(), {}),
        (TrackingOptions(24), {"points_per_side": 24}),
        (TrackingOptions(0, 20), {"area_px": (20, 1000)}),
        (TrackingOptions(8, 0, 99), {"points_per_side": 8, "area_px": (1, 99)}),
    ],
)
def test_what_is_0_is_left_to_the_session(options, arguments):
    assert options.arguments((40, 50)) == arguments


@pytest.mark.parametrize(("axes", "reason"), [("TYX", ""), ("ZYX", ""), ("NYX", "separate images"), ("YX", "a single image")])
def test_why_not(axes, reason):
    text = why_not_tracked(stack_of(axes))
    assert (reason in text) if reason else text == ""


@pytest.mark.parametrize(
    ("frames", "known", "left"),
    [
        ({}, infos(), TrackingLeft()),
        ({1: [0, 5]}, infos(given=[1]), TrackingLeft()),
        ({1: [0, 1], 2: [1, 2, 3]}, infos(1, 2), TrackingLeft(True, 2)),
        ({1: [0, 1], 2: [5]}, infos(1, given=[2]), TrackingLeft(True, 4)),
        ({1: [0, 5]}, infos(1), TrackingLeft(False, 0)),
    ],
    ids=["nothing", "given", "stopped", "a given one does not count", "done"],
)
@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_is_left_of_a_movie_is_seen_from_its_frames(frames, known, left, is_stopped):
    assert TrackingLeft.of(stack_of("TYX"), Done(frames), known, is_stopped) == left


@pytest.mark.parametrize(
    ("frames", "known", "left"),
    [({}, {}, TrackingLeft()), ({1: [0, 1], 2: [5]}, infos(1, given=[2]), TrackingLeft(True, 4))],
)
def test_what_is_left_of_labels_is_seen_from_their_frames(frames, known, left):
    assert TrackingLeft.of_linking(Done(frames), known) == left


def test_what_is_left_of_a_volume_is_known_where_it_was_stopped():
    stack = stack_of("ZYX")
    assert TrackingLeft.of(stack, Done({1: [5]}), infos(1), True) == TrackingLeft(True)
    assert TrackingLeft.of(stack, Done({1: [0]}), infos(1), False) == TrackingLeft()
    assert TrackingLeft.of(stack, FrameStates(6), {}, True) == TrackingLeft(), "it was undone"
