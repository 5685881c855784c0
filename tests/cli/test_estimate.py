"""What is left of a run, as it is printed."""

from __future__ import annotations

import numpy as np
import pytest

from blob_tracker import blob_session
from napari_sam2.cli import estimate
from napari_sam2.cli.estimate import NUM_TIMED, NUM_UNTIMED, PrintedEstimate, peak_bytes


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])
    return now


def test_it_is_printed_once_from_frames_with_all_memories(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "peak_bytes", lambda: 10**9)
    session, printed = blob_session(np.random.default_rng(0).integers(0, 255, (3, 500, 1000), np.uint8)), []
    counted = PrintedEstimate(session, printed.append)
    for number in range(NUM_UNTIMED + NUM_TIMED + 3):
        clock[0] += 1.0 if number < NUM_UNTIMED else 3.0
        counted.add(2, 100, 200)
    assert printed == ["100 frames with 200 masks left: about 5 min, 1.1 GB of memory in all, at most 1 MB on disk"]


@pytest.mark.parametrize(("num_objects", "num_left"), [(2, 9), (0, 100)])
def test_nothing_is_printed_of_a_few_frames_or_of_none_with_objects(clock: list[float], num_objects: int, num_left: int) -> None:
    session, printed = blob_session(np.random.default_rng(0).integers(0, 255, (3, 20, 20), np.uint8)), []
    counted = PrintedEstimate(session, printed.append)
    for _ in range(20):
        clock[0] += 1.0
        counted.add(num_objects, num_left, num_left)
    assert printed == []


def test_the_peak_is_what_the_system_says() -> None:
    used = peak_bytes()
    assert used is None or 10**7 < used < 10**12
