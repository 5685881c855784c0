import gc

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2.session.store.file_lock import is_locked
from widget_driving import check_agreement, in_session


@pytest.fixture
def viewer(make_napari_viewer_proxy, blobs):
    return movie_in(make_napari_viewer_proxy, blobs)


def movie_in(make_viewer, blobs):
    viewer = make_viewer(show=True)
    viewer.add_image(blobs.copy(), name="movie")
    viewer.dims.set_point(0, 0)
    return viewer


def until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def worked_on(viewer, open_widget, opener, robot, qtbot):
    """Click and propagate by mouse and key, and close the dock."""
    widget = open_widget(viewer, opener)
    until_idle(qtbot, widget)
    robot(viewer).click((0, 10, 10))
    until_idle(qtbot, widget)
    robot(viewer).key(Qt.Key.Key_G)
    until_idle(qtbot, widget)
    viewer.window.remove_dock_widget(widget)
    open_widget.runners[-1].wait()
    return viewer.layers["movie – objects"].data.copy()


def test_nothing_is_shown_where_there_is_nothing_to_tell(viewer, open_widget, keeping, qtbot):
    widget = open_widget(viewer, keeping)
    until_idle(qtbot, widget)
    assert not widget._session_line.isVisible()


def test_the_dock_is_opened_again(viewer, open_widget, keeping, kept, robot, qtbot, blobs):
    before = worked_on(viewer, open_widget, keeping, robot, qtbot)
    (one,) = kept.sessions()
    assert not is_locked(one.path), "the file is closed"
    widget = open_widget(viewer, keeping)
    qtbot.waitUntil(lambda: widget.controller.workspace.worker.session is not None, timeout=20_000)
    until_idle(qtbot, widget)
    assert not widget._session_line.isVisible()
    np.testing.assert_array_equal(viewer.layers["movie – objects"].data, before)
    robot(viewer).key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    until_idle(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["movie – objects"].data[1:], 0)


def test_closed_while_it_propagates_and_opened_at_once(viewer, open_widget, keeping, kept, robot, qtbot):
    widget = open_widget(viewer, keeping)
    until_idle(qtbot, widget)
    robot(viewer).click((0, 10, 10))
    until_idle(qtbot, widget)
    widget.controller.propagate()
    viewer.window.remove_dock_widget(widget)
    again = open_widget(viewer, keeping)
    qtbot.waitUntil(lambda: again.controller.workspace.worker.session is not None, timeout=20_000)
    until_idle(qtbot, again)
    assert again.session.saved_to == kept.sessions()[0].path
    assert not again.controller.workspace.points.pending.by_id
    check_agreement(again.controller)
    assert [len(clicks) for clicks in in_session(again.session).values()] == [1], "no click counts twice"
    assert len(kept.sessions()) == 1


def test_continue_in_another_viewer(viewer, make_napari_viewer_proxy, open_widget, keeping, robot, qtbot, blobs):
    before = worked_on(viewer, open_widget, keeping, robot, qtbot)
    later = movie_in(make_napari_viewer_proxy, blobs)
    widget = open_widget(later, keeping)
    line = widget._session_line
    qtbot.waitUntil(line.isVisible, timeout=20_000)
    assert line.go_on.text().startswith("Continue where you were\n(1 object, 3 frames, today ")
    assert (line.anew.text(), line.text.isVisible()) == ("Begin anew", False)
    until_idle(qtbot, widget)
    press(line.go_on)
    until_idle(qtbot, widget)
    assert not line.isVisible()
    np.testing.assert_array_equal(later.layers["movie – objects"].data, before)


def test_begin_anew_in_another_viewer(viewer, make_napari_viewer_proxy, open_widget, keeping, kept, robot, qtbot, blobs):
    worked_on(viewer, open_widget, keeping, robot, qtbot)
    later = movie_in(make_napari_viewer_proxy, blobs)
    widget = open_widget(later, keeping)
    qtbot.waitUntil(widget._session_line.isVisible, timeout=20_000)
    press(widget._session_line.anew)
    assert not widget._session_line.isVisible()
    robot(later).click((0, 24, 35))
    until_idle(qtbot, widget)
    assert np.unique(later.layers["movie – objects"].data).tolist() == [0, 1]
    assert len(kept.sessions()) == 2


def test_why_nothing_is_saved(viewer, open_widget, keeping, kept, robot, qtbot):
    kept.folder.write_text("a file is in the place of the folder")
    widget = open_widget(viewer, keeping)
    robot(viewer).click((0, 10, 10))
    until_idle(qtbot, widget)
    assert widget._session_line.isVisible()
    assert widget._session_line.text.text().startswith(f"Not saved: the folder {kept.folder} for sessions cannot be made: ")
    assert not widget._session_line.go_on.isVisible()


def test_a_session_file_is_opened_and_saved_by_napari(viewer, open_widget, keeping, tmp_path, robot, qtbot):
    before = worked_on(viewer, open_widget, keeping, robot, qtbot)
    path = tmp_path / "mine.sam2"
    viewer.layers.selection.active = viewer.layers["movie – objects"]
    assert viewer.layers.save(str(path), selected=True) == [str(path)]
    viewer.layers.remove("movie – objects")
    viewer.layers.remove("movie – clicks")
    viewer.open(str(path), plugin="napari-sam2")
    assert [layer.name for layer in viewer.layers] == ["movie", "mine – objects"], "the image is there already"
    np.testing.assert_array_equal(viewer.layers["mine – objects"].data, before)
    widget = open_widget(viewer, keeping)
    qtbot.waitUntil(lambda: widget.controller.workspace.worker.session is not None, timeout=20_000)
    until_idle(qtbot, widget)
    assert widget.session.saved_to == path
    gc.collect()
