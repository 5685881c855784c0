"""The uncertainty of masks, for many at once and for one."""

from __future__ import annotations

import math

import numpy as np

from napari_sam2.session.review.quality import FrameQuality
from napari_sam2.session.review.track_measurements import TrackMeasurements
from napari_sam2.session.review.uncertainty import jumps_between, uncertainties


def test_many_are_as_uncertain_as_each_by_itself() -> None:
    random = np.random.default_rng(0)
    scores, ious, areas, jumps = random.normal(0, (9, 1, 40, 2), (1000, 4)).T
    is_anchor = random.random(1000) < 0.1
    areas, jumps = areas.clip(0), np.abs(jumps)
    singly = [
        FrameQuality(score, iou, area, None, jump, anchor).uncertainty
        for score, iou, area, jump, anchor in zip(scores, ious, areas, jumps, is_anchor, strict=True)
    ]
    assert uncertainties(scores, ious, areas, jumps, is_anchor).tolist() == singly
    assert len(set(singly)) > 800


def test_jumps_between_frames() -> None:
    absent, one = (0, math.nan, math.nan), (math.pi, 3, 4)
    before = np.array([absent, absent, one, one, one])
    after = np.array([absent, one, absent, (math.pi, 3, 6), (math.pi * 7, 3, 4)])
    np.testing.assert_allclose(jumps_between(before, after), [0, 1, 1, 1, math.log(7)], rtol=1e-15)
    np.testing.assert_array_equal(jumps_between(before, before), [0] * 5)
    assert jumps_between(before[:0], after[:0]).shape == (0,)


def test_a_track_is_as_uncertain_as_its_frames() -> None:
    rng = np.random.default_rng(3)
    track, measured = TrackMeasurements(50), []
    for frame in range(50):
        area = float(rng.integers(0, 3) * rng.uniform(1, 90))
        centroid = (float(rng.uniform(0, 30)), float(rng.uniform(0, 30))) if area else None
        one = float(rng.normal(0, 4)), float(rng.uniform()), area, centroid
        measured.append(one)
        track.set(frame, *one)
    rows = np.array([(area, *(centroid or (0.0, 0.0))) for *_, area, centroid in measured])
    between = jumps_between(rows[:-1], rows[1:])
    jumps = np.maximum(np.append(between, 0), np.insert(between, 0, 0))
    scores, ious = (np.array([one[index] for one in measured]) for index in (0, 1))
    expected = uncertainties(scores, ious, rows[:, 0], jumps, np.zeros(50, bool))
    np.testing.assert_allclose(track.uncertainties(), expected, rtol=1e-6)
