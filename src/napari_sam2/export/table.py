"""A table with a row for each object and frame, in calibrated units, as CSV or Parquet. N rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.measure import Measurement, measure
from napari_sam2.export.result import Result
from napari_sam2.export.segments import geometry_of
from napari_sam2.export.surface import surface_areas
from napari_sam2.files import atomic_path
from napari_sam2.images.units import UNITS

Table = Mapping[str, npt.NDArray[Any]]
"""Columns (N,) by name, in order. The name ends in the unit, in letters that any program takes: ``area_um2``, ``centroid_y_px``."""

_AXES = {"YX": "yx", "ZYX": "zyx"}


def tabulate(result: Result, rows: Sequence[Measurement] | None = None) -> Table:
    """Measure all objects, in the units of the calibration.

    Parameters
    ----------
    result : Result
        Labels; an image, if intensities are wanted; scores, where there are any.
    rows : sequence of Measurement, optional
        Where the objects were measured already, see :func:`~napari_sam2.export.measure.measure`; of these there is no surface,
        which takes long.

    Returns
    -------
    dict of str to ndarray
        (N,) for each column, ordered by object, then frame. ``name`` where objects have names; ``time`` where the time between
        frames is known; ``area`` and ``perimeter``, or ``volume``; ``centroid``, the centre of pixel 0 being 0; ``bbox``, in
        pixels, for slicing: first and after the last; ``intensity_mean``, ``_min`` and ``_max`` for each channel c0, c1, ...;
        ``object_score`` and ``predicted_iou``, in a volume averaged over its planes. Of volumes in a patient also ``volume_ml``,
        ``diameter_mm``, the largest on a plane, ``diameter_z_px``, that plane, ``surface_mm2``, ``intensity_std`` and
        ``intensity_median``. NaN where something is not known: the perimeter where pixels are not square, intensities where the
        image cannot be read.

    Raises
    ------
    ValueError
        If a label is not between 0 and 65535.
    """
    is_measured = rows is not None
    rows = measure(result) if rows is None else rows
    columns: dict[str, npt.NDArray[Any]] = {"object_id": np.array([row.object_id for row in rows], np.int64)}
    if result.names:
        columns["name"] = np.array([result.name(row.object_id) for row in rows], np.str_)
    columns["frame"] = np.array([row.frame for row in rows], np.int64)
    pixel = result.calibration
    if pixel.has_times and result.has_time:
        columns[f"time_{_letters(pixel.time_unit)}"] = columns["frame"] * pixel.t
    columns |= _shapes(result, rows)
    is_of_patient = result.is_volume and result.geometry is not None
    if is_of_patient:
        columns |= _in_patient(result, rows)
        if not is_measured:
            columns["surface_mm2"] = surface_areas(result, rows)
    for channel in range(result.num_channels):
        for what in ("mean", "std", "median", "min", "max") if is_of_patient else ("mean", "min", "max"):
            columns[f"intensity_{what}_c{channel}"] = _floats(getattr(row, what)[channel] for row in rows)
    if result.scores:
        columns["object_score"] = _floats(_score(result, row, "object_score") for row in rows)
        columns["predicted_iou"] = _floats(_score(result, row, "predicted_iou") for row in rows)
    return columns


def _shapes(result: Result, rows: Sequence[Measurement]) -> dict[str, npt.NDArray[Any]]:
    pixel, names = result.calibration, _AXES[result.space]
    steps, unit = pixel.steps(result.space), _letters(pixel.length_unit)
    sizes = _floats(row.size_px * float(np.prod(steps)) for row in rows)
    columns: dict[str, npt.NDArray[Any]]
    if result.is_volume:
        columns = {f"volume_{unit}3" if pixel.has_lengths else "volume_px": sizes}
    else:
        is_square = np.isclose(pixel.y, pixel.x)
        columns = {
            f"area_{unit}2" if pixel.has_lengths else "area_px": sizes,
            f"perimeter_{unit}": _floats(float(row.perimeter_px or 0) * pixel.y if is_square else np.nan for row in rows),
        }
    for number, (name, step) in enumerate(zip(names, steps, strict=True)):
        columns[f"centroid_{name}_{unit}"] = _floats(row.centroid_px[number] * step for row in rows)
    for end in range(2):
        for number, name in enumerate(names):
            columns[f"bbox_{name}{end}_px"] = np.array([row.bbox_px[end * len(names) + number] for row in rows], np.int64)
    return columns


def _in_patient(result: Result, rows: Sequence[Measurement]) -> dict[str, npt.NDArray[Any]]:
    """Measure organs as radiologists do: millilitres, and the largest diameter on a plane."""
    geometry = geometry_of(result)
    voxel_ml, factor = geometry.volume_mm3 / 1000, geometry.calibration.y / result.calibration.y
    return {
        "volume_ml": _floats(row.size_px * voxel_ml for row in rows),
        "diameter_mm": _floats((row.diameter or np.nan) * factor for row in rows),
        "diameter_z_px": np.array([row.diameter_plane for row in rows], np.int64),
    }


def _floats(values: Any) -> npt.NDArray[np.float64]:
    return np.array(list(values), np.float64)


def _letters(unit: str) -> str:
    """Turn the name of a unit into its sign, in ASCII; not one that a program which ignores case takes for another: mm and Mm."""
    if unit not in UNITS:
        return {"pixel": "px"}.get(unit, unit)
    sign = UNITS[unit].ascii_symbol
    return sign if sign.islower() else unit


def _score(result: Result, row: Measurement, name: str) -> float:
    """Find the score of an object at a time: the mean over all frames that hold a part of it, of a volume usually several."""
    stack, scores = result.stack, result.scores.get(row.object_id, {})
    if stack is None:
        return np.nan
    extent = {"T": range(row.frame, row.frame + 1)}
    extent |= {axis: range(row.bbox_px[i], row.bbox_px[i + len(result.space)]) for i, axis in enumerate(result.space)}
    if any(index not in extent.get(result.axis_of_image(axis), range(1)) for axis, index in stack.at.items()):
        return np.nan
    frames = extent.get(result.axis_of_image(stack.along), range(1))
    found = [float(getattr(scores[frame], name)) for frame in frames if frame in scores]
    return float(np.mean(found)) if found else np.nan


def write_csv(path: Path, table: Table) -> None:
    """Write a table as CSV, with seven significant digits; what is not known is empty.

    Raises
    ------
    ValueError
        If it cannot be written there.
    """
    with atomic_path(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows([_text(value) for value in row] for row in zip(*table.values(), strict=True))


def _text(value: Any) -> str:
    if not isinstance(value, np.floating):
        return str(value)
    return "" if np.isnan(value) else f"{value:.7g}"


def write_parquet(path: Path, table: Table) -> None:
    """Write a table as Parquet; what is not known is null.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If it cannot be written there.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Parquet needs an extra: pip install 'napari-sam2[export]'") from error
    columns = {name: pyarrow.array(values, from_pandas=True) for name, values in table.items()}
    # Opened here: pyarrow has words of its own for what the system refuses.
    with atomic_path(path) as partial, partial.open("wb") as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
