"""Frames with the intensities that a model sees, each read once for all of its windows."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.images.mapped_planes import MappedPlanes


def test_intensities_become_black_to_white() -> None:
    planes = MappedPlanes(np.array([[[0, 50], [100, 200]]], np.uint16), [(50, 150)])
    assert (len(planes), planes.height, planes.width, planes.as_is) == (1, 2, 2, False)
    np.testing.assert_array_equal(planes.plane(0), np.array([[0, 0], [0.5, 1]], np.float32))
    np.testing.assert_array_equal(planes.plane(0, np.s_[1:, :1]), np.array([[0.5]], np.float32))


def test_uint8_is_used_as_it_is() -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    planes = MappedPlanes(array)
    assert planes.as_is
    np.testing.assert_array_equal(planes.plane(2), array[2])


class Counting:
    """An array that counts how often it is read."""

    shape, ndim, dtype, num_read = (2, 4, 4), 3, np.dtype(np.uint8), 0

    def __getitem__(self, frame: int) -> np.ndarray:
        self.num_read += 1
        return np.full((4, 4), frame, np.uint8)


def test_a_frame_is_read_once_for_all_of_its_windows() -> None:
    planes = MappedPlanes(array := Counting())
    assert [planes.plane(1, np.s_[row : row + 1, :]).max() for row in range(4)] == [1] * 4
    assert (array.num_read, planes.unmapped(0).max(), array.num_read) == (1, 0, 2)


@pytest.mark.parametrize(
    ("array", "ranges", "message"),
    [
        (np.zeros((2, 2)), None, "frames must have shape"),
        (np.zeros((0, 2, 2)), None, "there is no frame"),
        (np.zeros((1, 2, 2), complex), None, "frames must be integers, floats or booleans"),
        (np.zeros((1, 2, 2)), [(0, 1)] * 3, "3 intensity ranges do not fit frames of 1 colours"),
    ],
)
def test_what_are_no_frames(array: np.ndarray, ranges: list[tuple[float, float]] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MappedPlanes(array, ranges)
