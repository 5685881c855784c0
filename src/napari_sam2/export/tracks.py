"""Objects as tracks: the centroid of each at each time, and the lineage; as napari's Tracks layer has them. N rows."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.measure import Measurement, measure
from napari_sam2.export.result import Result
from napari_sam2.files import atomic_path


@dataclass(frozen=True)
class Tracks:
    """Measurements of objects, and the links between them.

    Attributes
    ----------
    rows : list of Measurement
        One for each object and frame, ordered by object, then frame.
    lineage : dict of int to int
        The parent of each child; both are in ``rows``, the parent before the first frame of the child.
    """

    rows: list[Measurement]
    lineage: dict[int, int]

    def frames(self) -> dict[int, list[int]]:
        """Frames of each object, in order."""
        seen: dict[int, list[int]] = {}
        for row in self.rows:
            seen.setdefault(row.object_id, []).append(row.frame)
        return seen

    def links(self) -> list[tuple[int, int]]:
        """Pairs of consecutive rows, as indices of ``rows``, in order.

        Two consecutive measurements of an object, across gaps too; the last of a parent before a division, and the first of its
        child.
        """
        pairs = [(i, i + 1) for i in range(len(self.rows) - 1) if self.rows[i].object_id == self.rows[i + 1].object_id]
        index = {(row.object_id, row.frame): i for i, row in enumerate(self.rows)}
        frames = self.frames()
        for child, parent in self.lineage.items():
            born = frames[child][0]
            last = max(frame for frame in frames[parent] if frame < born)
            pairs.append((index[parent, last], index[child, born]))
        return sorted(pairs)


def find_tracks(result: Result, rows: list[Measurement] | None = None) -> Tracks:
    """Measure objects, and check their lineage.

    Parameters
    ----------
    result : Result
        Labels with a time axis.
    rows : list of Measurement, optional
        Where the objects were measured already, see :func:`~napari_sam2.export.measure.measure`.

    Raises
    ------
    ValueError
        If there is no time axis, a parent does not begin before its child, or a label is not between 0 and 65535.
    """
    if not result.has_time:
        raise ValueError(f"tracks go through time: labels with the axes {result.axes} have none")
    rows = measure(replace(result, stack=None)) if rows is None else rows
    first: dict[int, int] = {}
    for row in rows:
        first.setdefault(row.object_id, row.frame)
    return Tracks(rows, result.divisions(first))


def napari_tracks(result: Result, rows: list[Measurement] | None = None) -> tuple[npt.NDArray[np.float64], dict[int, list[int]]]:
    """Return what ``viewer.add_tracks(data, graph=graph, scale=...)`` takes.

    Parameters
    ----------
    result, rows
        As of :func:`find_tracks`.

    Returns
    -------
    data : ndarray
        (N, 4) or, of volumes, (N, 5): object, frame, (plane,) row, column, in pixels.
    graph : dict of int to list of int
        The parent of each child.

    Raises
    ------
    ValueError
        As :func:`find_tracks`.
    """
    tracks = find_tracks(result, rows)
    data = np.array([(row.object_id, row.frame, *row.centroid_px) for row in tracks.rows], np.float64)
    return data.reshape(-1, 2 + len(result.space)), {child: [parent] for child, parent in tracks.lineage.items()}


def write_napari_tracks(path: Path, result: Result) -> None:
    """Write the same as CSV: ``track_id``, ``t``, (``z``,) ``y``, ``x`` in pixels, and ``parent_id``, 0 for none.

    Raises
    ------
    ValueError
        As :func:`find_tracks`, or if it cannot be written there.
    """
    data, graph = napari_tracks(result)
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("track_id", "t", *result.space.lower(), "parent_id"))
        for object_id, frame, *centroid in data.tolist():
            parent: Any = graph.get(int(object_id), [0])[0]
            writer.writerow((int(object_id), int(frame), *(f"{value:.7g}" for value in centroid), parent))
