"""Objects are found, followed, ended and divided in a movie with exact truth, by the embedded model."""

import numpy as np
import pytest

import crossing_movie
from blob_tracker import blob_session, squares
from lively_movie import CHILDREN, DIVIDES_ON, ENTERING, ENTERS_ON, LEAVES_ON, LEAVING, PARENT, STAYING, movie, truth
from napari_sam2.session.session import Session
from napari_sam2.session.tracking.movie_tracker import MovieTracker
from napari_sam2.session.tracking.regions import Region
from square_movies import click


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


def test_a_mask_drawn_on_the_newest_frame_stays():
    with Session(movie(), "TYX") as session:
        tracking = session.track_everything(points_per_side=12)
        for _ in tracking:
            new = [i for i, item in session.objects.items() if item.anchors == [ENTERS_ON]]
            if new:
                break
        tracking.close()
        mask = session.mask(new[0], ENTERS_ON)
        drawn = session.add_mask(new[0], ENTERS_ON, mask | np.roll(mask, 1, 0) | np.roll(mask, -1, 0))
        for _ in session.track_everything(points_per_side=12):
            pass
        np.testing.assert_array_equal(session.mask(new[0], ENTERS_ON), drawn)


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


DIVIDED = squares(
    5,
    (32, 48),
    {
        1: [(8, 16, 10) if t < 3 else None for t in range(5)],
        2: [(10, 10, 7) if t >= 3 else None for t in range(5)],
        3: [(10, 25, 7) if t >= 3 else None for t in range(5)],
        4: [(2, 40, 7)] * 5,
    },
)


@pytest.fixture
def divided():
    """A parent that has divided, of which one child was lost, and what is found beside it."""
    with blob_session(np.where(DIVIDED > 0, 200, 10).astype(np.uint8), "TYX") as session:
        click(session, 1, 0, DIVIDED)
        session.propagate_all()
        assert session.divide_object(1, 3) == [2, 3]
        session.remove_object(3)
        for object_id, label in ((2, 2), (3, 3), (4, 4)):
            session.add_mask(object_id if object_id in session.objects else session.add_object(), 3, DIVIDED[3] == label)
        with session.state.history.action(None):
            for object_id in (1, 2, 3, 4):
                session._objects.mark_found(object_id)
        yield session


def test_a_child_that_was_lost_and_is_found_again_has_its_parent(divided):
    tracker = MovieTracker(divided._everything_tracker._parts, None, {})
    with divided.state.history.action(None):
        assert not tracker._joins_sibling(4, 3), "it is too far away"
        assert tracker._joins_sibling(3, 3)
        assert divided.lineage == {2: 1, 3: 1}
        assert not tracker._joins_sibling(4, 3), "there are two"


def test_the_other_child_is_looked_for_where_the_parent_was():
    with blob_session(np.where(DIVIDED > 0, 200, 10).astype(np.uint8), "TYX") as session:
        click(session, 1, 0, DIVIDED)
        session.propagate_all(frames=[1, 2])
        with session.state.history.action(None):
            session._objects.mark_found(1)
        tracker = MovieTracker(session._everything_tracker._parts, None, {})
        regions = {1: Region.of_plane(DIVIDED[3] == 2)}
        ((row, column),) = tracker._beside_shrunk(3, regions, DIVIDED[3] == 2)
        assert DIVIDED[3][round(row), round(column)] == 3
        assert tracker._beside_shrunk(3, regions, np.isin(DIVIDED[3], (2, 3))) == [], "something is there already"
        assert tracker._beside_shrunk(2, {1: Region.of_plane(DIVIDED[2] == 1)}, DIVIDED[2] == 1) == []


def test_a_child_in_the_mask_of_a_neighbour_is_cut_off():
    """It touches the neighbour, and both are one blob, on the frame after a bright parent has gone."""
    truth = squares(
        6,
        (32, 64),
        {
            1: [(8, 16, 10)] * 5 + [None],
            2: [None] * 5 + [(9, 11, 7)],
            3: [None] * 5 + [(9, 25, 7)],
            4: [(8, 40 - 2 * t, 8) for t in range(4)] + [(8, 33, 8), (8, 32, 8)],
        },
    )
    image = np.where(truth == 4, 160, np.where(truth > 0, 190, 10)).astype(np.uint8)
    image[4][truth[4] == 1] = 250
    with blob_session(image, "TYX", intensity_range=(0, 255)) as session:
        for object_id in (1, 4):
            click(session, object_id, 0, truth)
        session.propagate_all(frames=range(1, 5))
        with session.state.history.action(None):
            for object_id in (1, 4):
                session._objects.mark_found(object_id)
        session.propagate_all(frames=[5])
        tracker = MovieTracker(session._everything_tracker._parts, None, {})
        regions = {i: session._everything_tracker._parts.region(session.objects[i].shown(5)) for i in (1, 4)}
        with session.state.history.action(None):
            tracker._free_children(5, regions)
        np.testing.assert_array_equal(session.mask(4, 5), truth[5] == 4)
        assert len(session.lineage) == 2
        assert set(session.lineage.values()) == {1}
        found = [session.mask(child, 5) for child in session.lineage]
        assert sorted(int(truth[5][mask].max()) for mask in found) == [2, 3]
