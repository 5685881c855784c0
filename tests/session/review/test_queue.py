"""The queue of a session asks the right questions."""

import numpy as np

from blob_tracker import blob_session
from napari_sam2 import ReviewItem, ReviewReason
from napari_sam2.session.review.track_measurements import ReviewReason as Reason


def movie():
    """A square that falls in two on frame 3, and one that leaves over the border after frame 4."""
    frames = np.zeros((6, 40, 48), np.uint8)
    for t in range(6):
        frames[t, 5:15, 5:15] = 200
        if t >= 3:
            frames[t, 5:15, 9:12] = 0
        left = 30 + 4 * t
        frames[t, 25:35, left : left + 10] = 200 if t < 5 else 0
    return frames


def test_questions_are_asked():
    session = blob_session(movie())
    session.add_object()
    session.add_points(1, 0, [(10, 7)], [1])
    session.propagate_all()
    queue = {(one.object_id, one.frame): one for one in session.review_queue()}
    assert all(isinstance(one, ReviewItem) for one in queue.values())
    assert (1, 0) not in queue, "an anchor is known"
    assert set(queue) == {(1, t) for t in range(1, 6)}
    divided = [frame for (_, frame), one in queue.items() if ReviewReason.DIVISION in one.reason]
    assert sorted(divided) == [3], "it falls in two there"
    assert ReviewReason is Reason


def test_two_on_one_cell():
    session = blob_session(movie())
    for object_id in (1, 2):
        session.add_object()
        session.add_points(object_id, 0, [(10, 7)], [1])
    session.propagate_all()
    doubles = [(one.object_id, one.frame) for one in session.review_queue() if ReviewReason.OVERLAP in one.reason]
    assert sorted(doubles) == [(2, t) for t in range(1, 6)], "the one with the higher id"
    assert sorted((one.object_id, one.frame) for one in session.review_queue([2])) == [(2, t) for t in range(1, 6)]
    assert all(ReviewReason.OVERLAP in one.reason for one in session.review_queue([2]))
