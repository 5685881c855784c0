"""The person who corrects, on objects that the double loses where they jump: every click can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blob_tracker import Square, blob_session, squares
from napari_sam2.evaluation.corrections import CorrectedObject, Corrections, Round, simulate_corrections
from napari_sam2.evaluation.dataset import Dataset

OBJECT, PART, OTHER = 7, 8, 99
HERE, THERE, APART = (3, 3, 5), (3, 20, 5), (20, 20, 5)


def stack(tracks: dict[int, list[Square | None]], anchor: int = 0) -> tuple[np.ndarray, Dataset]:
    """Make an image of all, and a data set of the object alone, of which ``PART`` is another blob."""
    planes = squares(len(tracks[OBJECT]), (32, 32), tracks)
    truth = np.where((planes == OBJECT) | (planes == PART), OBJECT, 0)
    return np.where(planes > 0, 200, 0).astype(np.uint8), Dataset(Path("squares"), truth, {OBJECT: anchor})


def run(image: np.ndarray, dataset: Dataset, *arguments: Any) -> tuple[list[int], Corrections]:
    *frames, result = simulate_corrections(blob_session(image), dataset, *arguments)
    assert isinstance(result, Corrections)
    return [frame for frame in frames if isinstance(frame, int)], result


def rounds(result: Corrections) -> list[tuple[int, int, float]]:
    (item,) = result.objects
    assert item.object_id == OBJECT
    return [(done.frame, done.clicks, done.mean_iou) for done in item.rounds]


# On frame 2 the object has a second part, IoU 1/2: one click for each, as the double takes only what was clicked on. From frame 4
# on it is elsewhere, and another stands in its place, IoU 0: one click takes that away, one finds the object.
JUMPING: dict[int, list[Square | None]] = {
    OBJECT: [HERE, HERE, HERE, HERE, THERE, THERE],
    PART: [None, None, APART, None, None, None],
    OTHER: [None, None, None, None, HERE, HERE],
}


def test_offline_takes_the_worst_frame_first() -> None:
    frames, result = run(*stack(JUMPING))
    # Once frame 4 is right, frame 3 is reached from there, where the object has not come to yet.
    assert rounds(result) == [(0, 1, 3.5 / 6), (4, 3, 4.5 / 6), (3, 4, 5.5 / 6), (2, 6, 1.0)]
    # After each correction only what it can change: up to the neighbouring annotated frames.
    assert frames == [1, 2, 3, 4, 5, *(1, 2, 5, 3), *(1, 2), *(1,)]


def test_online_goes_through_once() -> None:
    frames, result = run(*stack(JUMPING), "online", 24)
    assert rounds(result) == [(0, 1, 3.5 / 6), (2, 3, 4 / 6), (4, 5, 1.0)]
    # After each correction only what comes after it.
    assert frames == [1, 2, 3, 4, 5, *(3, 4, 5), *(5,)]


def test_online_leaves_what_was_passed() -> None:
    """At IoU 0.8 the pass goes on, and no later correction mends it."""
    low: Square = (3, 3, 10)
    tracks: dict[int, list[Square | None]] = {OBJECT: [low, low, THERE], OTHER: [None, None, (13, 3, 5)]}
    image, dataset = stack(tracks)
    image[1, 3:13, 13:15] = 200  # 20 pixels too many
    _, result = run(image, dataset, "online", 24)
    kept = 100 / 120
    assert rounds(result) == [(0, 1, (1 + kept + 0) / 3), (2, 2, (1 + kept + 1) / 3)]


def test_online_in_a_volume_goes_up_then_down() -> None:
    """From the middle: an object lost at both ends."""
    tracks = {OBJECT: [THERE, HERE, HERE, HERE, THERE], OTHER: [HERE, None, None, None, HERE]}
    frames, result = run(*stack(tracks, anchor=2), "online", 24)
    assert rounds(result) == [(2, 1, 3 / 5), (4, 3, 4 / 5), (0, 5, 1.0)]
    assert frames == [3, 4, 1, 0]


def test_offline_stops_when_all_is_right() -> None:
    _, result = run(*stack({OBJECT: [HERE] * 4}))
    assert rounds(result) == [(0, 1, 1.0)]
    assert result.objects[0].rounds[0].j_and_f == 1


def test_no_more_clicks_than_allowed() -> None:
    """The second click on frame 4 is not made."""
    _, result = run(*stack(JUMPING), "offline", 2)
    assert rounds(result) == [(0, 1, 3.5 / 6), (4, 2, 3.5 / 6)]


def test_a_mask_comes_first_on_each_new_frame() -> None:
    """It has both parts, where a click has one, and nothing is left to correct."""
    _, result = run(*stack(JUMPING), "offline", 24, "mask")
    assert rounds(result) == [(0, 1, 3.5 / 6), (4, 2, 4.5 / 6), (3, 3, 5.5 / 6), (2, 4, 1.0)]


@pytest.mark.parametrize("protocol", ["offline", "online"])
def test_clicks_on_a_single_image(protocol: str) -> None:
    """An object of three blobs of 25, 16 and 9 pixels: the largest error first, and one blob for each click."""
    truth = np.zeros((1, 32, 32), np.uint16)
    truth[0, 3:8, 3:8] = truth[0, 12:16, 3:7] = truth[0, 20:23, 20:23] = OBJECT
    dataset = Dataset(Path("squares"), truth, {OBJECT: 0})
    frames, result = run(np.where(truth[0] > 0, 200, 0).astype(np.uint8), dataset, protocol, 24)
    assert frames == []
    assert rounds(result) == [(0, 1, 25 / 50), (0, 2, 41 / 50), (0, 3, 1.0)]
    (item,) = result.objects
    assert (item.clicks_to(0.75), item.clicks_to(0.9), item.clicks_to(0.5)) == (2, 3, 1)


def test_objects_are_annotated_by_themselves() -> None:
    """Each as if it were alone, and none is left in the session."""
    planes = squares(3, (32, 32), {1: [HERE] * 3, 2: [THERE] * 3})
    session = blob_session(np.where(planes > 0, 200, 0).astype(np.uint8))
    *_, result = simulate_corrections(session, Dataset(Path("squares"), planes, {1: 0, 2: 0}))
    assert isinstance(result, Corrections)
    assert [(item.object_id, len(item.rounds)) for item in result.objects] == [(1, 1), (2, 1)]
    assert session.objects == {}


def test_summary() -> None:
    """Who does not get there counts with all clicks; who stops early keeps what was reached."""
    quick = CorrectedObject(1, (Round(0, 3, 0.76, 0.84), Round(4, 5, 0.95, 1.0)))
    slow = CorrectedObject(2, (Round(0, 3, 0.2, 0.4), Round(4, 6, 0.3, 0.5), Round(2, 9, 0.8, 0.9)))
    assert Corrections("squares", "offline", 9, (quick, slow)).summary() == {
        "dataset": "squares",
        "protocol": "offline",
        "max_clicks": 9,
        "clicks_to_0.75": 6.0,
        "not_reached_0.75": 0,
        "clicks_to_0.90": 7.0,
        "not_reached_0.90": 1,
        "mean_iou": [0.48, 0.625, 0.875],
        "j_and_f": [0.55, 0.6875, 0.9125],
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sideways",), "protocol must be offline or online, got 'sideways'"),
        (("online", 0), "at least one click is needed"),
        (("online", 24, "circle"), "kind must be one of point, box, mask, got 'circle'"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(*stack({OBJECT: [HERE]}), *arguments)
