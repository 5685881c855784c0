"""Squares that touch are one blob: each of two that were found keeps its part, also when it is tracked again."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage as ndi

from blob_tracker import blob_session, squares
from lively_movie import movie
from napari_sam2.session.session import Session
from napari_sam2.session.tracking.slice_masks import SliceMasks
from square_movies import click, origins
from tiny_models import tiny_predictor

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


@pytest.mark.parametrize(("zoom", "is_placed"), [("auto", True), (None, False)])
def test_edges_of_what_a_person_clicked_are_placed_with_windows(zoom, is_placed):
    with Session(movie()[:4], "TYX", zoom=zoom) as session:
        one = session.add_object()
        session.add_points(one, 0, [(85, 22)], [1])
        session.propagate_all()
        records = session.objects[one]
        assert [records.tracked[frame].remembered is not None for frame in (1, 2)] == [is_placed] * 2
        assert records.conditioning[0].remembered is None, "what is clicked stays"


def test_edges_do_not_depend_on_other_objects():
    def tracked(*places):
        with Session(movie()[:3], "TYX") as session:
            for place in places:
                session.add_points(session.add_object(), 0, [place], [1])
            session.propagate_all()
            return session.objects[1].tracked[2].mask_logits

    # In a batch of two, sums are in another order.
    np.testing.assert_allclose(tracked((85, 22)), tracked((85, 22), (85, 30)), atol=1e-3)


@pytest.mark.parametrize(("axes", "zoom"), [("ZYX", 4.0), ("TYX", 4.0), ("ZYX", None)])
@pytest.mark.parametrize("is_found", [False, True])
def test_masks_of_a_person_in_a_volume_are_corrected(axes, zoom, is_found, monkeypatch):
    """In windows alone: whole frames are segmented as by the official predictor."""
    given = []

    def noted(self, frame, item, reverse):
        given.append((frame, item.object_id, reverse))
        return replace(item.tracked[frame], mask_logits=np.full_like(item.tracked[frame].mask_logits, -1))

    monkeypatch.setattr(SliceMasks, "corrected", noted)
    with Session(MOVIE[:4], axes, model=tiny_predictor(), zoom=zoom) as session:
        click(session, 1, 1, TRUTH)
        if is_found:
            with session.state.history.action(None):
                session._objects.mark_found(1)
        session.propagate_all()
        is_corrected = axes == "ZYX" and zoom is not None and not is_found
        assert given == ([(2, 1, False), (3, 1, False), (0, 1, True)] if is_corrected else [])
        if is_corrected:
            assert not session.labels[[0, 2, 3]].any()
