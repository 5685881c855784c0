import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_sam2.session.tracking.regions import Region

SHAPE = (9, 12)
PLANES = arrays(np.bool_, SHAPE, elements=st.booleans())


@given(PLANES)
def test_a_plane_is_cut_and_put_back(plane):
    region = Region.of_plane(plane)
    np.testing.assert_array_equal(region.plane(SHAPE), plane)
    assert region.area_px == plane.sum()
    if plane.any():
        np.testing.assert_allclose(region.centroid_rc, ndimage.center_of_mass(plane))
        assert region.pixels[0].any()
        assert region.pixels[:, -1].any()


@given(PLANES, PLANES)
def test_what_two_have_in_common(one, other):
    regions = Region.of_plane(one), Region.of_plane(other)
    assert regions[0].shared_px(regions[1]) == (one & other).sum() == regions[1].shared_px(regions[0])


@given(PLANES)
def test_pieces_make_up_the_whole(plane):
    pieces = Region.of_plane(plane).pieces()
    np.testing.assert_array_equal(sum((piece.plane(SHAPE).astype(int) for piece in pieces), np.zeros(SHAPE, int)), plane)
    assert [piece.area_px for piece in pieces] == sorted((piece.area_px for piece in pieces), reverse=True)
    assert len(pieces) == ndimage.label(plane, np.ones((3, 3)))[1]


def test_a_bar_is_long_and_a_disc_is_not():
    rows, columns = np.ogrid[:30, :40]
    disc = Region.of_plane(np.hypot(rows - 15, columns - 20) <= 9)
    bar = Region.of_plane((abs(rows - 15) <= 3) & (abs(columns - 20) <= 14))
    assert disc.elongation == pytest.approx(1, abs=0.02)
    assert bar.elongation == pytest.approx(29 / 7, rel=0.02)
    assert sorted(bar.ends()) == [(15, pytest.approx(13, abs=0.6)), (15, pytest.approx(27, abs=0.6))]


def test_an_empty_region_has_nothing():
    region = Region.of_plane(np.zeros(SHAPE, bool))
    assert region.area_px == 0
    assert region.pieces() == []
    assert region.elongation == 1
    assert not region.plane(SHAPE).any()


def test_what_two_have_together():
    one, other = Region(2, 3, np.ones((2, 2), bool)), Region(4, 1, np.ones((1, 3), bool))
    both = one.united(other)
    np.testing.assert_array_equal(both.plane(SHAPE), one.plane(SHAPE) | other.plane(SHAPE))
    nothing = Region(0, 0, np.zeros((0, 0), bool))
    assert one.united(nothing) is one
    assert nothing.united(one) is one


def test_what_touches_lies_beside_it_or_at_a_corner():
    one = Region(2, 3, np.ones((2, 2), bool))
    beside = {(row, column): one.touches(Region(row, column, np.ones((1, 1), bool))) for row, column in ((4, 5), (1, 2), (3, 4))}
    assert all(beside.values())
    assert not one.touches(Region(5, 5, np.ones((1, 1), bool)))
    assert not one.touches(Region(2, 6, np.ones((1, 1), bool)))


def test_the_longest_axis():
    np.testing.assert_allclose(np.abs(Region(0, 0, np.ones((2, 9), bool)).axis()), [0, 1], atol=1e-9)


@given(PLANES, PLANES)
def test_what_one_has_without_the_other(one, other):
    left = Region.of_plane(one).without(Region.of_plane(other))
    np.testing.assert_array_equal(left.plane(SHAPE), one & ~other)


def test_it_is_moved_as_it_is():
    moved = Region(2, 3, np.ones((3, 2), bool)).moved_to((6.2, 0.4))
    assert (moved.row, moved.column, moved.area_px) == (5, 0, 6)
