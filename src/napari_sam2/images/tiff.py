"""TIFF opened without reading its pixels: of all dialects, of several images, of several files, and of those that end too early.

N planes of an image: the pages of the file that hold it, whatever the order of its axes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import math
import struct
import threading
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2.images.calibration import PIXELS
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
_CONTRADICTORY = ("OME series expected",)
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
        promised = part.num_planes
        part = _with_what_is_there(path, tiff, part, is_cut)
        is_misdescribed = not is_cut and part.num_planes == promised and (part.is_misdescribed or reports.any_of(_OF_METADATA))
        if is_misdescribed:
            logger.warning("%s", _what_does_not_fit(path, tiff, part))
        else:
            _warn_of_pages_left_out(path, tiff, parts)
        calibration = PIXELS if is_misdescribed else calibration_of_tiff(tiff, part.index)
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
        if page is None or not any(page.dataoffsets):
            raise ImageFileError(f"plane {number} of {self._path} is not there")
        with self._lock, _open_for_reading(page), _reports() as reports:
            try:
                pixels: npt.NDArray[Any] = page.asarray()
            except Exception as error:  # each codec fails with errors of its own
                raise ImageFileError(_why_undecodable(self._path, page, number)) from error
            if reports.has_errors or pixels.shape != self.shape[self._num_before :]:
                raise ImageFileError(f"page {number} of {self._path} is damaged")
        return pixels


# --- opening -------------------------------------------------------------------------------------------------------


def _open(path: Path) -> tuple[Path, tifffile.TiffFile]:
    """Open a file, or the one in which the metadata of its OME-TIFF lie: a companion file, or another TIFF of the set."""
    if path.name.lower().endswith(".companion.ome"):
        text = path.read_text(encoding="utf-8", errors="replace")
        if _parsed(text) is None:
            raise ImageFileError(f"{path} is damaged: it is not well-formed XML")
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
    failure = None
    try:
        parts = [_Part.of(i, series) for i, series in enumerate(tiff.series)]
    except Exception as error:  # tifffile stumbles over what it does not expect with errors of all kinds
        parts, failure = [], error
    is_cut = reports.any_of(_ENDS_EARLY)
    if failure is None and not parts:
        raise ImageFileError(f"{path} is a TIFF without an image in it")
    contradicts_itself = reports.any_of(_CONTRADICTORY)
    if failure is not None or (len(parts) == 1 and (is_cut or contradicts_itself or _is_at_odds(tiff, parts[0]))):
        pages = _pages_that_can_be_listed(tiff)
        if not pages and failure is not None:
            raise ImageFileError(f"{path} is a damaged TIFF: its pages cannot be listed") from failure
        is_cut = is_cut or (bool(pages) and _next_directory(tiff, pages[-1]) >= tiff.filehandle.size)
        if pages and (failure is not None or contradicts_itself or parts[0].kind != "ome"):
            parts = [_of_pages(tiff, pages, failure is not None or contradicts_itself)]
        elif pages and is_cut and _is_one_run_of_planes(tiff) and _is_block(tiff, pages[0], parts[0].num_bytes):
            parts = [replace(parts[0], pages=[], offset=pages[0].dataoffsets[0])]
        elif parts[0].offset is None and len(parts[0].pages) < parts[0].num_planes:
            parts = [_padded(parts[0], pages)]
    return parts, is_cut


def _is_at_odds(tiff: tifffile.TiffFile, part: _Part) -> bool:
    """What describes the planes of an image does not fit the pages that are there."""
    if part.kind == "ome":
        return False
    if part.offset is not None and part.offset < _next_directory(tiff, tiff.pages.first) < part.offset + part.num_bytes:
        return True
    return not (part.is_paged or part.is_mappable) or (part.kind in ("shaped", "imagej") and len(tiff.pages) > part.num_planes)


def _pages_that_can_be_listed(tiff: tifffile.TiffFile) -> list[Any]:
    """List the pages like the first until one cannot be listed."""
    pages: list[Any] = []
    with contextlib.suppress(Exception):
        tiff.pages.cache = False  # what is left of a series that could not be understood
        tiff.pages.useframes = False
        while not pages or (tiff.pages[len(pages)].shape, tiff.pages[len(pages)].dtype) == (pages[0].shape, pages[0].dtype):
            pages.append(tiff.pages[len(pages)])
    # a tag of a side that is damaged can hold several numbers
    return [page for page in pages if page.dtype is not None and page.shape and all(isinstance(side, int) for side in page.shape)]


def _next_directory(tiff: tifffile.TiffFile, page: Any) -> int:
    """Offset of the page that follows, as the file gives it, be it there or not; 0 behind the last."""
    form, file = tiff.tiff, tiff.filehandle
    try:
        file.seek(page.offset)
        (num_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
        file.seek(page.offset + form.tagnosize + num_tags * form.tagsize)
        return int(struct.unpack(form.offsetformat, file.read(form.offsetsize))[0])
    except (struct.error, OSError):
        return int(file.size)


def _of_pages(tiff: tifffile.TiffFile, pages: list[Any], is_misdescribed: bool) -> _Part:
    """Make an image of pages of one shape, or of the block of bytes that begins at the first; of the size promised if it can be."""
    page, size = pages[0], math.prod(pages[0].shape) * pages[0].dtype.itemsize
    lead = _promised(tiff, page) or _planes_before_the_next_directory(tiff, page, size)
    count = math.prod(lead.values())
    offset = None
    if count == len(pages) > 1:
        is_misdescribed = False  # but for pages beside them, as a preview, that tifffile did not expect
    elif count > 1 and _is_block(tiff, page, count * size):
        offset, pages = page.dataoffsets[0], []
    elif count > 1 and count >= len(pages):
        pages = [*pages, *[None] * (count - len(pages))]
    else:
        lead, is_misdescribed = {"I": len(pages)} if len(pages) > 1 else {}, is_misdescribed or count > 1
    shape, axes = (*lead.values(), *page.shape), "".join(lead) + page.axes
    dtype, page_shape = np.dtype(page.dtype), tuple(page.shape)
    kind = "imagej" if tiff.is_imagej else "generic"
    return _Part(0, kind, "", shape, axes, dtype, page_shape, pages, offset, {}, is_misdescribed)


def _planes_before_the_next_directory(tiff: tifffile.TiffFile, page: Any, size: int) -> dict[str, int]:
    """Count the planes between the first and a second page that is cut off with all that describes them, where they fit exactly."""
    next_directory = _next_directory(tiff, page)
    if not page.is_contiguous or next_directory < tiff.filehandle.size or page.offset > page.dataoffsets[0]:
        return {}
    count, rest = divmod(next_directory - page.dataoffsets[0], size)
    return {"I": count} if rest == 0 and count > 1 else {}


def _is_block(tiff: tifffile.TiffFile, page: Any, num_bytes: int) -> bool:
    """All planes of an image can lie behind each other from the first on: no directory is among them."""
    next_directory = _next_directory(tiff, page)
    return bool(page.is_contiguous) and (next_directory == 0 or next_directory >= page.dataoffsets[0] + num_bytes)


def _is_one_run_of_planes(tiff: tifffile.TiffFile) -> bool:
    """OME-XML tells of planes of this file alone, in the order of its pages."""
    root = _parsed(tiff.ome_metadata or "")
    data = [] if root is None else [item for item in root.iter() if item.tag.endswith("}TiffData") or item.tag == "TiffData"]
    return (
        len(data) == 1 and not len(data[0]) and all(data[0].get(name, "0") == "0" for name in ("IFD", "FirstT", "FirstZ", "FirstC"))
    )


def _padded(part: _Part, pages: list[Any]) -> _Part:
    there = [page for page in pages if tuple(page.shape) == part.page_shape][: part.num_planes]
    return replace(part, pages=[*there, *[None] * (part.num_planes - len(there))])


def _promised(tiff: tifffile.TiffFile, page: Any) -> dict[str, int]:
    """Read how many planes the description of the first page promises, by axis; empty where it tells nothing that can be."""
    if tiff.is_imagej:
        told = tiff.imagej_metadata or {}
        sizes = {axis: told.get(name, 1) for axis, name in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}
        images = told.get("images", 1)
        if not all(isinstance(size, int) and size > 0 for size in (*sizes.values(), images)):
            return {}
        if math.prod(sizes.values()) == 1:
            sizes["I"] = images
        return {axis: size for axis, size in sizes.items() if size > 1} if math.prod(sizes.values()) == images else {}
    described = _shaped_metadata(page)
    shape, num_inner = described.get("shape"), len(page.shape)
    if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
        return {}
    if tuple(shape[-num_inner:]) != tuple(page.shape) or len(shape) - num_inner > 6:
        return {}
    axes, lead = str(described.get("axes") or ""), shape[:-num_inner]
    letters = axes[: len(lead)] if len(axes) == len(shape) and len(set(axes)) == len(axes) else "IJKLMN"
    return dict(zip(letters, lead, strict=False))


def _shaped_metadata(page: Any) -> Mapping[str, Any]:
    """Read what tifffile writes into the description of a page: JSON that begins with the shape; empty where there is none."""
    text = page.description
    if not text.startswith("{"):
        return {}
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) and "shape" in told else {}


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


class _Listening:
    """The level of tifffile's log while something is read: that of people may keep out what has to be known here."""

    def __init__(self) -> None:
        self._lock, self._count, self._level, self.level_of_others = threading.Lock(), 0, 0, 0

    def begin(self, log: logging.Logger) -> None:
        with self._lock:
            if self._count == 0:
                self._level, self.level_of_others = log.level, log.getEffectiveLevel()
                log.setLevel(min(logging.WARNING, self.level_of_others))
            self._count += 1

    def end(self, log: logging.Logger) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                log.setLevel(self._level)


