"""Why a frame of an object is to be reviewed, on tracks written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blob_tracker import blob_session
from napari_sam2.session.review.footprint import Footprint
from napari_sam2.session.review.track_measurements import UNCERTAIN_ABOVE, ReviewReason, TrackMeasurements
from square_movies import CHANGING_MOVIE, INSIDE_CHANGING, NUM_CHANGING

R = ReviewReason
SURE = 20.0
ABSENT: dict[str, Any] = {"object_score": -SURE, "predicted_iou": 1.0}
EDGE = {"touches_border": True}


def on(area: float = 100, col: float = 50, **more: Any) -> dict[str, Any]:
    return {"object_score": SURE, "predicted_iou": 1.0, "area_px": area, "centroid_rc": (50, col), **more}


def track(*frames: dict[str, Any] | None) -> TrackMeasurements:
    """A track; None where there is no record."""
    found = TrackMeasurements(len(frames))
    for frame, values in enumerate(frames):
        if values is not None:
            found.set(frame, **values)
    return found


def reasons(*frames: dict[str, Any] | None) -> list[ReviewReason]:
    return list(map(ReviewReason, track(*frames).reasons().tolist()))


NO = ReviewReason(0)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([on(), on(110), on(col=53)], [NO, NO, NO]),
        ([on(), on(col=80), on(col=80)], [R.JUMP, R.JUMP, NO]),
        ([on(), on(400), on(400)], [R.SIZE, R.SIZE, NO]),
        ([on(), on(predicted_iou=0.2), on()], [NO, R.BAD_MASK, NO]),
        ([on(), on(object_score=0.1), on()], [NO, R.PRESENCE, NO]),
        ([on(), on(predicted_iou=0.4, object_score=0.5), on()], [NO, R.BAD_MASK | R.PRESENCE, NO]),
        # the pieces of a division, or one of both
        ([on(), on(second_piece=0.4), on(second_piece=0.4)], [NO, R.DIVISION, NO]),
        ([on(), on(second_piece=0.1), on()], [NO, NO, NO]),
        ([on(), on(50), on(50)], [NO, R.DIVISION, NO]),
        ([on(), on(50, col=90), on(50, col=90)], [R.JUMP, R.DIVISION | R.JUMP, NO]),
        ([on(), on(20), on(20)], [R.SIZE, R.SIZE, NO]),
        ([None, on(second_piece=0.4)], [NO, R.DIVISION]),
        # it leaves, disappears, appears, or comes again
        ([on(), on(**EDGE), ABSENT, ABSENT], [NO, NO, R.LEAVES, NO]),
        ([ABSENT, on(**EDGE), on()], [NO, NO, NO]),
        ([on(), on(), ABSENT, ABSENT], [NO, NO, R.APPEARS, NO]),
        ([ABSENT, ABSENT, on(), on()], [NO, NO, R.APPEARS, NO]),
        ([on(), ABSENT, ABSENT, on()], [NO, R.GAP, NO, NO]),
        ([on(**EDGE), ABSENT, on()], [NO, R.GAP | R.LEAVES, NO]),
        ([on(), ABSENT, None, on()], [NO, R.APPEARS, NO, NO]),
        ([on(), None, on()], [NO, NO, NO]),
        # nobody needs to review what a person has seen
        ([on(), on(50, is_anchor=True), on(50, predicted_iou=0.1)], [NO, NO, R.BAD_MASK]),
        ([on(), ABSENT | {"is_anchor": True}, ABSENT], [NO, NO, NO]),
    ],
)
def test_each_reason(frames: list[dict[str, Any] | None], expected: list[ReviewReason]) -> None:
    assert reasons(*frames) == expected


def test_in_plain_words() -> None:
    assert (R.DIVISION | R.BAD_MASK).description == "a division? · a doubtful mask"
    assert all(reason.description for reason in R)
    assert len({reason.description for reason in R}) == len(R)


def test_what_was_set_can_be_discarded() -> None:
    one = track(on(), on(400))
    one.discard(1)
    other = track(on(), None)
    for name in ("is_measured", "is_anchor", "touches_border", "areas_px", "centroids_rc"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert not one.reasons().any()
    assert one.uncertainties() == pytest.approx([0, 0], abs=1e-6)


frames_of_tracks = st.none() | st.builds(
    lambda score, iou, area, row, col, more: (
        {"object_score": score, "predicted_iou": iou, **more}
        | ({"area_px": float(area), "centroid_rc": (row, col), "second_piece": 0.3} if area else {})
    ),
    st.sampled_from([-20.0, -1.0, 0.0, 0.2, 3.0, 1e9]),
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    st.sampled_from([0, 0, 40, 90, 100, 1000]),
    st.floats(0, 60),
    st.floats(0, 60),
    st.fixed_dictionaries({"is_anchor": st.booleans(), "touches_border": st.booleans()}),
)


@settings(deadline=None)
@given(st.lists(frames_of_tracks, min_size=1, max_size=8))
def test_what_is_uncertain_has_a_reason(frames: list[dict[str, Any] | None]) -> None:
    one = track(*frames)
    found, uncertainties = one.reasons(), one.uncertainties()
    assert ((uncertainties >= 0) & (uncertainties <= 3)).all()
    assert (found[uncertainties > UNCERTAIN_ABOVE + 1e-6] > 0).all()
    is_silent = ~one.is_measured | one.is_anchor
    assert not found[is_silent].any()
    assert not uncertainties[is_silent].any()


@settings(deadline=None)
@given(st.lists(frames_of_tracks, min_size=1, max_size=8))
def test_uncertainty_as_documented(frames: list[dict[str, Any] | None]) -> None:
    """One frame after another, as docs/session.md has it."""

    def jump(one: dict[str, Any], other: dict[str, Any]) -> float:
        areas = one.get("area_px", 0), other.get("area_px", 0)
        if not all(areas):
            return float(any(areas))
        distance = math.dist(one["centroid_rc"], other["centroid_rc"])
        return abs(math.log(areas[0] / areas[1])) + distance / (2 * math.sqrt(sum(areas) / 2 / math.pi))

    expected = []
    for frame, one in enumerate(frames):
        if one is None or one["is_anchor"]:
            expected.append(0.0)
            continue
        near = [other for t in (frame - 1, frame + 1) if 0 <= t < len(frames) and (other := frames[t]) is not None]
        largest = max((jump(one, other) for other in near), default=0.0)
        bad_mask = 1 - one["predicted_iou"] if one.get("area_px") else 0.0
        expected.append(bad_mask + 2 / (1 + math.exp(min(abs(one["object_score"]), 700))) + 1 - math.exp(-largest))
    np.testing.assert_allclose(track(*frames).uncertainties(), expected, atol=1e-4)


def test_as_a_session_measures_it() -> None:
    """An object that doubles its side, one that leaves and comes back, one that runs into the border."""
    session = blob_session(CHANGING_MOVIE)
    for value, point in INSIDE_CHANGING.items():
        session.add_points(session.add_object(object_id=value), 0, [point])
    list(session.propagate())
    for object_id, item in session.objects.items():
        quality = session.quality(object_id)
        found = TrackMeasurements(NUM_CHANGING)
        for frame in quality:
            record = item.shown(frame)
            assert record is not None
            mask = Footprint.of(record, (32, 32))
            extent = mask.area_px, mask.centroid_rc, mask.touches_border, mask.second_piece
            found.set(frame, record.object_score, record.predicted_iou, *extent, quality[frame].is_anchor)
        expected = [quality[frame].uncertainty for frame in range(NUM_CHANGING)]
        np.testing.assert_allclose(found.uncertainties(), expected, atol=1e-5)


@settings(deadline=None)
@given(st.lists(frames_of_tracks, min_size=1, max_size=12), st.data())
def test_a_part_is_assessed_as_the_whole(frames: list[dict[str, Any] | None], data: st.DataObject) -> None:
    """What changes by frames from a first to a last one is found in the part around them."""
    one, other = track(*frames), track(*frames)
    first = data.draw(st.integers(0, len(frames) - 1))
    last = data.draw(st.integers(first, len(frames) - 1))
    for frame in range(first, last + 1):
        values = data.draw(frames_of_tracks)
        if values is None:
            other.discard(frame)
        else:
            other.set(frame, **values)
    where, part = other.around(first, last)
    uncertainties, found = part.assess()
    inner = slice(where.start + int(where.start > 0), where.stop - int(where.stop < len(frames)))
    expected = one.reasons()
    expected[inner] = found[inner.start - where.start : inner.stop - where.start]
    np.testing.assert_array_equal(other.reasons(), expected)
    near = slice(max(first - 1, 0), min(last + 2, len(frames)))
    np.testing.assert_array_equal(other.uncertainties()[near], uncertainties[near.start - where.start : near.stop - where.start])


def test_a_part_holds_the_gap_that_ends_on_its_first_frame_with_the_object() -> None:
    """What comes back from a gap does not appear: that is known from the frame before the gap."""
    on, off = (
        {"object_score": 9.0, "predicted_iou": 1.0, "area_px": 40.0, "centroid_rc": (0.0, 0.0)},
        {"object_score": -9.0, "predicted_iou": 1.0},
    )
    whole = track(on, on, off, off, on, on, on)
    where, part = whole.around(5, 5)
    assert where == slice(1, 7)
    np.testing.assert_array_equal(part.reasons()[1:], whole.reasons()[2:])
