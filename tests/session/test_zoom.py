"""A session that looks at each object through a window of its own: what is said and shown stays in pixels of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_sam2.predictors.zoom import View
from napari_sam2.session.session import Session
from tiny_models import tiny_predictor

SHAPE = (200, 260)
MODEL = tiny_predictor()


def image(num_frames: int = 5) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (num_frames, *SHAPE), dtype=np.uint8)


def open_session(num_frames: int = 5, zoom: float | None = 4.0) -> Session:
    session = Session(image(num_frames), model=MODEL, zoom=zoom)
    session.add_object()
    return session


def disk(row: float, column: float, radius: float) -> npt.NDArray[np.bool_]:
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - row, columns - column) <= radius


def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def view_of(session: Session, frame: int, object_id: int = 1) -> View:
    record = session.objects[object_id].shown(frame)
    assert record is not None
    assert record.view is not None
    return record.view


@pytest.mark.parametrize("place", [(100, 130), (3, 3), (198, 257), (50.5, 200.5)])
def test_a_small_mask_survives_the_way_through_the_model(place: tuple[float, float]) -> None:
    mask = disk(*place, 5)
    small, whole = open_session(), open_session(zoom=None)
    assert iou(small.add_mask(1, 0, mask), mask) > 0.9
    assert iou(small.labels[0] == 1, mask) > 0.9
    # 64 pixels for 260: the object is smaller than a pixel of the mask
    assert iou(whole.add_mask(1, 0, mask), mask) < 0.6


def test_a_box_decides_the_window() -> None:
    session = open_session()
    session.add_box(1, 2, (90, 100, 110, 120))
    assert view_of(session, 2) == View(64, 74, 71, 71)


def test_a_click_is_looked_at_from_far_and_near(monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session()
    asked: list[View] = []
    segment = session._in_use.tracker.segment

    def spy(*args: Any, **kwargs: Any) -> Any:
        asked.extend(kwargs["views"])
        return segment(*args, **kwargs)

    monkeypatch.setattr(session._in_use.tracker, "segment", spy)
    session.add_points(1, 0, [(30, 40)])
    assert asked[:3] == [View(0, 0, 200, 260), View(0, 0, 100, 100), View(6, 16, 50, 50)]
    assert len(asked) <= 4
    assert view_of(session, 0) in asked


def test_a_second_click_outside_the_window_widens_it() -> None:
    session = open_session()
    session.add_mask(1, 0, disk(100, 100, 4))
    before = view_of(session, 0)
    session.add_points(1, 0, [(100, 180)], [0])
    assert view_of(session, 0) == before
    session.add_points(1, 0, [(100, 180)], [1])
    after = view_of(session, 0)
    assert after.contains(100, 180)
    assert after.contains(100, 100)


def test_a_click_elsewhere_looks_as_closely_as_at_the_nearest_anchor() -> None:
    session = open_session()
    session.add_mask(1, 0, disk(100, 100, 6))
    session.add_points(1, 3, [(60, 60)])
    there = view_of(session, 0)
    assert view_of(session, 3) == View(60 - there.height // 2, 60 - there.width // 2, there.height, there.width)


def test_where_the_object_is_elsewhere_what_is_shown_does_not_count() -> None:
    nothing_shown, shown_there = open_session(), open_session()
    for session in (nothing_shown, shown_there):
        session.add_mask(1, 0, disk(100, 100, 6))
    shown_there.objects[1].tracked[3] = shown_there.objects[1].conditioning[0]
    for session in (nothing_shown, shown_there):
        session.add_points(1, 3, [(60, 60)])
    one, other = (session.objects[1].conditioning[3] for session in (nothing_shown, shown_there))
    assert np.array_equal(one.mask_logits, other.mask_logits)
    assert one.view == other.view


def test_clicks_hold_whatever_the_model_answers() -> None:
    """This one has learnt nothing. The clicks are at least four cells of a mask apart."""
    session = open_session(1)
    session.add_points(1, 0, [(100, 130)])
    clicks = {(100, 200): 1, (40, 130): 0, (100, 60): 1, (160, 130): 0, (160, 200): 1, (40, 60): 0, (160, 60): 1, (40, 200): 0}
    for number, ((row, column), label) in enumerate(clicks.items(), 1):
        mask = session.add_points(1, 0, [(row, column)], [label])
        said = dict(list(clicks.items())[:number])
        assert {place: int(mask[place]) for place in said} == said


def test_each_tracked_frame_is_looked_at_where_the_object_was_on_the_one_before() -> None:
    session = open_session()
    session.add_mask(1, 2, disk(100, 100, 10))
    list(session.propagate())
    assert session._in_use.zoom is not None
    for frame, before in ((3, 2), (4, 3), (1, 2), (0, 1)):
        record = session.objects[1].shown(before)
        assert record is not None
        assert view_of(session, frame) == session._in_use.zoom.next_view(view_of(session, before), record.mask_logits)


def test_labels_equal_those_of_a_session_with_the_same_anchors() -> None:
    session, fresh = open_session(6), open_session(6)
    fresh.add_object()
    session.add_object()
    masks = {(1, 1): disk(60, 60, 9), (2, 4): disk(150, 200, 12), (1, 4): disk(70, 90, 9)}
    for (object_id, frame), mask in masks.items():
        session.add_mask(object_id, frame, mask)
        list(session.propagate())
    for (object_id, frame), mask in masks.items():
        fresh.add_mask(object_id, frame, mask)
    list(fresh.propagate())
    np.testing.assert_array_equal(session.labels, fresh.labels)
    assert (session.labels > 0).any((1, 2)).all()


def test_preview_shows_the_window() -> None:
    session = open_session()
    session.add_mask(1, 0, disk(100, 100, 10))
    whole = Session(image()[:, view_of(session, 0).window[0], view_of(session, 0).window[1]], model=MODEL, zoom=None)
    assert session.preview(0, object_id=1).shape == (64, 64, 3)
    assert np.abs(session.preview(0, object_id=1).astype(int) - whole.preview(0)).max() <= 2
    np.testing.assert_array_equal(session.preview(0), open_session(zoom=None).preview(0))


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 7, 300), (1, 24, 24)])
def test_frames_of_any_size(shape: tuple[int, int, int]) -> None:
    session = Session(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8), model=MODEL, zoom=4.0)
    session.add_points(session.add_object(), 0, [(0, 0)])
    list(session.propagate())
    assert session.labels.shape == shape
