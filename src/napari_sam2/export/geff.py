"""Tracks in the Graph Exchange File Format: a node for each object and frame, an edge for each link. Needs the package ``geff``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.ome_zarr import in_listed_units
from napari_sam2.export.result import Result
from napari_sam2.export.tracks import find_tracks
from napari_sam2.files import atomic_folder
from napari_sam2.images.zarr_attributes import zarr_attributes


def is_geff(folder: Path) -> bool:
    """Return whether a folder is a graph of this format."""
    return "geff" in zarr_attributes(folder)


def write_geff(path: Path, result: Result) -> None:
    """Write tracks as a graph.

    Parameters
    ----------
    path : Path
        ``.geff``, a folder.
    result : Result
        Labels with a time axis. Nodes have ``t``, (``z``,) ``y`` and ``x``, in frames and pixels, which the scale of the axes turns
        into units; ``object_id``; and ``name``, where objects have names.

    Raises
    ------
    ImportError
        If geff is not installed.
    ValueError
        If there is no time axis, a parent begins after its child, a label is not between 0 and 65535, or it cannot be written
        there.
    """
    try:
        from geff.core_io import write_arrays
        from geff_spec import Axis, GeffMetadata
    except ImportError as error:
        raise ImportError("GEFF needs an extra: pip install 'napari-sam2[export]'") from error
    tracks, pixel = find_tracks(result), in_listed_units(result.calibration)
    axes = []
    for name, step in zip(result.axes, pixel.steps(result.axes), strict=True):
        is_time = name == "T"
        is_known = pixel.has_times if is_time else pixel.has_lengths
        scaled = {"scale": step, "scaled_unit": pixel.time_unit if is_time else pixel.length_unit} if is_known else {}
        kind, unit = ("time", "frame") if is_time else ("space", "pixel")
        axes.append(Axis(name=name.lower(), type=kind, unit=unit, **scaled))
    centroids = np.array([row.centroid_px for row in tracks.rows], np.float64).reshape(-1, len(result.space))
    columns: dict[str, npt.NDArray[Any]] = {"t": np.array([row.frame for row in tracks.rows], np.int64)}
    columns |= {name.lower(): centroids[:, i] for i, name in enumerate(result.space)}
    columns["object_id"] = np.array([row.object_id for row in tracks.rows], np.uint64)
    if result.names:
        columns["name"] = np.array([result.name(row.object_id) for row in tracks.rows], np.str_)
    with atomic_folder(path, is_geff) as partial:
        write_arrays(
            partial,
            node_ids=np.arange(len(tracks.rows), dtype=np.uint64) + 1,  # other programs take 0 for the background
            node_props={name: {"values": values, "missing": None} for name, values in columns.items()},
            edge_ids=np.array(tracks.links(), np.uint64).reshape(-1, 2) + 1,
            edge_props={},
            metadata=GeffMetadata(directed=True, axes=axes, node_props_metadata={}, edge_props_metadata={}),
            overwrite=True,  # the folder is there, and empty
        )
