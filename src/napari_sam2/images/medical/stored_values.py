"""Stored numbers and what they mean: rescaled, as Hounsfield units are; and files that can only be read as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.errors import ImageFileError


@dataclass(frozen=True)
class Rescale:
    """What stored numbers mean: ``stored * slope + intercept``.

    Attributes
    ----------
    slope, intercept : float
        As the file has them.

    Raises
    ------
    ValueError
        If the slope is 0, or one of them is no finite number.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.slope, self.intercept]).all() and self.slope):
            raise ValueError(f"the slope {self.slope:g} and the intercept {self.intercept:g} make no intensities of stored numbers")

    @property
    def is_identity(self) -> bool:
        """Stored numbers mean themselves."""
        return self == IDENTITY

    @property
    def is_whole(self) -> bool:
        """Whole numbers stay whole."""
        return self.slope == 1 and self.intercept == int(self.intercept)

    def apply(self, stored: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return what stored numbers mean, in a type that holds it; see :func:`type_of_values`."""
        if self.is_identity:
            return stored.astype(dtype, copy=False)
        if dtype.kind in "iu":
            return (stored.astype(np.int64) + int(self.intercept)).astype(dtype)
        return (stored.astype(np.float64) * self.slope + self.intercept).astype(dtype)


IDENTITY = Rescale()


def type_of_values(stored: np.dtype[Any], low: int, high: int, rescales: Iterable[Rescale]) -> np.dtype[Any]:
    """Find the type of what stored numbers mean.

    Parameters
    ----------
    stored : dtype
        Of the stored numbers.
    low, high : int
        The least and the greatest that can be stored; not used of floating-point numbers.
    rescales : iterable of Rescale
        All that are used.

    Returns
    -------
    dtype
        Whole numbers stay whole where slopes are 1; others are float32, or float64 where float32 does not hold what is stored.
    """
    different = set(rescales)
    if different <= {IDENTITY}:
        return stored.newbyteorder("=")
    if stored.kind in "iu" and all(one.is_whole for one in different):
        ends = low + min(int(one.intercept) for one in different), high + max(int(one.intercept) for one in different)
        for kind in (np.int16, np.int32):
            if np.iinfo(kind).min <= ends[0] and ends[1] <= np.iinfo(kind).max:
                return np.dtype(kind)
        return np.dtype(np.int64)
    return np.dtype(np.float64 if stored.itemsize >= 4 else np.float32)


class RescaledArray:
    """An array of stored numbers, rescaled where it is read.

    Parameters
    ----------
    stored : array-like
        Of whole or floating-point numbers.
    rescale : Rescale
        What they mean.
    """

    def __init__(self, stored: Any, rescale: Rescale) -> None:
        self._stored, self._rescale = stored, rescale
        dtype = np.dtype(stored.dtype)
        low, high = (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) if dtype.kind in "iu" else (0, 0)
        self.dtype = type_of_values(dtype, low, high, [rescale])
        self.shape, self.ndim = tuple(int(side) for side in stored.shape), len(stored.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return self._rescale.apply(np.asarray(self._stored[key]), self.dtype)


def rescaled(stored: Any, rescale: Rescale) -> Any:
    """Return an array of what stored numbers mean; the same one where they mean themselves."""
    return stored if rescale.is_identity else RescaledArray(stored, rescale)


class LoadedOnce:
    """An array that is read as a whole when any of it is needed, as that of a compressed file has to be, and kept.

    Parameters
    ----------
    shape, dtype : tuple of int and dtype
        As the header of the file has them.
    load : callable
        Reads it.
    what : str
        What messages call the file.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, load: Callable[[], npt.NDArray[Any]], what: str) -> None:
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(dtype)
        self._load, self._what = load, what
        self._lock = threading.Lock()
        self._loaded: npt.NDArray[Any] | None = None

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return self._whole()[key]

    def _whole(self) -> npt.NDArray[Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
            return self._loaded

    def _read(self) -> npt.NDArray[Any]:
        try:
            found = self._load()
        except MemoryError:
            raise
        except Exception as error:  # each library fails to read with errors of its own
            raise ImageFileError(f"{self._what} is damaged, or ends too early") from error
        if found.shape != self.shape:
            raise ImageFileError(f"{self._what} does not hold as many voxels as it promises")
        return found


def check_voxels(header: Path, name: str, what: str) -> None:
    """Check that the file with the voxels lies where their header names it; lists and patterns of files are not checked.

    Raises
    ------
    ImageFileError
        If there is none.
    """
    is_one_file = bool(name) and name.upper() != "LOCAL" and not name.upper().startswith("LIST") and "%" not in name
    if is_one_file and not (header.parent / name).is_file():
        raise ImageFileError(f"{what} is a header alone: its voxels are in another file, which is not there")
