import numpy as np
import pytest

from napari_sam2.plugin.image.image_stack import Pixel
from napari_sam2.plugin.jobs.session_jobs import JobCalls, SessionJobs
from napari_sam2.plugin.options.propagation_options import PropagationOptions
from napari_sam2.plugin.options.tracking_options import TrackingLeft, TrackingOptions
from napari_sam2.plugin.settings.machine import SelfTested
from napari_sam2.plugin.workspace.image_workspace import ImageWorkspace, WorkspaceCalls
from widget_driving import LateRunner, in_session


class Heard:
    """What jobs called."""

    def __init__(self):
        self.num_changes, self.progress, self.texts, self.downloaded, self.machine = 0, [], [], [], []

    def changed(self):
        self.num_changes += 1

    def as_calls(self):
        return JobCalls(
            self.changed,
            lambda done, total: self.progress.append((done, total)),
            self.texts.append,
            self.texts.append,
            self.downloaded.append,
            self.machine.append,
        )


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def runner():
    return LateRunner()


@pytest.fixture
def jobs(runner, heard):
    return SessionJobs(runner, heard.as_calls())


@pytest.fixture
def workspace(viewer, opener, jobs):
    calls = WorkspaceCalls(jobs.add_clicks, jobs.run, jobs.announce, jobs.forget, jobs.undo, jobs.redo, jobs.cancel, pytest.fail)
    return ImageWorkspace(viewer, viewer.layers[0], opener, "micro", calls)


def test_what_is_shown_of_clicks(jobs, workspace, runner, heard):
    workspace.click(Pixel(0, 10, 10), True)
    assert heard.texts == ["Segmenting …"]
    assert not jobs.is_idle
    assert not jobs.is_busy, "nothing that takes long"
    runner.finish()
    assert heard.texts[1:] == ["Object 1: 100 px on frame 0"]
    assert jobs.is_idle
    workspace.click(Pixel(1, 20, 5), True)
    runner.finish()
    assert heard.texts[-1] == "Object 2: nothing found on frame 1; click inside it, or press U to take it back"


def test_what_is_shown_of_a_propagation(jobs, workspace, runner, heard):
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    jobs.propagate(workspace, PropagationOptions())
    assert jobs.is_busy
    assert jobs.is_long_running
    runner.finish()
    assert heard.progress == [(1, 2), (2, 2)]
    assert heard.texts[-3:-1] == ["Frame 1: 1 of 2 done, 0 s left", "Frame 2: 2 of 2 done, 0 s left"]
    assert heard.texts[-1] == "2 frames done in 0 s."
    jobs.propagate(workspace, PropagationOptions())
    runner.finish()
    assert heard.texts[-1] == "Everything is up to date already."


@pytest.mark.usefixtures("finding")
def test_what_is_shown_of_tracking_everything(jobs, workspace, runner, heard):
    jobs.track_everything(workspace, TrackingOptions())
    assert jobs.is_tracking
    assert jobs.is_segmenting
    runner.finish()
    assert not jobs.is_tracking
    assert heard.texts[0] == "Looking for objects …"
    assert [text.split(", ")[0] for text in heard.texts[1:-1]] == [f"Frame {frame}: 2 objects" for frame in range(3)]
    assert heard.texts[-1].startswith("3 frames done in ")
    assert heard.texts[-1].endswith(": 2 objects.")
    assert heard.progress == [(1, 2), (2, 2), (1, 3), (2, 3), (3, 3)], "the search of the first frame, and each frame"
    assert workspace.tracking_left == TrackingLeft(False, 0)
    jobs.track_everything(workspace, TrackingOptions())
    runner.finish()
    assert heard.texts[-1] == "Everything is up to date already."
    jobs.undo(workspace)
    runner.finish()
    assert not workspace.worker.session.objects


