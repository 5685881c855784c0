import dataclasses
import threading

import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.reports.frame_measurements import FrameMeasurements
from napari_sam2.plugin.reports.reports import RecordKind
from napari_sam2.plugin.sessions.session_opener import SessionRequest
from napari_sam2.session.review.track_measurements import ReviewReason


@pytest.fixture
def session(opener, blobs):
    session = opener.open(SessionRequest(blobs, "TYX", "micro"))
    for object_id, point_rc in ((1, (10, 10)), (2, (24, 35))):
        session.add_object(object_id=object_id)
        session.add_points(object_id, 0, [point_rc], [1])
    return session


@pytest.fixture
def measurements(session):
    measurements = FrameMeasurements(session)

    def measure(change):
        measurements.measure(change.records)

    session.state.changed.connect(measure)
    measurements.measure_all()
    yield measurements
    session.state.changed.disconnect(measure)


def as_rows(measured):
    columns = (getattr(measured, field.name).tolist() for field in dataclasses.fields(measured))
    return {(object_id, frame): tuple(rest) for object_id, frame, *rest in zip(*columns, strict=True)}


def anew(session):
    """Measure the whole session by its own methods."""
    rows = {}
    for object_id, item in session.objects.items():
        for frame, quality in session.quality(object_id).items():
            kind = RecordKind.STALE if frame in item.stale else RecordKind.CURRENT
            rows[object_id, frame] = kind, float(np.float32(quality.area_px)), float(np.float32(quality.uncertainty))
    return rows


def check(known, session):
    assert {key: row[:3] for key, row in known.items() if row[0] != RecordKind.NONE and key[0] in session.objects} == anew(session)


def test_what_was_there_is_measured(session, measurements):
    known = as_rows(measurements.take())
    assert known[1, 0] == (RecordKind.CURRENT, 100, 0, 0, 0, [9.5, 9.5])
    assert known[1, 1][:5] == (RecordKind.NONE, 0, 0, 0, 0), "a neighbour of what was measured"
    check(known, session)
    assert measurements.take() is None


def test_measurements_follow_every_change_as_those_of_the_session(session, measurements, monkeypatch):
    known = as_rows(measurements.take())

    def follow():
        measured = measurements.take()
        assert not any(getattr(measured, field.name).flags.writeable for field in dataclasses.fields(measured))
        known.update(as_rows(measured))
        check(known, session)

    session.propagate_all()
    follow()
    assert {key for key, row in known.items() if row[0] == RecordKind.CURRENT} == {(i, t) for i in (1, 2) for t in range(3)}
    assert known[2, 1][2] > 0
    session.add_points(2, 2, [(2, 2)], [0])
    follow()
    session.add_points(2, 2, [(10, 10)], [1])
    follow()
    assert known[2, 1][0] == RecordKind.STALE
    session.approve(1, 1)
    follow()
    assert known[1, 1][2] == 0
    session.remove_object(2)
    taken = as_rows(measurements.take())
    assert set(taken) == {(1, 2)}, "of what is gone there is nothing to tell, and object 1 is alone on its cell again"
    known.update(taken)
    for move in (session.undo, session.undo, session.undo, session.undo, session.undo, session.redo, session.redo):
        move()
        follow()


def test_only_what_changed_is_reported_with_its_neighbours(session, measurements):
    measurements.take()
    session.add_points(1, 2, [(10, 10)], [1])
    assert set(as_rows(measurements.take())) == {(1, 1), (1, 2)}


def test_a_record_is_read_once(session, measurements, monkeypatch):
    measurements.take()
    session.propagate_all()
    measurements.take()
    item, read = session.objects[1], []
    monkeypatch.setattr(type(item), "shown", lambda self, frame: read.append((self.object_id, frame)))
    measurements.measure([(1, 1)])
    assert read == [(1, 1)], "not those of its neighbours"


def test_jumps_and_absences_as_the_session_measures_them(opener):
    """An object that moves, grows, disappears and comes again."""
    stack = np.zeros((6, 40, 50), np.uint8)
    for frame, (row, col, side) in {0: (5, 5, 8), 1: (6, 6, 8), 2: (6, 9, 12), 4: (5, 5, 4), 5: (5, 5, 4)}.items():
        stack[frame, row : row + side, col : col + side] = 200
    session = opener.open(SessionRequest(stack, "TYX", "micro"))
    session.add_object(object_id=7)
    session.add_points(7, 0, [(8, 8)], [1])
    session.propagate_all()
    measurements = FrameMeasurements(session)
    measurements.measure_all()
    known = as_rows(measurements.take())
    check(known, session)
    assert [known[7, frame][1] for frame in range(6)] == [
        64,
        64,
        144,
        0,
        pytest.approx(known[7, 4][1]),
        pytest.approx(known[7, 5][1]),
    ]


def reviewed(known):
    """Reasons and other objects, where there is something to review."""
    return {key: (ReviewReason(row[3]), row[4]) for key, row in known.items() if row[3]}


