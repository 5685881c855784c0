"""Layers that somebody has, in the dock and in napari's menus: with the real window, session and thread."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog

from napari_sam2.plugin.layer_prompts.choices import Anchors, Frames, Objects
from napari_sam2.plugin.qt import layer_actions
from napari_sam2.plugin.qt.layer_actions import LayerActions, copy_result_into_layer, use_layer_as_prompts

LAYER = {"axis_labels": ("t", "y", "x"), "scale": (60, 0.5, 0.5), "units": ("s", "um", "um")}


@pytest.fixture
def viewer(make_napari_viewer_proxy, blobs):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(blobs, name="movie", **LAYER)
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def actions(widget):
    return widget.findChild(LayerActions)


def until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controller.is_idle, timeout=20_000)


def test_labels_become_objects_and_the_result_goes_into_a_layer(viewer, widget, actions, qtbot, blobs):
    cells = np.where(blobs == 200, 3, np.where(blobs == 150, 7, 0)).astype(np.uint16)
    viewer.add_labels(cells, name="cp_masks", **LAYER)
    until_idle(qtbot, widget)
    form = actions.open_use()
    assert form.layer.currentText() == "cp_masks"
    assert form.form.asdict() == {"frames": Frames.SHOWN, "frame": 0, "anchors": Anchors.EVERY}
    form.do_it.click()
    until_idle(qtbot, widget)
    assert widget._status.text() == "2 objects from cp_masks: 2 masks on 1 frame."
    assert sorted(widget.session.objects) == [3, 7]
    mine = viewer.add_labels(np.zeros_like(cells), name="mine", **LAYER)
    form = actions.open_copy()
    assert form.layer.currentText() == "mine"
    form.do_it.click()
    assert widget._status.text() == "2 objects copied into mine on 1 frame."
    np.testing.assert_array_equal(mine.data, viewer.layers["movie – objects"].data)
    mine.undo()
    assert not mine.data.any()


def test_prompts_are_drawn_and_edited_with_the_tools_of_napari(viewer, widget, actions, robot, qtbot, blobs):
    def world(frame, row, col):
        return viewer.layers["movie"].data_to_world((frame, row, col))

    until_idle(qtbot, widget)
    actions.draw.trigger()
    layer, robot = viewer.layers["movie – boxes"], robot(viewer)
    assert (viewer.layers.selection.active, layer.mode) == (layer, "add_rectangle")
    robot.drag(world(0, 3.5, 3.5), world(0, 15.5, 15.5))
    until_idle(qtbot, widget)
    objects = widget.session.objects
    np.testing.assert_allclose(objects[1].prompts[0].box_rc, (4, 4, 16, 16), atol=0.3)
    layer.mode = "add_polygon"
    for corner in ((19.5, 29.5), (19.5, 41.5), (27.5, 41.5), (27.5, 29.5)):
        robot.click(world(0, *corner))
        widget.session.rename_object(1, f"changed at {corner}")  # nothing of what is being drawn is lost
    robot.key(Qt.Key.Key_Escape)
    until_idle(qtbot, widget)
    assert objects[2].prompts[0].mask.sum() == pytest.approx(96, abs=12)
    layer.mode = "add_line"
    robot.drag(world(0, 22, 31), world(0, 22, 41))
    until_idle(qtbot, widget)
    assert [len(prompts.points_rc) for prompts in objects[3].prompts.values()] == [2]
    qtbot.waitUntil(lambda: layer.shape_type == ["rectangle", "polygon"])
    layer.mode = "select"
    before = np.array(objects[1].prompts[0].box_rc)
    robot.click(world(0, 9, 9))
    robot.drag(world(0, 9, 9), world(0, 9, 11))
    until_idle(qtbot, widget)
    np.testing.assert_allclose(np.array(objects[1].prompts[0].box_rc) - before, (0, 2, 0, 2), atol=0.3)
    robot.key(Qt.Key.Key_Delete)
    until_idle(qtbot, widget)
    assert not objects[1].prompts
    qtbot.waitUntil(lambda: layer.shape_type == ["polygon"])
    robot.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    until_idle(qtbot, widget)
    qtbot.waitUntil(lambda: sorted(layer.shape_type) == ["polygon", "rectangle"])


def test_what_the_form_of_points_and_shapes_offers(viewer, widget, actions, qtbot):
    features = {"cell": ["a", "b"], "sign": [1, 0]}
    viewer.add_points([(0, 10, 10), (0, 24, 35)], features=features, name="points", **LAYER)
    form = actions.open_use()
    assert form.form.asdict() == {"objects": "cell", "sides": "sign", "frames": Frames.ALL, "frame": 0}
    choices = [form.form["objects"].native.itemText(index) for index in range(4)]
    assert choices == ["each one is an object", "all are one object", "column “cell”", "column “sign”"]
    form.reject()
    viewer.add_shapes([[(0, 4, 4), (0, 15, 15)]], shape_type="line", name="shapes", **LAYER)
    form = actions.open_use()
    assert form.form.asdict() == {"objects": Objects.EACH, "frames": Frames.ALL, "frame": 0}
    form.reject()


def test_a_single_image_asks_for_no_frames(make_napari_viewer_proxy, open_widget, opener, qtbot, blobs):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(blobs[0])
    viewer.add_labels((blobs[0] > 0).astype(np.uint8))
    widget = open_widget(viewer, opener)
    form = widget.findChild(LayerActions).open_use()
    assert form.form.asdict() == {}
    form.do_it.click()
    until_idle(qtbot, widget)
    assert sorted(widget.session.objects) == [1]


def test_where_there_is_nothing_to_choose(viewer, widget, actions, qtbot):
    texts = []
    widget.controller.status_changed.connect(texts.append)
    assert actions.open_use() is None
    assert actions.open_copy() is None
    viewer.add_labels(np.zeros((3, 40, 50), np.uint8), name="empty", **LAYER)
    until_idle(qtbot, widget)
    form = actions.open_use()
    form.do_it.click()
    until_idle(qtbot, widget)
    viewer.layers.remove("empty")
    assert actions.open_copy() is None
    viewer.layers.remove("movie")
    assert actions.open_use() is None
    assert [text for text in texts if text.startswith(("There is no ", "Nothing "))] == [
        "There is no layer of points, shapes or labels: if labels were opened as an image, right click on it in the list of layers,"
        " and choose Convert to Labels.",
        "There is no result yet: click on an object first.",
        "Nothing of empty could be used.",
        "There is no Labels layer but the result itself: make one with the button above the layers.",
        "There is no image to prompt: open one first.",
    ]


def test_the_commands_of_the_menus(viewer, widget, monkeypatch, qtbot):
    monkeypatch.setattr(layer_actions, "_widget_in", lambda viewer: widget)
    viewer.add_labels(np.ones((3, 40, 50), np.uint8), name="mine", **LAYER)
    form = use_layer_as_prompts(viewer)
    assert isinstance(form, QDialog)
    assert form.layer.currentText() == "mine"
    form.reject()
    assert copy_result_into_layer(viewer) is None


def test_orthogonal_views_need_another_plugin(viewer, widget, actions, qtbot):
    until_idle(qtbot, widget)
    actions.views.trigger()
    assert widget._status.text() == (
        "Orthogonal views come from another plugin: pip install napari-orthogonal-views, and start napari again."
    )
