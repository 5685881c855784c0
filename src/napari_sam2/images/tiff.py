"""TIFF opened without reading its pixels: of all dialects, of several images, of several files, and of those that end too early."""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2.images.calibration import PIXELS
from napari_sam2.images.calibration_metadata import calibration_of_tiff
from napari_sam2.images.choice import ANY, Choice
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.opened_image import OpenedImage
from napari_sam2.images.pieces import read_pieces
from napari_sam2.images.tiff_files import open_described
from napari_sam2.images.tiff_images import TiffImage, choose_image
from napari_sam2.images.tiff_listing import list_images
from napari_sam2.images.tiff_planes import warn_of_pages_left_out, what_does_not_fit, with_what_is_there
from napari_sam2.images.tiff_reports import DAMAGES_PIXELS, OF_METADATA, tiff_reports

logger = logging.getLogger(__name__)


def open_tiff(path: Path, choice: Choice = ANY) -> OpenedImage:
    """Open an image of a TIFF.

    Parameters
    ----------
    path : Path
        The file; of an OME-TIFF in several files any of them.
    choice : Choice, optional
        Which image. By default the first, or the largest where there are no metadata; images of one shape without metadata
        are one stack.

    Returns
    -------
    OpenedImage
        What was left out, guessed or missing is logged as a warning.

    Raises
    ------
    ImageFileError
        If it is no TIFF, its pixels cannot be read, or there is no such image.
    FileNotFoundError
        If a companion file is given, and none of its TIFFs is there.
    """
    with contextlib.ExitStack() as until_read, tiff_reports() as reports:
        path, tiff = open_described(path)
        until_read.callback(tiff.close)
        images, is_cut = list_images(path, tiff, reports)
        image = choose_image(path, images, choice)
        if reports.any_of(DAMAGES_PIXELS):
            raise ImageFileError(f"{path} is a damaged TIFF: the offsets of its pixels are missing")
        promised = image.num_planes
        image = with_what_is_there(path, tiff, image, is_cut)
        is_misdescribed = not is_cut and image.num_planes == promised and (image.is_misdescribed or reports.any_of(OF_METADATA))
        if is_misdescribed:
            logger.warning("%s", what_does_not_fit(path, tiff, image))
        else:
            warn_of_pages_left_out(path, tiff, images)
        calibration = PIXELS if is_misdescribed else calibration_of_tiff(tiff, image.index)
        files = tuple(dict.fromkeys(Path(page.parent.filehandle.path) for page in image.pages if page is not None)) or (path,)
        pixels: Any = image.mapped(path, tiff) if image.is_mappable else None
        if pixels is None and image.is_paged:
            pixels = TiffPages(path, image)
            weakref.finalize(pixels, tiff.close)
            until_read.pop_all()
        elif pixels is None:
            pixels = _read_whole(path, tiff.series[image.index])
        return OpenedImage(pixels, _told_apart(image.axes), calibration, files)


class TiffPages:
    """An image of which each page of a TIFF is a part, as compressed files are; a page is decoded when it is asked for.

    Parameters
    ----------
    path : Path
        The file, for messages.
    image : TiffImage
        Its pages, in files that stay open or are opened for each page.
    """

    def __init__(self, path: Path, image: TiffImage) -> None:
        self._path, self._pages = path, image.pages
        self._lock = threading.Lock()  # a file is read at one offset at a time
        self.shape, self.dtype, self.ndim = image.shape, image.dtype, len(image.shape)
        self._num_before = image.num_before
        self.chunks = (1,) * self._num_before + self.shape[self._num_before :]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        return read_pieces(key, self.shape, self._num_before, lambda index, within: self._page(index)[within])

    def _page(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        number = int(np.ravel_multi_index(index, self.shape[: self._num_before])) if index else 0
        page = self._pages[number]
        if page is None or not any(page.dataoffsets):
            raise ImageFileError(f"plane {number} of {self._path} is not there")
        with self._lock, _open_for_reading(page), tiff_reports() as reports:
            try:
                pixels: npt.NDArray[Any] = page.asarray()
            except Exception as error:  # each codec fails with errors of its own
                raise ImageFileError(_why_undecodable(self._path, page, number)) from error
            if reports.has_errors or pixels.shape != self.shape[self._num_before :]:
                raise ImageFileError(f"page {number} of {self._path} is damaged")
        return pixels


def _read_whole(path: Path, series: Any) -> npt.NDArray[Any]:
    """Read an image of which no page stands for a plane, as those of tiles that lie beside each other."""
    try:
        pixels: npt.NDArray[Any] = series.asarray()
    except Exception as error:  # each codec fails with errors of its own
        raise ImageFileError(f"the pixels of {path} are damaged, or stored in a way that is not known here") from error
    return pixels


@contextlib.contextmanager
def _open_for_reading(page: Any) -> Iterator[None]:
    """Open the file of a page if it is closed, as those of a set of files are: of thousands not all can stay open."""
    file = page.parent.filehandle
    if not file.closed:
        yield
        return
    file.open()
    try:
        yield
    finally:
        file.close()


def _why_undecodable(path: Path, page: Any, number: int) -> str:
    compression = getattr(page, "compression", 1)
    if compression not in tifffile.TIFF.DECOMPRESSORS:
        return (
            f"{path} is compressed by {getattr(compression, 'name', compression)}, which cannot be read here: save it uncompressed"
        )
    return f"page {number} of {path} is damaged"


def _told_apart(axes: str) -> str:
    """Give axes of unknown kind, which TIFF calls Q all alike, letters of their own; the last of them stays Q."""
    others = iter("IJKLMOP")
    return "".join(next(others) if axis == "Q" and "Q" in axes[i + 1 :] else axis for i, axis in enumerate(axes))
