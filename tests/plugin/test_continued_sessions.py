"""Nothing is lost: what was done is there again when the widget, napari or the image come back."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.worker import session_drawing
from napari_sam2.session.store.database import Database
from napari_sam2.session.store.file_lock import FileLock, is_locked
from widget_driving import LateRunner, check_agreement, click, expected, in_layer, in_session, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


def opened(blobs, opener, runner=None, name="movie"):
    """Open the image and the widget in a new viewer, as after a restart of napari."""
    viewer = ViewerModel()
    viewer.add_image(blobs.copy(), name=name)
    return Controller(viewer, runner, opener)


def worked_on(blobs, opener):
    """Do something, and close the widget."""
    controller = opened(blobs, opener)
    click(controller, SQUARE)
    controller.propagate()
    controller.next_object()
    click(controller, MOVING)
    controller.close()
    return expected(blobs, object_1=range(3), object_2=[0])


def files(kept):
    return [one.path for one in kept.sessions()]


@pytest.fixture
def status():
    texts = []

    def listen(controller):
        controller.status_changed.connect(texts.append)
        texts.append("")
        return texts

    return listen


# --- it is kept ----------------------------------------------------------------------------------------------------


def test_what_is_done_is_in_a_file_at_once(keeping, kept, blobs):
    controller = opened(blobs, keeping)
    assert files(kept) == [], "nothing was done"
    click(controller, SQUARE)
    (path,) = files(kept)
    assert controller.workspace.kept.saved_to == controller.session.saved_to == path
    assert is_locked(path)
    controller.close()
    assert not is_locked(path)
    assert sorted(one.name for one in kept.folder.iterdir()) == [path.name], "the file is closed"


def test_clicks_that_are_all_refused_leave_no_file(keeping, kept, blobs):
    controller = opened(blobs, keeping)
    click(controller, SQUARE, is_inside=False)
    controller.close()
    assert files(kept) == []


def test_the_image_is_removed(keeping, kept, blobs, viewer):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    viewer.layers.remove("movie")
    (path,) = files(kept)
    assert not is_locked(path)
    viewer.add_image(blobs, name="movie")
    assert controller.workspace.kept.offer.path == path


def test_other_pixels_begin_another_session(keeping, kept, viewer, blobs):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    viewer.layers["movie"].data = np.flip(blobs, 0).copy()
    click(controller, (1, 10, 10))
    assert len(files(kept)) == 2
    assert [is_locked(path) for path in files(kept)].count(True) == 1


# --- it is continued -----------------------------------------------------------------------------------------------


def test_continue_where_you_were(keeping, kept, blobs, status):
    before = worked_on(blobs, keeping)
    controller = opened(blobs, keeping)
    offer = controller.workspace.kept.offer
    assert offer.describe().startswith("2 objects, 3 frames, today ")
    assert [layer.name for layer in controller._viewer.layers] == ["movie"]
    texts = status(controller)
    controller.continue_session()
    assert texts[-1] == "Continued where you were: 2 objects."
    np.testing.assert_array_equal(labels(controller), before)
    check_agreement(controller)
    assert controller.workspace.kept.offer is None
    assert controller.current_object == 3, "the next click is on a new object"
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    controller.redo()
    controller.redo()
    np.testing.assert_array_equal(labels(controller), before)
    assert files(kept) == [controller.session.saved_to], "it goes on in its file"


def test_the_model_that_is_loaded_then_does_not_take_its_place(keeping, blobs, status):
    worked_on(blobs, keeping)
    controller = opened(blobs, keeping)
    texts = status(controller)
    controller.continue_session()
    controller._jobs.use_model(controller.workspace)
    assert texts[-1] == "Continued where you were: 2 objects."
    controller.put_down()
    controller.choose_object(1)
    controller.put_down()
    click(controller, SQUARE)
    assert not texts[-1].startswith("Continued")


def test_begin_anew_deletes_nothing(keeping, kept, blobs):
    worked_on(blobs, keeping)
    (path,) = files(kept)
    content = path.read_bytes()
    controller = opened(blobs, keeping)
    controller.begin_anew()
    assert controller.workspace.kept.offer is None
    click(controller, (1, 27, 35))
    np.testing.assert_array_equal(labels(controller), expected(blobs) + np.where(labels(controller), 1, 0).astype(np.uint16))
    assert controller.workspace.objects.ids == {1}
    assert path.read_bytes() == content
    assert len(files(kept)) == 2
    controller.close()
    again = opened(blobs, keeping)
    assert again.workspace.kept.offer.num_objects == 1, "the latest is offered"


@pytest.mark.parametrize("name", ["other", "movie"])
def test_another_image_is_offered_nothing(keeping, blobs, name):
    worked_on(blobs, keeping)
    assert opened(blobs[::-1], keeping, name=name).workspace.kept.offer is None


def test_a_click_continues_and_is_on_a_new_object(keeping, kept, blobs):
    before = worked_on(blobs, keeping)
    controller = opened(blobs, keeping)
    click(controller, (2, 28, 35))
    moving = (blobs == 150) & (np.arange(3) == 2)[:, None, None]
    np.testing.assert_array_equal(labels(controller), np.where(moving, 3, before))
    check_agreement(controller)
    assert controller.current_object == 3
    assert len(files(kept)) == 1


def test_a_click_before_the_earlier_session_was_found(keeping, kept, blobs):
    worked_on(blobs, keeping)
    runner = LateRunner()
    controller = opened(blobs, keeping, runner)
    click(controller, (2, 28, 35))
    assert in_layer(controller) == {(1, 2): (Click(28, 35, True),)}
    runner.finish()
    assert in_session(controller.workspace.worker.session)[3, 2] == (Click(28, 35, True),)
    check_agreement(controller)
    assert len(files(kept)) == 1


def test_propagate_continues_too(keeping, blobs):
    worked_on(blobs, keeping)
    controller = opened(blobs, keeping)
    click(controller, (1, 10, 10))
    controller.propagate()
    np.testing.assert_array_equal(labels(controller)[2] > 0, blobs[2] > 0)
    assert set(np.unique(labels(controller)[1:])) == {0, 2, 3}, "of two objects on one blob, the latest click counts"


@pytest.fixture
def large_model_is_gone(monkeypatch):
    here = {"micro"}
    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.is_on_this_machine", lambda name: name in here)
    return here


def with_large_model(blobs, opener, here):
    here.add("sam2.1_hiera_l")
    controller = opened(blobs, opener)
    controller.choose_model("sam2.1_hiera_l")
    click(controller, SQUARE)
    controller.close()
    here.discard("sam2.1_hiera_l")


def test_the_model_is_that_of_the_session(keeping, blobs, large_model_is_gone):
    with_large_model(blobs, keeping, large_model_is_gone)
    large_model_is_gone.add("sam2.1_hiera_l")
    controller = opened(blobs, keeping)
    assert controller.model == "micro"
    controller.continue_session()
    assert controller.model == controller.session.state.model.name == "sam2.1_hiera_l"


@pytest.mark.parametrize("how", ["click", "button"])
def test_the_model_is_not_here(keeping, kept, blobs, large_model_is_gone, status, how):
    with_large_model(blobs, keeping, large_model_is_gone)
    controller = opened(blobs, keeping)
    texts = status(controller)
    if how == "click":
        click(controller, MOVING)
    else:
        controller.continue_session()
    assert texts[-1].startswith("The earlier session was made with sam2.1_hiera_l, which is not on this machine: download it to")
    assert controller.workspace.kept.offer is not None
    assert controller.workspace.worker.session is None
    assert controller.model == "sam2.1_hiera_l", "so that it can be downloaded"
    if how == "click":
        assert in_layer(controller) == {(1, 0): (Click(24, 35, True),)}, "it is kept"
    large_model_is_gone.add("sam2.1_hiera_l")
    controller.continue_session()
    assert in_session(controller.session)[1, 0] == (Click(10, 10, True),)
    assert ((2, 0) in in_session(controller.session)) == (how == "click")
    check_agreement(controller)


def test_begin_anew_where_the_model_is_not_here(keeping, kept, blobs, large_model_is_gone):
    with_large_model(blobs, keeping, large_model_is_gone)
    controller = opened(blobs, keeping)
    click(controller, MOVING)
    controller.begin_anew()
    controller.choose_model("micro")
    click(controller, (1, 10, 10))
    assert in_session(controller.session) == {ObjectFrame(1, 0): (Click(24, 35, True),), ObjectFrame(1, 1): (Click(10, 10, True),)}
    assert len(files(kept)) == 2


# --- the same viewer -----------------------------------------------------------------------------------------------


def test_the_dock_is_closed_and_opened_again(viewer, keeping, kept, blobs):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    controller.propagate()
    before = labels(controller).copy()
    controller.close()
    later = Controller(viewer, opener=keeping)
    assert later.workspace.kept.offer is None, "nobody is asked"
    assert later.session.saved_to == files(kept)[0]
    np.testing.assert_array_equal(labels(later), before)
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – clicks"]
    check_agreement(later)
    assert not later.workspace.points.pending.by_id
    later.undo()
    np.testing.assert_array_equal(labels(later), expected(blobs, object_1=[0]))
    assert len(files(kept)) == 1


def test_points_that_were_added_while_no_widget_was_open(viewer, keeping, blobs):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    controller.close()
    viewer.layers["movie – clicks"].add((1, 10, 10))
    later = Controller(viewer, opener=keeping)
    assert in_session(later.session) == {(1, 0): (Click(10, 10, True),), (1, 1): (Click(10, 10, True),)}
    np.testing.assert_array_equal(labels(later), expected(blobs, object_1=[0, 1]))
    check_agreement(later)


def test_a_session_that_is_still_being_closed_is_waited_for(viewer, keeping, kept, monkeypatch):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    controller.close()
    lock, waited = FileLock(files(kept)[0]), []

    def sleep(seconds):
        waited.append(seconds)
        lock.release()

    monkeypatch.setattr("napari_sam2.plugin.sessions.session_opener.time.sleep", sleep)
    assert Controller(viewer, opener=keeping).session.saved_to == files(kept)[0]
    assert len(waited) == 1


def test_the_result_is_removed_before_the_dock_is_opened_again(viewer, keeping):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    controller.close()
    viewer.layers.remove("movie – objects")
    later = Controller(viewer, opener=keeping)
    later.continue_session()
    assert (
        in_session(later.session)
        == {
            (1, 0): (Click(10, 10, True),),
        }
        or len(in_session(later.session)) == 2
    )
    check_agreement(later)


# --- it cannot be kept, or continued -------------------------------------------------------------------------------


def test_the_folder_cannot_be_written(keeping, kept, blobs, status, notices):
    kept.folder.parent.mkdir(exist_ok=True)
    kept.folder.write_text("a file is in its place")
    controller = opened(blobs, keeping)
    texts = status(controller)
    click(controller, SQUARE)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert "sessions for sessions cannot be made" in controller.workspace.kept.not_kept
    assert [text for text in texts if text.startswith("The session is not saved: ")]
    click(controller, (1, 10, 10))
    assert len(notices()) == 1, "it is told once"
    kept.folder.unlink()
    controller.close()
    assert len(files(kept)) == 1, "it is tried again at the end"


def test_the_disk_is_full_for_a_while(keeping, kept, blobs, monkeypatch):
    controller = opened(blobs, keeping)
    click(controller, SQUARE)
    transaction = Database.transaction

    def full(self, *arguments, **named):
        raise OSError(errno.ENOSPC, "what was done is still there, but could not be saved: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "transaction", full)
        click(controller, (1, 10, 10))
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1]))
        assert "the disk is full" in controller.workspace.kept.not_kept
        check_agreement(controller)
        controller.undo()
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
        controller.redo()
        controller.propagate()
        assert controller.is_idle
        controller.next_object()
        click(controller, MOVING)
        np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3), object_2=[0]))
        assert not controller.workspace.points.pending.by_id, "it is done, although it is not saved"
        check_agreement(controller)
    assert Database.transaction is transaction
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3), object_2=range(3)))
    click(controller, (2, 28, 35))
    assert controller.workspace.kept.not_kept == ""
    before = labels(controller).copy()
    controller.close()
    again = opened(blobs, keeping)
    again.continue_session()
    np.testing.assert_array_equal(labels(again), before)


@pytest.mark.parametrize("damage", ["not SQLite", "cut off", "a table is missing"])
def test_the_file_is_damaged(keeping, kept, blobs, status, damage):
    worked_on(blobs, keeping)
    (path,) = files(kept)
    if damage == "not SQLite":
        path.write_bytes(b"something else")
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:20_000])
    else:
        connection = sqlite3.connect(path)
        connection.execute("DROP TABLE state")
        connection.commit()
        connection.close()
    controller = opened(blobs, keeping)
    assert controller.workspace.kept.offer is None
    click(controller, SQUARE)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))
    assert path.exists()
    assert len(files(kept)) == 2


def test_damage_that_is_found_when_it_is_opened(keeping, kept, blobs, status):
    worked_on(blobs, keeping)
    (path,) = files(kept)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE stored SET about = '{' WHERE kind = 'prompts'")
    connection.commit()
    connection.close()
    controller = opened(blobs, keeping)
    texts = status(controller)
    controller.continue_session()
    assert texts[-1].startswith("The earlier session cannot be continued: ")
    assert "is damaged" in texts[-1]
    assert "a new session begins with the next click" in texts[-1]
    click(controller, SQUARE)
    assert controller.session.saved_to != path
    assert path.exists()


def test_open_in_another_napari(keeping, kept, blobs, status):
    first = opened(blobs, keeping)
    click(first, SQUARE)
    runner = LateRunner()
    second = opened(blobs, keeping, runner)
    texts = status(second)
    runner.finish()
    assert "An earlier session on this image is open elsewhere: a new one begins with the first click." in texts
    click(second, SQUARE)
    runner.finish()
    assert first.session.saved_to != second.session.saved_to
    assert len(files(kept)) == 2


# --- napari is killed ----------------------------------------------------------------------------------------------

DRIVER = """
import sys, time
from pathlib import Path
import numpy as np
from napari.components import ViewerModel
from blob_tracker import BlobTracker
from napari_sam2.plugin.sessions.autosave import KeptSessions
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.predictors import tracker
from tiny_models import tiny_predictor
tracker.Tracker = BlobTracker