@pytest.mark.usefixtures("finding")
def test_tracking_everything_is_stopped_and_continued(jobs, workspace, runner, heard):
    jobs.track_everything(workspace, TrackingOptions())
    runner.is_stopped = True  # the next report is the last one
    runner.work()
    runner.deliver()
    jobs.cancel()
    runner.finish()
    assert not workspace.worker.session.objects, "the search of the first frame was stopped"
    session = workspace.worker.session
    jobs.track_everything(workspace, TrackingOptions())
    stop_at = [0]

    def stop(_change):
        stop_at[0] += 1
        runner.is_stopped = stop_at[0] >= 2  # at the second frame

    session.state.changed.connect(stop)
    runner.work()
    session.state.changed.disconnect(stop)
    jobs.cancel()
    runner.finish()
    assert heard.texts[-1] == "Stopped: 2 frames done and kept, 1 left. Shift+G continues."
    assert workspace.tracking_left == TrackingLeft(True, 1)
    jobs.track_everything(workspace, TrackingOptions())
    runner.finish()
    assert heard.texts[-1].startswith("1 frame done in ")
    assert workspace.tracking_left == TrackingLeft(False, 0)
    assert session.labels.any((1, 2)).all()


@pytest.mark.usefixtures("finding")
def test_a_click_meanwhile_is_answered_and_tracking_goes_on(jobs, workspace, runner, heard):
    jobs.track_everything(workspace, TrackingOptions())
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    session = workspace.worker.session
    assert not session.objects[1].info.is_found
    assert session.objects[2].info.is_found
    assert sorted(session.objects) == [1, 2], "what was clicked on is not found again"
    assert heard.texts[-1].startswith("3 frames done in ")


def test_one_sentence_where_nothing_is_found(jobs, workspace, runner, heard, viewer):
    viewer.layers[0].data = np.zeros_like(viewer.layers[0].data)
    jobs.track_everything(workspace, TrackingOptions())
    runner.finish()
    assert heard.texts[-1].startswith("Nothing was found on any frame: change the intensities")
    assert not jobs.is_busy


def test_cancel(jobs, workspace, runner, heard):
    jobs.cancel()
    assert heard.texts == [], "there is nothing to stop"
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    jobs.propagate(workspace, PropagationOptions())
    jobs.cancel()
    assert heard.texts[-1] == "Stopping …"
    runner.finish()
    assert heard.texts[-1] == "Stopped: 1 frame done and kept, 1 left."
    assert heard.progress == [(1, 2)]


def test_a_model_and_clicks_that_were_refused(jobs, workspace, runner, heard, notices):
    workspace.hand.take(1)
    workspace.click(Pixel(0, 20, 5), False)
    runner.finish()
    assert len(notices()) == 1
    workspace.model = "other"
    jobs.use_model(workspace)
    assert heard.texts[-1] == "Loading other …"
    runner.finish()
    assert heard.texts[-1] == "", "the text of the job does not stay"
    assert len(notices()) == 1, "a refusal is shown once"
    assert len(workspace.points.pending.by_id) == 1


def test_models_that_are_chosen_in_a_row(jobs, workspace, runner, opener):
    for name in ("first", "second", "third"):
        workspace.model = name
        jobs.use_model(workspace)
    runner.finish()
    assert opener.loaded == ["first", "third"], "the first was under way already"
    assert (workspace.model, workspace.requested_model) == ("third", None)


def test_what_is_done_elsewhere_is_shown_after_what_was_reported(jobs, workspace, runner, heard):
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    before = heard.num_changes
    workspace.worker.session.rename_object(1, "nucleus")
    assert workspace.objects.infos[1].name != "nucleus"
    runner.deliver()
    assert workspace.objects.infos[1].name == "nucleus"
    assert heard.num_changes == before + 1
    workspace.worker.session.rename_object(1, "other")
    workspace.close()
    runner.deliver()
    assert workspace.objects.infos[1].name == "nucleus", "nothing is shown of an image that is closed"


def test_what_is_forgotten_is_not_run(jobs, workspace, runner):
    workspace.click(Pixel(0, 10, 10), True)
    workspace.click(Pixel(1, 10, 10), True)
    jobs.forget(workspace)
    runner.finish()
    assert in_session(workspace.worker.session).keys() == {(1, 0)}


