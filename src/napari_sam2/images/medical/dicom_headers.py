"""The headers of DICOM files: what is in each, and where its planes lie. No pixel is read."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_sam2.file_errors import reason_of
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.medical.extra import needed
from napari_sam2.images.medical.stored_values import IDENTITY, Rescale

Vector = tuple[float, float, float]

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
_PREAMBLE, _MAGIC = 128, b"DICM"
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "Modality", "InstanceNumber", "AcquisitionNumber"),
    *("TemporalPositionIdentifier", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing"),
    *(
        "SpacingBetweenSlices",
        "SliceThickness",
        "Rows",
        "Columns",
        "NumberOfFrames",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ),
    *("BitsAllocated", "BitsStored", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "FrameTime"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
]
_QUIET = threading.RLock()
"""What is silenced belongs to the process: of two threads the second would restore the silence of the first, for good."""
_NO_IMAGES = {"SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "DOC", "REG", "FID"}
"""Modalities of what belongs to images and is none to segment."""


@dataclass(frozen=True)
class Frame:
    """A plane of a DICOM file.

    Attributes
    ----------
    path : Path
        The file.
    index : int
        Which frame of it, counted from 0.
    position : tuple of float or None
        x, y and z of its first pixel, in LPS and millimetres.
    orientation : tuple of float or None
        Directions of its rows, to the next column, and of its columns, to the next row.
    spacing : tuple of float or None
        Distances of rows and of columns, in millimetres.
    rescale : Rescale
        What stored numbers mean.
    order : tuple of int
        By which frames at one position are ordered.
    """

    path: Path
    index: int
    position: Vector | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    rescale: Rescale
    order: tuple[int, ...]


@dataclass(frozen=True)
class PixelKind:
    """How the pixels of a file are stored, which is the same in all files of an image.

    Attributes
    ----------
    rows, columns : int
        Of a plane.
    samples : int
        3 for colours.
    photometric : str
        Such as ``MONOCHROME2``.
    bits_allocated, bits_stored : int
        Of a number.
    is_signed : bool
        Numbers may be below 0.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    is_signed: bool

    @property
    def stored_type(self) -> np.dtype[Any]:
        """The type of stored numbers."""
        return np.dtype(f"{'i' if self.is_signed else 'u'}{max(1, self.bits_allocated // 8)}")

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest number that can be stored."""
        half = 1 << (self.bits_stored - 1)
        return (-half, half - 1) if self.is_signed else (0, 2 * half - 1)


@dataclass(frozen=True)
class DicomFile:
    """A DICOM file with an image.

    Attributes
    ----------
    path : Path
        The file.
    instance, series : str
        Their UIDs.
    number : int or None
        Of the series.
    modality : str
        Such as ``CT``.
    transfer_syntax : str
        UID of how its pixels are encoded.
    kind : PixelKind
        How they are stored.
    frames : tuple of Frame
        Its planes.
    slice_step_mm : float or None
        Distance of planes as the file gives it, for an image of one plane.
    frame_time_s : float or None
        Time from frame to frame of a movie.
    """

    path: Path
    instance: str
    series: str
    number: int | None
    modality: str
    transfer_syntax: str
    kind: PixelKind
    frames: tuple[Frame, ...]
    slice_step_mm: float | None
    frame_time_s: float | None


class NoImageError(ImageFileError):
    """A DICOM file holds something that is no image to segment."""


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM, by its first bytes, not its name."""
    try:
        with path.open("rb") as file:
            file.seek(_PREAMBLE)
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


