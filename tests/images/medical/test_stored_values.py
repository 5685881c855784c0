"""Stored numbers and what they mean."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.medical.stored_values import IDENTITY, LoadedOnce, Rescale, RescaledArray, rescaled, type_of_values


@pytest.mark.parametrize(
    ("stored", "bounds", "rescales", "found"),
    [
        ("u2", (0, 4095), [Rescale(1, -1024)], "i2"),
        ("u2", (0, 65535), [Rescale(1, -1024)], "i4"),
        ("i2", (-2048, 2047), [Rescale(1, 0)], "i2"),
        (">i2", (-32768, 32767), [IDENTITY], "i2"),
        ("u2", (0, 65535), [], "u2"),
        ("u2", (0, 65535), [Rescale(0.1, 0), Rescale(0.2, 0)], "f4"),
        ("u2", (0, 4095), [Rescale(1, -1024), Rescale(1, -8192)], "i2"),
        ("u4", (0, 2**32 - 1), [Rescale(1, -1024)], "i8"),
        ("i4", (-(2**31), 2**31 - 1), [Rescale(0.5, 0)], "f8"),
        ("f4", (0, 0), [Rescale(2, 0)], "f8"),
        ("u2", (0, 4095), [Rescale(1, 0.5)], "f4"),
    ],
)
def test_the_type_holds_what_is_meant(stored: str, bounds: tuple[int, int], rescales: list[Rescale], found: str) -> None:
    dtype = type_of_values(np.dtype(stored), *bounds, rescales)
    assert dtype == np.dtype(found)
    assert dtype.isnative


def test_what_is_read_is_rescaled() -> None:
    stored = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    array = rescaled(stored, Rescale(1, -1024))
    assert isinstance(array, RescaledArray)
    assert (array.shape, array.ndim, array.dtype) == ((2, 3, 4), 3, np.int16)
    np.testing.assert_array_equal(array[1, :, 2], stored[1, :, 2].astype(int) - 1024)
    np.testing.assert_array_equal(rescaled(stored, Rescale(-0.5, 3))[0], 3 - stored[0] / 2)
    assert rescaled(stored, IDENTITY) is stored


@pytest.mark.parametrize("numbers", [(0, 0), (np.nan, 0), (1, np.inf)])
def test_a_rescale_that_means_nothing_is_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"^the slope .* and the intercept .* make no intensities of stored numbers$"):
        Rescale(*numbers)


def test_a_file_is_loaded_once_and_when_it_is_needed() -> None:
    loaded = []

    def load() -> np.ndarray:
        loaded.append(1)
        return np.arange(6).reshape(2, 3)

    array = LoadedOnce((2, 3), np.int64, load, "the file")
    assert loaded == []
    np.testing.assert_array_equal(array[1], [3, 4, 5])
    np.testing.assert_array_equal(array[:, 1], [1, 4])
    assert loaded == [1]


def test_a_file_that_does_not_hold_what_it_promises() -> None:
    with pytest.raises(ImageFileError, match=r"^the file does not hold as many voxels as it promises$"):
        LoadedOnce((2, 4), np.int64, lambda: np.zeros((2, 3)), "the file")[0]

    def fail() -> np.ndarray:
        raise EOFError

    with pytest.raises(ImageFileError, match=r"^the file is damaged, or ends too early$"):
        LoadedOnce((2, 4), np.int64, fail, "the file")[0]

    def use_up() -> np.ndarray:
        raise MemoryError

    with pytest.raises(MemoryError):
        LoadedOnce((2, 4), np.int64, use_up, "the file")[0]