def test_a_download(jobs, runner, heard, monkeypatch):
    def download(name, progress):
        progress.total = 2_000_000
        progress.update(1_000_000)

    monkeypatch.setattr("napari_sam2.plugin.settings.models.download", download)
    jobs.download("sam2.1_hiera_t")
    runner.finish()
    assert heard.progress == [(1, 2)]
    assert heard.texts == ["1 of 2 MB"]
    assert heard.downloaded == ["sam2.1_hiera_t"]


def test_labels_are_drawn_at_the_end_of_a_job(workspace, runner, monkeypatch):
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    drawn = []
    monkeypatch.setattr(workspace.result.layer, "refresh", lambda **arguments: drawn.append(arguments["thumbnail"]))
    workspace.click(Pixel(0, 24, 35), True)
    runner.finish()
    assert drawn[-1] is True
    assert np.count_nonzero(workspace.result.layer.data) == 196


def test_a_propagation_that_a_click_interrupts_is_counted_once(jobs, workspace, runner, heard):
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    jobs.propagate(workspace, PropagationOptions())
    workspace.click(Pixel(0, 24, 35), True)  # the first frame is finished before
    runner.finish()
    assert heard.progress == [(1, 2), (1, 2), (2, 2)]
    assert heard.texts[-1].startswith("2 frames done in ")


def test_a_propagation_that_was_given_up_is_not_counted_later(jobs, workspace, runner, heard):
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    jobs.propagate(workspace, PropagationOptions())
    workspace.click(Pixel(0, 24, 35), True)  # it waits for the click
    runner.work()
    runner.deliver(len(runner.waiting))
    jobs.cancel()
    runner.finish()
    heard.texts.clear()
    heard.progress.clear()
    jobs.propagate(workspace, PropagationOptions("forward", 2))
    runner.finish()
    assert heard.progress == [(1, 1)]
    assert heard.texts[-1] == "1 frame done in 0 s."


def test_some_frames_and_objects(jobs, workspace, runner, heard):
    for row, col in ((10, 10), (24, 35)):
        workspace.click(Pixel(0, row, col), True)
    runner.finish()
    jobs.propagate(workspace, PropagationOptions("both", 1, 1, (2, 7)))
    runner.finish()
    assert heard.texts[-1] == "1 frame done in 0 s."
    found = workspace.worker.session.objects
    assert {one: sorted(found[one].tracked) for one in found} == {1: [], 2: [1]}


def test_nothing_is_shown_of_an_image_that_is_gone(jobs, workspace, runner, heard, notices):
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    jobs.propagate(workspace, PropagationOptions())
    runner.work()
    heard.texts.clear()
    heard.progress.clear()
    jobs.forget(workspace)
    workspace.close()
    jobs.end_session(workspace)
    runner.finish()
    assert (heard.texts, heard.progress, notices()) == ([], [], [])
    assert jobs.is_idle


def test_steps_are_timed(jobs, workspace, runner):
    assert workspace.estimate.seconds(1, 1) is None
    workspace.click(Pixel(0, 10, 10), True)
    runner.finish()
    assert workspace.estimate.seconds(1, 1) > 0
    assert workspace.estimate.num_bytes(2) == 2 * workspace.estimate.num_bytes(1) > 0


def test_what_is_found_out_about_the_machine(jobs, runner, heard):
    tested = SelfTested(False, "self-test FAILED: 3 px where 161 are expected")
    jobs.run_on_machine(lambda report: report(tested), "Testing …")
    runner.finish()
    assert heard.machine == [tested]
    assert heard.texts == ["Testing …", "Self-test FAILED: 3 px where 161 are expected."]


def test_weights_that_are_being_fetched(jobs, runner):
    assert not jobs.is_downloading
    jobs.download("micro")
    assert jobs.is_downloading
    runner.finish()
    assert not jobs.is_downloading
