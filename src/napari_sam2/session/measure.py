"""Where each object is and how large, frame by frame."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import regionprops_table

from napari_sam2.session.files import atomic_path
from napari_sam2.session.stack import as_planes


@dataclass(frozen=True)
class Measurement:
    """One object on one frame.

    Attributes
    ----------
    object_id, frame : int
        Which.
    area_px : int
        Pixels.
    centroid_row, centroid_col : float
        Centre in data pixels.
    """

    object_id: int
    frame: int
    area_px: int
    centroid_row: float
    centroid_col: float


def measure(labels: Any) -> list[Measurement]:
    """Measure a label image (H, W) or stack (T, H, W), one frame at a time; ordered by object, then frame."""
    planes = as_planes(labels)
    rows: list[Measurement] = []
    for frame in range(planes.shape[0]):
        table = regionprops_table(np.asarray(planes[frame]), properties=("label", "area", "centroid"))
        columns = zip(table["label"], table["area"], table["centroid-0"], table["centroid-1"], strict=True)
        rows += [Measurement(int(label), frame, int(area), float(row), float(col)) for label, area, row, col in columns]
    return sorted(rows, key=lambda row: (row.object_id, row.frame))


def write_table(path: Path, rows: list[Measurement]) -> None:
    """Write measurements as CSV."""
    with atomic_path(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Measurement)])
        writer.writerows([f"{value:.3f}" if isinstance(value, float) else value for value in astuple(row)] for row in rows)
