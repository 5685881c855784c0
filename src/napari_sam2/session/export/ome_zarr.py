"""Labels as OME-Zarr, with colours and pixel sizes: on their own, or among the labels of an OME-Zarr image.

Plain zarr and the metadata of the specification, https://ngff.openmicroscopy.org/0.5: ome-zarr brings an S3 client along, and
ome-zarr-models holds pydantic back; what is written is a dozen keys.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_sam2.session.export.result import Result
from napari_sam2.session.files import atomic_folder
from napari_sam2.session.pictures import object_colours

MAX_CHUNK_PX = 1024
VERSIONS = {2: "0.4", 3: "0.5"}
"""Version of OME-Zarr by that of zarr."""


def zarr_attributes(folder: Path) -> dict[str, Any]:
    """Read the attributes of a zarr group as they stand in its file; none where it is no zarr group."""
    for name, key in (("zarr.json", "attributes"), (".zattrs", None)):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            return dict(content[key] if key else content)
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return {}


def is_label_image(folder: Path) -> bool:
    """A folder is an OME-Zarr label image."""
    attributes = zarr_attributes(folder)
    return "image-label" in attributes.get("ome", attributes)


def image_around(path: Path) -> Path | None:
    """Return the OME-Zarr image that ``path`` is to be a label image of: ``image.zarr/labels/name``; else None."""
    image = path.parent.parent
    attributes = zarr_attributes(image) if path.parent.name == "labels" else {}
    return image if "multiscales" in attributes.get("ome", attributes) else None


def write_ome_zarr(path: Path, result: Result) -> None:
    """Write labels plane by plane, compressed.

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
    if image is not None:
        _make_labels_group(image, zarr_format)
    chunks = tuple(min(size, MAX_CHUNK_PX) if axis in "YX" else 1 for axis, size in zip(result.axes, result.shape, strict=True))
    with atomic_folder(path, is_label_image) as partial:
        group = zarr.create_group(partial, zarr_format=zarr_format)
        array = group.create_array(
            "0",
            shape=result.shape,
            dtype="uint16",
            chunks=chunks,
            dimension_names=list(result.axes.lower()) if zarr_format == 3 else None,
            # What OME-Zarr 0.4 demands, and 0.5 has by default.
            chunk_key_encoding={"name": "v2", "separator": "/"} if zarr_format == 2 else None,
        )
        found: set[int] = set()
        for number, plane in enumerate(result.planes()):
            array[(*np.unravel_index(number, result.shape[:-2]), ...)] = plane
            found.update(np.unique(plane).tolist())
        attributes = _attributes(path.name, result, sorted(found - {0}), VERSIONS[zarr_format], in_image=image is not None)
        group.attrs.update({"ome": attributes} if zarr_format == 3 else attributes)
    if image is not None:
        _list_label_image(image, path.name, zarr_format)


def _attributes(name: str, result: Result, ids: Sequence[int], version: str, in_image: bool) -> dict[str, Any]:
    pixel, axes = result.calibration, []
    for axis in result.axes:
        kind, unit, is_known = ("time", pixel.time_unit, pixel.has_times) if axis == "T" else _space(result)
        axes.append({"name": axis.lower(), "type": kind} | ({"unit": unit} if is_known else {}))
    scale = [{"type": "scale", "scale": list(pixel.steps(result.axes))}]
    multiscale = {"name": name, "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    # A list of colours must not be empty.
    colours = [{"label-value": i, "rgba": [*rgb, 255]} for i, rgb in object_colours(ids).items()]
    label: dict[str, Any] = {"colors": colours} if colours else {}
    if in_image:
        label["source"] = {"image": "../../"}
    if version == "0.4":
        return {"multiscales": [{"version": version, **multiscale}], "image-label": {"version": version, **label}}
    return {"version": version, "multiscales": [multiscale], "image-label": label}


def _space(result: Result) -> tuple[str, str, bool]:
    return "space", result.calibration.length_unit, result.calibration.has_lengths


def _make_labels_group(image: Path, zarr_format: Literal[2, 3]) -> None:
    import zarr

    if not (image / "labels").is_dir():
        zarr.create_group(image / "labels", zarr_format=zarr_format)


def _list_label_image(image: Path, name: str, zarr_format: Literal[2, 3]) -> None:
    """Name a label image in the list that its image keeps."""
    import zarr

    group = zarr.open_group(image / "labels", mode="r+", zarr_format=zarr_format)
    attributes = dict(group.attrs)
    listed = dict(attributes.get("ome", {})) if zarr_format == 3 else attributes
    names = [*(other for other in listed.get("labels", []) if other != name), name]
    group.attrs.update({"ome": {"version": VERSIONS[3], **listed, "labels": names}} if zarr_format == 3 else {"labels": names})
