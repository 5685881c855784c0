"""A blurred disc whose mask is too wide, or too narrow, has its edge where it has half of its contrast."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View
from napari_sam2.session.tracking.edges import logits_at_edge
from napari_sam2.session.tracking.regions import Region

SHAPE = 48, 60
NOTHING = np.zeros(SHAPE, bool)
VIEW = View(2, 8, 40, 40)


def disc(radius, row=22, column=28):
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - row, columns - column) <= radius


def image(inside=200.0, around=40.0):
    return ndi.gaussian_filter(np.where(disc(7), inside, around), 1.2)


def record(radius, side=80):
    """The record of a disc, in a window, whose mask has a resolution of its own."""
    centres = (np.arange(side) + 0.5) * VIEW.height / side - 0.5
    distance = np.hypot(*np.meshgrid(centres + VIEW.row - 22, centres + VIEW.column - 28, indexing="ij"))
    return FrameRecord((2 * (radius - distance)).astype(np.float32), np.zeros(1, np.float32), 1.0, 0.9, view=VIEW)


def placed(radius, seen, others=NOTHING, side=80):
    given = record(radius, side)
    logits = logits_at_edge(given, Region.of_present(given, SHAPE), seen, others)
    return (
        None
        if logits is None
        else Region.of_record(FrameRecord(logits, np.zeros(1, np.float32), 1.0, 0.9, view=VIEW), SHAPE).plane(SHAPE)
    )


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("radius", [6.2, 6.6, 7.4, 7.9])
@pytest.mark.parametrize("seen", [image(), image(40.0, 200.0)], ids=["bright", "dark"])
@pytest.mark.parametrize("side", [40, 80, 160])
def test_the_edge_is_where_half_of_the_contrast_is(radius, seen, side):
    assert iou(placed(radius, seen, side=side), disc(7)) > max(0.92, iou(disc(radius), disc(7)))


def test_the_edge_is_moved_by_a_pixel_at_most():
    assert iou(placed(8.6, image()), disc(7.6)) > 0.93


def test_it_does_not_grow_into_another_object():
    others = np.zeros(SHAPE, bool)
    others[:, 34:] = True
    assert not (placed(5.5, image(), others) & others).any()
    assert (placed(5.5, image()) & others).any()


def test_where_brightness_does_not_explain_the_mask_it_stays():
    rng = np.random.default_rng(0)
    assert placed(8, rng.normal(100, 20, SHAPE)) is None
    rim = np.where(disc(8) & ~disc(5), 200.0, 40.0)
    assert placed(8, rim) is None, "a cell that is bright at its rim only"
    assert placed(8, np.full(SHAPE, 7.0)) is None
