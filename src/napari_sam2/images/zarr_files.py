"""zarr and OME-Zarr opened without reading their pixels: images alone, of several in a file, of plates, and label images.

OME-Zarr: https://ngff.openmicroscopy.org, versions 0.1 to 0.5; the layout of bioformats2raw:
https://ngff.openmicroscopy.org/latest/#bf2raw-layout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_sam2.file_errors import reason_of
from napari_sam2.images.calibration_metadata import calibration_of_multiscales
from napari_sam2.images.choice import ANY, Choice, listed
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.opened_image import OpenedImage

logger = logging.getLogger(__name__)

_FIVE_AXES = ("t", "c", "z", "y", "x")
"""Of an image of OME-Zarr 0.1 and 0.2, whose metadata name none; 0.3 has them as a list of names."""


def is_zarr(path: Path) -> bool:
    """Return whether a path is a folder of zarr 2 or 3, or has that ending."""
    return path.suffix.lower() == ".zarr" or _has_metadata(path)


def open_zarr(path: Path, choice: Choice = ANY) -> OpenedImage:
    """Open an image of a zarr.

    Parameters
    ----------
    path : Path
        A folder of zarr: an array, an OME-Zarr image, several, a plate, a well, or a group of label images; or a folder in it.
    choice : Choice, optional
        Which image; required where there are several.

    Returns
    -------
    OpenedImage
        At full resolution.

    Raises
    ------
    ImportError
        If zarr is not installed.
    ImageFileError
        If it is no zarr, metadata and arrays do not fit, there is no such image, or there are several and none is chosen.
    """
    opened = _open(path)
    if not hasattr(opened, "group_keys"):
        choice.find(str(path), [""])
        return OpenedImage(opened, files=(path,))
    return open_zarr_group(opened, str(path), choice, path)


def image_paths(path: Path) -> list[str]:
    """List the images of a zarr by their paths in it, as ``A/1/0``; an empty path where it is one image itself.

    Images that its metadata name and that are not there are left out, and named in a warning.

    Raises
    ------
    ImportError
        If zarr is not installed.
    ImageFileError
        If it is no zarr, is damaged, or holds no image.
    """
    opened = _open(path)
    if not hasattr(opened, "group_keys"):
        return [""]
    absent: list[str] = []
    paths = list(_images_or_arrays(opened, str(path), absent))
    _warn_of_absent(str(path), absent)
    return paths


def _open(path: Path) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise ImportError("reading zarr files needs the extra: pip install 'napari-sam2[zarr]'") from error
    try:
        return zarr.open(path, mode="r")
    except PermissionError as error:
        raise ImageFileError(f"{path} may not be read: {reason_of(error)}") from error
    except Exception as error:  # each version and store of zarr refuses with errors of its own
        what = "is a damaged zarr: its metadata cannot be understood" if path.is_dir() and _has_metadata(path) else "is no zarr"
        raise ImageFileError(f"{path} {what}") from error


def open_zarr_group(group: Any, name: str, choice: Choice = ANY, path: Path | None = None) -> OpenedImage:
    """Open an image of a zarr group.

    Parameters
    ----------
    group : zarr.Group
        The group.
    name : str
        What messages call it.
    choice, path : Choice and Path, optional
        As for :func:`open_zarr`.

    Raises
    ------
    ImageFileError
        As :func:`open_zarr`.
    """
    absent: list[str] = []
    images = _images_or_arrays(group, name, absent)
    _warn_of_absent(name, absent)
    paths = list(images)
    names = [_name_of(*images[at]) for at in paths]
    wanted = (choice.image_name or "").strip("/")
    if wanted and wanted in paths:
        choice = replace(choice, image_name=wanted)
    elif wanted and wanted not in names and wanted in group:  # not listed, such as label images of an image
        found = group[wanted]
        inner = open_zarr_group(found, f"{name.rstrip('/')}/{wanted}", ANY, path) if hasattr(found, "group_keys") else None
        return inner or OpenedImage(found, files=() if path is None else (path,))
    number = choice.find(name, names, paths)
    if number is None:
        if len(paths) > 1:
            raise ImageFileError(
                f"{name} holds {len(paths)} images: {listed(names, paths)}; choose one by image_name={paths[0]!r} "
                f"(--image-name {paths[0]})" + (f", or open {name.rstrip('/')}/{paths[0]}" if path is not None else "")
            )
        number = 0
    chosen, index = images[paths[number]]
    where = f"{name.rstrip('/')}/{paths[number]}" if paths[number] else name
    return _open_image(chosen, index, where, () if path is None else (path,))


def _images_or_arrays(group: Any, name: str, absent: list[str]) -> dict[str, tuple[Any, int]]:
    """Find the images of a group, or where it has none its arrays, by path; there is one at least."""
    try:
        images = dict(_images_in(group, absent))
    except Exception as error:  # what metadata hold instead of what they should hold is anything
        raise ImageFileError(f"{name} is a damaged OME-Zarr: its metadata do not describe its contents") from error
    if not images and not absent:
        images = {key: (group[key], 0) for key in sorted(group.array_keys())}
    if not images:
        inside = sorted(group.group_keys())
        what = f", only the groups {listed([''] * len(inside), inside)}" if inside else ""
        what = f": its metadata name {listed([''] * len(absent), absent)}, not there" if absent else what
        raise ImageFileError(f"{name} holds no image{what}")
    return images


def _warn_of_absent(name: str, absent: list[str]) -> None:
    if absent:
        logger.warning("the metadata of %s name images that are not there: %s", name, listed([""] * len(absent), absent))


def _open_image(image: Any, index: int, where: str, files: tuple[Path, ...]) -> OpenedImage:
    multiscales = _attributes(image).get("multiscales")
    if not multiscales:
        return OpenedImage(image, files=files)
    try:
        first = multiscales[index]
        array = image[first["datasets"][0]["path"]]  # the first data set is the full resolution
        names = [axis["name"] if isinstance(axis, Mapping) else str(axis) for axis in first.get("axes", ())]
        num_axes = len(array.shape)
    except Exception as error:  # what metadata hold instead of what they should hold is anything
        raise ImageFileError(f"{where} is a damaged OME-Zarr: its metadata and its arrays do not fit") from error
    if not names and num_axes == len(_FIVE_AXES):
        names = list(_FIVE_AXES)
    if names and len(names) != num_axes:
        raise ImageFileError(f"{where} is a damaged OME-Zarr: it names {len(names)} axes of an array that has {num_axes}")
    if len(set(names)) < len(names):
        raise ImageFileError(f"{where} is a damaged OME-Zarr: of its axes {', '.join(names)} two have one name")
    return OpenedImage(array, names or None, calibration_of_multiscales({"multiscales": [first]}, where), files)


def _attributes(group: Any) -> dict[str, Any]:
    """Attributes of OME-Zarr, which 0.5 keeps under a key of their own."""
    attributes = dict(group.attrs)
    nested = attributes.get("ome")
    return dict(nested) if isinstance(nested, Mapping) else attributes


def _images_in(group: Any, absent: list[str], at: str = "") -> Iterator[tuple[str, tuple[Any, int]]]:
    """Find the images of a group: the path of each in it, and which one of its group it is, as the metadata name them.

    Paths that metadata name and that are not there, as wells of a plate that were not copied, are added to ``absent``.
    """
    attributes = _attributes(group)
    multiscales = attributes.get("multiscales")
    if multiscales:
        several = len(multiscales) if isinstance(multiscales, list) else 1
        for index in range(several):
            name = _name_of(group, index) or str(index)
            yield f"{at}{name}" if several > 1 else at.rstrip("/"), (group, index)
        return
    if "plate" in attributes:
        inside = [well["path"] for well in attributes["plate"]["wells"]]
    elif "well" in attributes:
        inside = [image["path"] for image in attributes["well"]["images"]]
    elif "labels" in attributes:
        inside = list(attributes["labels"])
    elif "bioformats2raw.layout" in attributes or not list(group.array_keys()):
        # What is beside the images of a file is none of them: OME holds metadata, and label images belong to an image.
        inside = [name for name in _children(group) if name not in ("OME", "labels")]
    else:
        inside = []
    for name in inside:
        if name in group:
            yield from _images_in(group[name], absent, f"{at}{name}/")
        else:
            absent.append(f"{at}{name}")


def _children(group: Any) -> list[str]:
    """Name the groups of a group: those that a file lists as its series, else all, by number where they are numbered."""
    names = list(group.group_keys())
    if "OME" in names:
        series = _attributes(group["OME"]).get("series")
        if series:
            return [str(name) for name in series]
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def _name_of(image: Any, index: int) -> str:
    multiscales = _attributes(image).get("multiscales") if hasattr(image, "group_keys") else None
    try:
        return str(multiscales[index].get("name") or "") if multiscales else ""
    except (LookupError, AttributeError, TypeError):
        return ""


def _has_metadata(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs"))
