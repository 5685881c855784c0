"""MetaImage, with its voxels in the same file or in others, opened without reading them. T volumes · Z planes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import Geometry
from napari_sam2.images.medical.extra import needed
from napari_sam2.images.medical.stored_values import LoadedOnce, check_voxels
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.pieces import read_pieces

METAIMAGE_SUFFIXES = (".mha", ".mhd")
_WHAT = "the MetaImage file"
_HEADER_BYTES = 4096


def open_metaimage(path: Path) -> OpenedImage:
    """Open a MetaImage file.

    Parameters
    ----------
    path : Path
        ``.mha``, or a header ``.mhd`` beside its voxels. Uncompressed ones are read plane by plane, compressed ones as a whole when
        the first voxel is needed.

    Returns
    -------
    OpenedImage
        YX, ZYX or TZYX, with colours last, if there are any.

    Raises
    ------
    ImportError
        If SimpleITK is not installed.
    ImageFileError
        If it is no MetaImage, ends too early, lacks the file of its voxels, has more axes, or directions that do not span space.
    """
    sitk = needed("SimpleITK", "reading MetaImage files")
    reader = _reader(sitk, path)
    try:
        reader.ReadImageInformation()
        size, components = tuple(map(int, reader.GetSize())), int(reader.GetNumberOfComponents())
        dtype = np.dtype(_types(sitk)[reader.GetPixelID()])
        directions = np.array(reader.GetDirection()).reshape(len(size), len(size))
        spacing, origin = np.array(reader.GetSpacing()), np.array(reader.GetOrigin())
    except Exception as error:  # ITK stumbles over what it does not expect with errors of all kinds
        raise ImageFileError(f"{_WHAT} is damaged, or is none") from error
    if not 2 <= len(size) <= 4:
        raise ImageFileError(
            f"{_WHAT} has {len(size)} axes of lengths {', '.join(map(str, size))}: volumes, and volumes in time, are read"
        )
    check_voxels(path, _header_value(path, "ElementDataFile"), _WHAT)
    axes = "TZYX"[-len(size) :] + ("" if components == 1 else "S" if components in (3, 4) else "C")
    shape = size[::-1] + ((components,) if components > 1 else ())
    geometry = None
    if len(size) >= 3:
        try:
            geometry = Geometry.of_axes(origin[:3], directions[:3, :3].T * spacing[:3, None])
        except ValueError as error:
            raise ImageFileError(f"{_WHAT} cannot be placed in space: {error}") from error
    calibration = Geometry.of(np.diag([*spacing[:2], 1.0, 1.0])).calibration if geometry is None else geometry.calibration
    pixels: Any = MetaImagePlanes(path, shape, dtype, len(size) - 2)
    if _header_value(path, "CompressedData").lower() == "true" or len(size) == 2:
        pixels = LoadedOnce(shape, dtype, lambda: _read(sitk, path, size, (0,) * len(size)), _WHAT)
    return OpenedImage(pixels, axes, calibration, (path,), geometry=geometry, is_private=True, title="MetaImage volume")


def _reader(sitk: Any, path: Path) -> Any:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("MetaImageIO")
    reader.SetFileName(str(path))
    return reader


def _types(sitk: Any) -> dict[int, str]:
    kinds = {
        "Int8": "i1",
        "UInt8": "u1",
        "Int16": "i2",
        "UInt16": "u2",
        "Int32": "i4",
        "UInt32": "u4",
        "Int64": "i8",
        "UInt64": "u8",
    }
    kinds |= {"Float32": "f4", "Float64": "f8"}
    return {getattr(sitk, f"sitk{vector}{name}"): kind for name, kind in kinds.items() for vector in ("", "Vector")}


def _header_value(path: Path, name: str) -> str:
    """Return what a line of the header gives; empty where there is no such line."""
    with path.open("rb") as file:
        found = re.search(rf"^\s*{name}\s*=\s*(.*?)\s*$".encode(), file.read(_HEADER_BYTES), re.IGNORECASE | re.MULTILINE)
    return "" if found is None else found[1].decode(errors="replace")


def _read(sitk: Any, path: Path, size: tuple[int, ...], index: tuple[int, ...]) -> npt.NDArray[Any]:
    """Read a part of the voxels, in the order of an array."""
    reader = _reader(sitk, path)
    reader.ReadImageInformation()
    reader.SetExtractIndex(index)
    reader.SetExtractSize(size)
    found: npt.NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    return found


class MetaImagePlanes:
    """Voxels of an uncompressed file, of which a plane is read when it is asked for.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        (Z, Y, X) or (T, Z, Y, X), and colours, if there are any.
    dtype : dtype
        Of the voxels.
    num_outer : int
        So many axes are in front of Y and X.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], num_outer: int) -> None:
        self._path, self._num_outer = path, num_outer
        self.shape, self.ndim, self.dtype = shape, len(shape), dtype
        self.chunks = (1,) * num_outer + shape[num_outer:]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return read_pieces(key, self.shape, self._num_outer, lambda index, within: self._plane(index)[within])

    def _plane(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        sitk = needed("SimpleITK", "reading MetaImage files")
        size = (self.shape[self._num_outer + 1], self.shape[self._num_outer], *(1 for _ in index))
        try:
            found = _read(sitk, self._path, size, (0, 0, *index[::-1]))
        except Exception as error:  # ITK fails to read with errors of all kinds
            raise ImageFileError(f"{_WHAT} is damaged, or ends too early") from error
        return found.reshape(self.shape[self._num_outer :])
