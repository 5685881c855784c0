"""Volumes of scanners and electron microscopes in napari: files and folders that are opened or dropped become layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_sam2.checks import check_pixels
from napari_sam2.images.axes import COLOURS, Layout, letters_of
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.image_files import open_image_file
from napari_sam2.images.intensity import choose_range
from napari_sam2.images.medical.dicom import list_series, open_series
from napari_sam2.images.medical.dicom_headers import is_dicom
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.planes import FramePlanes
from napari_sam2.plugin.image.layer_file import FILE_KEY, LayerFile
from napari_sam2.plugin.image.layer_pixels import layer_pixels
from napari_sam2.plugin.notices import notify_warning, warnings_shown

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return what reads files and folders, for napari; None for what is not there."""
    paths = [path] if isinstance(path, str) else path
    return read_volumes if all(Path(one).exists() for one in paths) else None


def read_volumes(path: str | list[str]) -> list[LayerData]:
    """Read a file, the files of an image, or a folder; of DICOM each series is a layer.

    Returns
    -------
    list of LayerData
        In the order of axes of the file. The size of voxels is that of the file, in its unit; volumes with the same directions lie
        where they lie in the patient, whose axes are along those of the first of them.

    Raises
    ------
    ValueError, ImportError, OSError
        If nothing of it can be read.

    Notes
    -----
    What is logged as a warning while files are opened, as that a plane is missing, is shown, too: whoever drops a file sees no log.
    """
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    with warnings_shown():
        return [_layer(opened) for opened in _opened(paths)]


def _opened(paths: Sequence[Path]) -> list[OpenedImage]:
    files = [one for one in paths[0].iterdir() if one.is_file()] if len(paths) == 1 and paths[0].is_dir() else list(paths)
    dicom = sorted(one for one in files if is_dicom(one))
    if not dicom:
        return [open_image_file(paths[0] if len(paths) == 1 else paths)]
    found, errors = list[OpenedImage](), list[ImageFileError]()
    for series in list_series(dicom):
        try:
            found.append(open_series(series))
        except ImageFileError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    for text in map(str, errors):
        notify_warning(text)
    return found


def _layer(opened: OpenedImage) -> LayerData:
    check_pixels(opened.pixels)
    shape = tuple(int(side) for side in opened.pixels.shape)
    letters = letters_of(list(opened.axis_names or ())) or "TZYX"[-len(shape) :]
    is_rgb = letters[-1] == "S" and shape[-1] in COLOURS
    axes = letters[:-1] if is_rgb else letters
    pixels = layer_pixels(opened.pixels, axes.index("Y"))
    shown: dict[str, Any] = {
        "name": opened.title or opened.files[0].stem,
        "rgb": is_rgb,
        "axis_labels": tuple(axes.lower()),
        "metadata": {FILE_KEY: _layer_file(opened, axes)},
        **_place(opened, axes),
    }
    if not is_rgb and "C" not in axes:
        shown["contrast_limits"] = choose_range(_planes(pixels, axes))
    return pixels, shown, "image"


def _layer_file(opened: OpenedImage, axes: str) -> LayerFile:
    letters = tuple(letter if letter in "TZCYX" else None for letter in axes)
    return LayerFile(letters, opened.calibration, opened.geometry, opened.files, opened.is_private)


def _planes(pixels: Any, axes: str) -> FramePlanes:
    """View an image as planes, of volumes in time those in the middle; one that cannot be read is left out of a sample."""
    along = next((axis for axis in axes if axis not in "YX"), None)
    middle = {axis: pixels.shape[axes.index(axis)] // 2 for axis in axes if axis not in ("Y", "X", along)}
    return FramePlanes(pixels, Layout.resolve(pixels.shape, axes, along=along, at=middle))


def _place(opened: OpenedImage, axes: str) -> dict[str, Any]:
    """Return scale, units and place of a layer."""
    pixel = opened.calibration
    lengths, times = (pixel.length_unit if pixel.has_lengths else "pixel"), (pixel.time_unit if pixel.has_times else "pixel")
    place: dict[str, Any] = {
        "scale": tuple(pixel.steps(axis)[0] if axis in "TZYX" else 1.0 for axis in axes),
        "units": tuple(lengths if axis in "ZYX" else times if axis == "T" else "pixel" for axis in axes),
    }
    if opened.geometry is not None and pixel.has_lengths:
        origin = dict(zip("ZYX", opened.geometry.frame_origin, strict=True))
        place["translate"] = tuple(origin.get(axis, 0.0) for axis in axes)
    return place