def test_two_objects_on_one_cell(session, measurements):
    session.propagate_all()
    known = as_rows(measurements.take())
    session.add_object(object_id=3)
    session.add_points(3, 1, [(10, 10)], [1])
    known |= as_rows(measurements.take())
    assert ReviewReason.OVERLAP in reviewed(known)[1, 1][0]
    assert reviewed(known)[1, 1][1] == 3, "3 was clicked on there"
    session.propagate_all()
    known |= as_rows(measurements.take())
    overlapping = {key: other for key, (reasons, other) in reviewed(known).items() if ReviewReason.OVERLAP in reasons}
    assert overlapping == {(3, 0): 1, (1, 1): 3, (3, 2): 1}, "the anchors are not in question, of tracked ones the later object is"
    session.approve(1, 1)
    known |= as_rows(measurements.take())
    assert (1, 1) not in reviewed(known), "a person said that there are two"
    session.undo()
    session.remove_object(3)
    taken = as_rows(measurements.take())
    assert not any(ReviewReason.OVERLAP in reasons for reasons, _ in reviewed(taken).values())
    assert (1, 1) in taken
    session.undo()
    known |= as_rows(measurements.take())
    assert (known[3, 2][4], known[1, 1][4]) == (1, 3)


def test_a_reason_may_lie_far_from_what_changed(opener):
    """That it comes back makes of an absence a gap."""
    stack = np.zeros((7, 40, 50), np.uint8)
    stack[:2, 5:13, 5:13] = stack[5:, 5:13, 5:13] = 200
    session = opener.open(SessionRequest(stack, "TYX", "micro"))
    session.add_points(session.add_object(), 0, [(8, 8)], [1])
    list(session.propagate())
    measurements = FrameMeasurements(session)
    measurements.measure((1, frame) for frame in range(4))
    assert as_rows(measurements.take())[1, 2][3] & ReviewReason.APPEARS
    measurements.measure((1, frame) for frame in range(4, 7))
    taken = as_rows(measurements.take())
    assert ReviewReason(taken[1, 2][3]) & (ReviewReason.GAP | ReviewReason.APPEARS) == ReviewReason.GAP
    assert set(taken) == {(1, frame) for frame in (2, 3, 4, 5, 6)}


def test_the_console_may_measure_while_the_worker_takes(session, measurements):
    """Nothing is lost between two threads."""
    session.propagate_all()
    known, keys = as_rows(measurements.take()), [(i, t) for i in (1, 2) for t in range(3)]
    thread = threading.Thread(target=lambda: [measurements.measure([key]) for _ in range(30) for key in keys])
    thread.start()
    taken = {}
    while thread.is_alive():
        if (measured := measurements.take()) is not None:
            taken |= as_rows(measured)
    thread.join()
    if (measured := measurements.take()) is not None:
        taken |= as_rows(measured)
    assert taken == known


def asked(frames, act):
    """What the dock, told of one change after another, and the session ask about objects that met; by object and frame."""
    session = blob_session(frames)
    measurements, known = FrameMeasurements(session), {}

    def measure(change):
        measurements.measure(change.records)
        if (measured := measurements.take()) is not None:
            known.update(as_rows(measured))

    session.state.changed.connect(measure)
    act(session)
    wanted = ReviewReason.FUSION | ReviewReason.SWAP
    by_session = {(one.object_id, one.frame): one.reason & wanted for one in session.review_queue() if one.reason & wanted}
    return {key: reasons & wanted for key, (reasons, _) in reviewed(known).items() if reasons & wanted}, by_session


def test_one_that_took_in_another_is_asked_about_as_in_the_session():
    frames = np.zeros((4, 40, 60), np.uint8)
    frames[:, 10:20, 10:20] = 200
    for t in range(4):
        left = max(20, 38 - 9 * t)
        frames[t, 10:20, left : left + 10] = 200

    def act(session):
        for column in (14, 42):
            session.add_points(session.add_object(), 0, [(14, column)], [1])
        session.propagate_all()
        session.end_object(2, 2)

    in_dock, in_session = asked(frames, act)
    assert in_dock == in_session == {(1, 2): ReviewReason.FUSION}


def test_two_that_exchanged_their_tracks_are_asked_about_as_in_the_session():
    frames = np.zeros((4, 20, 24), np.uint8)
    frames[:, 5:9, 2:6] = frames[:, 5:9, 14:18] = 200

    def act(session):
        for first, last in ((2, 14), (14, 2)):
            object_id = session.add_object()
            for frame, column in ((0, first), (3, last)):
                mask = np.zeros((20, 24), bool)
                mask[5:9, column : column + 4] = True
                session.add_mask(object_id, frame, mask)
        session.propagate_all()

    in_dock, in_session = asked(frames, act)
    assert in_dock == in_session
    assert ReviewReason.SWAP in set(in_dock.values())
