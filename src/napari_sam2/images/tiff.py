"""TIFF opened without reading its pixels: of all dialects, of several images, of several files, and of those that end too early.

N planes of an image: the pages of the file that hold it, whatever the order of its axes.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import threading
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2.images.calibration_metadata import calibration_of_tiff
from napari_sam2.images.choice import ANY, Choice, listed
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.file_names import named_path
from napari_sam2.images.opened_image import OpenedImage

logger = logging.getLogger(__name__)

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf2", ".tf8")
MAGIC_BYTES = tuple(b"II*\0 MM\0* II+\0 MM\0+".split())
"""How a TIFF or BigTIFF begins, in either byte order."""

_UNEXPLAINED_KINDS = {"generic", "shaped", "uniform"}
"""Kinds of series for which nothing but their pages tells what they are."""
_SCENE_WORDS = ("name", "position", "scene", "series", "well", "field", "site", "tile", "view")
"""A description with one of these tells images of different scenes apart: they are not frames of one stack."""

_ENDS_EARLY = (
    "corrupted tag list",
    "offset to page",
    "invalid page offset",
    "circular reference",
    "ImageJ series metadata invalid",
)
_DAMAGES_PIXELS = (
    "missing data",
    "missing ByteCounts",
    "incorrect Strip",
    "not supported",
    "<asarray>",
    "_load_pages",
    "virtual_frames",
)
_OF_PIXELS_MISSING = ("missing", "out of range", "failed to read", "TiffData index")
"""What tifffile reports of these kinds is found here from the pages themselves, and told with more of what a person needs."""
_OF_METADATA = (" series ", "metadata", "ome ", "TiffTag 270 ")


def open_tiff(path: Path, choice: Choice = ANY) -> OpenedImage:
    """Open an image of a TIFF.

    Parameters
    ----------
    path : Path
        The file; of an OME-TIFF in several files any of them.
    choice : Choice, optional
        Which image. By default the first, or the largest where nothing tells what they are; images of one shape that nothing tells
        apart are one stack.

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
    with contextlib.ExitStack() as until_read, _reports() as reports:
        path, tiff = _open(path)
        until_read.callback(tiff.close)
        parts, is_cut = _parts(path, tiff, reports)
        part = _choose(path, parts, choice)
        if reports.any_of(_DAMAGES_PIXELS):
            raise ImageFileError(f"{path} is a damaged TIFF: it does not say where its pixels lie")
        part = _with_what_is_there(path, tiff, part, is_cut)
        if reports.any_of(_OF_METADATA):
            logger.warning(
                "%s has damaged metadata: its pixels are read as they are stored, pixel size and axes may be unknown", path
            )
        _warn_of_pages_left_out(path, tiff, parts)
        calibration = calibration_of_tiff(tiff, part.index)
        files = tuple(dict.fromkeys(Path(page.parent.filehandle.path) for page in part.pages if page is not None)) or (path,)
        pixels: Any = part.mapped(path, tiff) if part.is_mappable else None
        if pixels is None and part.is_paged:
            pixels = TiffPages(path, part)
            weakref.finalize(pixels, tiff.close)
            until_read.pop_all()
        elif pixels is None:
            pixels = _read_whole(path, tiff.series[part.index])
        return OpenedImage(pixels, _told_apart(part.axes), calibration, files)


def is_tiff(path: Path) -> bool:
    """Tell a TIFF by how it begins, whatever it is called."""
    try:
        with path.open("rb") as file:
            return file.read(4) in MAGIC_BYTES
    except OSError:
        return False


