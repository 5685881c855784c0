import os
import shutil
import time

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers._source import layer_source

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.files.recent_sessions import (
    SessionNotOpened,
    disk_use,
    open_session,
    recent_sessions,
    shown_size,
    without_image,
)
from napari_sam2.plugin.files.session_files import read_session
from napari_sam2.plugin.sessions.autosave import KeptSessions
from napari_sam2.session.session import Session
from napari_sam2.session.store.file_lock import is_locked
from widget_driving import check_agreement, click, expected, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


@pytest.fixture
def movie(tmp_path, blobs):
    folder = tmp_path / "a folder with spaces, ünd Ümlaute"
    folder.mkdir()
    path = folder / "my movie.tif"
    tifffile.imwrite(path, blobs, photometric="minisblack", metadata={"axes": "TYX"})
    return path


@pytest.fixture
def saved(movie, opener):
    """A session on a file, saved beside it under a name."""
    session = Session(movie, "TYX", opener.load("micro"))
    session.save(movie.with_name("my cells.sam2"))
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.propagate_all()
    session.close()
    return movie.with_name("my cells.sam2")


def begin(keeping, *images):
    viewer = ViewerModel()
    for image in images:
        viewer.add_image(image, name="mine")
    return viewer, Controller(viewer, opener=keeping)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (41_300_000, "41 MB"), (20e9, "20 GB"), (9.94e6, "9.9 MB")],
)
def test_sizes(size, text):
    assert shown_size(size) == text


def test_the_list(viewer, keeping, kept, saved):
    controller = Controller(viewer, opener=keeping)
    click(controller, SQUARE)
    controller.close()
    later, opened = begin(keeping)
    open_session(opened, later, saved)
    named, automatic = recent_sessions(kept)
    assert named.path == saved
    assert named.describe().startswith("my cells.sam2 (my movie) · 1 object, 3 frames, today ")
    assert named.describe().endswith(f" · {shown_size(saved.stat().st_size)}")
    assert automatic.describe().startswith("movie · 1 object, 1 frame, today ")
    assert automatic.size_bytes == automatic.path.stat().st_size
    assert len(recent_sessions(kept, limit=1)) == 1
    opened.close()
    automatic.path.write_bytes(b"junk")
    (broken,) = (one for one in recent_sessions(kept) if one.path == automatic.path)
    assert broken.summary is None
    assert "cannot be read: it is damaged" in broken.describe()


def test_a_session_opened_twice_is_listed_once(keeping, kept, saved):
    for _ in range(2):
        viewer, controller = begin(keeping)
        open_session(controller, viewer, saved)
        controller.close()
    assert [one.path for one in recent_sessions(kept)] == [saved]


def test_without_a_folder_a_file_is_opened_and_saved_all_the_same(keeping, kept, saved, notices, caplog):
    kept.folder.write_text("a file is in the place of the folder")
    viewer, controller = begin(keeping)
    open_session(controller, viewer, saved)
    assert controller.session.saved_to == saved
    assert controller.workspace.kept.not_kept == ""
    assert notices() == []
    assert "my cells.sam2 will not be among the recent sessions: the folder" in caplog.text
    assert recent_sessions(kept) == []


def test_disk_use_and_what_is_pruned(viewer, keeping, tmp_path, saved):
    keeping.kept = kept = KeptSessions(tmp_path / "kept", quota_gb=1e-6, min_age_days=0)
    assert disk_use(kept) == "Sessions take 0 bytes of 1.0 kB"
    first, controller = begin(keeping)
    open_session(controller, first, saved)  # a file that was saved by name
    controller.close()
    old = Controller(viewer, opener=keeping)
    click(old, SQUARE)
    old_path = old.session.saved_to
    old.close()
    os.utime(old_path, (time.time() - 3600,) * 2)
    _, now = begin(keeping, np.zeros((3, 40, 50), np.uint8) + np.arange(50, dtype=np.uint8))
    click(now, SQUARE)
    assert not old_path.exists(), "the oldest goes first"
    assert now.session.saved_to.exists(), "never the open one"
    assert saved.exists(), "nor a file that was saved by name"
    assert {one.path for one in kept.sessions()} == {now.session.saved_to, saved}


def test_opened_with_its_image(keeping, saved, movie, blobs):
    viewer, controller = begin(keeping)
    open_session(controller, viewer, saved)
    assert [layer.name for layer in viewer.layers] == ["my movie", "my cells – objects", "my movie – clicks"]
    assert controller.session.saved_to == saved
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=range(3)))
    check_agreement(controller)
    open_session(controller, viewer, saved)  # once more: nothing happens
    assert len(viewer.layers) == 3
    controller.close()


def test_a_kept_session_is_called_by_its_image(viewer, keeping, blobs, movie):
    first = ViewerModel()
    with layer_source(path=str(movie)):
        first.add_image(blobs, name="mine")
    controller = Controller(first, opener=keeping)
    click(controller, SQUARE)
    path = controller.session.saved_to
    controller.close()
    later, controller = begin(keeping)
    open_session(controller, later, path)
    assert [layer.name for layer in later.layers] == ["my movie", "mine – objects", "my movie – clicks"]
    assert controller.session.saved_to == path
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


