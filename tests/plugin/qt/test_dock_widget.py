import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QPushButton

from napari_sam2.plugin.samples import fluo_mitocheck
from napari_sam2.plugin.sessions.autosave import SessionSummary
from napari_sam2.plugin.sessions.session_opener import SessionOpener
from napari_sam2.plugin.settings.keys import CHOSEN
from napari_sam2.session.session import Session

RIGHT = Qt.MouseButton.RightButton
NUCLEUS = (0, 54, 120)
DEFERRED_DELETE = QEvent.Type.DeferredDelete.value
"""Of what only the real event loop would delete."""


def world(viewer, *position):
    return viewer.layers["movie"].data_to_world(position)


def until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


def test_two_objects_are_two_clicks_and_one_key(viewer, widget, robot, qtbot, blobs):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    robot.click(world(viewer, 0, 24, 35))
    until_idle(qtbot, widget)
    assert widget._object.text() == "3 new"
    assert widget._status.text() == "Object 2: 96 px on frame 0"
    robot.key(Qt.Key.Key_G)
    until_idle(qtbot, widget)
    expected = np.where(blobs == 200, 1, np.where(blobs == 150, 2, 0))
    np.testing.assert_array_equal(viewer.layers["movie – objects"].data, expected)
    assert widget._status.text().startswith("2 frames done in")


