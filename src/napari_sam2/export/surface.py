"""The surface of objects in volumes. N objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.measure import marching_cubes, mesh_surface_area

from napari_sam2.export.measure import Measurement
from napari_sam2.export.result import Result
from napari_sam2.export.segments import geometry_of


def surface_areas(result: Result, rows: Sequence[Measurement]) -> npt.NDArray[np.float64]:
    """Find the surface of objects in volumes, of marching cubes halfway between inside and outside.

    Parameters
    ----------
    result : Result
        Volumes in a patient. An object is read as a whole, within its bounding box.
    rows : sequence of Measurement
        (N,), the objects.

    Returns
    -------
    ndarray
        (N,), in square millimetres.
    """
    steps = geometry_of(result).steps
    return np.array([_surface_area(_mask(result, row), steps) for row in rows], np.float64)


def _mask(result: Result, row: Measurement) -> npt.NDArray[np.bool_]:
    """Read an object with a margin of one voxel that is not of it."""
    first, after = row.bbox_px[:3], row.bbox_px[3:]
    inner = tuple(slice(low, high) for low, high in zip(first[1:], after[1:], strict=True))
    planes = [result.cut({"T": row.frame, "Z": z})[inner] == row.object_id for z in range(first[0], after[0])]
    return np.pad(np.stack(planes), 1)


def _surface_area(mask: npt.NDArray[np.bool_], steps: npt.NDArray[np.float64]) -> float:
    vertices: Any
    vertices, faces, _, _ = marching_cubes(mask.astype(np.float32), 0.5)
    return float(mesh_surface_area(vertices[:, ::-1] @ steps, faces))