class TiffPages:
    """An image of which each page of a TIFF is a part, as compressed files are; a page is decoded when it is asked for.

    Parameters
    ----------
    path : Path
        The file, for messages.
    part : _Part
        Its pages, in files that stay open or are opened for each page.
    """

    def __init__(self, path: Path, part: _Part) -> None:
        self._path, self._pages = path, part.pages
        self._lock = threading.Lock()  # a file is read from one place at a time
        self.shape, self.dtype, self.ndim = part.shape, part.dtype, len(part.shape)
        self._num_before = part.num_before
        self.chunks = (1,) * self._num_before + self.shape[self._num_before :]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        index = () if key is ... else key if isinstance(key, tuple) else (key,)
        index += (slice(None),) * (self.ndim - len(index))
        before, within = index[: self._num_before], index[self._num_before :]
        steps = [range(size)[step] for step, size in zip(before, self.shape, strict=False)]
        lists = [list(step) if isinstance(step, range) else [step] for step in steps]
        first = [self._page(index)[within] for index in itertools.product(*lists)]
        return np.stack(first).reshape([len(step) for step in steps if isinstance(step, range)] + list(first[0].shape))

    def _page(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        number = int(np.ravel_multi_index(index, self.shape[: self._num_before])) if index else 0
        page = self._pages[number]
        if page is None:
            raise ImageFileError(f"plane {number} of {self._path} is not there")
        with self._lock, _open_for_reading(page), _reports() as reports:
            try:
                pixels: npt.NDArray[Any] = page.asarray()
            except Exception as error:  # each codec fails with errors of its own
                raise ImageFileError(_why_undecodable(self._path, page, number)) from error
            if reports.has_errors:
                raise ImageFileError(f"page {number} of {self._path} is damaged")
        return pixels


# --- opening -------------------------------------------------------------------------------------------------------


def _open(path: Path) -> tuple[Path, tifffile.TiffFile]:
    """Open a file, or the one in which the metadata of its OME-TIFF lie: a companion file, or another TIFF of the set."""
    if path.name.lower().endswith(".companion.ome"):
        text = path.read_text(encoding="utf-8", errors="replace")
        names = _file_names_in(text)
        there = [path.parent / name for name in names if (path.parent / name).is_file()]
        if not there:
            raise FileNotFoundError(f"none of the TIFFs of {path} lies beside it: {', '.join(names[:3]) or 'it names none'}")
        return there[0], _open_alone(there[0], text)
    tiff = _open_alone(path)
    text = tiff.ome_metadata or ""
    root = _parsed(text) if "BinaryOnly" in text else None
    pointer = None if root is None else next((item for item in root if item.tag.endswith("BinaryOnly")), None)
    name = "" if pointer is None else named_path(pointer.get("MetadataFile", "")).name
    if not name:
        return path, tiff
    other = path.parent / name
    if not other.is_file():
        logger.warning("%s is one of several files of an image; %s, which describes them, is not beside it", path, name)
        return path, tiff
    tiff.close()
    if is_tiff(other):
        return other, _open_alone(other)
    return path, _open_alone(path, other.read_text(encoding="utf-8", errors="replace"))


def _open_alone(path: Path, companion: str | None = None) -> tifffile.TiffFile:
    try:
        return tifffile.TiffFile(path) if companion is None else tifffile.TiffFile(path, omexml=companion)
    except PermissionError as error:
        raise ImageFileError(f"{path} may not be read: {error.strerror}") from error
    except Exception as error:  # tifffile stumbles over what it does not expect with errors of all kinds
        what = "is a damaged TIFF" if is_tiff(path) else "is not a TIFF file"
        raise ImageFileError(f"{path} {what}") from error


def _parts(path: Path, tiff: tifffile.TiffFile, reports: _Reports) -> tuple[list[_Part], bool]:
    """List the images of a file, and tell whether it ends too early; of a damaged one as much as can be found."""
    try:
        parts = [_Part.of(i, series) for i, series in enumerate(tiff.series)]
        is_cut = reports.any_of(_ENDS_EARLY)
    except Exception as error:  # tifffile stumbles over what it does not expect with errors of all kinds
        pages = _pages_that_can_be_listed(tiff)
        if not pages:
            raise ImageFileError(f"{path} is a damaged TIFF: its pages cannot be listed") from error
        page, is_cut = pages[0], True
        shape, axes = ((len(pages), *page.shape), "I" + page.axes) if len(pages) > 1 else (tuple(page.shape), page.axes)
        parts = [_Part(0, "generic", "", shape, axes, np.dtype(page.dtype), tuple(page.shape), pages, None, {})]
    if not parts:
        raise ImageFileError(f"{path} is a TIFF without an image in it")
    return [_as_promised(tiff, parts[0])] if is_cut and len(parts) == 1 else parts, is_cut


def _pages_that_can_be_listed(tiff: tifffile.TiffFile) -> list[Any]:
    """List the pages like the first until one cannot be listed."""
    pages: list[Any] = []
    with contextlib.suppress(Exception):
        tiff.pages.useframes = False
        while not pages or tiff.pages[len(pages)].shape == pages[0].shape:
            pages.append(tiff.pages[len(pages)])
    return [page for page in pages if page.dtype is not None and page.shape]


def _parsed(text: str) -> ET.Element | None:
    try:
        return ET.fromstring(text)  # noqa: S314  # a local file; the parser expands no external entities
    except ET.ParseError:
        return None


def _file_names_in(ome_xml: str) -> list[str]:
    """List the files that OME-XML says planes lie in."""
    root = _parsed(ome_xml)
    found = [] if root is None else [item.get("FileName", "") for item in root.iter() if item.tag.endswith("UUID")]
    return [named_path(name).name for name in dict.fromkeys(found) if name]


class _Reports:
    """What tifffile reported, in its own words, which are kept from people."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []

    @property
    def has_errors(self) -> bool:
        return any(record.levelno >= logging.ERROR for record in self._serious())

    def any_of(self, words: Sequence[str]) -> bool:
        """Some report holds one of these words, and none that another rule is about."""
        texts = [record.getMessage() for record in self._serious()]
        if words is _OF_METADATA:
            texts = [text for text in texts if not any(word in text for word in (*_ENDS_EARLY, *_OF_PIXELS_MISSING))]
        return any(word in text for text in texts for word in words)

    def _serious(self) -> list[logging.LogRecord]:
        # A tag that cannot be understood is most often a vendor's, of which nothing is needed, unless it is the description (270);
        # OME-XML is read for the calibration too, and what is wrong with it told there.
        texts = [(record, record.getMessage()) for record in self.records]
        return [record for record, text in texts if "ParseError" not in text and ("TiffTag" not in text or "TiffTag 270 " in text)]


@contextlib.contextmanager
def _reports() -> Iterator[_Reports]:
    """Collect what tifffile reports in this thread; it logs much of what makes pixels wrong, and goes on."""
    reports, this_thread = _Reports(), threading.get_ident()

    def hold(record: logging.LogRecord) -> bool:
        is_ours = record.thread == this_thread and record.levelno >= logging.WARNING
        if is_ours:
            reports.records.append(record)
            logger.debug("%s", record.getMessage())
        return not is_ours

    log = tifffile.logger()
    log.addFilter(hold)
    try:
        yield reports
    finally:
        log.removeFilter(hold)


# --- one image of a file -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """An image of a file: N pages, or one block of bytes.

    Attributes
    ----------
    index : int
        Of its series.
    kind, name : str
        What the series is, and what the file calls it.
    shape, axes, dtype
        Of the whole image.
    page_shape : tuple of int
        Of a page.
    pages : list of page or None
        (N,); None where there is none.
    offset : int or None
        Where its bytes begin, if they lie in one block.
    metadata : Any
        What the description of its first page says.
    """

    index: int
    kind: str
    name: str
    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype[Any]
    page_shape: tuple[int, ...]
    pages: list[Any]
    offset: int | None
    metadata: Any

    @classmethod
    def of(cls, index: int, series: Any) -> _Part:
        shape = tuple(int(side) for side in series.shape)
        offset = series.dataoffset
        metadata = getattr(series.keyframe, "shaped_metadata", None) or ()
        described = metadata[0] if metadata else {}
        page_shape, pages = tuple(series.keyframe.shape), list(series)
        dtype = np.dtype(series.dtype)
        return cls(index, series.kind, series.name, shape, series.axes, dtype, page_shape, pages, offset, described)

    @property
    def num_before(self) -> int:
        """Axes before those of a page."""
        return len(self.shape) - len(self.page_shape)

    @property
    def num_planes(self) -> int:
        return math.prod(self.shape[: self.num_before])

    @property
    def is_paged(self) -> bool:
        """Its pages are parts of it in order."""
        return self.num_before >= 0 and self.shape[self.num_before :] == self.page_shape and len(self.pages) == self.num_planes

    @property
    def is_mappable(self) -> bool:
        return self.offset is not None

    @property
    def scene(self) -> tuple[str, ...]:
        """What tells it from images of other scenes."""
        described = self.metadata.items() if isinstance(self.metadata, dict) else ()
        return tuple(f"{key}={value}" for key, value in described if any(word in str(key).lower() for word in _SCENE_WORDS))

    def mapped(self, path: Path, tiff: tifffile.TiffFile) -> npt.NDArray[Any] | None:
        """Map its bytes, which are not read before they are needed."""
        dtype = np.dtype(tiff.byteorder + self.dtype.char)
        try:
            return np.memmap(path, dtype, "r", self.offset or 0, self.shape)
        except (OSError, ValueError):
            return None


def _choose(path: Path, parts: list[_Part], choice: Choice) -> _Part:
    """Choose an image of a file, and tell what is left out."""
    if choice.is_open and len(parts) == 1:
        return parts[0]
    names = [part.name for part in parts]
    number = choice.find(str(path), names)
    if number is not None:
        return parts[number]
    if parts[0].kind not in _UNEXPLAINED_KINDS:
        said = (
            "%s holds %d images, %s: the first is opened; choose another by series=1 (--series 1), or by image_name (--image-name)"
        )
        logger.warning(said, path, len(parts), listed(names))
        return parts[0]
    like = max(_alike(parts), key=lambda group: sum(math.prod(part.shape) for part in group))
    chosen, left_out = _merged(like), [part for part in parts if part not in like]
    if len(like) > 1:
        logger.warning(
            "%s holds %d images of one shape that nothing tells apart: they are read as one stack of shape %s",
            path,
            len(like),
            _by(chosen.shape),
        )
    if left_out:
        first = left_out[0].index
        logger.warning("%s also holds %s, left out; choose it by series=%d (--series %d)", path, _described(left_out), first, first)
    return chosen


def _alike(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Group images that may be frames of one stack; pages of one kind that lie in several series are so too."""
    groups: dict[Any, list[_Part]] = {}
    for part in parts:
        is_shaped = part.kind == "shaped"
        key = (part.shape if is_shaped else part.page_shape, part.dtype, part.axes, part.scene if is_shaped else ())
        groups.setdefault(key, []).append(part)
    return list(groups.values())


def _merged(parts: Sequence[_Part]) -> _Part:
    """Make one stack of images of one shape, in the order in which they lie in the file."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if first.kind != "shaped":
        pages = sorted((page for part in parts for page in part.pages), key=lambda page: page.index)
        axes = first.axes[first.num_before :]
        return replace(first, shape=(len(pages), *first.page_shape), axes=f"I{axes}", pages=pages, offset=None)
    pages = [page for part in parts for page in part.pages]
    letter = next(axis for axis in "ITQJKL" if axis not in first.axes)
    merged = replace(first, shape=(len(parts), *first.shape), axes=letter + first.axes, pages=pages, offset=None)
    if not merged.is_paged:  # each of them one block of several planes: no page stands for a plane
        raise ImageFileError(
            f"{listed([part.name for part in parts])} of the file are blocks of planes: choose one by series=0 (--series 0)"
        )
    return merged


def _described(parts: Sequence[_Part]) -> str:
    said = [f"series {part.index}{f' {part.name!r}' if part.name else ''} of shape {_by(part.shape)}" for part in parts[:4]]
    return ", ".join(said) + (f" and {len(parts) - 4} more" if len(parts) > 4 else "")


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


# --- what is there of it -------------------------------------------------------------------------------------------


def _as_promised(tiff: tifffile.TiffFile, part: _Part) -> _Part:
    """Of a file that ends too early, take the shape that its description promises, and the pages that are there."""
    page = tiff.pages.first
    if tiff.is_imagej and part.kind in ("generic", "uniform") and page.is_contiguous:
        told = tiff.imagej_metadata or {}
        sizes = {"T": told.get("frames", 1), "Z": told.get("slices", 1), "C": told.get("channels", 1)}
        if all(size == 1 for size in sizes.values()):
            sizes["I"] = told.get("images", 1)
        lead = {axis: int(size) for axis, size in sizes.items() if int(size) > 1}
        if lead:
            return replace(
                part, shape=(*lead.values(), *page.shape), axes="".join(lead) + page.axes, offset=page.dataoffsets[0], pages=[]
            )
    if part.num_before > 0 and part.offset is None and len(part.pages) < part.num_planes:
        there = [page for page in tiff.pages if tuple(page.shape) == part.page_shape]
        return replace(part, pages=[*there, *[None] * (part.num_planes - len(there))])
    return part


def _with_what_is_there(path: Path, tiff: tifffile.TiffFile, part: _Part, ends_early: bool) -> _Part:
    """Leave out the planes at the end that a file promises and lacks, and tell so."""
    if part.offset is not None:
        plane = math.prod(part.shape[part.num_before :]) * part.dtype.itemsize
        count = (tiff.filehandle.size - part.offset) // plane if plane else part.num_planes
        there = [number < count for number in range(part.num_planes)]
    elif part.is_paged:
        there = [page is not None for page in part.pages]
        for number in range(len(there) - 1, -1, -1):  # where a file was cut, the pages before are whole
            if there[number]:
                if _is_whole(part.pages[number]):
                    break
                there[number] = False
    else:
        return part
    if all(there):
        if ends_early:
            logger.warning("%s ends too early: what is there is read, planes: %d", path, len(there))
        return part
    trimmed = _trimmed(part, there)
    absent = _absent_files(path, tiff)
    if trimmed is None or not any(there):
        missing = f": {', '.join(absent)} is not beside it" if absent else ": it ends too early"
        raise ImageFileError(f"{path} holds no whole plane of its image{missing}")
    _warn_of_missing_planes(path, part, trimmed, there, absent)
    return trimmed


def _trimmed(part: _Part, there: Sequence[bool]) -> _Part | None:
    """Shorten the slowest axis to its last index of which everything is there; else the next axis, at the first index of it."""
    lead = part.shape[: part.num_before]
    left, kept = np.array(there, bool).reshape(lead), list(lead)
    for axis in range(len(lead)):
        whole = np.flatnonzero(left.reshape(len(left), -1).all(1))
        if len(whole):
            kept[axis] = int(whole[-1]) + 1
            break
        kept[axis], left = 1, left[0]
    else:
        return None
    shape = (*kept, *part.shape[part.num_before :])
    if not part.pages:
        return replace(part, shape=shape)
    numbers = np.arange(len(there)).reshape(lead)[tuple(slice(0, size) for size in kept)].ravel()
    pages = [part.pages[number] if there[number] else None for number in numbers.tolist()] if part.is_paged else part.pages
    return replace(part, shape=shape, pages=pages)


def _warn_of_missing_planes(path: Path, part: _Part, trimmed: _Part, there: Sequence[bool], absent: Sequence[str]) -> None:
    said = f"{path} has {sum(there)} of the {len(there)} planes that it promises"
    if absent:
        said += f" ({', '.join(absent[:3])}{' and more are' if len(absent) > 3 else ' is'} not beside it)"
    shorter = [
        f"{after} of {before} along {axis}"
        for axis, before, after in zip(part.axes, part.shape, trimmed.shape, strict=True)
        if after != before
    ]
    if shorter:
        said += f": {' and '.join(shorter)} are read"
    if any(page is None for page in trimmed.pages):
        said += "; frames with planes that are missing cannot be read"
    logger.warning("%s", said)


def _absent_files(path: Path, tiff: tifffile.TiffFile) -> list[str]:
    text = tiff.ome_metadata
    return [] if not text else [name for name in _file_names_in(text) if not (path.parent / name).is_file()]


def _is_whole(page: Any) -> bool:
    """The bytes of a page all lie within its file."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    return bool(ends) and max(ends) <= Path(page.parent.filehandle.path).stat().st_size


def _warn_of_pages_left_out(path: Path, tiff: tifffile.TiffFile, parts: Sequence[_Part]) -> None:
    """Tell of pages that the metadata do not tell of."""
    if parts[0].kind not in ("ome", "imagej"):
        return
    here = {page.index for part in parts for page in part.pages if page is not None and page.parent is tiff}
    count = len(tiff.pages) if here and len(here) == sum(len(part.pages) for part in parts) else 0
    if count > len(here) > 1:
        logger.warning(
            "%s has metadata that tell of %d planes, and holds %d: the last %d are left out",
            path,
            len(here),
            count,
            count - len(here),
        )


# --- pixels --------------------------------------------------------------------------------------------------------


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
    compression = getattr(page.compression, "name", str(page.compression)) if hasattr(page, "compression") else ""
    if compression and compression not in _KNOWN_COMPRESSIONS:
        return f"{path} is compressed by {compression}, which cannot be read here: save it without compression"
    return f"page {number} of {path} is damaged"


_KNOWN_COMPRESSIONS = {
    "NONE",
    "LZW",
    "ADOBE_DEFLATE",
    "DEFLATE",
    "PACKBITS",
    "ZSTD",
    "JPEG",
    "JPEG_2000_LOSSY",
    "LZMA",
    "PNG",
    "WEBP",
}


def _told_apart(axes: str) -> str:
    """Give axes of unknown kind, which TIFF calls Q all alike, letters of their own; the last of them stays Q."""
    others = iter("IJKLMOP")
    return "".join(next(others) if axis == "Q" and "Q" in axes[i + 1 :] else axis for i, axis in enumerate(axes))