_listening = _Listening()


@contextlib.contextmanager
def _reports() -> Iterator[_Reports]:
    """Collect what tifffile reports in this thread; it logs much of what makes pixels wrong, and goes on."""
    reports, this_thread = _Reports(), threading.get_ident()

    def hold(record: logging.LogRecord) -> bool:
        is_ours = record.thread == this_thread and record.levelno >= logging.WARNING
        if is_ours:
            reports.records.append(record)
            logger.debug("%s", record.getMessage())
        return not is_ours and record.levelno >= _listening.level_of_others

    log = tifffile.logger()
    log.addFilter(hold)
    _listening.begin(log)
    try:
        yield reports
    finally:
        _listening.end(log)
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
    metadata : mapping
        What the description of its first page says.
    is_misdescribed : bool
        The description does not fit the pages.
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
    metadata: Mapping[str, Any]
    is_misdescribed: bool = False

    @classmethod
    def of(cls, index: int, series: Any) -> _Part:
        shape = tuple(int(side) for side in series.shape)
        offset = series.dataoffset
        page_shape = tuple(int(side) for side in series.keyframe.shape)
        # Of a pyramid level that lies in one block, tifffile takes the pages of the full resolution for its own.
        is_level = len(series.keyframe.treeindex) > 1
        pages = [series.keyframe] if is_level and offset is not None else list(series)
        described = _shaped_metadata(series.keyframe)
        return cls(
            index, series.kind, series.name, shape, series.axes, np.dtype(series.dtype), page_shape, pages, offset, described
        )

    @property
    def num_before(self) -> int:
        """Axes before those of a page."""
        return len(self.shape) - len(self.page_shape)

    @property
    def num_planes(self) -> int:
        return math.prod(self.shape[: self.num_before])

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_level(self) -> bool:
        """It lies in pages below those of another, as the levels of a pyramid do."""
        return bool(self.pages) and self.pages[0] is not None and len(self.pages[0].treeindex) > 1

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
        return tuple(
            f"{key}={value}" for key, value in self.metadata.items() if any(word in str(key).lower() for word in _SCENE_WORDS)
        )

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
    chosen = _merged(like)
    left_out = [part for part in parts if part not in like and not part.is_level]
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
        key: Any = (part.page_shape, part.dtype, part.axes, part.is_level)
        if part.kind == "shaped":
            lead = part.axes[: part.num_before]
            known = "" if lead[:1] in ("", "Q", "I") else lead[0]
            inner = (part.axes[part.num_before :], known, part.shape[1 : part.num_before], part.is_level)
            key = (part.page_shape, part.dtype, inner, part.scene, "" if part.is_paged else part.index)
        groups.setdefault(key, []).append(part)
    return list(groups.values())


