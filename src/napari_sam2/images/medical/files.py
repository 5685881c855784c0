"""Files of scanners and hospitals, recognized by name or first bytes, and what messages call them: never by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_sam2.images.choice import Choice
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.medical.dicom import open_dicom
from napari_sam2.images.medical.dicom_headers import DICOM_SUFFIXES, is_dicom
from napari_sam2.images.medical.metaimage import METAIMAGE_SUFFIXES, open_metaimage
from napari_sam2.images.medical.nifti import NIFTI_SUFFIXES, open_nifti
from napari_sam2.images.medical.nrrd_files import NRRD_SUFFIXES, open_nrrd
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.wording import counted

_VOLUMES: tuple[tuple[tuple[str, ...], str, Callable[[Path], OpenedImage]], ...] = (
    (NIFTI_SUFFIXES, "NIfTI", open_nifti),
    (NRRD_SUFFIXES, "NRRD", open_nrrd),
    (METAIMAGE_SUFFIXES, "MetaImage", open_metaimage),
)
"""Formats with a volume in each file."""


def medical_format(path: Path) -> str:
    """Return ``NIfTI``, ``NRRD``, ``MetaImage`` or ``DICOM`` by the name of a file; empty for others."""
    name = path.name.lower()
    formats = [*((suffixes, kind) for suffixes, kind, _ in _VOLUMES), (DICOM_SUFFIXES, "DICOM")]
    return next((kind for suffixes, kind in formats if name.endswith(suffixes)), "")


def shown_name(path: Path) -> str:
    """Return what messages call a file: its path, but of one with a patient only its kind."""
    kind = medical_format(path)
    return f"the {kind} file" if kind else str(path)


def open_medical(path: Path, choice: Choice) -> OpenedImage | None:
    """Open a file of one of these formats, of DICOM the file alone; None for other files.

    Raises
    ------
    ImportError, ImageFileError
        If a package is missing, or it cannot be read.
    """
    for suffixes, kind, open_one in _VOLUMES:
        if path.name.lower().endswith(suffixes):
            choice.find(f"the {kind} file", [""])
            return open_one(path)
    if is_dicom(path):
        return open_dicom([path], choice)
    if path.name.lower().endswith(DICOM_SUFFIXES):
        raise ImageFileError("the DICOM file is damaged, or is none")
    return None


def open_medical_files(paths: Sequence[Path], choice: Choice) -> OpenedImage | None:
    """Open several files as one image, which those of DICOM may be; None where they are of no such format.

    Raises
    ------
    ImportError, ImageFileError
        If a package is missing, or they cannot be read as one image.
    """
    dicom = [path for path in paths if _may_be_dicom(path) and is_dicom(path)]
    if dicom and len(dicom) == len(paths):
        return open_dicom(dicom, choice)
    kinds = sorted({medical_format(path) for path in paths} - {""})
    if kinds:
        what = f"{' and '.join(kinds)} files"
        raise ImageFileError(f"{what} are not put together with others: give one, of DICOM the files of one folder")
    return None


def open_medical_folder(files: Sequence[Path], choice: Choice) -> OpenedImage | None:
    """Open the DICOM files of a folder, or the only file of another of these formats; None where there are none.

    Raises
    ------
    ImportError, ImageFileError
        If a package is missing, they cannot be read, or there are several to choose from.
    """
    dicom = [path for path in files if _may_be_dicom(path) and is_dicom(path)]
    if dicom:
        return open_dicom(sorted(dicom), choice)
    volumes = [path for path in files if medical_format(path) not in ("", "DICOM")]
    if len(volumes) > 1:
        kinds = " and ".join(sorted({medical_format(path) for path in volumes}))
        raise ImageFileError(f"the folder holds {counted(len(volumes), 'file')} of {kinds}: open one of them")
    return open_medical(volumes[0], choice) if volumes else None


def _may_be_dicom(path: Path) -> bool:
    """Names of DICOM files often have no ending, or the last number of a UID as one."""
    suffix = path.suffix.lower()
    return suffix in DICOM_SUFFIXES or suffix == "" or suffix[1:].isdecimal()
