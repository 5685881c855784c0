"""Opens image files of all kinds without reading their pixels; the kind is recognized here, and only here."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from napari_sam2.file_errors import reason_of
from napari_sam2.images.calibration import PIXELS
from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.file_names import natural_key
from napari_sam2.images.file_sequence import FileSequence, open_sequence
from napari_sam2.images.medical.files import medical_format, open_medical, open_medical_files, open_medical_folder, shown_name
from napari_sam2.images.mrc import MRC_SUFFIXES, open_mrc
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.picture_files import PICTURE_SUFFIXES, open_picture
from napari_sam2.images.tiff import open_tiff
from napari_sam2.images.tiff_files import TIFF_SUFFIXES, is_tiff
from napari_sam2.images.video import VIDEO_SUFFIXES, VideoFrames
from napari_sam2.images.zarr_files import is_zarr, open_zarr

logger = logging.getLogger(__name__)

ImagePath = str | os.PathLike[str]

_FOREIGN_FORMATS = {
    "microscopy": (".czi", ".nd2", ".lif", ".lsm5", ".oib", ".oif", ".vsi", ".ims", ".dv", ".r3d", ".sld", ".h5", ".hdf5"),
    "medical": (".hdr", ".img", ".mnc", ".mgz", ".mgh", ".par", ".nia", ".gipl"),
}
_VIDEOS = ", ".join(sorted(suffix[1:].upper() for suffix in VIDEO_SUFFIXES))
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_paths(image: Any) -> TypeGuard[ImagePath | Sequence[ImagePath]]:
    """Return whether an image is given as a path or a list of paths."""
    if isinstance(image, str | os.PathLike):
        return True
    return isinstance(image, list | tuple) and len(image) > 0 and all(isinstance(one, str | os.PathLike) for one in image)


def open_image_file(paths: ImagePath | Sequence[ImagePath], choice: Choice = ANY) -> OpenedImage:
    """Open an image.

    Parameters
    ----------
    paths : path, or sequence of paths
        A TIFF, an OME-TIFF in several files, a zarr or OME-Zarr or a folder in one, a video, a picture, NIfTI, NRRD, MetaImage,
        DICOM or MRC; a folder, a pattern such as ``frames/*.tif`` or a list of paths, whose files are frames in natural order, of
        DICOM planes by their position.
    choice : Choice, optional
        Which of the images of a file.

    Returns
    -------
    OpenedImage
        What was left out, guessed or missing is logged as a warning.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If a package that reads it is missing.
    ImageFileError
        If it cannot be read, files do not fit each other, or there is no such image.
    """
    return replace(_open(paths, choice), choice=choice)


def _open(paths: ImagePath | Sequence[ImagePath], choice: Choice) -> OpenedImage:
    if not isinstance(paths, str | os.PathLike):
        given = [Path(path) for path in paths]
        twice = next((path for path, count in Counter(given).items() if count > 1), None)
        if twice is not None:
            raise ImageFileError(f"{shown_name(twice)} is named {given.count(twice)} times among the files of one image")
        opened = _open_several(given, f"{len(paths)} files", choice)
        ordered = sorted(given, key=natural_key)
        if given != ordered and isinstance(opened.pixels, FileSequence):
            logger.warning("the files are put in natural order: %s first, %s last", ordered[0].name, ordered[-1].name)
        return opened
    path = Path(paths)
    if str(paths) == "":  # which Path takes for the folder where one stands
        raise ImageFileError("the path of the image is empty")
    if _ADDRESS.match(str(paths)):
        raise ImageFileError(f"{paths} is an address: only files are opened; give an array of it, as zarr and dask make one")
    if not path.exists() and glob.has_magic(str(path)):
        found = [Path(name) for name in glob.glob(str(path.expanduser()))]
        if not found:
            kind = medical_format(path)
            raise FileNotFoundError(f"no {kind} file fits the pattern" if kind else f"no file fits {path}")
        return _open_several(found, str(path), choice)
    return _open_one(path, choice)


def _open_one(path: Path, choice: Choice) -> OpenedImage:
    try:
        if not path.exists():
            name = shown_name(path)
            what = f"there is no such {medical_format(path)} file" if medical_format(path) else f"there is no file {path}"
            raise FileNotFoundError(f"{name} is a link to what is not there" if path.is_symlink() else what)
        if is_zarr(path):
            return open_zarr(path, choice)
        if path.is_dir():
            return _open_folder(path, choice)
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise ImageFileError(f"{shown_name(path)} may not be read: {reason_of(error)}") from error
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        opened = _open_video(path)
    elif suffix in PICTURE_SUFFIXES and not is_tiff(path):
        opened = open_picture(path)
    elif is_tiff(path) or suffix in TIFF_SUFFIXES or path.name.lower().endswith(".companion.ome"):
        return open_tiff(path, choice)
    elif suffix in MRC_SUFFIXES:
        opened = open_mrc(path)
    elif (medical := open_medical(path, choice)) is not None:
        return medical
    else:
        raise ImageFileError(_why_unknown(path))
    choice.find(str(path), [""])
    return opened


def _open_video(path: Path) -> OpenedImage:
    frames = VideoFrames(path)
    interval = frames.frame_interval_s
    calibration = PIXELS if interval is None else replace(PIXELS, t=interval, time_unit="second")
    return OpenedImage(frames, "TYXS", calibration, (path,))


def _why_unknown(path: Path) -> str:
    for field, suffixes in _FOREIGN_FORMATS.items():
        if path.name.lower().endswith(suffixes):
            return f"{path} is in a {field} format that is not read here: save it as OME-TIFF, or open it as a layer in napari"
    return (
        f"{path} is not an image that can be read: expected TIFF, zarr, PNG, JPEG, BMP, a video ({_VIDEOS}), NIfTI, NRRD, "
        "MetaImage, DICOM or MRC"
    )


def _open_folder(folder: Path, choice: Choice) -> OpenedImage:
    """Open the files of a folder as one image: its TIFFs, else DICOM or one file of another medical format, else its pictures."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for suffixes in (TIFF_SUFFIXES, PICTURE_SUFFIXES):
        if suffixes == PICTURE_SUFFIXES:
            medical = open_medical_folder([path for path in inside if path.is_file()], choice)
            if medical is not None:
                return medical
        found = [path for path in inside if path.suffix.lower() in suffixes and (path.is_file() or path.is_symlink())]
        if found:
            others = Counter(path.suffix.lower() for path in inside if path not in found and _is_image_name(path))
            if others:
                listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(others.items()))
                pattern = Path(glob.escape(str(folder)), f"*{min(others)}")
                logger.warning("%s also holds %s, left out; choose files by a pattern such as '%s'", folder, listed, pattern)
            is_of_tracks = any(path.name.endswith("_track.txt") for path in inside)  # as the Cell Tracking Challenge has them
            return _open_several(found, str(folder), choice, "T" if is_of_tracks else "")
    zarrs = sorted((path.name for path in inside if path.is_dir() and is_zarr(path)), key=natural_key)
    folders = sorted((path.name for path in inside if path.is_dir()), key=natural_key)
    if len(zarrs) == 1:
        return open_zarr(folder / zarrs[0], choice)
    videos = sorted((path.name for path in inside if path.suffix.lower() in VIDEO_SUFFIXES), key=natural_key)
    named = zarrs or videos or folders
    hint = f": open one of {', '.join(named[:5])}{' …' if len(named) > 5 else ''} in it" if named else ""
    raise ImageFileError(f"the folder {folder} is no zarr and holds no TIFF, PNG, JPEG, BMP or DICOM{hint}")


def _is_image_name(path: Path) -> bool:
    return path.suffix.lower() in (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, *VIDEO_SUFFIXES) or (path.is_dir() and is_zarr(path))


def _open_several(paths: Sequence[Path], where: str, choice: Choice, along: str = "") -> OpenedImage:
    if len(paths) == 1:
        return _open_one(paths[0], choice)
    medical = open_medical_files(paths, choice)
    if medical is not None:
        return medical
    return open_sequence(paths, lambda path: _open_one(path, choice), where, along)