def _merged(parts: Sequence[_Part]) -> _Part:
    """Make one stack of images of one shape, or of one shape but for their length, in the order in which they lie in the file."""
    first = max(parts, key=lambda part: part.num_before)
    if len(parts) == 1:
        return first
    pages = sorted((page for part in parts for page in part.pages), key=lambda page: page.index)
    lead, inner = first.axes[: first.num_before], first.axes[first.num_before :]
    sizes = first.shape[: first.num_before]
    if first.kind != "shaped" or not lead:
        sizes, lead = (len(pages),), "I"
    elif lead[0] != "T" and len({part.shape for part in parts}) == 1:
        # as where each volume was written when it was there
        lead = "T" + (lead.replace("Q", "Z") if lead.count("Q") == 1 and "Z" not in lead else lead)
        sizes = (len(parts), *sizes)
    else:
        sizes = (len(pages) // math.prod(sizes[1:]), *sizes[1:])
    return replace(first, index=parts[0].index, shape=(*sizes, *first.page_shape), axes=lead + inner, pages=pages, offset=None)


def _described(parts: Sequence[_Part]) -> str:
    said = [
        f"series {part.index}{f' {part.name!r}' if part.name else ''} of shape {_by(part.shape)} ({part.dtype})"
        for part in parts[:4]
    ]
    return ", ".join(said) + (f" and {len(parts) - 4} more" if len(parts) > 4 else "")


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


# --- what is there of it -------------------------------------------------------------------------------------------


def _with_what_is_there(path: Path, tiff: tifffile.TiffFile, part: _Part, ends_early: bool) -> _Part:
    """Leave out the planes at the end that a file promises and lacks, and tell so."""
    if part.offset is not None:
        plane = math.prod(part.shape[part.num_before :]) * part.dtype.itemsize
        count = (tiff.filehandle.size - part.offset) // plane if plane else part.num_planes
        there = [number < count for number in range(part.num_planes)]
    elif part.is_paged:
        there = [page is not None and any(page.dataoffsets) for page in part.pages]
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
    """Shorten each axis to its last index at which anything is there, then the slowest to the last at which everything is."""
    lead = part.shape[: part.num_before]
    left = np.array(there, bool).reshape(lead)
    if not left.any():
        return None
    kept = [int(indices.max()) + 1 for indices in np.nonzero(left)]
    if kept:
        whole = np.flatnonzero(left[tuple(map(slice, kept))].reshape(kept[0], -1).all(1))
        kept[0] = int(whole[-1]) + 1 if len(whole) else kept[0]
    shape = (*kept, *part.shape[part.num_before :])
    if not part.pages:
        return replace(part, shape=shape)
    numbers = np.arange(len(there)).reshape(lead)[tuple(map(slice, kept))].ravel()
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
    """The bytes of a page all lie within its file; of one that a writer only made room for, none are anywhere."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    return any(page.dataoffsets) and max(ends) <= Path(page.parent.filehandle.path).stat().st_size


def _what_does_not_fit(path: Path, tiff: tifffile.TiffFile, part: _Part) -> str:
    told = math.prod(_promised(tiff, tiff.pages.first).values())
    if 1 < told < part.num_planes:
        return f"{path} has metadata that tell of {told} planes, and holds {part.num_planes}: all are read, without pixel size"
    return f"{path} has damaged metadata: its pixels are read as they are stored, pixel size and axes are unknown"


def _warn_of_pages_left_out(path: Path, tiff: tifffile.TiffFile, parts: Sequence[_Part]) -> None:
    """Tell of pages that the metadata do not tell of."""
    if parts[0].kind not in ("ome", "imagej"):
        return
    here = {page.index for part in parts for page in part.pages if page is not None and page.parent is tiff}
    count = len(tiff.pages) if here and len(here) == sum(len(part.pages) for part in parts) else 0
    if count > len(here) > 1:
        logger.warning(
            "%s has metadata that tell of %d planes, and holds %d: %s left out",
            path,
            len(here),
            count,
            "the last one is" if count - len(here) == 1 else f"the last {count - len(here)} are",
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
