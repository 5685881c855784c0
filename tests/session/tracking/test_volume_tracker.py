"""Objects are found in a volume, each once, from end to end."""

import numpy as np
import pytest

from lively_movie import balls, volume
from napari_sam2.session.session import Session
from napari_sam2.session.tracking.volume_tracker import num_before_valley


@pytest.fixture(scope="module")
def session():
    session = Session(volume()[1:20], "ZYX")
    for _ in session.track_everything(points_per_side=7):
        pass
    return session


def test_each_ball_is_one_object(session):
    truth = balls()[1:20]
    assert len(session.objects) == 3
    for label in (1, 2, 3):
        wanted = truth == label
        object_id = int(np.bincount(session.labels[wanted])[1:].argmax()) + 1
        mask = session.labels == object_id
        assert (mask & wanted).sum() > 0.65 * (mask | wanted).sum()
        found, true = (np.flatnonzero(one.any((1, 2))) for one in (mask, wanted))
        assert abs(found[[0, -1]] - true[[0, -1]]).max() <= 2, "one above another, each ends"


def test_lives_are_those_of_the_masks(session):
    for object_id, item in session.objects.items():
        frames = np.flatnonzero((session.labels == object_id).any((1, 2)))
        assert (item.info.first_frame, item.info.end_frame) == (frames[0], frames[-1] + 1)
        assert sorted(item.shown_frames()) == frames.tolist()


def test_stopped_in_the_middle_of_an_object_it_goes_on_to_the_same(session):
    other = Session(volume()[1:20], "ZYX")
    searched = 0
    for number, result in enumerate(other.track_everything(points_per_side=7)):
        searched += not result.scores
        if number == searched + 12:
            break
    assert any(item.info.end_frame is None for item in other.objects.values())
    list(other.track_everything(points_per_side=7))
    assert len(other.objects) == len(session.objects)
    np.testing.assert_array_equal(other.labels, session.labels)


@pytest.mark.parametrize(
    ("contrasts", "count"),
    [
        ([5, 4, 3, 2, 1.5], None),
        ([5, 4, 2, 3], 2),
        ([5, 4, 3.5, 5], None),  # not deep enough
        ([5, 4, 2, 2.4], None),  # not high enough again
        ([0.5, 0.1, 0.5], None),  # nothing is clear
        ([4, 7, 9, 3, 6, 9], 3),
        ([5], None),
    ],
)
def test_another_object_begins_after_a_valley(contrasts, count):
    assert num_before_valley(contrasts) == count
