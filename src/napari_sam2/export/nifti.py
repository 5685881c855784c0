"""Labels as NIfTI, plane by plane, in the geometry of the image; names and colours in a comment of the header."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.export.result import Result
from napari_sam2.export.segments import Segment, found_labels, geometry_of, segments_of
from napari_sam2.files import atomic_path
from napari_sam2.images.medical.extra import needed

_MAX_SIDE = np.iinfo(np.int16).max
"""A longer axis needs NIfTI 2."""
_COMMENT = 6
"""Code of a header extension that is text."""
_SCANNER = 1
"""Code of an affine that is that of the scanner."""
_GZIP_LEVEL = 6


def write_nifti(path: Path, result: Result) -> None:
    """Write labels, uint16.

    Parameters
    ----------
    path : Path
        ``.nii``, or ``.nii.gz`` for a compressed one.
    result : Result
        The labels.

    Raises
    ------
    ImportError
        If nibabel is not installed.
    ValueError
        If it cannot be written there, or a label is not between 0 and 65535.
    """
    nibabel = needed("nibabel", "writing NIfTI files")
    shape = tuple(result.size(axis) for axis in ("XYZT" if result.has_time else "XYZ"))
    kind = nibabel.Nifti2Header if max(shape) > _MAX_SIDE else nibabel.Nifti1Header
    header = kind(endianness="<")
    header.set_data_dtype(np.uint16)
    header.set_data_shape(shape)
    header.set_intent("label")
    _place(header, result)
    segments = segments_of(result, found_labels(result))
    if segments:
        header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, _comment(segments)))
    with atomic_path(path) as partial, _opened(partial, is_compressed=path.name.lower().endswith(".gz")) as file:
        header.write_to(file)
        file.write(bytes(int(header["vox_offset"]) - file.tell()))
        for plane in result.planes():  # columns first, then rows, planes and times, as in the file
            file.write(plane.astype("<u2").tobytes())


def _place(header: Any, result: Result) -> None:
    geometry = geometry_of(result).in_space("RAS")
    header.set_zooms((*geometry.spacing[::-1], *((1.0,) if result.has_time else ())))
    header.set_sform(geometry.matrix, code=_SCANNER)
    if not geometry.is_sheared:  # a qform has none
        header.set_qform(geometry.matrix, code=_SCANNER)
    times = result.calibration.in_units(time_unit="second")
    header.set_xyzt_units("mm", "sec" if times.has_times else "unknown")
    if result.has_time:
        header["pixdim"][4] = times.t


def _comment(segments: list[Segment]) -> bytes:
    """Write names and colours as JSON, which is how they are kept here: NIfTI has no place for them."""
    listed = [{"label": one.label, "name": one.name, "colour": one.hex_colour} for one in segments]
    return json.dumps({"segments": listed}).encode()


@contextlib.contextmanager
def _opened(path: Path, is_compressed: bool) -> Iterator[Any]:
    """Open a file to write; of a compressed one neither name nor time is in its header."""
    with path.open("wb") as file:
        if not is_compressed:
            yield file
            return
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as compressed:
            yield compressed
