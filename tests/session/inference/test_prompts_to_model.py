"""Prompts in the terms of the model: the order of points, where pixel centres lie, the size of masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors.zoom import View
from napari_sam2.session.inference.prompts_to_model import to_model
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts

WHOLE = View(0, 0, 8, 16)
views = st.builds(View, st.integers(0, 20), st.integers(0, 20), st.integers(1, 50), st.integers(1, 50))


def test_corners_of_a_box_come_first_and_lie_on_centres_of_pixels() -> None:
    prompt = to_model(FramePrompts(((7, 15), (0, 0)), (0, 1), (2, 4, 4, 8)), WHOLE, 32)
    assert prompt.labels is not None
    assert prompt.points_xy is not None
    assert prompt.labels.tolist() == [2, 3, 0, 1]
    # x, y: (index + 0.5) * scale - 0.5, with scales 2 along x and 4 along y
    assert prompt.points_xy.tolist() == [[8.5, 9.5], [14.5, 13.5], [30.5, 29.5], [0.5, 1.5]]


def test_a_box_of_one_pixel_has_its_corners_on_it() -> None:
    prompt = to_model(FramePrompts(box_rc=(3, 5, 4, 6)), View(0, 0, 8, 8), 8)
    assert prompt.points_xy is not None
    assert prompt.points_xy.tolist() == [[5, 3], [5, 3]]


def test_in_a_window_points_count_from_its_corner_and_clicks_outside_beyond_it_are_left_out() -> None:
    prompts = FramePrompts(((4, 6), (0, 0)), (1, 0))
    prompt = to_model(prompts, View(4, 4, 4, 4), 4)
    assert prompt.points_xy is not None
    assert prompt.points_xy.tolist() == [[2, 0]]
    assert prompt.labels is not None
    assert prompt.labels.tolist() == [1]


def test_only_clicks_outside_beyond_the_window_are_no_prompt() -> None:
    prompt = to_model(FramePrompts(((0, 0),), (0,)), View(4, 4, 4, 4), 4)
    assert (prompt.points_xy, prompt.labels, prompt.mask) == (None, None, None)


def test_a_mask_is_that_of_the_window_unless_points_refine_it() -> None:
    mask = np.zeros((8, 16), bool)
    mask[:4] = True
    packed = PackedMask.pack(mask)
    prompt = to_model(FramePrompts(packed_mask=packed), View(2, 0, 6, 9), 8)
    assert prompt.mask is not None
    assert prompt.mask.tolist() == [[row < 2] * 9 for row in range(6)]
    refined = to_model(FramePrompts(((0, 0),), (1,), packed_mask=packed), WHOLE, 8)
    assert refined.mask is None
    assert refined.points_xy is not None


@settings(derandomize=True, database=None)
@given(views, st.sampled_from([64, 1024]), st.data())
def test_a_point_is_as_far_across_the_input_as_across_the_view(view: View, size: int, data: st.DataObject) -> None:
    """The encoder adds half a pixel."""
    inside = st.tuples(
        st.floats(view.row - 0.5, view.row + view.height - 0.5, exclude_max=True),
        st.floats(view.column - 0.5, view.column + view.width - 0.5, exclude_max=True),
    )
    points = data.draw(st.lists(inside, min_size=1, max_size=3))
    labels = data.draw(st.lists(st.sampled_from([0, 1]), min_size=len(points), max_size=len(points)))
    prompt = to_model(FramePrompts(tuple(points), tuple(labels)), view, size)
    assert prompt.points_xy is not None
    assert prompt.labels is not None
    assert (prompt.mask, prompt.points_xy.dtype, prompt.labels.dtype) == (None, np.float32, np.int32)
    assert prompt.labels.tolist() == labels
    across = [[(column + 0.5 - view.column) / view.width, (row + 0.5 - view.row) / view.height] for row, column in points]
    np.testing.assert_allclose((prompt.points_xy + 0.5) / size, across, atol=1e-5)
