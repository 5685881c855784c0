import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.reading import Reading
from widget_driving import click, expected, labels

SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


def test_the_first_image_to_come_is_chosen(blobs, opener):
    viewer = ViewerModel()
    controller = Controller(viewer, opener=opener)
    viewer.add_points([(1, 2)])
    assert controller.image is None
    image = viewer.add_image(blobs)
    assert controller.image == image
    other = viewer.add_image(blobs)
    assert controller.image == other, "it is selected"
    viewer.layers.remove(other)
    assert controller.image == image


def test_an_image_with_other_data(viewer, controller, blobs, opener):
    click(controller, SQUARE)
    viewer.layers["movie"].data = blobs[:, ::-1].copy()
    click(controller, (1, 29, 10))
    assert len(opener.opened) == 2, "of the same shape: everything is found again"
    assert opener.opened[1].objects[1].prompts.keys() == {0, 1}
    viewer.layers["movie"].data = blobs[:2]
    assert controller.workspace.stack.shape == (2, 40, 50)
    np.testing.assert_array_equal(labels(controller), expected(blobs[:2], object_1=[0]))


def test_an_image_that_was_given_more_axes(viewer, controller, blobs, opener):
    click(controller, SQUARE)
    viewer.layers["movie"].data = np.stack([blobs, blobs])
    viewer.layers["movie – clicks"].add((1, 10, 10))
    assert controller.workspace.stack.shape == (2, 3, 40, 50)
    assert controller.workspace.worker.session is None
    assert len(opener.opened) == 1, "points say nothing about it"


def test_a_new_name_is_told(viewer, controller):
    told = []
    controller.changed.connect(lambda: told.append(controller.image.name))
    viewer.layers["movie"].name = "film"
    assert told == ["film"]


def test_two_images_are_worked_on_in_turns(viewer, controller, blobs):
    click(controller, SQUARE)
    first = controller.image
    controller.choose_image(viewer.add_image(blobs[:2], name="other"))
    click(controller, (1, 27, 35))
    assert labels(controller).shape == (2, 40, 50)
    controller.choose_image(first)
    assert viewer.layers.selection.active == first
    controller.next_object()
    click(controller, MOVING)
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0], object_2=[0]))


def test_the_selected_image_is_worked_on(viewer, controller, blobs):
    first = controller.image
    click(controller, SQUARE)
    second = viewer.add_image(blobs[:2], name="second")
    assert controller.image == second, "a new layer is selected, and lies on top"
    click(controller, (1, 27, 35))
    for layer, image in ((viewer.layers["movie – objects"], first), (viewer.layers["second – clicks"], second), (first, first)):
        viewer.layers.selection.active = layer
        assert controller.image == image
    viewer.layers.selection.active = viewer.add_points(np.zeros((1, 3)))
    assert controller.image == first, "of layers of others nothing follows"
    viewer.layers.selection.clear()
    assert controller.image == first
    np.testing.assert_array_equal(labels(controller), expected(blobs, object_1=[0]))


def test_what_the_model_sees_is_no_image_to_work_on(viewer, controller):
    controller.shows_model_input = True
    layer = next(layer for layer in viewer.layers if layer.name not in ("movie",))
    viewer.layers.selection.active = layer
    assert controller.image == viewer.layers["movie"]


def test_an_image_that_cannot_be_worked_on_says_why(opener):
    viewer = ViewerModel()
    flat = viewer.add_image(np.zeros((30, 40)), name="flat")
    empty = viewer.add_image(np.zeros((2, 30, 40)), name="movie")
    controller = Controller(viewer, opener=opener)
    with np.errstate(invalid="ignore"):  # napari's extent of it
        empty.data = np.zeros((0, 30, 40))
    assert controller.workspace is None
    assert controller.describe() == "'movie' has the shape (0, 30, 40): an image needs rows and columns."
    controller.choose_image(flat)
    assert controller.describe() == "Click on objects."


def test_without_an_image_there_is_nothing_to_read(opener):
    with pytest.raises(ValueError, match=r"^There is no image to read: open one first\.$"):
        Controller(ViewerModel(), opener=opener).choose_reading(Reading())
