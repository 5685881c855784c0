"""Layers that are trashed, renamed, moved, hidden, copied, replaced, saved or loaded under the widget; what the console does."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari_builtins.io import napari_get_reader, napari_write_points

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.layer_actions.use_layer import LayerReader
from napari_sam2.plugin.prompts.clicks import Click
from widget_driving import check_agreement, in_session, labels, plain_click

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)
OURS = ["movie – objects", "movie – boxes", "movie – clicks"]


@pytest.fixture
def worked(controller):
    """Two objects, a click and a box, propagated."""
    plain_click(controller, SQUARE)
    world = controller.image.data_to_world
    controller.draw_box(world((0, 19.5, 29.5)), world((0, 27.5, 41.5)))
    controller.propagate()
    return controller


def contents(viewer):
    """What is in our layers."""
    objects, boxes, clicks = (viewer.layers[name] for name in OURS)
    return (
        objects.data.copy(),
        [(int(number), data.tolist()) for number, data in zip(boxes.features["object"], boxes.data, strict=True)],
        [(int(number), data.tolist()) for number, data in zip(clicks.features["object"], clicks.data, strict=True)],
    )


def check_contents(viewer, before):
    np.testing.assert_array_equal(contents(viewer)[0], before[0])
    assert contents(viewer)[1:] == before[1:]


def trash(viewer, name):
    viewer.layers.remove(name)


def rename(viewer, name):
    viewer.layers[name].name = "mine"


def reorder(viewer, name):
    viewer.layers.move(viewer.layers.index(name), 0)


def hide(viewer, name):
    viewer.layers[name].visible = False


def duplicate(viewer, name):
    data, attributes, kind = viewer.layers[name].as_layer_data_tuple()
    copy = viewer._add_layer_from_data(np.copy(data) if kind == "labels" else data, {**attributes, "name": "copy"}, kind)[0]
    viewer.layers.selection.active = copy


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("change", [trash, rename, reorder, hide, duplicate])
def test_nothing_is_lost(viewer, worked, name, change):
    before, result = contents(viewer), worked.session.labels.copy()
    change(viewer, name)
    np.testing.assert_array_equal(worked.session.labels, result)
    plain_click(worked, (1, 36, 5))  # where nothing is
    worked.undo()
    if change is rename:
        viewer.layers["mine"].name = name
    check_contents(viewer, before)
    check_agreement(worked)
    expected = {"movie", *OURS} | ({"copy"} if change is duplicate else set())
    assert {layer.name for layer in viewer.layers} == expected
    worked.undo()  # the propagation
    assert not labels(worked)[1:].any()
    worked.redo()
    np.testing.assert_array_equal(labels(worked), result)


@pytest.mark.parametrize("name", OURS)
def test_the_data_of_a_layer_are_replaced(viewer, worked, name):
    result = worked.session.labels.copy()
    layer = viewer.layers[name]
    if name == "movie – objects":
        layer.data = np.zeros_like(layer.data)
        plain_click(worked, (1, 36, 5))
        worked.undo()
    elif name == "movie – boxes":
        layer.data = [layer.data[0] + np.array((0, 1, 0), np.float32)]
        assert worked.session.objects[2].prompts[0].box_rc == (21, 30, 29, 42)
        worked.undo()
    else:
        layer.data = np.add(layer.data, (0, 1, 0))
        assert in_session(worked.session)[1, 0] == (Click(11, 10, True),)
        worked.undo()
    np.testing.assert_array_equal(labels(worked), result)
    check_agreement(worked)


def test_saved_points_and_labels_that_are_loaded_again_become_prompts(viewer, worked, opener, tmp_path):
    worked.undo()
    points, result = str(tmp_path / "clicks.csv"), str(tmp_path / "objects.tif")
    data, attributes, _ = viewer.layers["movie – clicks"].as_layer_data_tuple()
    assert napari_write_points(points, data, attributes) == points
    tifffile.imwrite(result, labels(worked), photometric="minisblack")
    later = ViewerModel()
    later.add_image(viewer.layers["movie"].data, name="movie")
    later.dims.set_point(0, 0)
    controller = Controller(later, opener=opener)
    reader = LayerReader(later, controller.workspace)
    data, attributes, _ = napari_get_reader(points)(points)[0]
    mine = later.add_points(data, **attributes)
    controller.use_prompts(reader.points(mine, "object", "side"))
    assert in_session(controller.session) == {(1, 0): (Click(10, 10, True),)}
    mine = later.add_labels(napari_get_reader(result)(result)[0][0])
    controller.use_prompts(reader.labels(mine))
    assert sorted(controller.session.objects) == [1, 2, 3]
    np.testing.assert_array_equal(controller.session.objects[2].prompts[0].mask, mine.data[0] == 2)


def test_objects_of_the_console_are_drawn_known_and_propagated(viewer, controller, texts):
    plain_click(controller, SQUARE)
    session = controller.session
    number = session.add_object("by the console")
    session.add_points(number, 0, [MOVING[1:]])
    session.add_labels((viewer.layers["movie"].data == 200).astype(np.uint8)[2] * 9, 2)
    assert controller.workspace.objects.ids == {1, 2, 9}
    assert [row.name for row in controller.workspace.rows.by_id.values()] == ["object 1", "by the console", "object 9"]
    assert controller.workspace.objects.name_of(2) == "object 2, by the console"
    check_agreement(controller)
    controller.propagate()
    assert [int((labels(controller)[t] == 2).sum()) for t in range(3)] == [96] * 3
    controller.undo()
    session.undo()
    assert controller.workspace.objects.ids == {1, 2}
    plain_click(controller, MOVING)
    assert controller.object_in_hand == 2


def test_objects_of_the_console_alone_are_propagated(controller):
    plain_click(controller, SQUARE)
    session = controller.session
    controller.undo()
    session.add_points(session.add_object(), 0, [MOVING[1:]])
    controller.propagate()
    assert [int((labels(controller)[t] == 1).sum()) for t in range(3)] == [96] * 3
