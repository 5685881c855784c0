"""Masks of objects become labels, in whatever array receives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from blob_tracker import blob_session
from square_movies import MOVIE, SHAPE, TRUTH, click, followed, inside

FRAME = 5

LEFT, RIGHT = np.zeros((2, *SHAPE), bool)
LEFT[:, :20] = True
RIGHT[:, 10:] = True


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_overlaps_are_decided_by_logits_not_by_order(order: tuple[int, int]) -> None:
    session = blob_session(MOVIE)
    for object_id in order:
        session.add_object(object_id=object_id)
        if object_id == 1:
            session.add_mask(1, FRAME, LEFT | RIGHT)
        else:
            session.add_points(2, FRAME, inside(2, FRAME))
    # the double is surer of a mask than of a click
    assert np.unique(session.labels[FRAME]).tolist() == [1]
    np.testing.assert_array_equal(session.mask(2, FRAME), TRUTH[FRAME] == 2)
    session.remove_object(1)
    np.testing.assert_array_equal(session.labels[FRAME], np.where(TRUTH[FRAME] == 2, 2, 0))


def test_the_surest_of_many_objects_wins() -> None:
    """More objects than are enlarged at a time."""
    session = blob_session(MOVIE)
    for object_id in range(1, 41):
        session.add_object(object_id=object_id)
        if object_id == 7:
            session.add_mask(object_id, FRAME, LEFT)
        else:
            session.add_points(object_id, FRAME, [inside(1 + object_id % 2, FRAME)[0]])
    np.testing.assert_array_equal(session.labels[FRAME], np.where(LEFT, 7, np.where(TRUTH[FRAME] == 2, 1, 0)))


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
