"""Zarr and OME-Zarr as their specifications have them, written as raw files without zarr."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def json_file(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def array_by_hand(path: Path, pixels: npt.NDArray[Any], zarr_format: int = 2, separator: str = "/") -> Path:
    """A chunk for each plane; zarr 2 is compressed by zlib, zarr 3 is not."""
    path.mkdir(parents=True)
    lead, little = pixels.shape[:-2], pixels.astype(pixels.dtype.newbyteorder("<"))
    chunks = [*(1 for _ in lead), *pixels.shape[-2:]]
    if zarr_format == 2:
        array = {"shape": pixels.shape, "chunks": chunks, "dtype": little.dtype.str, "order": "C", "filters": None, "fill_value": 0}
        array |= {"zarr_format": 2, "compressor": {"id": "zlib", "level": 1}, "dimension_separator": separator}
        json_file(path / ".zarray", array)
    else:
        array = {"zarr_format": 3, "node_type": "array", "shape": pixels.shape, "data_type": pixels.dtype.name, "fill_value": 0}
        array |= {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}}, "attributes": {}}
        array |= {"chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}}}
        array |= {"codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]}
        json_file(path / "zarr.json", array)
    for index in np.ndindex(lead):
        key = separator.join(map(str, (*index, 0, 0)))
        chunk = path / (key if zarr_format == 2 else f"c{separator}{key}")
        chunk.parent.mkdir(parents=True, exist_ok=True)
        data = little[index].tobytes()
        chunk.write_bytes(zlib.compress(data, 1) if zarr_format == 2 else data)
    return path


def group_by_hand(path: Path, attributes: Mapping[str, Any], zarr_format: int = 2) -> Path:
    if zarr_format == 2:
        json_file(path / ".zgroup", {"zarr_format": 2})
        if attributes:
            json_file(path / ".zattrs", attributes)
    else:
        json_file(path / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    return path


def multiscales(
    version: str, axes: str | None, num_levels: int = 1, scale: Sequence[float] | None = None, name: str = ""
) -> dict[str, Any]:
    """What a group says of its image; from 0.5 on it lies under ``ome``."""
    datasets: list[dict[str, Any]] = [{"path": str(level)} for level in range(num_levels)]
    image: dict[str, Any] = {"version": version, "datasets": datasets}
    if name:
        image["name"] = name
    kinds = {"t": "time", "c": "channel"}
    if version == "0.3":
        image["axes"] = list(axes or "")
    elif version not in ("0.1", "0.2"):
        image["axes"] = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes or ""]
        for level, dataset in enumerate(datasets):
            sizes = [1.0] * len(axes or "") if scale is None else list(scale)
            sizes[-2:] = [size * 2**level for size in sizes[-2:]]
            dataset["coordinateTransformations"] = [{"type": "scale", "scale": sizes}]
    if version == "0.5":
        del image["version"]
        return {"ome": {"version": version, "multiscales": [image]}}
    return {"multiscales": [image]}


def image_by_hand(
    path: Path, pixels: npt.NDArray[Any], version: str, axes: str | None, num_levels: int = 1, **options: Any
) -> Path:
    """An OME-Zarr image with levels of half the size each."""
    zarr_format = 3 if version == "0.5" else 2
    group_by_hand(path, multiscales(version, axes, num_levels, **options), zarr_format)
    for level in range(num_levels):
        step = 2**level
        separator = "." if version == "0.1" else "/"
        array_by_hand(path / str(level), pixels[..., ::step, ::step], zarr_format, separator)
    return path
