"""Pixels travel number for number, and of a frame no more than is needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam2.cluster.pixels import MAX_SHARE, PackedPixels, holds, uncovered, windows_to_send
from napari_sam2.predictors.zoom import View

WHOLE = View(0, 0, 60, 80)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Windows of a frame."""
    height, width = draw(st.integers(1, WHOLE.height)), draw(st.integers(1, WHOLE.width))
    return View(draw(st.integers(0, WHOLE.height - height)), draw(st.integers(0, WHOLE.width - width)), height, width)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "<u2", ">u2", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(60, 80), (60, 80, 3)])
def test_pixels_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    plane = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    view = View(7, 11, 33, 21)
    packed = PackedPixels.pack(plane, view)
    again = packed.unpack()
    assert again.dtype == plane.dtype
    np.testing.assert_array_equal(again, plane[7:40, 11:32])


def test_a_smooth_frame_is_compressed() -> None:
    rows, columns = np.mgrid[:256, :256]
    plane = (1000 + 4 * rows + columns).astype(np.uint16)
    assert PackedPixels.pack(plane, View(0, 0, 256, 256)).num_bytes < plane.nbytes / 2


@given(st.lists(views(), max_size=6), st.lists(views(), max_size=4))
def test_a_worker_has_what_it_needs_and_nothing_that_it_had(needed: list[View], held: list[View]) -> None:
    sent = windows_to_send(needed, held, WHOLE)
    assert not uncovered(needed, [*held, *sent])
    assert all(holds(WHOLE, view) for view in sent)
    assert sent == [WHOLE] or sum(view.height * view.width for view in sent) <= MAX_SHARE * WHOLE.height * WHOLE.width
    assert bool(sent) == bool(uncovered(needed, held))
    assert windows_to_send(needed, [*held, *sent], WHOLE) == []


def test_a_window_has_a_margin() -> None:
    assert windows_to_send([View(20, 30, 8, 8)], [], WHOLE) == [View(19, 29, 10, 10)]
    assert windows_to_send([View(0, 0, 8, 8), View(1, 1, 4, 4)], [], WHOLE) == [View(0, 0, 9, 9)]
    assert windows_to_send([View(0, 0, 60, 60)], [], WHOLE) == [WHOLE]
