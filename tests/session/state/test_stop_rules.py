"""Rules by which an object is not propagated any further."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from napari_sam2.session.state.stop_rules import StopRules


def test_nothing_stops_by_default() -> None:
    assert StopRules() == StopRules(max_absent_frames=None, area_px=None, at_border=False)


@pytest.mark.parametrize("area_px", [[5, 9], np.array([5.0, 9.0]), (5, np.int64(9))])
def test_areas_are_two_numbers_whatever_they_come_in(area_px: Any) -> None:
    rules = StopRules(max_absent_frames=1, area_px=area_px)
    assert rules == StopRules(1, (5.0, 9.0))
    assert rules.area_px is not None
    assert [type(area) for area in rules.area_px] == [float, float]
    assert hash(rules) == hash(StopRules(1, (5.0, 9.0)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_absent_frames": 0}, "max_absent_frames is one frame or more, got 0"),
        ({"max_absent_frames": -3}, "max_absent_frames is one frame or more, got -3"),
        ({"max_absent_frames": 1.5}, "max_absent_frames is a whole number, got 1.5"),
        ({"area_px": (5, 5)}, "area_px are two numbers in order, at least 0"),
        ({"area_px": (-1, 5)}, "area_px are two numbers"),
        ({"area_px": 5}, "area_px are two numbers"),
        ({"at_border": 1}, "at_border is True or False, got 1"),
    ],
)
def test_rules_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        StopRules(**arguments)
