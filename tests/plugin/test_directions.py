"""A volume is propagated through along Z, Y or X: clicks, results, review, reopening, script and export are at the same voxels."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from napari_sam2.images.geometry import Geometry
from napari_sam2.plugin.controller import Controller
from napari_sam2.plugin.image.layer_file import FILE_KEY, LayerFile
from napari_sam2.plugin.image.reading import Reading
from napari_sam2.plugin.layer_actions.copy_result import ResultCopier
from napari_sam2.plugin.layer_actions.use_layer import LayerReader
from napari_sam2.plugin.layer_prompts.choices import Frames
from napari_sam2.plugin.prompts.clicks import Click, ObjectFrame
from napari_sam2.plugin.selection.image_summary import along_choices, summarize
from widget_driving import check_agreement, in_session, labels, plain_click

VOXEL = (3, 7, 11)
SCALE = (2.5, 1, 0.5)


@pytest.fixture
def volume():
    """A cuboid in a volume (Z, Y, X) whose sides all differ."""
    volume = np.zeros((8, 20, 24), np.uint8)
    volume[2:6, 5:12, 8:15] = 200
    return volume


def opened(volume, opener, along="", **layer):
    viewer = ViewerModel()
    viewer.add_image(volume.copy(), name="ct", axis_labels=("z", "y", "x"), scale=SCALE, units="mm", **layer)
    controller = Controller(viewer, opener=opener)
    if along:
        controller.choose_reading(Reading(along=along))
    return controller


def show(controller, voxel):
    viewer = controller._viewer
    viewer.dims.set_point(range(3), controller.image.data_to_world(voxel))


def click_at(controller, voxel):
    show(controller, voxel)
    plain_click(controller, voxel)


@pytest.mark.parametrize(
    ("along", "displayed", "frame", "row_col"), [("Z", (1, 2), 3, (7, 11)), ("Y", (0, 2), 7, (3, 11)), ("X", (0, 1), 11, (3, 7))]
)
def test_the_result_is_where_the_click_was(volume, opener, along, displayed, frame, row_col):
    controller = opened(volume, opener, along)
    assert controller._viewer.dims.displayed == displayed
    click_at(controller, VOXEL)
    assert in_session(controller.session) == {ObjectFrame(1, frame): (Click(*row_col, True),)}
    index = [slice(None)] * 3
    index["ZYX".index(along)] = frame
    only = np.zeros(volume.shape, bool)
    only[tuple(index)] = volume[tuple(index)] > 0
    np.testing.assert_array_equal(labels(controller) > 0, only)
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), volume > 0)
    check_agreement(controller)
    np.testing.assert_array_equal(controller.workspace.points.layer.data, [VOXEL])
    controller.undo()
    controller.undo()
    assert not labels(controller).any()


def test_boxes_and_scale_from_the_side(volume, opener):
    controller = opened(volume, opener, "X")
    show(controller, VOXEL)
    world = controller.image.data_to_world
    controller.draw_box(world((1.5, 4.5, 11)), world((5.5, 11.5, 11)))
    assert controller.session.objects[1].prompts[11].box_rc == (2, 5, 6, 12)
    assert (labels(controller) > 0).sum() == 4 * 7
    calibration = controller.workspace.source.calibration
    assert (calibration.z, calibration.y, calibration.x, calibration.length_unit) == (2.5, 1, 0.5, "millimeter")
    controller.go_to_frame(14)
    assert controller.frame == 14
    assert controller._viewer.dims.point[2] == pytest.approx(7)


def test_another_direction_takes_the_clicks_along_and_nothing_is_lost(volume, opener):
    controller = opened(volume, opener)
    click_at(controller, VOXEL)
    axial = controller.session
    controller.choose_reading(Reading(along="X"))
    assert in_session(controller.session) == {ObjectFrame(1, 11): (Click(3, 7, True),)}
    assert controller._viewer.dims.displayed == (0, 1)
    controller.choose_reading(Reading(along="Z"))
    assert controller.session is axial
    assert controller._viewer.dims.displayed == (1, 2)


def test_it_is_continued_in_its_direction(volume, keeping):
    controller = opened(volume, keeping, "X")
    click_at(controller, VOXEL)
    controller.propagate()
    controller.close()
    controller = opened(volume, keeping)
    assert controller.workspace.kept.offer.describe().startswith("1 object, 24 frames along X, ")
    controller.continue_session()
    assert controller.workspace.stack.along == "X"
    assert controller._viewer.dims.displayed == (0, 1)
    np.testing.assert_array_equal(labels(controller), volume > 0)
    check_agreement(controller)
    controller.undo()
    assert set(np.unique(labels(controller).nonzero()[2])) == {11}
    show(controller, (3, 7, 2))
    plain_click(controller, (3, 7, 2))
    assert controller.session.objects[2].prompts[2].points_rc == ((3, 7),)


def test_a_click_in_another_direction_begins_another_session(volume, keeping, kept):
    controller = opened(volume, keeping, "X")
    click_at(controller, VOXEL)
    controller.close()
    controller = opened(volume, keeping)
    click_at(controller, VOXEL)
    assert in_session(controller.session) == {ObjectFrame(1, 3): (Click(7, 11, True),)}
    assert len(kept.sessions()) == 2
    controller.close()
    controller = opened(volume, keeping, "X")
    assert controller.workspace.kept.offer is not None


def test_script_and_export_have_the_direction(volume, opener, tmp_path):
    controller = opened(volume, opener, "Y")
    click_at(controller, VOXEL)
    controller.propagate()
    assert "along='Y'" in controller.session.to_script()
    controller.session.export(tmp_path / "labels.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), volume > 0)


def test_review_centres_in_the_plane_that_is_shown(volume, opener):
    controller = opened(volume, opener, "X")
    click_at(controller, VOXEL)
    controller.centre_on(1, 11)
    camera = getattr(controller._viewer, "scene", controller._viewer).camera
    assert tuple(camera.center)[-2:] == pytest.approx((3.5 * 2.5, 8))


def test_the_view_from_another_side_is_told(volume, opener, notices):
    controller = opened(volume, opener)
    controller._viewer.dims.order = (2, 0, 1)
    plain_click(controller, VOXEL)
    assert notices()[-1][1] == (
        "The viewer shows the stack from the side: roll the axes (Ctrl-E) until it shows Y and X again, or propagate along another "
        "axis: it is chosen in the first line of the dock."
    )


def test_each_image_is_shown_along_its_direction(volume, opener):
    controller = opened(volume, opener, "X")
    viewer, first = controller._viewer, controller.image
    second = viewer.add_image(volume, name="other", axis_labels=("z", "y", "x"))
    viewer.layers.selection.active = second
    assert viewer.dims.displayed == (1, 2)
    viewer.layers.selection.active = first
    assert viewer.dims.displayed == (0, 1)


def test_planes_have_the_names_of_the_patient(volume, opener):
    geometry = Geometry.of_axes((0, 0, 0), [(1, 0, 0), (0, 1, 0), (0, 0, 2)])
    controller = opened(volume, opener, metadata={FILE_KEY: LayerFile(("Z", "Y", "X"), geometry=geometry)})
    source, stack = controller.workspace.source, controller.workspace.stack
    named = [("Z (axial)", "Z"), ("Y (coronal)", "Y"), ("X (sagittal)", "X")]
    assert along_choices(stack.letters, source.plane_names) == named
    assert summarize("ct", controller.workspace, "micro").startswith("ct · ZYX along Z (axial) · ")
    assert along_choices("ZYX", {}) == [("Z", "Z"), ("Y", "Y"), ("X", "X")]


@pytest.mark.parametrize("opened_with", ["down", "up"])
def test_a_patient_is_shown_head_up(volume, opener, opened_with):
    geometry = Geometry.of_axes((0, 0, 0), [(1, 0, 0), (0, 1, 0), (0, 0, 2)])
    controller = opened(volume, opener, metadata={FILE_KEY: LayerFile(("Z", "Y", "X"), geometry=geometry)})
    camera = getattr(controller._viewer, "scene", controller._viewer).camera
    camera.orientation2d = (opened_with, "right")
    for along, vertical in (("X", "up"), ("Y", "up"), ("Z", opened_with)):
        controller.choose_reading(Reading(along=along))
        assert [str(one.value) for one in camera.orientation2d] == [vertical, "right"]
    controller.choose_reading(Reading(along="X"))
    controller._viewer.layers.selection.active = controller._viewer.add_image(volume, name="no patient")
    assert str(camera.orientation2d[0].value) == opened_with


def test_a_position_in_time_stays(volume, opener):
    viewer = ViewerModel()
    viewer.add_image(np.stack([np.zeros_like(volume), volume]), name="4d", axis_labels=("t", "z", "y", "x"))
    controller = Controller(viewer, opener=opener)
    viewer.dims.set_point(0, 1)
    controller.choose_reading(Reading(along="X"))
    assert controller.workspace.stack.at == (("T", 1),)
    viewer.dims.set_point(range(4), (1, *VOXEL))
    plain_click(controller, (1, *VOXEL))
    controller.propagate()
    np.testing.assert_array_equal(labels(controller), np.stack([np.zeros_like(volume), volume]) > 0)


def test_layers_are_used_and_given_the_result_along_another_axis(volume, opener):
    controller = opened(volume, opener, "X")
    viewer = controller._viewer
    show(controller, VOXEL)
    place = {"axis_labels": ("z", "y", "x"), "scale": SCALE, "units": "mm"}
    given = viewer.add_labels((volume > 0).astype(np.uint8) * 5, name="organ", **place)
    controller.use_prompts(LayerReader(viewer, controller.workspace).function_for(given)(given, frames=Frames.ALL))
    masks = {frame: prompts.mask for frame, prompts in controller.session.objects[5].prompts.items()}
    assert list(masks) == list(range(8, 15))
    np.testing.assert_array_equal(masks[11], volume[:, :, 11] > 0)
    np.testing.assert_array_equal(labels(controller), 5 * (volume > 0))
    mine = viewer.add_labels(np.zeros(volume.shape, np.uint8), name="mine", **place)
    copier = ResultCopier(viewer, controller.workspace)
    copier.copy(mine, frames=Frames.ALL)
    np.testing.assert_array_equal(mine.data, 5 * (volume > 0))
