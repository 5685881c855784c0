"""Squares that touch are one blob: each of two that were found keeps its part, also when it is tracked again."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage as ndi

from blob_tracker import blob_session, squares
from square_movies import click, origins

LEFT = (14, 15, 16, 17, 18, 18, 18, 17, 16, 15)
TOUCHING = range(4, 7)
LAST = len(LEFT) - 1
TRUTH = squares(len(LEFT), (24, 64), {1: [(8, left, 8) for left in LEFT], 2: [(8, 44 - left, 8) for left in LEFT]})
MOVIE = np.select([TRUTH == 1, TRUTH == 2], [250, 170], 10).astype(np.uint8)


@pytest.fixture
def session():
    with blob_session(MOVIE, "TYX") as session:
        for object_id in (1, 2):
            click(session, object_id, 0, TRUTH)
        yield session


@pytest.fixture
def found(session):
    with session.state.history.action(None):
        for object_id in (1, 2):
            session._objects.mark_found(object_id)
    session.propagate_all()
    return session


def test_each_has_its_part(found):
    np.testing.assert_array_equal(found.labels, TRUTH)


def test_what_a_person_prompted_is_not_cut(session):
    session.propagate_all()
    for frame in TOUCHING:
        assert np.count_nonzero(session.mask(1, frame)) == np.count_nonzero(TRUTH[frame])


@pytest.mark.parametrize("prompted", [(1,), (2,), (1, 2)])
def test_they_are_cut_again_where_a_prompt_made_them_stale(found, prompted):
    before = origins(found, 2)
    for object_id in prompted:
        click(found, object_id, LAST, TRUTH)
    assert found.propagate_all() > len(TOUCHING)
    np.testing.assert_array_equal(found.labels, TRUTH)
    if 2 not in prompted:
        assert origins(found, 2) == before


def test_all_of_it_is_undone_at_once(found):
    click(found, 1, LAST, TRUTH)
    before = origins(found, 1)
    found.propagate_all()
    found.undo()
    assert origins(found, 1) == before


def test_edges_are_placed_again(session):
    wide = ndi.binary_dilation(TRUTH[1] == 1, np.ones((3, 3)))
    with session.state.history.action(None):
        session._objects.mark_found(1)
    session.propagate_all()
    with session.state.history.action(None):
        session.objects[1].tracked[1] = replace(session.objects[1].tracked[1], mask_logits=np.where(wide, 1, -1).astype(np.float32))
        session._propagator._after_step(1, [1, 2], False)
    np.testing.assert_array_equal(session.mask(1, 1), TRUTH[1] == 1)
