"""DICOM opened without reading its pixels: files, folders, one of several series, multi-frame. T times · Z planes · S colours."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.medical.dicom_headers import DicomFile, Frame, NoImageError, PixelKind, quiet, read_header
from napari_sam2.images.medical.dicom_series import DicomSeries, OrderedPlanes, group_series, order_planes
from napari_sam2.images.medical.extra import needed
from napari_sam2.images.medical.stored_values import IDENTITY, Rescale, type_of_values
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.pieces import read_pieces

logger = logging.getLogger(__name__)

_INVERTED = "MONOCHROME1"


def open_dicom(paths: Sequence[Path], choice: Choice = ANY) -> OpenedImage:
    """Open DICOM files as one image.

    Parameters
    ----------
    paths : sequence of Path
        Files of one or more series, in any order; what is no image among them is left out.
    choice : Choice, optional
        Which series, by its number, counted from 0, or by its name, modality and number, such as ``CT 3``; required where there are
        several.

    Returns
    -------
    OpenedImage
        ZYX; TZYX for volumes in time; TYX for a movie; YX for a single image without a position; S last for colours. Intensities
        are rescaled, to Hounsfield units in CT; those of MONOCHROME1, whose high numbers are dark, are inverted.

    Raises
    ------
    ImportError
        If pydicom is not installed.
    ImageFileError
        If there is no image, there are several and none is chosen, planes do not fit each other, or they are compressed in a way
        that is not known here.
    """
    found = list_series(paths)
    names = [series.name for series in found]
    number = choice.find("the set of DICOM files", names)
    if number is None:
        if len(found) > 1:
            listed = ", ".join(f"{i} '{series.name}' ({series.describe()})" for i, series in enumerate(found))
            raise ImageFileError(
                f"the DICOM files are of {len(found)} series or orientations: {listed}; choose one by series=0 (--series 0)"
            )
        number = 0
    return open_series(found[number])


def list_series(paths: Sequence[Path]) -> list[DicomSeries]:
    """List the series of DICOM files.

    Raises
    ------
    ImageFileError
        If there is no image, or a file is damaged.
    """
    files: list[DicomFile] = []
    others: list[NoImageError] = []
    for path in paths:
        try:
            files.append(read_header(path))
        except NoImageError as error:
            others.append(error)
    if not files:
        raise others[0] if others else ImageFileError("there are no DICOM files")
    return group_series(files)


def open_series(series: DicomSeries) -> OpenedImage:
    """Open a series; see :func:`open_dicom`."""
    for syntax in {file.transfer_syntax for file in series.files}:
        _check_decodable(syntax)
    ordered = order_planes(series)
    kind = series.files[0].kind
    if kind.photometric == _INVERTED:
        logger.warning("the DICOM series %s has dark high numbers (MONOCHROME1): they are inverted", series.name)
    paths = tuple(dict.fromkeys(frame.path for frame in ordered.frames if frame is not None))
    axes = ordered.axes + ("S" if kind.samples > 1 else "")
    return OpenedImage(
        DicomPlanes(series.name, ordered, kind),
        axes,
        ordered.calibration,
        paths,
        geometry=ordered.geometry,
        is_private=True,
        title=series.name,
    )


def _check_decodable(syntax: str) -> None:
    """Check that pixels can be decoded, before long work.

    Raises
    ------
    ImageFileError
        If they are compressed in a way for which there is no decoder.
    """
    uid = needed("pydicom.uid", "reading DICOM files").UID(syntax)
    is_decodable = False
    if uid.is_transfer_syntax:
        if not uid.is_encapsulated:
            return
        with contextlib.suppress(NotImplementedError):  # nobody ever wrote one
            is_decodable = needed("pydicom.pixels", "reading DICOM files").get_decoder(uid).is_available
    if not is_decodable:
        name = uid.name if uid.name != str(uid) else "a compression that is not known"
        raise ImageFileError(
            f"the DICOM files are compressed by {name}, for which there is no decoder here: pip install 'napari-sam2[medical]', or "
            "save them uncompressed"
        )


class DicomPlanes:
    """The planes of a DICOM image, each decoded when it is asked for.

    Parameters
    ----------
    name : str
        Of the series, for messages.
    ordered : OrderedPlanes
        Its planes.
    kind : PixelKind
        How they are stored.
    """

    def __init__(self, name: str, ordered: OrderedPlanes, kind: PixelKind) -> None:
        self._name, self._frames, self._kind = name, ordered.frames, kind
        self._outer, self._num_outer = ordered.shape, len(ordered.shape)
        plane = (kind.rows, kind.columns, *((kind.samples,) if kind.samples > 1 else ()))
        self.shape: tuple[int, ...] = (*ordered.shape, *plane)
        self.ndim = len(self.shape)
        rescales = {frame.rescale for frame in ordered.frames if frame is not None} if kind.samples == 1 else {IDENTITY}
        self.dtype = type_of_values(kind.stored_type, *kind.bounds, rescales)
        self.chunks = (1,) * self._num_outer + plane

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        if not self._num_outer:
            return self._plane(())[key]
        return read_pieces(key, self.shape, self._num_outer, lambda index, within: self._plane(index)[within])

    def _plane(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        number = int(np.ravel_multi_index(index, self._outer)) if index else 0
        frame = self._frames[number]
        where = f"plane {index[-1]} of the DICOM series {self._name}" if index else f"the DICOM image {self._name}"
        if frame is None:
            raise ImageFileError(f"{where} is missing")
        try:
            stored = _decoded(frame)
        except MemoryError:
            raise
        except Exception as error:  # each decoder fails with errors of its own
            raise ImageFileError(f"{where} is damaged, is not there any more, or ends too early") from error
        if stored.shape != self.shape[self._num_outer :]:
            raise ImageFileError(f"{where} has changed since it was opened")
        rescale = frame.rescale if self._kind.samples == 1 else IDENTITY
        values = rescale.apply(stored, self.dtype)
        return self._inverted(values, rescale) if self._kind.photometric == _INVERTED else values

    def _inverted(self, values: npt.NDArray[Any], rescale: Rescale) -> npt.NDArray[Any]:
        low, high = rescale.apply(np.array(self._kind.bounds, np.int64), np.dtype(np.float64))
        return (low + high - values.astype(np.float64)).astype(self.dtype)


def _decoded(frame: Frame) -> npt.NDArray[Any]:
    """Decode the stored numbers of a plane."""
    found: npt.NDArray[Any]
    with quiet() as pydicom:
        try:
            found = pydicom.pixels.pixel_array(frame.path, index=frame.index)
        except (AttributeError, ValueError):  # a file that is compressed as a whole, or whose pixels have no length
            found = pydicom.pixels.pixel_array(pydicom.dcmread(frame.path), index=frame.index)
    return found
