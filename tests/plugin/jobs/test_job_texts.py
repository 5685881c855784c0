from types import SimpleNamespace

import pytest

from napari_sam2.plugin.jobs.job_texts import PropagationRun, TrackingRun, everything_text, found_text
from napari_sam2.plugin.prompts.clicks import ObjectFrame
from napari_sam2.plugin.reports.reports import EverythingFound, FrameDone, ObjectSegmented, Proposal


def test_how_far_a_propagation_is(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("napari_sam2.plugin.jobs.job_texts.time.monotonic", lambda: now[0])
    run = PropagationRun(None)
    assert (run.num_done, run.stopped_text) == (0, "Stopped.")
    now[0] = 102.0
    run.add(FrameDone(4, 1, 4))
    assert (run.num_done, run.num_left) == (1, 3)
    assert run.progress_text == "1 of 4 done, 6 s left"
    run.add(FrameDone(4, 1, 4))
    assert run.num_done == 1, "a frame that is done again after a click counts once"
    assert run.stopped_text == "Stopped: 1 frame done and kept, 3 left."
    run.add(FrameDone(5, 4, 4))
    assert run.done_text == "2 frames done in 2 s."
    assert PropagationRun(None).done_text == "Everything is up to date already."


def test_how_far_tracking_is(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("napari_sam2.plugin.jobs.job_texts.time.monotonic", lambda: now[0])
    objects = dict.fromkeys(range(1, 13))
    run = TrackingRun(SimpleNamespace(objects=SimpleNamespace(infos=objects)))
    assert run.stopped_text == "Stopped."
    assert run.done_text == "Everything is up to date already."
    now[0] = 102.0
    run.add(FrameDone(0, 1, 4))
    assert run.progress == (1, 4)
    assert run.progress_text == "12 objects, 1 of 4 done, 6 s left"
    assert run.stopped_text == "Stopped: 1 frame done and kept, 3 left. Shift+G continues."
    assert run.done_text == "1 frame done in 2 s: 12 objects."


def test_how_far_tracking_is_where_objects_are_followed_one_by_one(monkeypatch):
    monkeypatch.setattr("napari_sam2.plugin.jobs.job_texts.time.monotonic", lambda: 5.0)
    objects = {}
    run = TrackingRun(SimpleNamespace(objects=SimpleNamespace(infos=objects)))
    run.add(FrameDone(3, 1, 0))
    assert (run.progress, run.progress_text) == ((0, 0), "looking for objects")
    objects[1] = None
    run.add(FrameDone(4, 2, 0))
    assert (run.progress, run.progress_text) == ((0, 0), "1 object so far")
    assert run.stopped_text == "Stopped: 1 object kept. Shift+G continues."
    assert run.done_text == "1 object tracked in 0 s."


@pytest.mark.parametrize(
    ("area_px", "proposal", "text"),
    [
        (100, None, ": 100 px on frame 2"),
        (0, None, ": nothing found on frame 2; click inside it, or press U to take it back"),
        (900, Proposal(0.9, 0.8), " fills 90 % of the frame: press U to take it back, or right-click where it is not."),
    ],
)
def test_what_a_click_found(area_px, proposal, text):
    assert found_text(ObjectSegmented(ObjectFrame(1, 2), area_px, proposal), " on frame 2") == text


@pytest.mark.parametrize(
    ("ids", "has_frames", "text"),
    [
        ((), True, "Nothing was found on frame 3 that is no object yet."),
        ((4,), False, "1 object found: press U to take it back."),
        ((4, 5), True, "2 objects found on frame 3: press U to take them back."),
    ],
)
def test_how_many_objects_were_found(ids, has_frames, text):
    assert everything_text(EverythingFound(3, ids), has_frames) == text