def test_without_its_model_the_labels_are_shown(keeping, saved, blobs, monkeypatch, notices):
    for module in ("files.recent_sessions", "sessions.session_opener"):
        monkeypatch.setattr(f"napari_sam2.plugin.{module}.is_on_this_machine", lambda name: False)
    viewer, controller = begin(keeping)
    open_session(controller, viewer, saved)
    np.testing.assert_array_equal(viewer.layers["my cells – objects"].data, expected(blobs, object_1=range(3)))
    assert "was made with micro, which is not on this machine" in notices()[-1][1]


def test_opened_on_the_image_in_the_viewer(keeping, kept, saved, blobs):
    viewer, controller = begin(keeping, np.zeros((3, 40, 50)), blobs)
    controller.choose_image(viewer.layers[1])
    click(controller, MOVING)
    earlier = controller.session.saved_to
    other = viewer.layers[0]
    controller.choose_image(other)
    open_session(controller, viewer, saved)
    assert controller.image == viewer.layers[1]
    np.testing.assert_array_equal(controller.session.labels, expected(blobs, object_1=range(3)))
    assert not is_locked(earlier)
    controller.choose_image(other)
    open_session(controller, viewer, saved)
    assert controller.image == viewer.layers[1], "it was open already"
    assert controller.session.saved_to == saved
    assert sum(isinstance(layer.data, np.ndarray) and layer.name.endswith("objects") for layer in viewer.layers) == 1


def test_an_image_that_was_moved_is_asked_for(keeping, saved, movie, blobs, tmp_path):
    elsewhere = tmp_path / "elsewhere.tif"
    shutil.move(movie, elsewhere)
    viewer, controller = begin(keeping)
    asked = []

    def ask(question):
        asked.append(question)
        return elsewhere

    with pytest.raises(SessionNotOpened, match="is not there, or has changed: put it back, or choose where it is now"):
        open_session(controller, viewer, saved, lambda question: None)
    assert len(viewer.layers) == 0
    open_session(controller, viewer, saved, ask)
    assert asked == [f"The image of my cells.sam2, {movie}, is not there, or has changed"]
    np.testing.assert_array_equal(controller.session.labels, expected(blobs, object_1=range(3)))
    assert controller.image.name == "elsewhere"


def test_another_image_is_refused(keeping, saved, movie, blobs, tmp_path):
    movie.unlink()
    tifffile.imwrite(tmp_path / "other.tif", 255 - blobs, photometric="minisblack", metadata={"axes": "TYX"})
    viewer, controller = begin(keeping)
    with pytest.raises(SessionNotOpened) as raised:
        open_session(controller, viewer, saved, lambda question: tmp_path / "other.tif")
    assert str(raised.value) == "this is another image than my cells.sam2 was saved with, the same size with other pixels"
    assert len(viewer.layers) == 0


def test_labels_that_were_dropped_without_their_image_find_it(keeping, saved, movie, blobs, tmp_path, notices):
    elsewhere = tmp_path / "elsewhere.tif"
    shutil.move(movie, elsewhere)
    viewer, controller = begin(keeping)
    for data, attributes, kind in read_session(str(saved)):
        viewer._add_layer_from_data(data, attributes, kind)
    assert without_image(viewer) == [saved]
    assert "choose Sessions › Find the image in the dock" in notices()[-1][1]
    open_session(controller, viewer, saved, lambda question: elsewhere)
    assert without_image(viewer) == []
    assert [layer.name for layer in viewer.layers] == ["elsewhere", "my cells – objects", "elsewhere – clicks"]
    assert controller.session.saved_to == saved


def test_an_array_is_to_be_opened_first(keeping, blobs, tmp_path):
    session = Session(blobs, "TYX", keeping.load("micro"))
    session.save(tmp_path / "a.sam2")
    session.add_points(session.add_object(), 0, [(10, 10)])
    session.close()
    viewer, controller = begin(keeping)
    with pytest.raises(SessionNotOpened, match=r"The image of a\.sam2 was no file: open the image first, then the session again"):
        open_session(controller, viewer, tmp_path / "a.sam2", lambda question: pytest.fail("there is no file to choose"))
    viewer.add_image(blobs, name="mine")
    click(controller, MOVING)
    open_session(controller, viewer, tmp_path / "a.sam2")
    assert sorted(controller.session.objects) == [1]


def test_one_that_is_open_elsewhere(keeping, saved, opener):
    other = Session.open(saved, model=opener.load("micro"))
    viewer, controller = begin(keeping)
    with pytest.raises(SessionNotOpened, match=r"my cells\.sam2 is open elsewhere: close it there first"):
        open_session(controller, viewer, saved)
    other.close()
    with pytest.raises(SessionNotOpened, match="there is no session file"):
        open_session(controller, viewer, saved.with_name("gone.sam2"))
