"""Images of which some frames cannot be read: as an array that refuses, and on disk, by zarr and without it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
import zarr


class BrokenArray:
    """An array that refuses frames, as one on a server that is gone does."""

    def __init__(self, array: npt.NDArray[Any], broken: Collection[int]) -> None:
        self.array, self.broken = array, set(broken)
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        first = key[0] if isinstance(key, tuple) else key
        frames = range(len(self.array))[first] if isinstance(first, slice) else [first] if isinstance(first, int) else range(1)
        if self.broken.intersection(frames):
            raise RuntimeError("words of a library")
        return self.array[key]


def broken_zarr(path: Path, array: npt.NDArray[Any], broken: Collection[tuple[int, ...]]) -> Path:
    """Zarr 3, a chunk for each plane, as zarr writes it; chunks that are broken are no longer compressed data."""
    planes = array.shape[:-2]
    zarr.create_array(path, data=array, chunks=(*(1 for _ in planes), *array.shape[-2:]))
    for place in broken:
        (path / "c" / "/".join(map(str, place)) / "0" / "0").write_bytes(b"\0")
    return path


def broken_zarr_by_hand(path: Path, array: npt.NDArray[Any], broken: Collection[tuple[int, ...]]) -> Path:
    """Zarr 2 as its specification has it, written without zarr: of broken chunks the second half is missing."""
    path.mkdir()
    about = {
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": (*(1 for _ in array.shape[:-2]), *array.shape[-2:]),
        "dtype": array.dtype.newbyteorder("<").str,
        "compressor": {"id": "zlib", "level": 1},
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    (path / ".zarray").write_text(json.dumps(about))
    for place in np.ndindex(array.shape[:-2]):
        data = zlib.compress(array[place].astype(array.dtype.newbyteorder("<")).tobytes(), 1)
        (path / ".".join(map(str, (*place, 0, 0)))).write_bytes(data[: len(data) // 2] if place in broken else data)
    return path


def broken_tiff(path: Path, array: npt.NDArray[Any], broken: Collection[tuple[int, ...]]) -> Path:
    """A compressed TIFF; what the strips of broken pages hold is overwritten."""
    tifffile.imwrite(path, array, compression="zlib", photometric="minisblack", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path) as tiff:
        places = {place: tiff.pages[place[0]].dataoffsets[0] for place in broken}
    with path.open("r+b") as file:
        for offset in places.values():
            file.seek(offset)
            file.write(b"\xff" * 8)
    return path
