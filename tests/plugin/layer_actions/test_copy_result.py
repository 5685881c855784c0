"""Results in Labels layers that somebody has."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels

from napari_sam2.plugin.image.alignment import FrameGrid
from napari_sam2.plugin.layer_actions import copy_result
from napari_sam2.plugin.layer_actions.copy_result import ResultCopier
from napari_sam2.plugin.layer_prompts.choices import Frames, Pixels
from widget_driving import labels, plain_click

LAYER = {"axis_labels": ("t", "y", "x"), "units": ("s", "um", "um"), "scale": (60, 0.5, 0.25), "translate": (3, 2, 1)}
SQUARE, MOVING = (0, 10, 10), (0, 24, 35)


@pytest.fixture
def propagated(controller):
    plain_click(controller, SQUARE)
    plain_click(controller, MOVING)
    controller.propagate()
    return controller


def copy(controller, layer, *choices):
    return ResultCopier(controller._viewer, controller.workspace).copy(layer, *choices)


def test_background_alone_is_written_and_undone_by_napari(viewer, propagated):
    before = np.zeros((3, 40, 50), np.uint16)
    before[:, 0:10, 0:10] = 2
    mine = viewer.add_labels(before.copy(), name="mine", **LAYER)
    text = copy(propagated, mine)
    result = labels(propagated)
    np.testing.assert_array_equal(mine.data, np.where(before > 0, before, np.where(result > 0, result + 2, 0)))
    assert text == (
        "2 objects copied into mine on 3 frames. Their numbers are offset by 2. 75 px are of other labels already, and stay."
    )
    with pytest.raises(ValueError, match="nothing was copied into mine: where objects are, it has labels already"):
        copy(propagated, mine)
    mine.undo()
    np.testing.assert_array_equal(mine.data, before)
    mine.redo()
    assert np.unique(mine.data).tolist() == [0, 2, 3, 4]


def test_all_pixels_are_written(viewer, propagated):
    before = np.full((3, 40, 50), 9, np.int32)
    mine = viewer.add_labels(before.copy(), name="mine", **LAYER)
    assert copy(propagated, mine, Pixels.ALL) == "2 objects copied into mine on 3 frames."
    np.testing.assert_array_equal(mine.data, np.where(labels(propagated) > 0, labels(propagated), 9))
    mine.undo()
    np.testing.assert_array_equal(mine.data, before)


def test_one_frame(viewer, propagated):
    mine = viewer.add_labels(np.zeros((3, 40, 50), np.uint8), name="mine", **LAYER)
    propagated.go_to_frame(2)
    assert copy(propagated, mine, Pixels.ALL, Frames.SHOWN) == "2 objects copied into mine on 1 frame."
    np.testing.assert_array_equal(mine.data.any(axis=(1, 2)), [False, False, True])
    copy(propagated, mine, Pixels.ALL, Frames.ONE, 0)
    np.testing.assert_array_equal(mine.data.any(axis=(1, 2)), [True, False, True])
    with pytest.raises(ValueError, match="there is no frame 3"):
        copy(propagated, mine, Pixels.ALL, Frames.ONE, 3)


@pytest.mark.parametrize("kind", ["2D", "double", "shifted", "more axes"])
def test_layers_of_other_shapes(viewer, propagated, kind):
    scale, translate = np.array(LAYER["scale"]), np.array(LAYER["translate"])
    result = labels(propagated)
    propagated.go_to_frame(1)
    if kind == "2D":
        mine = viewer.add_labels(np.zeros((40, 50), np.uint8), scale=scale[1:], translate=translate[1:])
        wanted = result[1]
    elif kind == "double":
        mine = viewer.add_labels(
            np.zeros((3, 80, 100), np.uint8), scale=scale / (1, 2, 2), translate=translate - scale * (0, 0.25, 0.25)
        )
        wanted = result.repeat(2, 1).repeat(2, 2)
    elif kind == "shifted":
        mine = viewer.add_labels(np.zeros((2, 30, 30), np.uint8), scale=scale, translate=translate + scale * (1, 5, 10))
        wanted = result[1:, 5:35, 10:40]
    else:
        mine = viewer.add_labels(np.zeros((2, 3, 40, 50), np.uint8), scale=(1, *scale), translate=(0, *translate))
        viewer.dims.set_point(0, 1)
        wanted = np.stack([np.zeros_like(result), result])
    copy(propagated, mine)
    np.testing.assert_array_equal(mine.data, wanted)


def test_more_than_the_undo_of_napari_can_keep(viewer, propagated, monkeypatch):
    monkeypatch.setattr(copy_result, "MAX_UNDOABLE_PX", 100)
    mine = viewer.add_labels(np.zeros((3, 40, 50), np.uint8), name="mine", **LAYER)
    assert copy(propagated, mine).endswith("It is too much for the layer's undo.")
    np.testing.assert_array_equal(mine.data, labels(propagated))
    mine.undo()
    np.testing.assert_array_equal(mine.data, labels(propagated))


def test_layers_that_cannot_be_written(viewer, controller):
    data = np.zeros((3, 40, 50), np.uint8)
    mine = viewer.add_labels(data, name="mine", **LAYER)
    with pytest.raises(ValueError, match="there is no result yet"):
        copy(controller, mine)
    plain_click(controller, SQUARE)
    with pytest.raises(ValueError, match="there is no object to copy on these frames"):
        copy(controller, mine, Pixels.ALL, Frames.ONE, 1)
    mine.data = np.full_like(data, 255)
    mine.data[0, 0, 0] = 1
    with pytest.raises(ValueError, match="mine holds uint8, in which 256 does not fit: convert it to a larger data type first"):
        copy(controller, mine)
    mine.editable = False
    with pytest.raises(ValueError, match="mine is locked: unlock it first"):
        copy(controller, mine)
    lazy = viewer.add_labels(da.zeros((3, 40, 50), dtype=np.uint8), name="lazy", **LAYER)
    with pytest.raises(ValueError, match="lazy cannot be written"):
        copy(controller, lazy)
    askew = viewer.add_labels(data.copy(), name="askew", **LAYER, shear=(0.3, 0, 0.2))
    with pytest.raises(ValueError, match="askew cannot be written: its planes are not parallel"):
        copy(controller, askew)
    assert ResultCopier(viewer, controller.workspace).layers == [askew, lazy, mine]


@pytest.mark.parametrize("is_undoable", [True, False])
def test_planes_with_columns_before_rows(is_undoable):
    layer = Labels(np.zeros((2, 5, 4), np.uint8))
    grid = FrameGrid(0, 2, 1, 2, (4, 5), np.zeros(3))
    values = np.arange(20, dtype=np.uint8).reshape(4, 5)
    copy_result._write(layer, grid, (1, 0, 0), values > 7, values, is_undoable)
    np.testing.assert_array_equal(layer.data[1], np.where(values > 7, values, 0).T)
    np.testing.assert_array_equal(copy_result._read(layer, grid, (1, 0, 0)), np.where(values > 7, values, 0))
    assert not layer.data[0].any()
