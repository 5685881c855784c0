import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.session.tracking.measurements import Measured, Measurements
from napari_sam2.session.tracking.regions import Region
from square_movies import MOVIE, TRUTH, followed


@pytest.fixture
def session():
    return followed(blob_session(MOVIE))


@pytest.fixture
def measurements(session):
    return Measurements(session.state, session._in_use)


def test_a_square_is_measured_where_it_is(session, measurements):
    known = measurements.of(1, range(-2, 3))
    assert list(known) == [0, 1, 2]
    assert known[2] == Measured(36, pytest.approx(1), (6.5, 7.5), 255)
    assert measurements.of(3, [1]) == {1: Measured(0, 1.0)}, "it is absent"
    np.testing.assert_array_equal(measurements.region(1, 2).plane(TRUTH.shape[1:]), TRUTH[2] == 1)
    assert measurements.region(3, 1) is None
    assert measurements.region(1, -1) is None


def test_a_mask_is_measured_once_and_again_where_it_is_taken(session, measurements):
    measurements.of(1, [2])
    session.remove_object(2)
    session.add_mask(1, 2, TRUTH[2] == 2)
    assert measurements.of(1, [2])[2].area_px == 36
    measurements.take(1, 2, Region.of_plane(TRUTH[2] == 2))
    assert measurements.of(1, [2])[2].area_px == 25


def test_what_is_measured_is_forgotten_or_of_a_later_object(session, measurements):
    before = measurements.of(1, range(4))
    measurements.go_on_as(1, 2, 2)
    assert measurements.of(2, [2, 3]) == {2: before[2], 3: before[3]}
    session.remove_object(2)
    session.add_mask(1, 0, TRUTH[0] == 2)
    measurements.forget_before(1, 1)
    assert measurements.of(1, range(2)) == {0: Measured(25, pytest.approx(1), (22.0, 22.0), 255), 1: before[1]}


def test_a_colour_frame_is_grey_to_the_eye_of_a_measurement():
    image = np.repeat(MOVIE[..., None], 3, -1)
    image[..., 0] = 0
    session = followed(blob_session(image, "TYXC"))
    assert Measurements(session.state, session._in_use).grey(0).shape == MOVIE.shape[1:]
