"""Sessions looped over an axis, with exact labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from blob_tracker import BlobTracker, squares, tiny_model
from napari_sam2.session import session as session_module
from napari_sam2.session.loop import follow_each
from napari_sam2.session.session import Session

T, Z, SHAPE = 5, 4, (24, 30)
TRUTH = np.stack(
    [
        squares(
            Z,
            SHAPE,
            {
                # It drifts by more than its size from the first time to the last.
                1: [(3, 2 + 3 * t + z, 5) for z in range(Z)],
                # It is in two planes, and gone from the fourth time on.
                2: [(15, 20, 4) if 1 <= z <= 2 and t < 3 else None for z in range(Z)],
            },
        )
        for t in range(T)
    ]
)
VOLUMES = np.where(TRUTH > 0, 3000, 100).astype(np.int16)


@pytest.fixture(autouse=True)
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "Tracker", BlobTracker)


def prompted(axes: str, along: str, at: dict[str, int], click: dict[int, int], **others: Any) -> Session:
    order = ["TZYX".index(axis) for axis in axes]
    session = Session(VOLUMES.transpose(order), axes, model=tiny_model(), along=along, at=at, **others)
    planes = session.stack.planes(TRUTH.transpose(order))
    for object_id, frame in click.items():
        session.add_object(object_id=object_id)
        session.add_points(object_id, frame, np.argwhere(planes[frame] == object_id)[:1])
    return session


@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize("axes", ["TZYX", "XTYZ"])
def test_each_volume_of_a_time_lapse(start: int, axes: str) -> None:
    session = prompted(axes, "Z", {"T": start}, {1: 0, 2: 1})
    done = [(step.place, step.result.frame) for step in follow_each(session, "t")]
    assert [place for place, _ in done] == sorted((place for place, _ in done), key=lambda t: (t < start, abs(t - start)))
    assert {place for place, _ in done} == set(range(T))
    np.testing.assert_array_equal(session.labels, TRUTH.transpose(["TZYX".index(axis) for axis in axes]))


def test_labels_of_the_caller(tmp_path: Path) -> None:
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=(30, T, 24, Z), chunks=(30, 1, 24, 1), dtype="uint16")
    session = prompted("XTYZ", "Z", {"T": 1}, {1: 0, 2: 1}, labels=labels)
    for _ in follow_each(session, "T"):
        pass
    np.testing.assert_array_equal(labels[...], TRUTH.transpose(3, 0, 2, 1))


def test_each_plane_of_a_time_lapse() -> None:
    session = prompted("TZYX", "T", {"Z": 1}, {1: 0, 2: 2})
    for _ in follow_each(session, "Z"):
        pass
    np.testing.assert_array_equal(session.labels, TRUTH)


def test_some_places_and_going_on() -> None:
    session = prompted("TZYX", "Z", {"T": 1}, {1: 0, 2: 1})
    for _ in follow_each(session, "T", places=[1, 2]):
        pass
    np.testing.assert_array_equal(session.labels[1:3], TRUTH[1:3])
    assert not session.labels[[0, 3, 4]].any()
    for _ in follow_each(session, "T", places=range(2, T)):
        pass
    np.testing.assert_array_equal(session.labels[1:], TRUTH[1:])
    assert not session.labels[0].any()


def test_what_was_done_stays_when_nobody_asks_for_more() -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0, 2: 1})
    steps = follow_each(session, "T")
    for step in steps:
        if step.place == 2:
            break
    steps.close()  # type: ignore[attr-defined]
    np.testing.assert_array_equal(session.labels[:2], TRUTH[:2])
    assert not session.labels[3:].any()


def test_all_places_are_seen_with_the_same_intensities() -> None:
    session = prompted("TZYX", "Z", {"T": 0}, {1: 0}, intensity_range=(0, 5000))
    ranges = {step.session.intensity_ranges for step in follow_each(session, "T")}
    assert ranges == {((0.0, 5000.0),)}


@pytest.mark.parametrize(
    ("over", "places", "sentence"),
    [
        ("Z", None, r"the session is at no place on Z: open it with at=\{'Z': 0\}"),
        ("T", [0, 5], r"T 5 does not exist: the image has 5, counted from 0"),
    ],
)
def test_what_makes_no_sense_is_refused(over: str, places: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        next(follow_each(prompted("TZYX", "Z", {"T": 0}, {1: 0}), over, places))


def test_nothing_prompted() -> None:
    with pytest.raises(ValueError, match="there is nothing to propagate"):
        next(follow_each(prompted("TZYX", "Z", {"T": 0}, {}), "T"))
