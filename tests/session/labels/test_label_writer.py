"""Masks of objects become labels, in whatever array receives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from blob_tracker import blob_session
from napari_sam2.images.stack import Stack
from napari_sam2.predictors.memory_bank import FrameRecord
from napari_sam2.predictors.zoom import View
from napari_sam2.session.labels import label_writer
from napari_sam2.session.labels.label_writer import LabelWriter
from napari_sam2.session.state.packed_labels import pack_plane
from packed_records import record_of
from square_movies import MOVIE, SHAPE, TRUTH, click, followed, inside

FRAME = 5

LEFT, RIGHT = np.zeros((2, *SHAPE), bool)
LEFT[:, :20] = True
RIGHT[:, 10:] = True


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_what_lies_within_something_else_keeps_its_pixels(order: tuple[int, int]) -> None:
    session = blob_session(MOVIE)
    for object_id in order:
        session.add_object(object_id=object_id)
        if object_id == 1:
            session.add_mask(1, FRAME, LEFT | RIGHT)
        else:
            session.add_points(2, FRAME, inside(2, FRAME))
    # although the double is surer of a mask than of a click
    np.testing.assert_array_equal(session.labels[FRAME], np.where(TRUTH[FRAME] == 2, 2, 1))
    np.testing.assert_array_equal(session.mask(2, FRAME), TRUTH[FRAME] == 2)
    session.remove_object(1)
    np.testing.assert_array_equal(session.labels[FRAME], np.where(TRUTH[FRAME] == 2, 2, 0))


def test_the_surest_of_many_objects_wins() -> None:
    """More objects than are enlarged at a time."""
    session = blob_session(MOVIE)
    for object_id in range(1, 41):
        session.add_object(object_id=object_id)
        if object_id == 7:
            session.add_mask(object_id, FRAME, TRUTH[FRAME] == 2)
        else:
            session.add_points(object_id, FRAME, [inside(1 + object_id % 2, FRAME)[0]])
    np.testing.assert_array_equal(session.labels[FRAME], np.choose(TRUTH[FRAME], [0, 2, 7, 0]))


def test_of_equal_logits_the_lower_id_wins_whichever_came_first() -> None:
    session = blob_session(MOVIE)
    for object_id, mask in ((5, RIGHT), (2, LEFT)):
        session.add_mask(session.add_object(object_id=object_id), 0, mask)
    np.testing.assert_array_equal(session.labels[0], np.where(LEFT, 2, 5))


def test_labels_into_a_memory_map(tmp_path: Path) -> None:
    path = tmp_path / "labels.npy"
    labels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint16, shape=TRUTH.shape)
    assert followed(blob_session(MOVIE, labels=labels)).labels is labels
    labels.flush()
    np.testing.assert_array_equal(np.load(path), TRUTH)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_labels_into_zarr(tmp_path: Path, zarr_format: Any) -> None:
    labels = zarr.create_array(
        tmp_path / "labels.zarr", shape=TRUTH.shape, chunks=(3, 20, 32), dtype="uint16", zarr_format=zarr_format
    )
    followed(blob_session(MOVIE, labels=labels))
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "labels.zarr", mode="r")[:], TRUTH)


def test_labels_of_a_single_image_into_zarr(tmp_path: Path) -> None:
    labels = zarr.create_array(tmp_path / "labels.zarr", shape=SHAPE, dtype="uint16")
    click(blob_session(MOVIE[0], labels=labels), 2, 0)
    np.testing.assert_array_equal(labels[:], np.where(TRUTH[0] == 2, 2, 0))


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (np.zeros(TRUTH.shape, np.int32), r"int32 of shape \(8, 32, 32\)"),
        (np.zeros(SHAPE, np.uint16), r"uint16 of shape \(32, 32\)"),
    ],
)
def test_labels_that_do_not_fit(labels: np.ndarray, got: str) -> None:
    with pytest.raises(ValueError, match=rf"^labels must be uint16 of shape \(8, 32, 32\), got {got}$"):
        blob_session(MOVIE, labels=labels)


def test_labels_that_are_no_array() -> None:
    with pytest.raises(ValueError, match=r"^labels must be an array, uint16 of shape \(8, 32, 32\), got str$"):
        blob_session(MOVIE, labels="labels.zarr")


# --- a writer of its own -----------------------------------------------------------------------------------------------

SIDE = 8
STACK = Stack.open(np.zeros((3, 2, SIDE, SIDE), np.uint8), "TZYX", along="Z", at={"T": 1})


def record(rows: slice, columns: slice, logit: float = 2.0, **about: Any) -> FrameRecord:
    logits = torch.full((SIDE, SIDE), -2.0)
    logits[rows, columns] = logit
    return record_of(logits, torch.zeros(1), 5.0, 0.9, **about)


def square(row0: int, col0: int, row1: int, col1: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[row0:row1, col0:col1] = True
    return mask


def test_labels_are_empty_and_in_memory_by_default() -> None:
    labels = LabelWriter(STACK).labels
    assert (labels.shape, labels.dtype, type(labels)) == ((3, 2, SIDE, SIDE), np.uint16, np.ndarray)
    assert not labels.any()


def test_large_labels_lie_in_a_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_writer, "MAX_BYTES_IN_MEMORY", 2 * 3 * 2 * SIDE**2)
    assert type(LabelWriter(STACK).labels) is np.ndarray
    monkeypatch.setattr(label_writer, "MAX_BYTES_IN_MEMORY", 2 * 3 * 2 * SIDE**2 - 1)
    writer = LabelWriter(STACK)
    assert isinstance(writer.labels, np.memmap)
    writer.write(1, {5: record(np.s_[0:4], np.s_[0:4])})
    np.testing.assert_array_equal(writer.labels[1, 1], np.where(square(0, 0, 4, 4), 5, 0))
    assert np.count_nonzero(writer.labels) == 16


def test_a_frame_is_written_at_its_place_and_replaced() -> None:
    writer = LabelWriter(STACK)
    writer.write(0, {3: record(np.s_[1:3], np.s_[2:7]), 9: record(np.s_[5:6], np.s_[5:6])})
    writer.write(1, {4: record(np.s_[1:3], np.s_[2:7])})
    expected = np.zeros((3, 2, SIDE, SIDE), np.uint16)
    expected[1, 0] = square(1, 2, 3, 7) * 3 + square(5, 5, 6, 6) * 9
    expected[1, 1] = square(1, 2, 3, 7) * 4
    np.testing.assert_array_equal(writer.labels, expected)
    writer.write(1, {})
    expected[1, 1] = 0
    np.testing.assert_array_equal(writer.labels, expected)


def test_a_window_is_where_it_lies() -> None:
    shown = {2: record(np.s_[0:4], np.s_[4:8], view=View(2, 3, 4, 4)), 7: record(np.s_[:], np.s_[:], view=View(0, 0, 1, 2))}
    np.testing.assert_array_equal(LabelWriter(STACK).plane(shown), square(2, 5, 4, 7) * 2 + square(0, 0, 1, 2) * 7)


def test_an_object_that_is_absent_has_no_label() -> None:
    absent = record(np.s_[0:0], np.s_[0:0])
    plane = LabelWriter(STACK).plane({1: absent, 2: record(np.s_[0:1], np.s_[0:1])})
    np.testing.assert_array_equal(plane, square(0, 0, 1, 1) * 2)
    assert plane.dtype == np.uint16
    assert not LabelWriter(STACK).plane({}).any()


@pytest.mark.parametrize(
    ("logits", "distances", "winner"),
    [
        ((2.0, 3.0), (5, 5), 2),
        ((3.0, 2.0), (5, 5), 1),
        ((2.0, 2.0), (5, 5), 1),
        ((2.0, 3.0), (0, 0), 2),
        ((9.0, 0.1), (5, 0), 2),  # what a person said
        ((3.0, 2.95), (17, 16), 2),  # 3 / (33 / 16) against 2.95 / 2
    ],
)
def test_who_has_the_pixels_of_two(logits: tuple[float, float], distances: tuple[int, int], winner: int) -> None:
    places = ((np.s_[0:6], np.s_[0:4]), (np.s_[5:8], np.s_[0:8]))  # of the same area
    shown = {
        object_id: record(*place, logit, anchor_distance=distance)
        for object_id, place, logit, distance in zip((1, 2), places, logits, distances, strict=True)
    }
    expected = square(0, 0, 5, 4) * 1 + square(6, 0, 8, 8) * 2 + square(5, 4, 6, 8) * 2 + square(5, 0, 6, 4) * winner
    for order in (1, -1):
        np.testing.assert_array_equal(LabelWriter(STACK).plane(dict(list(shown.items())[::order])), expected)


MOVIE_STACK = Stack.open(np.zeros((3, SIDE, SIDE), np.uint8), "TYX")


@pytest.mark.parametrize(("stack", "winner"), [(STACK, 2), (MOVIE_STACK, 1)], ids=["volume", "time-lapse"])
def test_of_two_that_meet_in_a_volume_the_smaller_one_counts_more(stack: Stack, winner: int) -> None:
    """A mask that has grown into its neighbour is large."""
    shown = {
        1: record(np.s_[0:6], np.s_[:], 3.0, anchor_distance=5),
        2: record(np.s_[5:8], np.s_[0:4], 2.0, anchor_distance=5),
    }
    expected = square(0, 0, 5, 8) * 1 + square(6, 0, 8, 4) * 2 + square(5, 4, 6, 8) * 1 + square(5, 0, 6, 4) * winner
    np.testing.assert_array_equal(LabelWriter(stack).plane(shown), expected)


def test_two_tracked_masks_that_are_nearly_the_same_are_one_and_two_prompted_ones_are_two() -> None:
    one, other = np.full((2, SIDE, SIDE), -2.0)
    one[:6, :6] = np.where(np.indices((6, 6)).sum(0) % 2 == 0, 3.0, 2.0)
    other[:6, :6] = 2.4
    for distance, expected in ((3, [0, 1]), (0, [0, 1, 2])):
        shown = {
            object_id: record_of(torch.tensor(logits).float(), torch.zeros(1), 5.0, 0.9, anchor_distance=distance)
            for object_id, logits in ((1, one), (2, other))
        }
        assert np.unique(LabelWriter(STACK).plane(shown)).tolist() == expected


@pytest.mark.parametrize(("axes", "winner"), [("TYX", 1), ("ZYX", 2)])
def test_in_a_time_lapse_what_was_tracked_forward_wins_over_what_was_tracked_backward(axes: str, winner: int) -> None:
    """A cell, and a child of it that was clicked on where it appears; in a volume the nearer anchor wins."""
    parent, child = record(np.s_[:6], np.s_[:6], anchor_distance=4), record(np.s_[:6], np.s_[:6], 9.0, anchor_distance=-1)
    plane = LabelWriter(Stack.open(np.zeros((9, SIDE, SIDE), np.uint8), axes)).plane({1: parent, 2: child})
    np.testing.assert_array_equal(plane, winner * square(0, 0, 6, 6))


def test_of_two_that_are_nearly_the_same_the_one_nearer_to_its_anchor_wins() -> None:
    prompted = record(np.s_[7:8], np.s_[7:8])
    far, near = record(np.s_[:6], np.s_[:6], 3.0, anchor_distance=64), record(np.s_[:6], np.s_[:5], 2.0, anchor_distance=1)
    plane = LabelWriter(STACK).plane({1: prompted, 2: far, 3: near})
    np.testing.assert_array_equal(plane, square(7, 7, 8, 8) * 1 + square(0, 5, 6, 6) * 2 + square(0, 0, 6, 5) * 3)


def test_another_position_is_written_as_a_whole_without_hidden_objects() -> None:
    writer = LabelWriter(STACK)
    planes = [np.where(square(0, 0, 2, 2), 4, 0) + np.where(square(4, 4, 6, 6), 6, 0), square(1, 1, 2, 2) * 6]
    packed = tuple(pack_plane(plane.astype(np.uint16)) for plane in planes)
    expected = np.zeros((3, 2, SIDE, SIDE), np.uint16)
    for hidden in ((), (6,), (4, 6), (9,)):
        writer.write_position({"T": 2}, packed, hidden)
        expected[2] = np.where(np.isin(planes, hidden), 0, planes)
        np.testing.assert_array_equal(writer.labels, expected)
    writer.write_position({"T": 2}, None)
    assert not writer.labels.any()


@pytest.mark.parametrize("object_id", [255, 256, 65535])
def test_large_ids(object_id: int) -> None:
    assert LabelWriter(STACK).plane({object_id: record(np.s_[:], np.s_[:])}).min() == object_id
