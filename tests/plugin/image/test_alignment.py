"""Positions in layers with any transforms, units and numbers of axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points

from napari_sam2.plugin.image.alignment import AlignedPlanes, Alignment, FrameGrid, FramePlaces
from napari_sam2.plugin.image.image_stack import ImageStack
from napari_sam2.plugin.layer_prompts.shapes import box_around, outline_around, points_along

SHAPE = (3, 40, 50)
SQUARE = ImageStack.of(Image(np.zeros((3, 40, 40), np.uint8)))
STACK = ImageStack.of(Image(np.zeros(SHAPE, np.uint8)))
FINITE = {"allow_nan": False, "allow_infinity": False, "allow_subnormal": False}


def scales(ndim):
    return arrays(np.float64, ndim, elements=st.floats(0.1, 10, **FINITE))


def shifts(ndim):
    return arrays(np.float64, ndim, elements=st.floats(-100, 100, **FINITE))


@st.composite
def transforms(draw):
    """Transforms and units of a layer, as napari takes them; frames are not turned against each other."""
    affine = np.eye(4)
    affine[1:3, 1:3] += draw(arrays(np.float64, (2, 2), elements=st.floats(-0.2, 0.2, **FINITE)))
    affine[:-1, -1] = draw(shifts(3))
    angle = draw(st.floats(-np.pi, np.pi, **FINITE))
    return {
        "scale": draw(scales(3)),
        "translate": draw(shifts(3)),
        "rotate": np.array([(1, 0, 0), (0, np.cos(angle), -np.sin(angle)), (0, np.sin(angle), np.cos(angle))]),
        "shear": (0, 0, draw(st.floats(-0.5, 0.5, **FINITE))),
        "affine": affine,
        "units": draw(st.sampled_from([("s", "um", "um"), ("s", "nm", "nm"), ("ms", "mm", "um")])),
    }


POSITIONS = arrays(np.float64, (4, 3), elements=st.floats(-50, 50, **FINITE))


class Viewer:
    """What is asked of a viewer: its units, and where its sliders are."""

    def __init__(self, units):
        self.layers, self.dims = self, self
        self.units, self.point = units, (0, 0, 0)


@settings(deadline=None, max_examples=10)
@given(transforms(), transforms(), POSITIONS)
def test_there_and_back(one, other, positions):
    image, mine = Points(ndim=3, **one), Points(ndim=3, **other)
    viewer = Viewer(mine.units)
    there, back = Alignment.of(viewer, mine, image), Alignment.of(viewer, image, mine)
    rounding = 1e-11 * (1 + np.abs(there.map(positions)).max() + np.abs(there.offset).max()) * (1 + np.abs(back.matrix).max())
    np.testing.assert_allclose(back.map(there.map(positions)), positions, atol=rounding + 1e-9)
    one["units"] = other["units"]
    image = Points(ndim=3, **one)
    wanted = [image.world_to_data(mine.data_to_world(position)) for position in positions]  # where napari shows it
    found = Alignment.of(viewer, mine, image).map(positions)
    np.testing.assert_allclose(found, wanted, atol=1e-9 * (1 + np.abs(wanted).max()))


@settings(deadline=None, max_examples=10)
@given(
    transforms(),
    transforms(),
    st.integers(0, 2),
    st.tuples(*[st.floats(0, 20, **FINITE)] * 2),
    st.tuples(*[st.floats(1, 15, **FINITE)] * 2),
)
def test_a_box_an_outline_and_a_stroke_that_somebody_drew(one, other, frame, first, size):
    """What is drawn in another layer where a box of the image is shown is that box again."""
    image, mine = Points(ndim=3, **one), Points(ndim=3, **other)
    viewer = Viewer(mine.units)
    (row0, col0), (row1, col1) = np.array(first) - 0.5, np.add(first, size) - 0.5
    corners = np.array([(frame, row0, col0), (frame, row0, col1), (frame, row1, col1), (frame, row1, col0)])
    drawn = Alignment.of(viewer, image, mine).map(corners)
    places = FramePlaces.of(STACK, Alignment.of(viewer, mine, image).map(drawn))
    assert places.frames.tolist() == [frame] * 4
    np.testing.assert_allclose(box_around(places.points_rc, STACK.frame_shape), (*first, *np.add(first, size)), atol=1e-6)
    np.testing.assert_allclose(outline_around("polygon", places.points_rc, STACK.frame_shape), corners[:, 1:], atol=1e-6)
    middle = np.array([(frame, (row0 + row1) / 2, col0 + 0.5), (frame, (row0 + row1) / 2, col1 - 0.5)])
    stroke = Alignment.of(viewer, mine, image).map(Alignment.of(viewer, image, mine).map(middle))
    clicks = points_along(stroke[:, 1:], STACK.frame_shape)
    np.testing.assert_allclose([click.row for click in clicks], [middle[0, 1]] * len(clicks), atol=1e-6)
    assert all(col0 < click.col < col1 for click in clicks)


def test_units_are_converted():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SHAPE, np.uint8), scale=(1, 0.5, 0.5), units=("s", "um", "um"))
    mine = viewer.add_points([(2000, 10_000, 5_000)], units=("ms", "nm", "nm"))
    np.testing.assert_allclose(Alignment.of(viewer, mine, image).map(mine.data), [(2, 20, 10)])
    viewer.add_points(ndim=3, units=("s", "pixel", "um"))  # napari shows plain numbers then
    np.testing.assert_allclose(Alignment.of(viewer, mine, image).map(mine.data), [(2000, 20_000, 10_000)])


@pytest.mark.parametrize(("axes", "expected"), [(2, (2, 7, 8)), (3, (6, 7, 8)), (4, (6, 7, 8))])
def test_axes_are_counted_from_the_last(axes, expected):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SHAPE, np.uint8), scale=(10, 1, 1))
    scale = np.array((1, 10, 1, 1))[-axes:]
    mine = viewer.add_points([(5, 6, 7, 8)[-axes:]], scale=scale)
    viewer.dims.set_point(viewer.dims.ndim - 3, 20)
    alignment = Alignment.of(viewer, mine, image)
    np.testing.assert_allclose(alignment.map(mine.data), [expected])
    assert alignment.moves(0) == (axes > 2)


def test_positions_on_frames():
    positions = np.array([(0.4, -0.5, 0), (1.6, 39.49, 49.49), (2.6, 39.5, 0), (-1, 0, -0.6), (np.nan, np.nan, 0)])
    places = FramePlaces.of(STACK, positions)
    assert places.frames.tolist() == [0, 2, 3, -1, -1]
    assert places.is_inside.tolist() == [True, True, False, False, False]
    assert places.has_frame.tolist() == [True, True, False, False, False]
    assert FramePlaces.of(STACK, positions, 1).frames.tolist() == [1] * 5
    single = ImageStack.of(Image(np.zeros((40, 50), np.uint8)))
    assert FramePlaces.of(single, positions[:, 1:]).frames.tolist() == [0] * 5


# --- planes of labels ----------------------------------------------------------------------------------------------


def planes_of(labels, image_transform=None, **transform):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SHAPE, np.uint8), **(image_transform or {}))
    mine = viewer.add_labels(labels, **transform)
    return AlignedPlanes(labels, Alignment.of(viewer, image, mine), FrameGrid.of(STACK))


LABELS = np.random.default_rng(0).integers(0, 9, SHAPE, dtype=np.uint16)


@settings(deadline=None, max_examples=8)
@given(scales(3), shifts(3))
def test_the_same_pixels_are_not_resampled(scale, translate):
    image, mine = (kind(LABELS, scale=scale, translate=translate) for kind in (Image, Labels))
    planes = AlignedPlanes(LABELS, Alignment.of(Viewer(mine.units), image, mine), FrameGrid.of(STACK))
    for frame in range(3):
        assert planes.is_pixel_by_pixel(frame)
        assert np.shares_memory(planes.plane(frame), LABELS)


@pytest.mark.parametrize("turns", range(4))
def test_labels_that_are_turned(turns):
    labels, centre, angle = LABELS[:, :40, :40], np.array((0, 19.5, 19.5)), np.deg2rad(90 * turns)
    turn = np.array([(1, 0, 0), (0, np.cos(angle), -np.sin(angle)), (0, np.sin(angle), np.cos(angle))])
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 40, 40), np.uint8))
    mine = viewer.add_labels(labels, rotate=turn, translate=centre - turn @ centre)
    planes = AlignedPlanes(labels, Alignment.of(viewer, image, mine), FrameGrid.of(SQUARE))
    np.testing.assert_array_equal(planes.plane(1), np.rot90(labels[1], turns))


def test_labels_with_columns_before_rows():
    swap = Alignment(np.eye(3)[[0, 2, 1]], np.zeros(3))
    planes = AlignedPlanes(LABELS.swapaxes(1, 2), swap, FrameGrid.of(STACK))
    for frame in range(3):
        np.testing.assert_array_equal(planes.plane(frame), LABELS[frame])


def test_frames_without_labels():
    planes = planes_of(LABELS[:1], translate=(1, 0, 0))
    assert [planes.index(frame) for frame in range(3)] == [None, (0, slice(None), slice(None)), None]
    assert planes.plane(0) is None
    assert planes.has_frames
    single = planes_of(LABELS[0])
    assert not single.has_frames
    assert {single.index(frame) is None for frame in range(3)} == {False}


def test_labels_beyond_the_image_and_within():
    planes = planes_of(LABELS, translate=(0, 5, -7))
    wanted = np.zeros((40, 50), np.uint16)
    wanted[5:, :43] = LABELS[2, :35, 7:]
    np.testing.assert_array_equal(planes.plane(2), wanted)


def test_planes_must_be_parallel():
    with pytest.raises(ValueError, match="its planes are not parallel to the frames of the image"):
        planes_of(LABELS, shear=(0.3, 0, 0))
