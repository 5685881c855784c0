"""Labels as OME-Zarr, with levels of resolution, colours, names and pixel sizes: alone, or among the labels of an OME-Zarr image.

Plain zarr and the metadata of the specification, https://ngff.openmicroscopy.org/0.5: ome-zarr brings an S3 client along, and
ome-zarr-models holds pydantic back; what is written is a dozen keys.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sam2.export.colours import object_colours
from napari_sam2.export.result import Result
from napari_sam2.file_errors import os_error, reason_of
from napari_sam2.files import atomic_folder
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.units import OME_ZARR_UNITS
from napari_sam2.images.zarr_attributes import zarr_attributes

MAX_CHUNK_PX = 1024
"""A plane of one chunk needs no further level: it is read at once."""
VERSIONS = {2: "0.4", 3: "0.5"}
"""Version of OME-Zarr by that of zarr."""


def is_label_image(folder: Path) -> bool:
    """Return whether a folder is an OME-Zarr label image."""
    attributes = zarr_attributes(folder)
    return "image-label" in attributes.get("ome", attributes)


def image_around(path: Path) -> Path | None:
    """Return the OME-Zarr image that ``path`` is to be a label image of: ``image.zarr/labels/name``; else None."""
    image = path.parent.parent
    attributes = zarr_attributes(image) if path.parent.name == "labels" else {}
    return image if "multiscales" in attributes.get("ome", attributes) else None


def write_ome_zarr(path: Path, result: Result) -> None:
    """Write labels plane by plane, compressed; of large planes also every 2nd, 4th, ... row and column, down to a single chunk.

    Parameters
    ----------
    path : Path
        ``.zarr``: a label image on its own, version 0.5. ``image.zarr/labels/name``: one of the labels of an OME-Zarr image, in
        the version of that image, 0.4 or 0.5.
    result : Result
        The labels.

    Raises
    ------
    ImportError
        If zarr is not installed.
    ValueError
        If it cannot be written there, or a label is not between 0 and 65535.
    """
    try:
        import zarr
    except ImportError as error:
        raise ImportError("OME-Zarr needs an extra: pip install 'napari-sam2[export]'") from error
    image = image_around(path)
    zarr_format: Literal[2, 3] = 2 if image is not None and not (image / "zarr.json").exists() else 3
    steps = [2**level for level in range(_num_levels(max(result.shape[-2:])))]
    listed = contextlib.nullcontext() if image is None else _among_labels(image / "labels", path.name, zarr_format)
    with listed, atomic_folder(path, is_label_image) as partial:
        group = zarr.create_group(partial, zarr_format=zarr_format)
        levels = [_add_level(group, str(level), result, step) for level, step in enumerate(steps)]
        found: set[int] = set()
        for number, plane in enumerate(result.planes()):
            position = (*np.unravel_index(number, result.shape[:-2]), ...)
            for level, step in zip(levels, steps, strict=True):
                level[position] = plane[::step, ::step]
            found.update(np.unique(plane).tolist())
        attributes = _attributes(path.name, result, steps, sorted(found - {0}), VERSIONS[zarr_format], image)
        group.attrs.update({"ome": attributes} if zarr_format == 3 else attributes)


def _num_levels(side: int) -> int:
    """Count levels, each half as high and wide as the one before, until one chunk holds a plane."""
    return 1 + max(0, math.ceil(math.log2(side / MAX_CHUNK_PX)))


def _add_level(group: Any, name: str, result: Result, step: int) -> Any:
    """Add an empty array for every so many rows and columns."""
    *others, height, width = result.shape
    sides = -(-height // step), -(-width // step)
    is_v2 = group.metadata.zarr_format == 2
    return group.create_array(
        name,
        shape=(*others, *sides),
        dtype="uint16",
        chunks=(*(1 for _ in others), *(min(side, MAX_CHUNK_PX) for side in sides)),
        dimension_names=None if is_v2 else list(result.axes.lower()),
        # What OME-Zarr 0.4 demands, and 0.5 has by default.
        chunk_key_encoding={"name": "v2", "separator": "/"} if is_v2 else None,
    )


def _attributes(
    name: str, result: Result, steps: Sequence[int], ids: Sequence[int], version: str, image: Path | None
) -> dict[str, Any]:
    pixel, axes = in_listed_units(result.calibration), []
    for axis in result.axes:
        time, space = ("time", pixel.time_unit, pixel.has_times), ("space", pixel.length_unit, pixel.has_lengths)
        kind, unit, is_known = time if axis == "T" else space
        axes.append({"name": axis.lower(), "type": kind} | ({"unit": unit} if is_known else {}))
    # A pixel of a level is the first of those of the level before, and lies where that lies: there is nothing more to translate.
    scales = [[*pixel.steps(result.axes[:-2]), *(step * size for size in pixel.steps("YX"))] for step in steps]
    place = _place(result, pixel) if image is None else _place_of(image, axes)
    translation = [{"type": "translation", "translation": place}] if any(place) else []
    datasets = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}, *translation]}
        for level, scale in enumerate(scales)
    ]
    multiscale = {"name": name, "type": "nearest", "axes": axes, "datasets": datasets}
    label: dict[str, Any] = {"version": version}
    if ids:  # Neither list must be empty.
        label["colors"] = [{"label-value": i, "rgba": [*rgb, 255]} for i, rgb in object_colours(ids, result.colours).items()]
    if ids and result.names:
        label["properties"] = [{"label-value": i, "name": result.name(i)} for i in ids]
    if image is not None:
        label["source"] = {"image": "../../"}
    if version == "0.4":
        return {"multiscales": [{"version": version, **multiscale}], "image-label": label}
    return {"version": version, "multiscales": [multiscale], "image-label": label}


def _place(result: Result, pixel: Calibration) -> list[float]:
    """Return where the first pixel lies along each axis.

    A volume of a patient lies along its own axes, as OME-Zarr 0.5 has no directions, and as napari shows it.
    """
    if result.geometry is None or not pixel.has_lengths:
        return [0.0] * len(result.axes)
    length = Calibration(1.0, 1.0, length_unit="millimeter").in_units(pixel.length_unit).y
    origin = dict(zip("ZYX", (one * length for one in result.geometry.frame_origin), strict=True))
    return [origin.get(axis, 0.0) for axis in result.axes]


def _place_of(image: Path, axes: Sequence[dict[str, Any]]) -> list[float]:
    """Return where the first pixel of an OME-Zarr image lies along the axes of its labels; 0 where it is in another unit."""
    attributes = zarr_attributes(image)
    try:
        multiscale = attributes.get("ome", attributes)["multiscales"][0]
        place = [0.0] * len(multiscale["axes"])
        for step in (*multiscale["datasets"][0]["coordinateTransformations"], *multiscale.get("coordinateTransformations", [])):
            if step["type"] == "scale":
                place = [a * float(b) for a, b in zip(place, step["scale"], strict=True)]
            elif step["type"] == "translation":
                place = [a + float(b) for a, b in zip(place, step["translation"], strict=True)]
        found = {(axis["name"].lower(), axis.get("unit")): at for axis, at in zip(multiscale["axes"], place, strict=True)}
    except (LookupError, TypeError, AttributeError, ValueError):  # it says nothing, or nothing that can be understood
        return [0.0] * len(axes)
    return [found.get((axis["name"], axis.get("unit")), 0.0) for axis in axes]


def in_listed_units(calibration: Calibration) -> Calibration:
    """Convert to micrometres or seconds what is in a unit that OME-Zarr does not list, such as thou."""
    length = None if calibration.length_unit in OME_ZARR_UNITS else "micrometer"
    time = None if calibration.time_unit in OME_ZARR_UNITS else "second"
    return calibration.in_units(length, time)


@contextlib.contextmanager
def _among_labels(labels: Path, name: str, zarr_format: Literal[2, 3]) -> Iterator[None]:
    """Make the group of the labels of an image, if it is not there, and name a label image in its list once that is written."""
    import zarr

    is_new = not labels.is_dir()
    with _zarr_refusals(labels):
        if is_new:
            zarr.create_group(labels, zarr_format=zarr_format)
        group = zarr.open_group(labels, mode="r+", zarr_format=zarr_format)
        attributes = dict(group.attrs)
    try:
        yield
    except BaseException:
        if is_new:
            shutil.rmtree(labels, ignore_errors=True)
        raise
    listed = dict(attributes.get("ome", {})) if zarr_format == 3 else attributes
    names = [*(other for other in listed.get("labels", []) if other != name), name]
    with _zarr_refusals(labels):
        group.attrs.update({"ome": {"version": VERSIONS[3], **listed, "labels": names}} if zarr_format == 3 else {"labels": names})


@contextlib.contextmanager
def _zarr_refusals(folder: Path) -> Iterator[None]:
    """Raise errors in plain words where a group of zarr cannot be read or written.

    Raises
    ------
    ValueError
        If it is not one, or damaged.
    OSError
        If the system refuses.
    """
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:  # zarr has errors of many kinds
        if isinstance(error, OSError) and error.errno is not None:
            raise os_error(f"the list of labels in {folder} cannot be read or written: {reason_of(error)}", error.errno) from error
        raise ValueError(f"{folder} is not a group of zarr, or is damaged: labels cannot be listed in it") from error
