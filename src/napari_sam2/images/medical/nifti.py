"""NIfTI 1 and 2, also compressed, opened without reading their voxels. X, Y, Z columns, rows, planes · T volumes · C channels."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import Geometry, calibration_with, is_same_place
from napari_sam2.images.medical.extra import needed
from napari_sam2.images.medical.stored_values import LoadedOnce, Rescale, rescaled
from napari_sam2.images.opened_image import OpenedImage

logger = logging.getLogger(__name__)

NIFTI_SUFFIXES = (".nii", ".nii.gz")
_WHAT = "the NIfTI file"
_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 1e-3, "unknown": 1.0}
"""Millimetres of each unit of length of NIfTI; everybody takes an unknown one for millimetres."""
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def open_nifti(path: Path) -> OpenedImage:
    """Open a NIfTI file.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``. The former is mapped into memory, the latter decompressed as a whole when the first voxel is
        needed.

    Returns
    -------
    OpenedImage
        ZYX, or TZYX or CZYX, in the order of the file; what stored numbers mean, with its slope and intercept. The affine is that
        of the sform, else that of the qform.

    Raises
    ------
    ImportError
        If nibabel is not installed.
    ImageFileError
        If it is no NIfTI, ends too early, has more axes than that, or an affine that is singular.
    """
    nibabel = needed("nibabel", "reading NIfTI files")
    try:
        image: Any = nibabel.load(path)
        header, affine = image.header, image.affine
        proxy = image.dataobj  # what it takes out of the header is not there any more
        slope, intercept = float(proxy.slope), float(proxy.inter)
        shape = tuple(int(side) for side in header.get_data_shape())
        dtype, offset = header.get_data_dtype(), int(proxy.offset)
        units = header.get_xyzt_units()
    except Exception as error:  # nibabel stumbles over what it does not expect with errors of all kinds
        raise ImageFileError(f"{_WHAT} is damaged, or is none") from error
    axes, shape = _axes(shape)
    stored = _stored(path, shape, dtype, offset)
    geometry = _geometry(header, affine, _MILLIMETRES.get(units[0], 1.0), shape)
    rescale = Rescale(slope, intercept)
    interval = float(header["pixdim"][4]) * _SECONDS.get(units[1], 0.0)
    calibration = calibration_with(geometry, interval if axes[0] == "T" and interval > 0 else None, "second")
    return OpenedImage(
        rescaled(stored, rescale), axes, calibration, (path,), geometry=geometry, is_private=True, title="NIfTI volume"
    )


def _axes(shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Find the axes, in the order of an array, and the shape in that of the file, without axes of length 1 at its end."""
    if 0 in shape or not shape:
        raise ImageFileError(f"{_WHAT} holds no voxels")
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    shape += (1,) * (3 - len(shape))
    if len(shape) == 5 and shape[3] == 1:
        return "CZYX", (*shape[:3], shape[4])
    if len(shape) > 4:
        raise ImageFileError(
            f"{_WHAT} has {len(shape)} axes of lengths {', '.join(map(str, shape))}: volumes, and volumes in time, are read"
        )
    return ("TZYX" if len(shape) == 4 else "ZYX"), shape


def _stored(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> Any:
    """Map the stored numbers into memory, in the order of an array; of a compressed file, read them when they are needed."""
    if path.name.lower().endswith(".gz"):
        proxy = needed("nibabel.arrayproxy", "reading NIfTI files").ArrayProxy

        def load() -> npt.NDArray[Any]:
            found: npt.NDArray[Any] = np.asarray(proxy(str(path), (shape, dtype, offset), mmap=False)).T
            return found

        return LoadedOnce(shape[::-1], dtype, load, _WHAT)
    num_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if path.stat().st_size < offset + num_bytes:
        raise ImageFileError(f"{_WHAT} ends too early: it has {path.stat().st_size} of {offset + num_bytes} bytes")
    return np.memmap(path, dtype, "r", offset, shape[::-1])


def _geometry(header: Any, affine: npt.NDArray[np.float64], factor: float, shape: tuple[int, ...]) -> Geometry:
    """Read where voxels lie, and warn where the file does not give it, or gives two different places."""
    scale = np.diag([factor, factor, factor, 1.0])
    try:
        geometry = Geometry.of(scale @ np.asarray(affine, np.float64), "RAS")
        codes = int(header["sform_code"]), int(header["qform_code"])
        if not any(codes):
            logger.warning("%s gives no orientation: where left, front and head are is not known", _WHAT)
        elif all(codes):
            other = Geometry.of(scale @ header.get_qform(), "RAS")
            if not is_same_place(geometry, other, 0.1 * min(geometry.spacing), (shape[2], shape[1], shape[0])):
                logger.warning("%s gives two different orientations: that of its sform is used, not that of its qform", _WHAT)
    except ValueError as error:
        raise ImageFileError(f"{_WHAT} cannot be placed in space: {error}") from error
    return geometry