class TinyOpener(SessionOpener):
    def _load(self, model, image_size):
        network = tiny_predictor()
        network.source = model
        return network

folder = Path(sys.argv[1])
viewer = ViewerModel()
viewer.add_image(np.load(folder / "movie.npy"), name="movie")
controller = Controller(viewer, opener=TinyOpener(KeptSessions(folder / "sessions")))
controller.keeps_object = True  # each click is about the object in hand
for frame, row in [(0, 10), (1, 10)]:
    controller.click((frame, row, 10))
controller.next_object()
controller.click((0, 24, 35))
controller.progressed.connect(lambda done, total: (print("done", done, flush=True), time.sleep(60)))
print("clicked", flush=True)
if sys.argv[2] == "propagating":
    controller.propagate()
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed")
@pytest.mark.parametrize("moment", ["clicked", "propagating"])
def test_a_program_that_was_killed(tmp_path, keeping, kept, blobs, moment):
    np.save(tmp_path / "movie.npy", blobs)
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "XDG_DATA_HOME": str(tmp_path / "data")}
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, str(tmp_path), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout.readline() == "clicked\n"
        if moment == "propagating":
            assert process.stdout.readline() == "done 1\n"
        process.kill()
    controller = opened(blobs, keeping)
    assert controller.workspace.kept.offer.num_objects == 2
    controller.continue_session()
    found = labels(controller)
    if moment == "clicked":
        np.testing.assert_array_equal(found, expected(blobs, object_1=[0, 1], object_2=[0]))
    else:
        assert found[1].max() == 2, "the frame that was done is there"
    check_agreement(controller)
    controller.undo()
    controller.undo()
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0, 1] if moment == "propagating" else [0]))


# --- long stacks ------------------------------------------------------------------------------------------------------


def test_what_is_shown_first_is_drawn_first_and_clicks_come_between(keeping, blobs, monkeypatch):
    found = worked_on(blobs, keeping)
    monkeypatch.setattr(session_drawing, "AT_ONCE_S", -1)
    runner = LateRunner()
    controller = opened(blobs, keeping, runner)
    runner.finish()
    drawn = []
    controller.go_to_frame(1)
    controller.continue_session()
    while not drawn:
        runner.work()
        runner.deliver()
        session = controller.workspace.worker.session
        drawn = [] if session is None else sorted(set(range(3)) - session.undrawn)
    runner.finish()
    np.testing.assert_array_equal(labels(controller), found)
    assert controller.workspace.rows.by_id[1].num_found == 3
    check_agreement(controller)
    controller.close()