@contextlib.contextmanager
def quiet() -> Iterator[Any]:
    """Import pydicom, and let it neither check values nor warn nor log: it would show them. One thread at a time."""
    pydicom = needed("pydicom", "reading DICOM files")
    logger = logging.getLogger("pydicom")
    with _QUIET:
        level = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            with pydicom.config.disable_value_validation(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield pydicom
        finally:
            logger.setLevel(level)


def read_header(path: Path) -> DicomFile:
    """Read the header of a DICOM file.

    Raises
    ------
    ImportError
        If pydicom is not installed.
    NoImageError
        If it holds no image.
    ImageFileError
        If it is no DICOM, or damaged.
    """
    with quiet() as pydicom:
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        except PermissionError as error:
            raise ImageFileError(f"a DICOM file may not be read: {reason_of(error)}") from error
        except Exception as error:  # pydicom stumbles over what it does not expect with errors of all kinds
            raise ImageFileError("a DICOM file is damaged, or is none") from error
        modality = str(header.get("Modality", "") or "")
        if modality in _NO_IMAGES or not header.get("Rows") or not header.get("Columns"):
            uid = header.get("SOPClassUID")
            what = getattr(uid, "name", "") or modality or "something else"
            raise NoImageError(f"the DICOM file holds no image to segment, but {what}")
        try:
            return _described(path, header, modality)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise ImageFileError("the header of a DICOM file is damaged") from error


def _described(path: Path, header: Any, modality: str) -> DicomFile:
    number = header.get("SeriesNumber")
    bits = int(header.get("BitsAllocated", 16))
    time_ms = header.get("FrameTime")
    step = header.get("SpacingBetweenSlices") or header.get("SliceThickness")
    return DicomFile(
        path=path,
        instance=str(header.get("SOPInstanceUID", path)),
        series=str(header.get("SeriesInstanceUID", "")),
        number=None if number is None else int(number),
        modality=modality,
        transfer_syntax=str(header.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")),
        kind=PixelKind(
            int(header.Rows),
            int(header.Columns),
            int(header.get("SamplesPerPixel", 1)),
            str(header.get("PhotometricInterpretation", "MONOCHROME2")),
            bits,
            int(header.get("BitsStored", bits)),
            bool(header.get("PixelRepresentation", 0)),
        ),
        frames=tuple(_frames(path, header)),
        slice_step_mm=None if step is None or float(step) <= 0 else float(step),
        frame_time_s=None if time_ms is None or float(time_ms) <= 0 else float(time_ms) / 1000,
    )


def _frames(path: Path, header: Any) -> Iterator[Frame]:
    """Describe the planes of a file: of an enhanced one by its functional groups, each its own or else shared."""
    count = int(header.get("NumberOfFrames") or 1)
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    each = header.get("PerFrameFunctionalGroupsSequence") or [None] * count
    for index in range(count):
        groups = [group for group in (each[index], shared) if group is not None]

        def first(sequence: str, name: str, groups: list[Any] = groups) -> Any:
            for group in groups:
                found = group.get(sequence)
                if found and found[0].get(name) is not None:
                    return found[0].get(name)
            return header.get(name)

        position = first("PlanePositionSequence", "ImagePositionPatient")
        orientation = first("PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = first("PixelMeasuresSequence", "PixelSpacing") or header.get("ImagerPixelSpacing")
        slope = first("PixelValueTransformationSequence", "RescaleSlope")
        intercept = first("PixelValueTransformationSequence", "RescaleIntercept")
        temporal = first("FrameContentSequence", "TemporalPositionIndex") or header.get("TemporalPositionIdentifier")
        order = tuple(int(value or 0) for value in (temporal, header.get("AcquisitionNumber"), header.get("InstanceNumber"), index))
        yield Frame(
            path,
            index,
            _numbers(position, 3) if count == 1 or groups else None,  # type: ignore[arg-type]  # three of them
            _numbers(orientation, 6),
            _numbers(spacing, 2),  # type: ignore[arg-type]  # two of them
            IDENTITY
            if slope is None and intercept is None
            else Rescale(float(1 if slope is None else slope), float(intercept or 0)),
            order,
        )


def _numbers(values: Any, count: int) -> tuple[float, ...] | None:
    """Read so many numbers; None where there are none."""
    if values is None or len(values) != count:
        return None
    found = tuple(float(value) for value in values)
    return found if np.isfinite(found).all() else None
