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


def meeting(num_frames=4):
    """Two squares that come to touch on frame 2, where the double takes them for one."""
    frames = np.zeros((num_frames, 40, 60), np.uint8)
    for t in range(num_frames):
        frames[t, 10:20, 10:20] = 200
        left = max(20, 38 - 9 * t)
        frames[t, 10:20, left : left + 10] = 200
    return frames


def test_one_that_took_in_another():
    session = blob_session(meeting())
    for object_id, column in ((1, 14), (2, 42)):
        session.add_object()
        session.add_points(object_id, 0, [(14, column)], [1])
    session.propagate_all()
    session.end_object(2, 2)
    asked = [(one.object_id, one.frame) for one in session.review_queue() if ReviewReason.FUSION in one.reason]
    assert asked == [(1, 2)]
    assert [one.frame for one in session.review_queue([1]) if ReviewReason.FUSION in one.reason] == [2]


def square(column):
    mask = np.zeros((20, 24), bool)
    mask[5:9, column : column + 4] = True
    return mask


def test_two_that_exchanged_their_tracks():
    frames = np.zeros((4, 20, 24), np.uint8)
    frames[:, 5:9, 2:6] = frames[:, 5:9, 14:18] = 200
    session = blob_session(frames)
    for first, last in ((2, 14), (14, 2)):
        object_id = session.add_object()
        for frame, column in ((0, first), (3, last)):
            session.add_mask(object_id, frame, square(column))
    session.propagate_all()
    asked = [(one.object_id, one.frame) for one in session.review_queue() if ReviewReason.SWAP in one.reason]
    assert sorted(asked) == [(1, 2), (2, 2)], "halfway between what a person said of the first and of the last frame"
