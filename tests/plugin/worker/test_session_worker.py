import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.prompts.commands import AddBox, AddClicks, RemoveClicks
from napari_sam2.plugin.reports.reports import (
    CommandRejected,
    FrameDone,
    FrameDrawn,
    FramesMeasured,
    HistoryMoved,
    ModelLoaded,
    ObjectSegmented,
    Proposal,
    SessionKept,
    SessionNotKept,
    SessionOpened,
    StateChanged,
)
from napari_sam2.plugin.sessions.autosave import ImageFingerprint
from napari_sam2.plugin.sessions.session_opener import SessionRequest
from napari_sam2.plugin.settings.place import Place
from napari_sam2.plugin.worker import session_drawing
from napari_sam2.plugin.worker.session_worker import SessionWorker
from napari_sam2.predictors import tracker
from napari_sam2.session.propagation.propagator import FrameResult
from widget_driving import in_session

KEY, OTHER = ObjectFrame(1, 0), ObjectFrame(2, 1)
INSIDE, OUTSIDE = Click(10, 10, True), Click(20, 5, False)


class Heard(list):
    def __call__(self, item):
        self.append(item)
        return True

    def of(self, kind):
        return [item for item in self if isinstance(item, kind)]


@pytest.fixture
def announced():
    return Heard()


@pytest.fixture
def worker(opener, announced):
    return SessionWorker(opener, announced)


@pytest.fixture
def request_(blobs):
    return SessionRequest(blobs, "TYX", "micro")


@pytest.fixture
def run(worker, request_):
    def run(*commands, request=request_):
        heard = Heard()
        worker.run(request, commands, heard)
        return heard

    return run


def add(key, *clicks, ids=(7,)):
    return AddClicks(key, clicks, frozenset(ids))


