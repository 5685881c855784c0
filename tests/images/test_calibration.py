"""The size of a pixel and the time between frames, as a person or a file tells them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from napari_sam2.images.calibration import PIXELS, Calibration, calibration_of


@pytest.mark.parametrize(
    ("pixel_size", "interval", "expected"),
    [
        (None, None, Calibration(4, 4, 9, 7, "nanometer", "hour")),
        ([0.5], None, Calibration(0.5, 0.5, None, 7, "micrometer", "hour")),
        ([0.5, 0.25], 2.0, Calibration(0.5, 0.25, None, 2, "micrometer", "second")),
        ([2, 0.5, 0.25], None, Calibration(0.5, 0.25, 2, 7, "micrometer", "hour")),
    ],
)
def test_what_a_person_says(pixel_size: Any, interval: Any, expected: Calibration) -> None:
    assert calibration_of(pixel_size, interval, Calibration(4, 4, 9, 7, "nanometer", "hour")) == expected


@pytest.mark.parametrize(
    ("pixel_size", "interval", "message"),
    [
        ([1, 2, 3, 4], None, "one to three numbers .* got 4"),
        ([0], None, "along Y must be above 0, got 0"),
        ([-1, 1, 1], None, "along Z must be above 0, got -1"),
        ([float("nan"), 1], None, "along Y must be above 0, got nan"),
        (None, 0, "^the time from frame to frame must be above 0, got 0"),
    ],
)
def test_what_cannot_be(pixel_size: Any, interval: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibration_of(pixel_size, interval, PIXELS)


def test_a_volume_needs_the_distance_of_its_planes(caplog: pytest.LogCaptureFixture) -> None:
    flat = Calibration(0.5, 0.25, None, 3, "micrometer", "second")
    assert flat.fitting("TYX") == flat
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        assert flat.fitting("TZYX") == Calibration(1, 1, 1, 3, "pixel", "second")
    assert [record.message for record in caplog.records] == [
        "the distance of planes is not known, only the size of pixels: lengths are given in pixels"
    ]
    caplog.clear()
    assert PIXELS.fitting("ZYX").steps("ZYX") == (1, 1, 1)
    assert caplog.records == []
