"""Two discs come out as one mask: each gets its own part of it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors.zoom import View
from napari_sam2.session.tracking import contacts
from napari_sam2.session.tracking.contacts import Expected
from napari_sam2.session.tracking.regions import Region
from packed_records import record_of
from thoroughness import examples

SHAPE = 64, 80
GREY = np.full(SHAPE, 100.0)


def disc(row, column, radius=8.0):
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - row, columns - column) <= radius


def expected(row, column, radius=8.0, brightness=100.0):
    return Expected(np.pi * radius**2, (row, column), brightness)


def share(part, mask):
    """Which share of a mask a part has."""
    return (part.plane(SHAPE) & mask).sum() / mask.sum()


@settings(max_examples=examples(40), deadline=None, derandomize=True, database=None)
@given(st.floats(0, 2 * np.pi), st.floats(8, 15), st.floats(6, 9))
def test_two_that_touch_are_cut_between_them_whatever_their_sizes_and_their_order(angle, distance, radius):
    step = distance * np.array([np.sin(angle), np.cos(angle)])
    centres = np.array([32, 40]) - step / 2, np.array([32, 40]) + step / 2
    masks = [disc(*centres[0]), disc(*centres[1], radius)]
    both = Region.of_plane(masks[0] | masks[1])
    wanted = [expected(*centres[0]), expected(*centres[1], radius)]
    parts = contacts.parted(both, wanted, GREY)
    assert sum(part.area_px for part in parts) == both.area_px
    assert parts[0].shared_px(parts[1]) == 0
    assert all(share(part, mask) > 0.5 for part, mask in zip(parts, masks, strict=True))
    swapped = contacts.parted(both, wanted[::-1], GREY)
    assert [share(part, mask) > 0.5 for part, mask in zip(swapped[::-1], masks, strict=True)] == [True, True]


def test_it_does_not_matter_if_both_are_expected_somewhere_else_together():
    masks = [disc(32, 34), disc(32, 46)]
    parts = contacts.parted(Region.of_plane(masks[0] | masks[1]), [expected(12, 54), expected(12, 66)], GREY)
    assert all(share(part, mask) > 0.8 for part, mask in zip(parts, masks, strict=True))


def test_each_is_as_bright_as_it_was():
    masks = [disc(32, 32), disc(32, 48)]
    image = np.where(masks[0], 200.0, 50.0)
    wanted = [expected(32, 40, brightness=50), expected(32, 40, brightness=200)]
    parts = contacts.parted(Region.of_plane(masks[0] | masks[1]), wanted, image)
    assert share(parts[0], masks[1]) > 0.8
    assert share(parts[1], masks[0]) > 0.8


def test_a_compact_mask_is_cut_where_they_are_expected():
    both = Region.of_plane(disc(32, 40, 10))
    upper, lower = contacts.parted(both, [expected(30, 40), expected(34, 40)], GREY)
    assert upper.centroid_rc[0] < 31 < 33 < lower.centroid_rc[0]


@pytest.mark.parametrize(("area", "areas", "is_so"), [(125, (100, 100), True), (124, (100, 100), False), (120, (20, 100), True),
                                                      (104, (20, 100), False), (100, (0, 100), False)])  # fmt: skip
def test_a_mask_on_two_is_larger_than_the_larger_one(area, areas, is_so):
    assert contacts.is_on_two(area, areas) is is_so
    assert contacts.is_on_two(area, areas[::-1]) is is_so


def test_what_moves_goes_on_for_some_frames():
    course = [(0.0, 50.0), (0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]
    assert contacts.position_ahead(course, 2) == (5.0, 10.0)
    assert contacts.position_ahead(course, 100) == contacts.position_ahead(course, contacts.MOST_FRAMES_AHEAD)
    assert contacts.position_ahead(course[:1], 3) == (0.0, 50.0)


def test_a_record_is_cut_where_the_region_is():
    region = Region.of_plane(disc(20, 30))
    for view in (None, View(8, 16, 32, 40)):
        logits = torch.full((32, 40), 3.0)
        cut = contacts.cut_logits(record_of(logits, torch.zeros(1), 1.0, 0.9, view=view), region, SHAPE)
        assert set(np.unique(cut).tolist()) == {-3.0, 3.0}
        there = Region.of_record(record_of(cut, torch.zeros(1), 1.0, 0.9, view=view), SHAPE)
        assert there.shared_px(region) > 0.9 * max(there.area_px, region.area_px)


def test_the_misfit_is_the_distance_in_radii_and_the_ratio_of_brightnesses():
    region = Region.of_plane(disc(32, 40))
    assert contacts.misfit(region, expected(32, 40), GREY) == pytest.approx(0)
    assert contacts.misfit(region, expected(32, 24), GREY) == pytest.approx(2)
    assert contacts.misfit(region, expected(32, 40, brightness=201), GREY) == pytest.approx(np.log(2))
    assert contacts.misfit(Region(0, 0, np.zeros((0, 0), bool)), expected(32, 40), GREY) == np.inf
