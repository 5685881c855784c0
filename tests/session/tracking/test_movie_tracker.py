"""Objects are found, followed, ended and divided in a movie with exact truth, by the embedded model."""

import numpy as np
import pytest

import crossing_movie
from lively_movie import CHILDREN, DIVIDES_ON, ENTERING, ENTERS_ON, LEAVES_ON, LEAVING, PARENT, STAYING, movie, truth
from napari_sam2.session.session import Session


@pytest.fixture(scope="module")
def session():
    session = Session(movie(), "TYX")
    for _ in session.track_everything(points_per_side=12):
        pass
    return session


def true_label(session, object_id):
    labels = np.bincount(truth()[session.labels == object_id], minlength=7)
    return int(labels[1:].argmax()) + 1


def test_each_object_is_found_once_on_its_frames(session):
    found = {true_label(session, object_id): object_id for object_id in session.objects}
    assert sorted(found) == [STAYING, LEAVING, PARENT, ENTERING, *CHILDREN]
    assert len(session.objects) == 6
    for label, object_id in found.items():
        mask, wanted = session.labels == object_id, truth() == label
        assert mask.any((1, 2)).tolist() == wanted.any((1, 2)).tolist(), label
        assert (mask & wanted).sum() > 0.8 * (mask | wanted).sum(), label


def test_what_divides_has_its_children(session):
    found = {object_id: true_label(session, object_id) for object_id in session.objects}
    assert {found[child]: found[parent] for child, parent in session.lineage.items()} == dict.fromkeys(CHILDREN, PARENT)


def test_lives_are_known(session):
    lives = {true_label(session, i): (item.info.first_frame, item.info.end_frame) for i, item in session.objects.items()}
    assert lives == {
        STAYING: (0, None),
        LEAVING: (0, LEAVES_ON),
        PARENT: (0, DIVIDES_ON),
        ENTERING: (ENTERS_ON, None),
        **dict.fromkeys(CHILDREN, (DIVIDES_ON, None)),
    }
    assert all(item.info.is_found for item in session.objects.values())


def test_prompts_of_a_person_stay():
    with Session(movie()[:5], "TYX") as session:
        mine = session.add_object("mine")
        session.add_points(mine, 0, [(85, 22)], [1])
        for _ in session.track_everything(points_per_side=12):
            pass
        assert session.objects[mine].info.end_frame is None, "who leaves is not ended, as a person prompted it"
        assert not session.objects[mine].info.is_found
        assert session.objects[mine].anchors == [0]
        assert len(session.objects) == 6, "its object is not found again"


def test_two_that_cross_keep_their_tracks():
    """On one another they are one bright thing, which comes apart again: no division."""
    wanted = crossing_movie.truth()
    with Session(crossing_movie.movie(), "TYX") as session:
        for _ in session.track_everything(points_per_side=12):
            pass
        labels = np.array(session.labels)
        assert session.lineage == {}
    ends = {frame: [int(np.bincount(labels[frame][wanted[frame] == i]).argmax()) for i in (1, 2, 3)] for frame in (0, -1)}
    assert ends[0] == ends[-1]
    assert len({*ends[0]}) == 3
    assert sorted(np.unique(labels)) == [0, *sorted(ends[0])]
    for label, found in zip((1, 2, 3), ends[0], strict=True):
        assert (labels == found).any((1, 2)).all(), label
