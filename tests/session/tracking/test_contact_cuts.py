import numpy as np
import pytest

from blob_tracker import blob_session, squares
from napari_sam2.session.tracking.contact_cuts import ContactCuts, pairs_that_meet
from napari_sam2.session.tracking.measurements import Measurements
from napari_sam2.session.tracking.regions import Region
from square_movies import click

LEFT = (14, 15, 16, 17, 18)
TRUTH = squares(len(LEFT), (24, 64), {1: [(8, left, 8) for left in LEFT], 2: [(8, 44 - left, 8) for left in LEFT]})
MOVIE = np.select([TRUTH == 1, TRUTH == 2], [250, 170], 10).astype(np.uint8)
LAST = len(LEFT) - 1


@pytest.fixture
def session():
    with blob_session(MOVIE, "TYX") as session:
        for object_id in (1, 2):
            click(session, object_id, 0, TRUTH)
        session.propagate_all()
        yield session


@pytest.mark.parametrize("changeable", [(1, 2), (1,), ()])
def test_what_may_be_changed_is_cut(session, changeable):
    """Squares touch on the last frame: each has its part, or one what the other leaves, which is nothing that counts here."""
    measurements = Measurements(session.state, session._in_use)
    regions = {object_id: measurements.region(object_id, LAST) for object_id in (1, 2)}
    with session.state.history.action(None):
        changed = ContactCuts(session.state, session._in_use).cut(LAST, regions, changeable, measurements)
    assert changed == ([1, 2] if len(changeable) == 2 else [])
    left = [int(np.count_nonzero(session.mask(object_id, LAST))) for object_id in (1, 2)]
    assert left == ([64, 64] if len(changeable) == 2 else [128, 128])


def test_they_are_cut_towards_frame_0_by_how_they_were_later():
    movie = blob_session(MOVIE[::-1].copy(), "TYX")
    for object_id in (1, 2):
        click(movie, object_id, LAST, TRUTH[::-1])
    movie.propagate_all()
    measurements = Measurements(movie.state, movie._in_use)
    regions = {object_id: measurements.region(object_id, 0) for object_id in (1, 2)}
    with movie.state.history.action(None):
        assert ContactCuts(movie.state, movie._in_use).cut(0, regions, (1, 2), measurements, reverse=True) == [1, 2]
    for object_id in (1, 2):
        np.testing.assert_array_equal(movie.mask(object_id, 0), TRUTH[LAST] == object_id)


def test_boxes_meet_where_they_have_pixels_in_common():
    regions = {
        3: Region(0, 0, np.ones((4, 4), bool)),
        5: Region(3, 3, np.ones((2, 2), bool)),
        7: Region(4, 0, np.ones((2, 3), bool)),
        8: Region(0, 0, np.zeros((0, 0), bool)),
    }
    assert pairs_that_meet(regions) == [(3, 5)]
    assert pairs_that_meet({}) == []
