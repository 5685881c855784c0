"""NRRD, with its voxels in the same file or in others, opened without reading them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.calibration import Calibration
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.geometry import Geometry, Space
from napari_sam2.images.medical.extra import needed
from napari_sam2.images.medical.stored_values import LoadedOnce, check_voxels
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.units import convert, unit_of

logger = logging.getLogger(__name__)

NRRD_SUFFIXES = (".nrrd", ".nhdr")
_WHAT = "the NRRD file"

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(
        ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"), "i8"
    ),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
"""NumPy's names for those of the format, http://teem.sourceforge.net/nrrd/format.html."""
_SPACES: dict[str, tuple[Space, tuple[int, int, int]]] = {
    **dict.fromkeys(("left-posterior-superior", "lps"), ("LPS", (1, 1, 1))),
    **dict.fromkeys(("right-anterior-superior", "ras"), ("RAS", (1, 1, 1))),
    **dict.fromkeys(("left-anterior-superior", "las"), ("RAS", (-1, 1, 1))),
}
"""A space that we have for each of the format, and the axes that grow the other way."""
_COLOURS = {"rgb-color": 3, "rgba-color": 4}


def open_nrrd(path: Path) -> OpenedImage:
    """Open an NRRD file.

    Parameters
    ----------
    path : Path
        ``.nrrd``, or a header ``.nhdr`` beside its voxels. Uncompressed ones are mapped into memory; others are read as a whole
        when the first voxel is needed.

    Returns
    -------
    OpenedImage
        Axes as the file has them, of which two or three lie in space.

    Raises
    ------
    ImportError
        If pynrrd is not installed.
    ImageFileError
        If it is no NRRD, ends too early, lacks the file of its voxels, has more axes, or directions that do not span space.
    """
    nrrd = needed("nrrd", "reading NRRD files")
    try:
        with path.open("rb") as file:
            header: Mapping[str, Any] = nrrd.read_header(file)
            offset = file.tell()
        sizes = tuple(int(side) for side in header["sizes"])
        dtype = np.dtype(_TYPES[str(header["type"]).lower()])
        dtype = dtype.newbyteorder("big" if header.get("endian") == "big" else "little")
    except Exception as error:  # pynrrd stumbles over what it does not expect with errors of all kinds
        raise ImageFileError(f"{_WHAT} is damaged, or is none") from error
    letters = _letters(header, sizes)
    pixels = _pixels(nrrd, path, header, sizes, dtype, offset)
    geometry, calibration = _place(header, letters)
    return OpenedImage(pixels, letters[::-1], calibration, (path,), geometry=geometry, is_private=True, title="NRRD volume")


def _letters(header: Mapping[str, Any], sizes: tuple[int, ...]) -> str:
    """Find what each axis is, in the order of the file, whose first one changes fastest."""
    kinds = [str(kind).lower() for kind in header.get("kinds", ())] or ["domain"] * len(sizes)
    directions = header.get("space directions")
    if directions is not None:
        in_space = [bool(row is not None and np.isfinite(row).all()) for row in directions]
    else:
        in_space = [kind in ("domain", "space", "none", "???") for kind in kinds]
    others = [axis for axis, is_in in enumerate(in_space) if not is_in]
    if len(in_space) - len(others) == 4 and directions is None:  # volumes in time, whose axes nobody named
        others, in_space = [3], [True, True, True, False]
    if 0 in sizes or not 2 <= sum(in_space) <= 3 or len(others) > 1:
        raise ImageFileError(
            f"{_WHAT} has {len(sizes)} axes of lengths {', '.join(map(str, sizes))}: volumes, and volumes in time, are read"
        )
    spatial = iter("XYZ")
    other = ""
    if others:
        kind = kinds[others[0]]
        other = "S" if _COLOURS.get(kind) == sizes[others[0]] else "C" if kind in ("vector", "covariant-vector") else "T"
    return "".join(next(spatial) if is_in else other for is_in in in_space)


def _pixels(nrrd: Any, path: Path, header: Mapping[str, Any], sizes: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> Any:
    is_plain = str(header["encoding"]).lower() == "raw" and not any(
        name in header for name in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip")
    )
    if is_plain:
        num_bytes = int(np.prod(sizes, dtype=np.int64)) * dtype.itemsize
        if path.stat().st_size < offset + num_bytes:
            raise ImageFileError(f"{_WHAT} ends too early: it has {path.stat().st_size} of {offset + num_bytes} bytes")
        return np.memmap(path, dtype, "r", offset, sizes[::-1])

    check_voxels(path, str(header.get("data file", header.get("datafile", ""))), _WHAT)

    def load() -> npt.NDArray[Any]:
        with path.open("rb") as file:
            found: npt.NDArray[Any] = nrrd.read_data(nrrd.read_header(file), file, str(path), index_order="C")
        return found

    return LoadedOnce(sizes[::-1], dtype, load, _WHAT)


def _place(header: Mapping[str, Any], letters: str) -> tuple[Geometry, Calibration]:
    """Read where voxels lie, and their size; an axis that does not lie in space has none."""
    spatial = [axis for axis, letter in enumerate(letters) if letter in "XYZ"]
    space, flips = _SPACES.get(str(header.get("space", "")).lower(), ("LPS", (1, 1, 1)))
    if header.get("space directions") is not None:
        steps = np.array([header["space directions"][axis] for axis in spatial], np.float64)
        if steps.shape[1] != 3:
            raise ImageFileError(f"{_WHAT} lies in a space of {steps.shape[1]} axes: one of three is expected")
        origin = np.asarray(header.get("space origin", np.zeros(3)), np.float64)
        factors = _factors(header.get("space units"), range(3))
        steps, origin = steps * factors * flips, origin * factors * flips
    else:
        sizes = np.asarray(header.get("spacings", np.ones(len(letters))), np.float64)[spatial]
        sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1.0) * _factors(header.get("units"), spatial)
        steps, origin = np.diag([*sizes, 1.0][:3]), np.zeros(3)
    if str(header.get("space", "")).lower() not in _SPACES:
        logger.warning("%s gives no orientation: where left, front and head are is not known", _WHAT)
    if len(steps) == 2:
        normal = np.cross(*steps)
        steps = np.array([*steps, normal / (np.linalg.norm(normal) or 1.0)])
    try:
        geometry = Geometry.of_axes(origin, steps, space)
    except ValueError as error:
        raise ImageFileError(f"{_WHAT} cannot be placed in space: {error}") from error
    return geometry, geometry.calibration if "Z" in letters else replace(geometry.calibration, z=None)


def _factors(units: Any, axes: Any) -> npt.NDArray[np.float64]:
    """Millimetres of the unit of each axis; of one that is not given or not known 1, as everybody has it."""
    found = []
    for axis in axes:
        unit = unit_of(units[axis]) if units is not None and axis < len(units) else None
        found.append(convert(1.0, unit.name, "millimeter") if unit is not None and unit.kind == "length" else 1.0)
    return np.array(found)