def test_right_click_and_keys_are_outside(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    robot.click(world(viewer, 0, 10, 10))
    assert widget._object.text() == "1"
    robot.click(world(viewer, 0, 2, 40), RIGHT)
    robot.click(world(viewer, 0, 2, 42), modifier=Qt.KeyboardModifier.AltModifier)
    robot.key(Qt.Key.Key_T)
    assert widget._outside.isChecked()
    robot.click(world(viewer, 0, 2, 44))
    robot.click(world(viewer, 0, 12, 12), RIGHT)
    robot.key(Qt.Key.Key_T)
    points = viewer.layers["movie – clicks"]
    assert points.features["side"].tolist() == ["inside", "outside", "outside", "outside", "inside"]
    np.testing.assert_allclose(points.data[:2], [(0, 10, 10), (0, 2, 40)], atol=0.3)
    until_idle(qtbot, widget)
    robot.key(Qt.Key.Key_U)
    until_idle(qtbot, widget)
    assert len(points.data) == 4


def test_a_drag_moves_the_view_and_is_no_click(viewer, widget, robot):
    before = tuple(getattr(viewer, "scene", viewer).camera.center)
    robot(viewer).drag(world(viewer, 0, 10, 10), world(viewer, 0, 20, 30))
    assert "movie – clicks" not in viewer.layers
    assert tuple(getattr(viewer, "scene", viewer).camera.center) != before


def test_a_drag_on_an_object_does_nothing_to_it(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    robot.drag(world(viewer, 0, 10, 10), world(viewer, 0, 20, 30))
    robot.drag(world(viewer, 0, 10, 10), world(viewer, 0, 20, 30), Qt.KeyboardModifier.AltModifier)
    assert widget.controller.object_in_hand is None
    assert widget.controller.is_idle
    assert len(viewer.layers["movie – clicks"].data) == 1


CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_undo_and_redo_by_keys_on_our_layers_alone(viewer, widget, robot, qtbot, blobs):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    robot.key(Qt.Key.Key_G)
    until_idle(qtbot, widget)
    result = viewer.layers["movie – objects"]
    everything = np.where(blobs == 200, 1, 0)
    np.testing.assert_array_equal(result.data, everything)
    for name in ("movie", "movie – objects", "movie – clicks"):
        viewer.layers.selection.active = viewer.layers[name]
        robot.key(Qt.Key.Key_Z, CONTROL)
        until_idle(qtbot, widget)
        assert not result.data[1:].any(), "the whole propagation is undone"
        robot.key(Qt.Key.Key_Z, CONTROL | SHIFT)
        until_idle(qtbot, widget)
        np.testing.assert_array_equal(result.data, everything)
    mine = viewer.add_labels(np.zeros((3, 40, 50), np.uint8), name="mine")
    mine.paint((0, 5, 5), 3)
    robot.key(Qt.Key.Key_Z, CONTROL)
    assert not mine.data.any(), "another layer keeps napari's undo"
    np.testing.assert_array_equal(result.data, everything)


def test_a_point_is_moved_and_deleted_by_the_mouse(viewer, widget, robot, qtbot, blobs):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    points, result = viewer.layers["movie – clicks"], viewer.layers["movie – objects"]
    viewer.layers.selection.active = points
    points.mode = "select"
    robot.drag(points.data_to_world(points.data[0]), world(viewer, 0, 24, 35))
    until_idle(qtbot, widget)
    np.testing.assert_array_equal(result.data[0] > 0, blobs[0] == 150)
    np.testing.assert_allclose(points.data, [(0, 24, 35)], atol=0.5)
    robot.key(Qt.Key.Key_Delete)
    until_idle(qtbot, widget)
    assert not result.data.any()
    for count in (blobs[0] == 150).sum(), (blobs[0] == 200).sum():
        robot.key(Qt.Key.Key_Z, CONTROL)
        until_idle(qtbot, widget)
        assert (result.data[0] == 1).sum() == count
    np.testing.assert_allclose(points.data, [(0, 10, 10)], atol=0.5)


def test_ten_objects_are_ten_clicks_and_one_key(make_napari_viewer_proxy, open_widget, opener, robot, qtbot):
    places = [(row, col) for row in (5, 25) for col in range(5, 120, 24)]
    stack = np.zeros((3, 40, 120), np.uint8)
    for row, col in places:
        stack[:, row : row + 8, col : col + 10] = 200
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(stack, name="movie")
    viewer.dims.set_point(0, 0)
    widget, robot = open_widget(viewer, opener), robot(viewer)
    for row, col in places:
        robot.click((0, row + 4, col + 5))
    robot.key(Qt.Key.Key_G)
    until_idle(qtbot, widget)
    result = viewer.layers["movie – objects"].data
    for frame in result:
        assert [frame[row + 4, col + 5] for row, col in places] == list(range(1, 11))
    assert (result > 0).sum() == (stack > 0).sum()


def test_an_object_is_corrected_by_clicks_until_esc(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    for position in ((0, 10, 10), (0, 10, 10), (0, 24, 35)):
        robot.click(world(viewer, *position))
        until_idle(qtbot, widget)
    result = viewer.layers["movie – objects"].data
    assert (result[0] == 1).sum() == 196, "both blobs are one object"
    robot.key(Qt.Key.Key_Escape)
    assert widget._status.text() == "No object is in hand: a click where nothing is begins object 2."
    robot.click(world(viewer, 0, 25, 36), RIGHT)
    until_idle(qtbot, widget)
    assert (result[0] == 1).sum() == 100, "of the object under the cursor"
    robot.click(world(viewer, 0, 24, 35))
    until_idle(qtbot, widget)
    assert (result[0] == 2).sum() == 96


def test_an_object_is_kept_in_hand_by_the_check_mark(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    widget._keep.click()
    for position in ((0, 10, 10), (0, 24, 35)):
        robot.click(world(viewer, *position))
        until_idle(qtbot, widget)
    assert set(widget.session.objects) == {1}
    widget._keep.click()
    robot.key(Qt.Key.Key_Escape)
    robot.click(world(viewer, 0, 35, 5))
    until_idle(qtbot, widget)
    assert set(widget.session.objects) == {1, 2}


def test_a_box_is_drawn_with_shift(viewer, widget, robot, qtbot):
    robot, during = robot(viewer), []
    selected, camera = viewer.layers.selection.active, tuple(getattr(viewer, "scene", viewer).camera.center)
    robot.drag(world(viewer, 0, 3, 3), world(viewer, 0, 17, 17), SHIFT, lambda: during.append([*map(str, viewer.layers)]))
    until_idle(qtbot, widget)
    assert during == [["movie", "box"]], "it is shown while it is drawn"
    assert [layer.name for layer in viewer.layers] == ["movie", "movie – objects", "movie – boxes", "movie – clicks"]
    assert viewer.layers.selection.active == selected
    assert tuple(getattr(viewer, "scene", viewer).camera.center) == camera
    np.testing.assert_allclose(widget.session.objects[1].prompts[0].box_rc, (3.5, 3.5, 17.5, 17.5), atol=0.3)
    assert (viewer.layers["movie – objects"].data[0] == 1).sum() == 100
    robot.key(Qt.Key.Key_U)
    until_idle(qtbot, widget)
    assert not widget.session.objects
    assert not viewer.layers["movie – boxes"].data


def test_a_box_is_given_up_by_esc(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    robot.drag(world(viewer, 0, 3, 3), world(viewer, 0, 17, 17), SHIFT, lambda: robot.key(Qt.Key.Key_Escape))
    until_idle(qtbot, widget)
    assert [layer.name for layer in viewer.layers] == ["movie"]


def test_undo_and_redo_by_buttons(viewer, widget, robot, qtbot):
    assert not widget._undo.isEnabled()
    assert not widget._redo.isEnabled()
    assert (widget._undo.toolTip()[-7:], widget._redo.toolTip()[-18:]) == ("Key: U.", "Key: Ctrl+Shift+Z.")
    robot(viewer).click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    for button, other, count in ((widget._undo, widget._redo, 0), (widget._redo, widget._undo, 100)):
        button.click()
        until_idle(qtbot, widget)
        assert (viewer.layers["movie – objects"].data > 0).sum() == count
        assert (button.isEnabled(), other.isEnabled()) == (False, True)


def test_the_status_bar_names_the_object(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    widget.session.rename_object(1, "nucleus")
    qtbot.waitUntil(lambda: widget.controller.workspace.objects.infos[1].name == "nucleus")
    robot.viewer.mouse_over_canvas = True
    robot.viewer.cursor.position = tuple(world(viewer, 0, 8, 8))
    robot.viewer.update_status_from_cursor()
    assert "object 1, nucleus" in robot.viewer.window._qt_window.statusBar()._coordinates.text()


def test_what_the_console_does_is_shown(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    points, result = viewer.layers["movie – clicks"], viewer.layers["movie – objects"]
    session = widget.session
    session.add_points(1, 0, [(24, 35)])
    session.set_colour(1, "#ff8000")
    qtbot.waitUntil(lambda: len(points.data) == 2)
    qtbot.waitUntil(lambda: np.allclose(result.get_color(1), (1, 128 / 255, 0, 1), atol=1e-6))
    session.undo()
    session.undo()
    qtbot.waitUntil(lambda: len(points.data) == 1)


def test_other_keys_are_chosen(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    CHOSEN.choose({"propagate": "F7", "next_object": "F8"})
    try:
        assert widget._propagate.button.text() == "Propagate (F7)"
        assert "<b>F8</b> new object on top" in widget._hint.text()
        robot.click(world(viewer, 0, 10, 10))
        until_idle(qtbot, widget)
        robot.key(Qt.Key.Key_G)
        assert widget.controller.is_idle
        robot.key(Qt.Key.Key_F7)
        until_idle(qtbot, widget)
        assert (viewer.layers["movie – objects"].data == 1).sum(axis=(1, 2)).tolist() == [100, 100, 100]
    finally:
        CHOSEN.choose({})
    assert widget._propagate.button.text() == "Propagate (G)"


def test_a_model_is_changed_and_the_change_undone(viewer, widget, robot, qtbot, all_models_here):
    robot = robot(viewer)
    robot.click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    widget._model_panel.model.activated.emit(1)
    until_idle(qtbot, widget)
    assert widget._model_panel.model.currentData() == widget.session.state.model.name == "sam2.1_hiera_t"
    robot.key(Qt.Key.Key_U)
    until_idle(qtbot, widget)
    assert widget._model_panel.model.currentData() == "micro"
    assert widget.session.state.model.name == "micro"


def test_clicks_belong_to_a_tool_that_is_in_use(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    mine = viewer.add_points(np.empty((0, 3)), ndim=3, name="mine")
    mine.mode = "add"
    robot.click(world(viewer, 0, 10, 10))
    assert len(mine.data) == 1
    assert "movie – clicks" not in viewer.layers
    mine.mode = "pan_zoom"
    robot.click(world(viewer, 0, 10, 10))
    assert len(viewer.layers["movie – clicks"].data) == 1
    until_idle(qtbot, widget)


def test_without_the_check_mark_clicks_do_nothing(viewer, widget, robot):
    widget._listen.setChecked(False)
    robot(viewer).click(world(viewer, 0, 10, 10))
    assert "movie – clicks" not in viewer.layers


def test_the_session_at_the_console(cells, robot, qtbot, tmp_path):
    _, widget = cells.window.add_plugin_dock_widget("napari-sam2")
    with pytest.raises(RuntimeError, match="there is no session yet: it begins with the first click"):
        widget.session  # noqa: B018
    until_idle(qtbot, widget)  # the model is loaded
    robot(cells).click(NUCLEUS)
    until_idle(qtbot, widget)
    robot(cells).key(Qt.Key.Key_G)
    with pytest.raises(RuntimeError, match="the session is at work: ask again when it is done, or stop it"):
        widget.session  # noqa: B018
    until_idle(qtbot, widget)
    assert cells.window.add_plugin_dock_widget("napari-sam2")[1] is widget
    widget.session.save(tmp_path / "cells.sam2")
    area = widget.session.mask(1, 0).sum()
    np.testing.assert_array_equal(cells.layers["fluo_mitocheck – objects"].data, widget.session.labels)
    widget.session.close()
    again = Session.open(tmp_path / "cells.sam2", image=cells.layers[0].data)
    assert again.mask(1, 0).sum() == area > 0
    again.close()


def test_the_widget_shows_what_will_happen(viewer, widget):
    assert widget._status.text() == "Click on objects, then propagate along T; or track everything (Shift+G)."
    assert widget._image.currentText() == "movie"
    assert widget._model_panel.model.currentText() == "micro (built in)"
    viewer.layers["movie"].visible = False
    viewer.add_image(np.zeros((20, 30)), name="picture")
    widget._image.setCurrentIndex(widget._image.findText("picture"))
    widget._image.activated.emit(widget._image.currentIndex())
    assert widget._status.text() == "Click on objects."
    assert not widget._propagate.button.isEnabled()


def test_models_that_are_not_here_are_marked(viewer, widget, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM2_CACHE", str(tmp_path))
    widget.controller.changed.emit()
    assert not widget._model_panel.download.isVisible()
    assert widget._model_panel.model.itemText(1) == "sam2.1_hiera_t (fetch 156 MB)"
    widget._model_panel.model.activated.emit(1)
    assert widget._model_panel.download.isVisible()
    assert "download 156 MB" in widget._status.text()


def test_a_checkpoint_is_chosen_from_a_file(viewer, widget, monkeypatch, tmp_path):
    checkpoint = tmp_path / "cells.safetensors"
    checkpoint.touch()
    answers = [("", ""), (str(checkpoint), "")]
    monkeypatch.setattr("napari_sam2.plugin.qt.model_panel.QFileDialog.getOpenFileName", lambda *args, **kwargs: answers.pop(0))

    def from_file():
        assert widget._model_panel.model.itemText(widget._model_panel.model.count() - 1) == "from a file …"
        widget._model_panel.model.setCurrentIndex(widget._model_panel.model.count() - 1)
        widget._model_panel.model.activated.emit(widget._model_panel.model.count() - 1)
        return widget._model_panel.model.currentText(), widget.controller.model

    assert from_file() == ("micro (built in)", "micro"), "nothing was chosen"
    assert from_file() == ("cells", str(checkpoint))
    assert not widget._model_panel.download.isVisible()
    widget._model_panel.model.activated.emit(0)
    assert widget._model_panel.model.findText("cells") == -1


def test_no_button_says_initialize_or_compute(widget):
    texts = [button.text() for button in widget.findChildren(QPushButton)]
    assert texts
    assert not any(word in text for text in texts for word in ("Init", "Compute", "Embed", "Load"))
    assert all(button.toolTip() for button in widget.findChildren(QPushButton))


def test_it_fits_into_300_px(widget):
    widget._model_panel.download.setVisible(True)
    assert widget.minimumSizeHint().width() <= 300


def test_a_small_window_stays_small_with_everything_unfolded(viewer, widget, qtbot):
    until_idle(qtbot, widget)
    viewer.window.resize(1280, 720)
    widget._image_panel.line.click()
    widget._objects.review.fold.click()
    for fold in (widget._model_panel.fold, widget._propagate._fold, widget._show_hint):
        fold.click()
    QApplication.processEvents()
    assert viewer.window.geometry()[2:] == (1280, 720)
    for part in (widget._propagate.button, widget._status, widget._hint):
        assert part.mapTo(widget, part.rect().bottomRight()).y() < widget.height()
    widget._image_panel.line.click()
    widget._objects.set_open(True)
    QApplication.processEvents()
    assert viewer.window.geometry()[2:] == (1280, 720)
    table = widget._objects.table.view
    assert table.viewport().height() >= 3 * table.verticalHeader().defaultSectionSize()


def test_closing_the_dock_leaves_nothing_behind(viewer, open_widget, opener, robot):
    robot = robot(viewer)
    widget = open_widget(viewer, opener)
    controller = weakref.ref(widget.controller)
    viewer.window.remove_dock_widget(widget)
    QApplication.processEvents()
    assert widget._is_torn_down
    robot.click(world(viewer, 0, 10, 10))
    robot.key(Qt.Key.Key_N)
    assert "movie – clicks" not in viewer.layers
    open_widget.runners[-1].wait()  # what it was at holds all of it until that is done
    del widget
    QApplication.sendPostedEvents(None, DEFERRED_DELETE)
    gc.collect()
    assert controller() is None


def test_closing_the_dock_during_propagation(viewer, widget, open_widget, robot, qtbot):
    robot(viewer).click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    widget.controller.propagate()
    viewer.window.remove_dock_widget(widget)
    open_widget.runners[-1].wait()
    qtbot.wait(50)
    assert (viewer.layers["movie – objects"].data[0] > 0).sum() == 100


def test_a_hidden_widget_does_not_listen(viewer, widget, robot, qtbot):
    robot = robot(viewer)
    widget.parent().hide()
    robot.click(world(viewer, 0, 10, 10))
    assert "movie – clicks" not in viewer.layers
    widget.parent().show()
    robot.click(world(viewer, 0, 10, 10))
    assert "movie – clicks" in viewer.layers
    until_idle(qtbot, widget)


def test_closing_the_window_during_propagation(make_napari_viewer_proxy, open_widget, opener, blobs, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(np.repeat(blobs, 2000, axis=0))
    widget = open_widget(viewer, opener)
    runner = open_widget.runners[-1]
    widget.controller.click((0, 10, 10))
    until_idle(qtbot, widget)
    widget.controller.propagate()
    viewer.close()
    QApplication.sendPostedEvents(None, DEFERRED_DELETE)
    assert runner._run is None
    runner.wait()


# --- the embedded model, on cells ----------------------------------------------------------------------------------


@pytest.fixture
def cells(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    ((movie, arguments, _),) = fluo_mitocheck()
    viewer.add_image(movie[:6], **arguments)
    viewer.dims.set_point(0, 0)
    return viewer


def test_embedded_model_on_cells(cells, open_widget, robot, qtbot):
    widget, robot = open_widget(cells), robot(cells)
    robot.click(NUCLEUS)
    qtbot.waitUntil(lambda: "fluo_mitocheck – objects" in cells.layers, timeout=20_000)
    until_idle(qtbot, widget)
    result = cells.layers["fluo_mitocheck – objects"].data
    assert result[0, 54, 120] == 1
    assert 30 < (result[0] == 1).sum() < 600, "the nucleus has 145 px"
    assert not result[1:].any(), "the first click encodes one frame"
    done = []
    widget.controller.progressed.connect(lambda number, total: done.append((number, total)))
    robot.key(Qt.Key.Key_G)
    qtbot.waitUntil(lambda: bool(done), timeout=30_000)
    robot.key(Qt.Key.Key_Escape)
    until_idle(qtbot, widget)
    assert widget._status.text() == f"Stopped: {len(done)} frame{'s' * (len(done) > 1)} done and kept, {5 - len(done)} left."
    assert done[0] == (1, 5)
    assert len(done) < 5
    done.clear()
    robot.key(Qt.Key.Key_G)
    until_idle(qtbot, widget)
    assert done[0][1] < 5, "it goes on where it was"
    assert all(30 < (frame == 1).sum() < 600 for frame in result), "it is propagated to all frames"


def test_a_closed_dock_holds_no_model_and_its_session_is_kept(cells, open_widget, robot, qtbot, kept):
    widget = open_widget(cells, SessionOpener(kept))
    until_idle(qtbot, widget)
    robot(cells).click(NUCLEUS)
    until_idle(qtbot, widget)
    widget.output_panel.tracks_button.click()
    widget.output_panel.show_table()
    until_idle(qtbot, widget)
    network, session = weakref.ref(widget.session.model), weakref.ref(widget.session)
    widget.controller.propagate()
    cells.window.remove_dock_widget(widget)  # while it propagates
    open_widget.runners[-1].wait()
    del widget
    QApplication.processEvents()
    gc.collect()
    assert session() is None
    assert network() is None
    (one,) = kept.sessions()
    assert SessionSummary.read(one.path).num_objects == 1


def test_the_memory_of_a_gpu_is_given_back_when_nothing_holds_the_model(cells, open_widget, robot, qtbot, monkeypatch):
    widget = open_widget(cells, SessionOpener())
    until_idle(qtbot, widget)
    robot(cells).click(NUCLEUS)
    until_idle(qtbot, widget)
    widget.controller.propagate()
    until_idle(qtbot, widget)
    session = widget.session
    held = {
        "session": weakref.ref(session),
        "model": weakref.ref(session.model),
        "weights": weakref.ref(next(session.model.parameters())),
        "features": weakref.ref(session._in_use.tracker.features),
        "memory": weakref.ref(session.objects[1].memory.get(1).memory),
    }
    del session
    held_at_the_end = []

    def empty_cache():
        held_at_the_end.append([name for name, reference in held.items() if reference() is not None])

    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", empty_cache)
    cells.window.remove_dock_widget(widget)
    open_widget.runners[-1].wait()
    assert held_at_the_end == [[]]


def test_what_the_embedded_model_finds_in_the_background_is_a_proposal(cells, open_widget, robot, qtbot):
    widget, robot = open_widget(cells), robot(cells)
    until_idle(qtbot, widget)
    robot.click(NUCLEUS)
    until_idle(qtbot, widget)
    assert widget._status.text().startswith("Object 1: ")
    robot.click((0, 150, 60))
    until_idle(qtbot, widget)
    text = widget._status.text()
    assert text.startswith("Object 2 is uncertain (predicted IoU 0.")
    assert text.endswith("press U to take it back, or right-click where it is not.")
    robot.key(Qt.Key.Key_U)
    until_idle(qtbot, widget)
    assert set(widget.session.objects) == {1}


def test_a_warning_stands_in_the_status_line_and_not_in_a_toast_too(viewer, widget, notices):
    widget.controller.propagate()
    assert widget._status.text() == "There is nothing to propagate: click on an object first."
    assert notices() == []
    widget.hide()
    widget.controller.propagate()
    assert notices() == [("warning", "There is nothing to propagate: click on an object first.")]


def test_buttons_stay_where_they_are_whether_the_status_has_one_line_or_two(viewer, widget):
    def tops():
        QApplication.processEvents()
        return [one.mapToGlobal(one.rect().topLeft()).y() for one in (widget._undo, widget._propagate.button)]

    viewer.window.resize(1280, 720)
    widget.controller.status_changed.emit("Ready.")
    before = tops()
    widget.controller.status_changed.emit("Object 3 is in hand: clicks add to it. Esc puts it down.")
    assert tops() == before


def test_nothing_is_left_of_an_image_that_is_removed_while_it_is_propagated(viewer, widget, robot, qtbot):
    robot(viewer).click(world(viewer, 0, 10, 10))
    until_idle(qtbot, widget)
    widget.controller.propagate()
    viewer.layers.remove("movie")
    until_idle(qtbot, widget)
    assert widget._status.text() == "Open an image, or drop a file on the viewer."
    assert widget._propagate.button.text() == "Propagate (G)"
    assert not widget._propagate.button.isEnabled()
