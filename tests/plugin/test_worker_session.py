"""The session of the widget, to which the console speaks too."""

from __future__ import annotations

import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.plugin.prompt_layers import Click, Place
from napari_sam2.plugin.worker_session import FrameDone, PromptRejected, SessionRequest, WorkerSession

MOVIE = np.zeros((6, 30, 40), np.uint8)
MOVIE[:, 5:12, 5:12] = MOVIE[:, 18:25, 20:30] = 200
FIRST, SECOND = Click(8, 8, True), Click(9, 9, True)
OTHER_BLOB = Click(20, 24, True)


class Opener:
    """Opens sessions of a double with meaning: the mask is the blob under the click."""

    def load(self, model):
        raise AssertionError(model)

    def __call__(self, order):
        session = blob_session(order.image, order.axes, labels=order.labels)
        session.asked_for = order.model
        return session


@pytest.fixture
def worker():
    return WorkerSession(Opener())


@pytest.fixture
def order():
    return SessionRequest(MOVIE, "TYX", np.zeros(MOVIE.shape, np.uint16), "micro")


@pytest.fixture
def tell(worker, order):
    """Say what is to be seen in the viewer; returns what was refused."""

    def say(wanted, order=order):
        reports = []
        worker.tell(order, wanted, lambda report: reports.append(report) or True)
        return [report.reason for report in reports if isinstance(report, PromptRejected)]

    return say


def points(worker, object_id=1, frame=0):
    return worker.session.objects[object_id].prompts[frame].points_rc


def test_clicks_leave_what_was_said_at_the_console(worker, tell):
    tell({Place(1, 0): (FIRST,)})
    worker.session.add_points(1, 0, [(6, 11)])
    worker.session.add_box(1, 0, (5, 5, 12, 12))
    tell({Place(1, 0): (FIRST, SECOND)})
    assert points(worker) == ((8, 8), (6, 11), (9, 9))
    tell({Place(1, 0): (SECOND,)})  # the first one was removed
    assert points(worker) == ((6, 11), (9, 9))
    tell({})
    assert points(worker) == ((6, 11),)
    worker.session.remove_point(1, 0, 0)
    tell({Place(1, 0): (FIRST,)})
    tell({})
    assert worker.session.objects[1].prompts[0].box_rc == (5, 5, 12, 12)
    assert points(worker) == ()


def test_what_was_told_is_not_told_again(worker, order, tell):
    tell({Place(1, 0): (FIRST,)})
    reports = []
    worker.tell(order, {Place(1, 0): (FIRST,)}, lambda report: reports.append(report) or True)
    assert reports == []
    worker.session.undo()  # at the console: the click is still to be seen
    worker.tell(order, {Place(1, 0): (FIRST,)}, lambda report: reports.append(report) or True)
    assert points(worker) == ((8, 8),)
    assert [type(report) for report in reports] == [FrameDone]


@pytest.mark.parametrize("what", ["model", "labels"])
def test_another_session_knows_what_was_said_at_the_console(what, worker, order, tell, tmp_path):
    tell({Place(1, 0): (FIRST,), Place(3, 0): (SECOND,)})
    first = worker.session
    first.rename_object(1, "mother")
    first.set_colour(1, "#ff8000")
    first.add_object("by the console", 2)
    first.add_box(2, 1, (18, 20, 25, 30))
    first.add_mask(2, 4, MOVIE[4] > 0)
    first.add_points(1, 0, [(20, 24)], [0])
    first.save(tmp_path / "a.sam2.json")
    other = SessionRequest(order.image, order.axes, order.labels, "other")
    if what == "labels":
        other = SessionRequest(order.image, order.axes, np.zeros_like(order.labels), order.model)
    tell({Place(1, 0): (FIRST,)}, other)
    assert worker.session is not first
    assert (worker.session.asked_for, first.saved_to) == (other.model, None)
    assert {i: item.info for i, item in worker.session.objects.items()} == {i: item.info for i, item in first.objects.items()}
    assert worker.session.objects[1].prompts == first.objects[1].prompts
    assert points(worker) == ((8, 8), (20, 24))
    assert 3 not in {i for i, item in worker.session.objects.items() if item.prompts}, "its click is not there any more"
    assert worker.session.objects[2].prompts == first.objects[2].prompts
    first.open(tmp_path / "a.sam2.json", MOVIE, first.model).close()  # it was let go, whole


def test_a_click_that_was_refused_counts_when_the_reason_is_gone(worker, order, tell):
    tell({Place(1, 0): (FIRST,)})
    worker.session.lock_object(1)
    wanted = {Place(1, 0): (FIRST,), Place(1, 4): (SECOND,)}
    assert tell(wanted) == ["object 1 is locked: unlock it first"]
    assert tell(wanted) == [], "said once"
    worker.session.lock_object(1, False)
    worker.propagate(order, wanted, "both", lambda _: True)
    assert sorted(worker.session.objects[1].prompts) == [0, 4]
