"""A session whose model is elsewhere has the results of one whose model is here, number for number; each frame travels once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from batch_stacks import discs
from napari_sam2.cluster.remote_compute import WorkerLostError
from napari_sam2.session.session import Session
from packed_records import contents
from served_here import ServedHere, served_here  # noqa: F401 - a fixture

T = 5
MOVIE, TRUTH = discs(T)


def work_on(session: Session) -> Session:
    """Click, propagate, correct, let an object be absent, propagate again."""
    first, second = session.add_object(), session.add_object()
    session.add_points(first, 0, [np.argwhere(TRUTH[0] == 1).mean(0)])
    session.add_mask(second, 2, TRUTH[2] == 2)
    session.propagate_all()
    session.add_points(first, 3, [np.argwhere(TRUTH[3] == 1).mean(0), [60, 60]], [1, 0])
    session.propagate_all()
    return session


def records_of(session: Session) -> dict[tuple[int, int], Any]:
    memories = {object_id: item.memory for object_id, item in session.objects.items()}
    return {(i, frame): contents(memory.get(frame)) for i, memory in memories.items() for frame in memory.frames()}


def test_a_session_has_the_same_results(served_here: ServedHere) -> None:  # noqa: F811
    with work_on(Session(MOVIE, "TYX", device="cpu")) as local, work_on(Session(MOVIE, "TYX", compute=served_here)) as remote:
        np.testing.assert_array_equal(remote.labels, local.labels)
        here, there = records_of(local), records_of(remote)
        assert here == there
        assert all(record.memory is not None for record in remote.objects[1].tracked.values())
        assert remote.document().model.sha256 == local.document().model.sha256
    assert served_here.transfers.frames == T
    assert served_here.transfers.tensors == 1  # the mask that a click changed; the worker that made a memory has it
    assert served_here.num_begun == 1


def test_an_object_that_is_clicked_away(served_here: ServedHere) -> None:  # noqa: F811
    with Session(MOVIE, "TYX", device="cpu") as local, Session(MOVIE, "TYX", compute=served_here) as remote:
        for session in (local, remote):
            session.add_labels(TRUTH[0] == 1, 0)
            session.propagate_all(frames=[1])
            session.add_points(1, 1, [np.argwhere(TRUTH[1] == 1).mean(0)], [0])
            assert not session.mask(1, 1).any()
            session.propagate_all()
        assert records_of(remote) == records_of(local)
    assert ("absent", 0) in served_here.asked


def test_what_the_model_sees(served_here: ServedHere) -> None:  # noqa: F811
    with Session(MOVIE, "TYX", device="cpu") as local, Session(MOVIE, "TYX", compute=served_here) as remote:
        np.testing.assert_array_equal(remote.preview(1), local.preview(1))


def test_everything_on_a_frame(served_here: ServedHere) -> None:  # noqa: F811
    with Session(MOVIE, "TYX", device="cpu") as local, Session(MOVIE, "TYX", compute=served_here) as remote:
        found = [session.segment_everything(0, points_per_side=4) for session in (local, remote)]
        assert found[0] == found[1]
        np.testing.assert_array_equal(remote.labels, local.labels)


def test_a_lost_worker_loses_nothing(served_here: ServedHere) -> None:  # noqa: F811
    with Session(MOVIE, "TYX", compute=served_here) as remote, Session(MOVIE, "TYX", device="cpu") as local:
        for session in (local, remote):
            session.add_labels(TRUTH[0], 0)
        results = remote.propagate()
        assert [next(results).frame for _ in range(2)] == [1, 2]
        before = (remote.labels.copy(), len(remote.document().calls))
        served_here.lose()
        sentence = "^the connection to tcp://127.0.0.1:2 of tcp://127.0.0.1:1, which computes for this session, was lost"
        with pytest.raises(WorkerLostError, match=sentence):
            next(results)
        np.testing.assert_array_equal(remote.labels, before[0])
        assert len(remote.document().calls) == before[1]
        assert [result.frame for result in remote.propagate()] == [3, 4]
        local.propagate_all()
        np.testing.assert_array_equal(remote.labels, local.labels)
    assert served_here.num_begun == 2
    assert [step for step, count in Counter(served_here.asked).items() if count > 1] == []
    assert [step for step in served_here.asked if step[0] == "remember"] == [("remember", 0)]
    # Frames 3 and 4 are new, and no other travelled again; no memory was encoded again: those of both objects were sent.
    assert served_here.transfers.frames == T
    assert served_here.transfers.tensors > 0


def test_a_saved_session_is_opened_where_the_model_is_elsewhere(served_here: ServedHere, tmp_path: Path) -> None:  # noqa: F811
    with Session(MOVIE, "TYX", device="cpu") as local:
        local.save(tmp_path / "a.sam2")
        local.add_labels(TRUTH[0], 0)
        results = local.propagate()
        assert next(results).frame == 1
    with Session.open(tmp_path / "a.sam2", MOVIE, compute=served_here) as remote:
        assert [result.frame for result in remote.propagate()] == [2, 3, 4]
        labels = remote.labels.copy()
    with Session(MOVIE, "TYX", device="cpu") as local:
        local.add_labels(TRUTH[0], 0)
        local.propagate_all()
        np.testing.assert_array_equal(labels, local.labels)


def test_another_axis_is_computed_there_too(served_here: ServedHere) -> None:  # noqa: F811
    with Session(MOVIE, "ZYX", compute=served_here) as session, session.reslice("Y") as other:
        assert other.model is session.model
        other.add_points(other.add_object(), 20, [(0, 20)])
    assert served_here.num_begun == 1


def test_colours_are_sent_as_they_are(served_here: ServedHere) -> None:  # noqa: F811
    movie = np.repeat(MOVIE[..., None], 3, axis=-1)
    with Session(movie, "TYXC", device="cpu") as local, Session(movie, "TYXC", compute=served_here) as remote:
        for session in (local, remote):
            session.add_labels(TRUTH[0], 0)
            session.propagate_all(frames=[1])
        np.testing.assert_array_equal(remote.labels, local.labels)


def test_small_windows_travel_and_not_the_frame(served_here: ServedHere) -> None:  # noqa: F811
    movie = np.pad(MOVIE, ((0, 0), (100, 200), (200, 100)), constant_values=30)
    labels = np.pad(TRUTH[0], ((100, 200), (200, 100)))
    with Session(movie, "TYX", device="cpu") as local, Session(movie, "TYX", compute=served_here) as remote:
        for session in (local, remote):
            session.add_labels(labels, 0)
            session.propagate_all()
        np.testing.assert_array_equal(remote.labels, local.labels)
        assert remote.labels[T - 1].any()
    assert served_here.transfers.frames == T
    assert served_here.transfers.sent_bytes < T * movie[0].nbytes / 4


def test_a_file_that_both_sides_read_does_not_travel(served_here: ServedHere, tmp_path: Path) -> None:  # noqa: F811
    tifffile.imwrite(tmp_path / "a.tif", MOVIE, photometric="minisblack", metadata={"axes": "TYX"})
    with Session(tmp_path / "a.tif", compute=served_here) as remote, Session(MOVIE, "TYX", device="cpu") as local:
        for session in (local, remote):
            session.add_labels(TRUTH[0], 0)
            session.propagate_all(frames=[1, 2])
        served_here.lose()
        with pytest.raises(WorkerLostError):
            remote.propagate_all()
        assert served_here.transfers.frames == 1  # the first one: it is compared with the file there
        for session in (local, remote):
            session.propagate_all()
        np.testing.assert_array_equal(remote.labels, local.labels)
    assert served_here.transfers.frames == 2  # and the first one of the other worker
