import dataclasses

import numpy as np
import pytest

from lively_movie import movie
from napari_sam2.session.session import Session


@pytest.fixture(scope="module")
def session():
    session = Session(movie(), "TYX")
    list(session.track_everything(points_per_side=7))
    return session


@pytest.fixture(scope="module")
def parts(session):
    return session._everything_tracker._parts


def test_parts_are_those_of_the_session(session, parts):
    assert parts.state is session.state
    assert parts.num_frames == len(session.stack)


def test_a_region_is_the_mask_of_a_record(session, parts):
    for object_id, item in parts.state.objects.items():
        shown = {frame: item.shown(frame) for frame in item.shown_frames()}
        assert shown
        for frame, record in shown.items():
            region = parts.region(record)
            np.testing.assert_array_equal(region.plane(parts.in_use.frame_shape), session.mask(object_id, frame))


def test_an_absent_object_has_no_pixels_whatever_its_logits_say(parts):
    record = next(iter(parts.state.objects.values())).shown(0)
    assert parts.region(record).area_px
    assert not parts.region(dataclasses.replace(record, object_score=-1.0)).area_px