def test_the_session_is_opened_with_the_first_command(worker, run, opener, monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.worker.session_drawing.SENT_EACH_S", 1e9)  # however slow the machine is
    assert worker.session is None
    opened, *changes, segmented, measured = run(add(KEY, INSIDE))
    assert isinstance(opened, SessionOpened)
    assert (opened.model, opened.not_carried, dict(opened.state.prompts)) == ("micro", {}, {})
    assert opened.labels is worker.session.labels
    assert all(isinstance(item, StateChanged) for item in changes)
    assert [item.taken for item in changes] == [frozenset(), frozenset([7])], "the object is added before its click"
    assert segmented == ObjectSegmented(KEY, 100)
    assert (measured.object_ids.tolist(), measured.frames.tolist(), measured.areas_px.tolist()) == ([1, 1], [0, 1], [100, 0])
    assert run(add(OTHER, INSIDE)).of(SessionOpened) == []
    assert len(opener.opened) == 1


def test_the_first_click_of_an_object_may_find_a_proposal(run, monkeypatch):
    monkeypatch.setattr(tracker.Tracker, "predicted_iou", 0.3)
    (box,) = run(AddBox(OTHER, (3, 3, 17, 17))).of(ObjectSegmented)
    assert box.proposal is None, "a box says more than a click"
    (first,) = run(add(KEY, INSIDE)).of(ObjectSegmented)
    assert first == ObjectSegmented(KEY, 100, Proposal(100 / 2000, 0.3))
    (second,) = run(add(KEY, Click(24, 35, True))).of(ObjectSegmented)
    assert second == ObjectSegmented(KEY, 196)
    (nothing,) = run(add(ObjectFrame(3, 0), Click(35, 5, True))).of(ObjectSegmented)
    assert nothing == ObjectSegmented(ObjectFrame(3, 0), 0)


@pytest.mark.parametrize(
    ("share", "iou", "reason"),
    [
        (0.5, 0.5, None),
        (0.625, 0.1, "fills 62 % of the frame"),
        (1.0, 1.0, "fills 100 % of the frame"),
        (0.1, 0.3, "is uncertain (predicted IoU 0.30)"),
    ],
)
def test_what_is_a_proposal(share, iou, reason):
    assert Proposal(share, iou).reason == reason


def test_a_command_that_is_refused_keeps_no_other_from_being_run(run, worker):
    refused = add(KEY, OUTSIDE)
    heard = run(refused, add(OTHER, INSIDE))
    ((rejected),) = heard.of(CommandRejected)
    assert rejected.command is refused
    assert "only clicks outside" in rejected.reason
    assert in_session(worker.session) == {OTHER: (INSIDE,)}


def test_an_error_is_raised_after_all_commands(run, worker, monkeypatch):
    run(add(KEY, INSIDE))
    add_points = worker.session.add_points

    def add_if_readable(object_id, frame, *points):
        if frame == 2:
            raise OSError("the disk is gone")
        return add_points(object_id, frame, *points)

    monkeypatch.setattr(worker.session, "add_points", add_if_readable)
    with pytest.raises(OSError, match="the disk is gone"):
        run(add(ObjectFrame(1, 2), INSIDE), add(OTHER, INSIDE))
    assert in_session(worker.session) == {KEY: (INSIDE,), OTHER: (INSIDE,)}


def test_undo_and_redo_of_what_was_done_at_one_stroke(worker, run):
    for step in (worker.undo, worker.redo):
        heard = Heard()
        step(heard)
        assert heard == [HistoryMoved(step == worker.undo, False)]
    run(add(KEY, INSIDE))
    heard = Heard()
    worker.undo(heard)
    assert heard[-2] == HistoryMoved(True, True)
    assert isinstance(heard[-1], FramesMeasured)
    assert not worker.session.objects
    assert heard.of(StateChanged)[0].change.prompts == {KEY: None}
    worker.redo(heard)
    assert heard.of(HistoryMoved)[-1] == HistoryMoved(False, True)
    assert in_session(worker.session) == {KEY: (INSIDE,)}


def test_a_model_is_loaded_or_changed(worker, run, opener):
    heard = Heard()
    worker.use_model("micro", heard)
    assert (heard, opener.loaded, worker.session) == ([ModelLoaded("micro")], ["micro"], None)
    run(add(KEY, INSIDE))
    worker.use_model("micro", heard)
    assert opener.loaded == ["micro"], "it is in use"
    heard.clear()
    worker.use_model("other", heard)
    assert [item.change.model.name for item in heard.of(StateChanged)] == ["other"]
    assert heard.of(ModelLoaded) == [ModelLoaded("other")]


def test_a_model_that_cannot_be_loaded_changes_nothing(worker, run, opener, monkeypatch):
    run(add(KEY, INSIDE))
    network = worker.session.model
    with monkeypatch.context() as patch:
        patch.setattr(opener, "_load", lambda *_: (_ for _ in ()).throw(ValueError("no checkpoint")))
        with pytest.raises(ValueError, match="no checkpoint"):
            worker.use_model("other", Heard())
    assert worker.session.model is network
    assert opener.load("micro") is network
    assert opener.loaded == ["micro"]


def test_propagation_reports_frames_and_stops(worker, run, request_):
    run(add(KEY, INSIDE))
    heard = Heard()
    worker.propagate(request_, [add(OTHER, INSIDE)], PropagationOptions("forward"), heard)
    assert heard.of(FrameDone) == [FrameDone(1, 1, 2), FrameDone(2, 2, 2)]
    worker.undo(Heard())
    worker.propagate(request_, [], PropagationOptions(), lambda item: not isinstance(item, FrameDone))
    assert sorted(worker.session.scores(1)) == [0, 1]
    other = SessionWorker(worker._opener, Heard())
    with pytest.raises(ValueError, match="nothing to propagate"):
        other.propagate(request_, [], PropagationOptions(), Heard())


def test_frames_that_are_done_both_ways_count_once(worker, run, request_):
    run(add(ObjectFrame(1, 1), INSIDE), add(ObjectFrame(2, 0), Click(24, 35, True)), add(ObjectFrame(2, 2), Click(28, 35, True)))
    heard = Heard()
    worker.propagate(request_, [], PropagationOptions(), heard)
    assert heard.of(FrameDone)[-1].done == heard.of(FrameDone)[-1].total == len({item.frame for item in heard.of(FrameDone)})


def test_what_is_done_elsewhere_is_announced(worker, run, announced):
    run(add(KEY, INSIDE))
    assert announced == []
    worker.session.add_points(1, 0, [(6, 6)])
    thread = threading.Thread(target=worker.session.undo)
    thread.start()
    thread.join()
    assert [type(item) for item in announced] == [StateChanged, FramesMeasured] * 2
    assert [len(item.change.prompts[KEY].points_rc) for item in announced[::2]] == [2, 1]
    assert all(item.taken == frozenset() for item in announced[::2])
    session = worker.session
    worker.close()
    session.undo()
    assert len(announced) == 4


def test_other_data_of_the_image(worker, run, request_, blobs):
    first = run(add(KEY, INSIDE))[0]
    session = worker.session
    session.propagate_all()
    session.add_points(1, 2, [(20, 5)], [0])
    labels = session.labels.copy()
    other = SessionRequest(blobs[:, ::-1].copy(), "TYX", "micro")
    opened = run(RemoveClicks(KEY, (INSIDE,)), request=other)[0]
    assert worker.session is not session
    assert opened.state.prompts.keys() == {KEY}
    assert opened.not_carried == {(1, 2): (OUTSIDE,)}
    assert opened.labels is not first.labels
    np.testing.assert_array_equal(session.labels, labels)


def test_a_session_is_kept_when_commands_are_done(worker, run, opener, request_, kept):
    opener.kept = kept
    request = replace(request_, fingerprint=ImageFingerprint.of(request_.image, "TYX", "movie", None))
    heard = run(add(KEY, INSIDE), request=request)
    kinds = [type(item) for item in heard]
    assert kinds.index(SessionKept) > kinds.index(ObjectSegmented), "after the answer to the person"
    assert heard.of(SessionKept)[0].path == worker.session.saved_to
    assert run(add(OTHER, INSIDE), request=request).of(SessionKept) == [], "it is told once"
    session = worker.session
    worker.close()
    assert worker.session is None
    with pytest.raises(ValueError, match="the session is closed"):
        session.save(kept.folder / "x.sam2")


def test_what_the_console_saved_elsewhere_is_found_there(worker, run, opener, request_, kept, tmp_path):
    opener.kept = kept
    request = replace(request_, fingerprint=ImageFingerprint.of(request_.image, "TYX", "movie", None))
    run(add(KEY, INSIDE), request=request)
    worker.session.save(tmp_path / "mine.sam2")
    assert run(add(OTHER, INSIDE), request=request).of(SessionKept) == [SessionKept(tmp_path / "mine.sam2")]
    assert [one.path for one in kept.sessions()] == [tmp_path / "mine.sam2"]
    worker.close()
    heard = Heard()
    worker.find(request, None, heard)
    assert heard[0].found.path == tmp_path / "mine.sam2"
    worker.run(replace(request, continued=tmp_path / "mine.sam2"), (), heard)
    (opened,) = heard.of(SessionOpened)
    assert (opened.is_continued, opened.model) == (True, "micro")
    assert in_session(worker.session) == {KEY: (INSIDE,), OTHER: (INSIDE,)}
    worker.close()


def test_a_frame_that_cannot_be_read_is_no_failure_to_save(worker, run, opener, request_, kept, monkeypatch):
    opener.kept = kept
    request = replace(request_, fingerprint=ImageFingerprint.of(request_.image, "TYX", "movie", None))
    run(add(KEY, INSIDE), request=request)
    tracked = []

    def propagate(*_):
        tracked.append(1)
        yield FrameResult(1, {})
        raise OSError("frame 2 cannot be read")

    monkeypatch.setattr(worker.session, "propagate", propagate)
    heard = Heard()
    with pytest.raises(OSError, match="frame 2 cannot be read"):
        worker.propagate(request, (), PropagationOptions(), heard)
    assert heard.of(SessionNotKept) == []
    worker.close()


def test_a_propagation_is_measured_now_and_then(worker, run, request_, monkeypatch):
    """Not with each frame: of many objects that is much to show."""
    run(add(KEY, INSIDE))
    for pause_s, num_reports in ((1e9, 1), (0, 2)):
        monkeypatch.setattr(session_drawing, "SENT_EACH_S", pause_s)
        heard = Heard()
        worker.propagate(request_, [], PropagationOptions(), heard)
        measured = heard.of(FramesMeasured)
        assert len(measured) == num_reports
        assert {(i, t) for item in measured for i, t in zip(item.object_ids, item.frames, strict=True)} == {(1, 0), (1, 1), (1, 2)}
        worker.undo(Heard())


def test_reading_and_saving_need_a_session(worker, run, tmp_path):
    for needs_one in (
        lambda: worker.read(lambda session, report: None, Heard()),
        lambda: worker.save_as(tmp_path / "a.sam2", Heard()),
    ):
        with pytest.raises(ValueError, match="there is no session yet: it begins with the first click"):
            needs_one()
    run(add(KEY, INSIDE))
    heard, read = Heard(), []
    worker.read(lambda session, report: read.append((session, report)), heard)
    assert read == [(worker.session, heard)]
    worker.save_as(tmp_path / "a.sam2", heard)
    assert heard == [SessionKept(tmp_path / "a.sam2")]
    assert worker.session.saved_to == tmp_path / "a.sam2"
    worker.session.close()


def test_memory_is_released_while_another_position_is_worked_on(worker, run):
    worker.rest(Heard())
    run(add(KEY, INSIDE))
    features = worker.session._in_use.tracker.features
    for _ in range(2):
        features.get(0)
    assert features.num_encoded == 1
    worker.rest(Heard())
    features.get(0)
    assert features.num_encoded == 2
    assert in_session(worker.session) == {KEY: (INSIDE,)}


# --- what is drawn later ----------------------------------------------------------------------------------------------


@pytest.fixture
def long_session(worker, request_, tmp_path):
    """A file with an object on all frames."""
    worker.run(request_, [AddClicks(KEY, (INSIDE,), frozenset())], Heard())
    worker.propagate(request_, [], PropagationOptions(), Heard())
    worker.save(tmp_path / "long.sam2")
    worker.close()
    return replace(request_, continued=tmp_path / "long.sam2")


def test_of_a_long_session_the_shown_frame_is_drawn_first(opener, announced, long_session, monkeypatch, blobs):
    monkeypatch.setattr(session_drawing, "AT_ONCE_S", -1)
    worker, heard = SessionWorker(opener, announced), Heard()
    worker.open(long_session, heard)
    (opened,), (known,) = heard.of(SessionOpened), heard.of(FramesMeasured)
    assert not opened.labels.any()
    assert known.frames.tolist() == [0, 1, 2]
    assert (known.areas_px > 0).all(), "it is known where it is"
    assert not worker.is_drawn
    worker.shown_frame, heard = 1, Heard()

    def only_two(item):
        heard.append(item)
        return len(heard.of(FrameDrawn)) < 2

    worker.draw(only_two)
    assert [one.frame for one in heard.of(FrameDrawn)] == [1, 0]
    assert not opened.labels[2].any()
    worker.propagate(long_session, [], PropagationOptions(), heard := Heard())
    assert not heard.of(FrameDone), "there is nothing to do"
    worker.draw(heard)
    assert worker.is_drawn
    assert [one.frame for one in heard.of(FrameDrawn)] == [2]
    np.testing.assert_array_equal(opened.labels, np.where(blobs == 200, 1, 0))
    assert heard.of(FramesMeasured)[-1].areas_px.max() == 100
    worker.close()
    assert worker.is_drawn


def test_the_shown_frame_is_drawn_while_others_are_propagated(opener, announced, long_session, monkeypatch):
    monkeypatch.setattr(session_drawing, "AT_ONCE_S", -1)
    worker = SessionWorker(opener, announced)
    worker.shown_frame = 2
    worker.propagate(long_session, [AddClicks(OTHER, (Click(26, 35, True),), frozenset())], PropagationOptions(), heard := Heard())
    drawn, done = heard.of(FrameDrawn), heard.of(FrameDone)
    assert [one.frame for one in drawn] == [2]
    assert heard.index(drawn[0]) > heard.index(done[0])
    worker.close()


# --- ahead of the first click -----------------------------------------------------------------------------------------


def test_the_first_click_finds_what_was_prepared(worker, request_, opener):
    worker.prepare(request_, heard := Heard())
    assert not heard, "nobody sees it"
    assert worker.session is None
    worker.prepare(request_, Heard())
    (prepared,) = opener.opened
    worker.run(request_, [AddClicks(KEY, (INSIDE,), frozenset())], heard)
    assert worker.session is prepared
    assert len(heard.of(SessionOpened)) == 1
    assert opener.opened == [prepared]


@pytest.mark.parametrize("other", [{"model": "other"}, {"axes": "ZYX", "along": "Z"}, {"labels": np.zeros((3, 40, 50), np.uint16)}])
def test_what_was_prepared_for_something_else_is_closed(worker, request_, opener, other):
    worker.prepare(request_, Heard())
    (prepared,) = opener.opened
    worker.run(replace(request_, **other), [AddClicks(KEY, (INSIDE,), frozenset())], Heard())
    assert worker.session is not prepared
    assert len(opener.opened) == 2


def test_what_was_prepared_on_another_device_is_closed(worker, request_, opener):
    worker.prepare(request_, Heard())
    opener.place = Place("cpu")
    worker.run(request_, [AddClicks(KEY, (INSIDE,), frozenset())], Heard())
    assert len(opener.opened) == 2


def test_what_was_prepared_goes_with_the_worker(worker, request_, opener):
    worker.prepare(request_, Heard())
    worker.close()
    worker.run(request_, [AddClicks(KEY, (INSIDE,), frozenset())], Heard())
    assert len(opener.opened) == 2


def test_what_cannot_be_prepared_is_told_by_the_first_click(worker, request_):
    wrong = replace(request_, axes="TYXQ")
    worker.prepare(wrong, heard := Heard())
    assert not heard
    with pytest.raises(ValueError, match="axes"):
        worker.run(wrong, [], heard)
