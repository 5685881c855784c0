"""The window in which a prompt is answered: of a known size, or searched for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View, Zoom
from napari_sam2.session.inference.prompt_window import search, view_of_prompts
from napari_sam2.session.state.packed_mask import PackedMask
from napari_sam2.session.state.prompts import FramePrompts
from packed_records import record_of

SHAPE = (400, 600)
ZOOM = Zoom(SHAPE, 4.0)


def record(view: View | None, iou: float = 0.5, side: float = 0.25) -> FrameRecord:
    """A record with a square in the middle of its view, whose side is a share of it."""
    logits = torch.full((64, 64), -1.0)
    half = round(32 * side)
    logits[32 - half : 32 + half, 32 - half : 32 + half] = 1.0
    return record_of(logits, torch.zeros(1), 1.0, iou, view=view)


def clicks(*points: tuple[float, float], outside: Sequence[tuple[float, float]] = (), **others: Any) -> FramePrompts:
    return FramePrompts((*points, *outside), (1,) * len(points) + (0,) * len(outside), **others)


def mask(row0: int, col0: int, row1: int, col1: int) -> PackedMask:
    filled = np.zeros(SHAPE, bool)
    filled[row0:row1, col0:col1] = True
    return PackedMask.pack(filled)


NEAR, FAR = View(100, 100, 50, 50), View(200, 300, 80, 80)


@pytest.mark.parametrize(
    ("prompts", "shown", "nearest", "expected"),
    [
        pytest.param(clicks((120, 120)), None, None, None, id="nothing is known"),
        pytest.param(clicks(outside=[(120, 120)]), None, FAR, None, id="only where it is not"),
        pytest.param(clicks((120, 120)), NEAR, FAR, NEAR, id="what is shown there"),
        pytest.param(clicks(outside=[(10, 10)]), NEAR, FAR, NEAR, id="a click outside widens nothing"),
        pytest.param(clicks((110, 110), (130, 130)), None, FAR, View(80, 80, 80, 80), id="around the clicks, as at an anchor"),
        pytest.param(clicks((110, 110), outside=[(9, 9)]), None, FAR, View(70, 70, 80, 80), id="those outside do not count"),
        pytest.param(clicks((120, 120), box_rc=(90, 90, 110, 120)), NEAR, FAR, View(56, 62, 87, 87), id="a box"),
        pytest.param(FramePrompts(packed_mask=mask(90, 90, 110, 110)), NEAR, FAR, View(60, 60, 80, 80), id="a mask"),
        pytest.param(
            FramePrompts(((1.0, 1.0),), (0,), packed_mask=mask(90, 90, 110, 110)),
            NEAR,
            None,
            View(60, 60, 80, 80),
            id="and outside",
        ),
    ],
)
def test_by_what_is_known_of_the_size(
    prompts: FramePrompts, shown: View | None, nearest: View | None, expected: View | None
) -> None:
    records = (None if view is None else record(view) for view in (shown, nearest))
    assert view_of_prompts(ZOOM, prompts, *records) == expected


def test_a_record_without_a_window_shows_all_of_the_frame() -> None:
    assert view_of_prompts(ZOOM, clicks((9, 9)), record(None), None) == View(0, 0, *SHAPE)
    assert view_of_prompts(ZOOM, clicks((9, 9)), None, record(None)) == View(0, 0, *SHAPE)


points = st.tuples(st.floats(0, SHAPE[0] - 1), st.floats(0, SHAPE[1] - 1))


@settings(derandomize=True, database=None)
@given(st.lists(points, min_size=1, max_size=4), points, st.booleans())
def test_every_point_inside_is_seen(inside: list[tuple[float, float]], outside: tuple[float, float], is_shown: bool) -> None:
    records = (record(NEAR), None) if is_shown else (None, record(FAR))
    view = view_of_prompts(ZOOM, clicks(*inside, outside=[outside]), *records)
    assert view is not None
    assert all(view.contains(*point) for point in inside)
    assert 0 <= view.row <= view.row + view.height <= SHAPE[0]
    assert 0 <= view.column <= view.column + view.width <= SHAPE[1]


@settings(derandomize=True, database=None)
@given(points, points, points)
def test_so_is_all_of_a_box(one: tuple[float, float], other: tuple[float, float], point: tuple[float, float]) -> None:
    (row0, row1), (col0, col1) = (sorted(int(corner[axis]) for corner in (one, other)) for axis in (0, 1))
    view = view_of_prompts(ZOOM, clicks(point, box_rc=(row0, col0, row1 + 1, col1 + 1)), None, None)
    assert view is not None
    assert all(view.contains(*corner) for corner in ((row0, col0), (row1, col1), point))


# --- searched for ------------------------------------------------------------------------------------------------------


class Network:
    """A double that finds a square of a size around (100, 300), as well as it is to be seen in a view."""

    def __init__(self, size_px: float, ious: dict[int, float] | None = None) -> None:
        self.size_px, self.ious = size_px, ious or {}
        self.asked: list[list[View]] = []

    def __call__(self, views: Sequence[View]) -> list[FrameRecord]:
        self.asked.append(list(views))
        return [record(view, self.ious.get(view.side, 0.5), self.size_px / view.side) for view in views]


LADDER = [View(0, 0, 400, 600), View(0, 200, 200, 200), View(50, 250, 100, 100), View(76, 276, 50, 50)]
ALL = [[LADDER[0], LADDER[2]], [LADDER[1]], [LADDER[3]]]


def test_from_far_and_near_around_the_clicks() -> None:
    network = Network(25)
    search(ZOOM, clicks((90, 290), (110, 310), outside=[(1, 1)]), network)
    assert network.asked == ALL


@pytest.mark.parametrize(
    ("ious", "expected"),
    [
        pytest.param({100: 0.79}, ALL, id="with 0.9 both neighbours would be better"),
        pytest.param({100: 0.81}, ALL[:1], id="not even with 0.9 would they be"),
        pytest.param({100: 0.65, 200: 0.95}, [*ALL[:2], [LADDER[2]]], id="one is, and then nothing more can be"),
    ],
)
def test_views_that_could_not_be_better_are_left_out(ious: dict[int, float], expected: list[list[View]]) -> None:
    network = Network(25, ious)
    search(ZOOM, clicks((100, 300)), network)
    assert network.asked == expected


def test_the_best_fit_is_believed_and_looked_at_once_more() -> None:
    fits = Network(25)
    found = search(ZOOM, clicks((100, 300)), fits)
    assert found.view == View(50, 250, 100, 100)
    assert fits.asked == ALL, "there it fits: it need not be looked at again"
    larger = Network(35)
    found = search(ZOOM, clicks((100, 300)), larger)
    assert larger.asked[:3] == ALL
    assert [found.view] == larger.asked[3]
    assert found.view.side == pytest.approx(140, abs=10)


def test_a_score_that_is_much_higher_outweighs_the_fit() -> None:
    """A tenth for each factor of two."""
    lower, higher = (Network(25, {200: 0.5 + advantage}) for advantage in (0.05, 0.15))
    for network in (lower, higher):
        assert search(ZOOM, clicks((100, 300)), network).view == LADDER[2]
    assert (lower.asked, higher.asked) == (ALL, [*ALL, [LADDER[2]]])


def test_what_is_empty_is_never_the_best() -> None:
    class FarOnly(Network):
        def __call__(self, views: Sequence[View]) -> list[FrameRecord]:
            self.asked.append(list(views))
            return [record(view, 0.0 if view.side == 600 else 0.9, 0.25 if view.side == 600 else 0.0) for view in views]

    network = FarOnly(0)
    search(ZOOM, clicks((200, 300)), network)
    # 100 x 150 pixels are seen of it: four times the root of that.
    assert network.asked[3:] == [[View(0, 55, 400, 490)]]


def test_where_nothing_is_seen_at_all_the_first_counts() -> None:
    network = Network(0)
    found = search(ZOOM, clicks((100, 300)), network)
    assert found.view == LADDER[0]
    assert not (found.mask_logits > 0).any()
