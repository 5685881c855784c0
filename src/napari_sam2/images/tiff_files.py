"""Opens TIFF files, recognized by their first bytes; of an OME-TIFF in several files, the one that describes them all."""

from __future__ import annotations

import logging
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import tifffile

from napari_sam2.file_errors import reason_of
from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.file_names import named_path

logger = logging.getLogger(__name__)


TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf2", ".tf8")
MAGIC_BYTES = tuple(b"II*\0 MM\0* II+\0 MM\0+".split())
"""How a TIFF or BigTIFF begins, in either byte order."""


def is_tiff(path: Path) -> bool:
    """Return whether a file is a TIFF, by its first bytes, not its name."""
    try:
        with path.open("rb") as file:
            return file.read(4) in MAGIC_BYTES
    except OSError:
        return False


def open_described(path: Path) -> tuple[Path, tifffile.TiffFile]:
    """Open a file, or the one in which the metadata of its OME-TIFF lie: a companion file, or another TIFF of the set."""
    if path.name.lower().endswith(".companion.ome"):
        text = path.read_text(encoding="utf-8", errors="replace")
        if parsed_xml(text) is None:
            raise ImageFileError(f"{path} is damaged: it is not well-formed XML")
        names = ome_file_names(text)
        there = [path.parent / name for name in names if (path.parent / name).is_file()]
        if not there:
            raise FileNotFoundError(f"none of the TIFFs of {path} lies beside it: {', '.join(names[:3]) or 'it names none'}")
        return there[0], _open_alone(there[0], text)
    tiff = _open_alone(path)
    text = tiff.ome_metadata or ""
    root = parsed_xml(text) if "BinaryOnly" in text else None
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


def _named_beside(ome_xml: str) -> str:
    """Drop the folders of the files that OME-XML names for planes: the files of a set lie beside each other."""
    return re.sub(
        r"""(FileName=)(["'])(.*?)\2""", lambda found: f"{found[1]}{found[2]}{named_path(found[3]).name}{found[2]}", ome_xml
    )


def _open_alone(path: Path, companion: str | None = None) -> tifffile.TiffFile:
    try:
        tiff = tifffile.TiffFile(path) if companion is None else tifffile.TiffFile(path, omexml=companion)
        text = tiff.ome_metadata or ""
        if "FileName=" in text and (beside := _named_beside(text)) != text:
            tiff.close()
            return tifffile.TiffFile(path, omexml=beside)
        if tiff.is_scanimage and not tiff.is_bigtiff and not _ends_with(tiff, tiff.pages[-1]):
            # tifffile counts the pages of ScanImage by the length of the file, and can miss the last
            tiff.close()
            tiff = tifffile.TiffFile(path, is_scanimage=False)
        return tiff
    except PermissionError as error:
        raise ImageFileError(f"{path} may not be read: {reason_of(error)}") from error
    except Exception as error:  # tifffile stumbles over what it does not expect with errors of all kinds
        what = "is a damaged TIFF" if is_tiff(path) else "is not a TIFF file"
        raise ImageFileError(f"{path} {what}") from error


def _ends_with(tiff: tifffile.TiffFile, page: Any) -> bool:
    """No page follows this one, if its offset in the file is known."""
    return not page.offset or next_directory(tiff, page) == 0


def next_directory(tiff: tifffile.TiffFile, page: Any) -> int:
    """Offset of the next page in the file, whether or not it exists; 0 behind the last."""
    form, file = tiff.tiff, tiff.filehandle
    try:
        file.seek(page.offset)
        (num_tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
        file.seek(page.offset + form.tagnosize + num_tags * form.tagsize)
        return int(struct.unpack(form.offsetformat, file.read(form.offsetsize))[0])
    except (struct.error, OSError):
        return int(file.size)


def parsed_xml(text: str) -> ET.Element | None:
    """Parse XML; None where it is not well-formed."""
    try:
        return ET.fromstring(text)  # noqa: S314  # a local file; the parser expands no external entities
    except ET.ParseError:
        return None


def ome_file_names(ome_xml: str) -> list[str]:
    """List the files that OME-XML names for planes."""
    root = parsed_xml(ome_xml)
    found = [] if root is None else [item.get("FileName", "") for item in root.iter() if item.tag.endswith("UUID")]
    return [named_path(name).name for name in dict.fromkeys(found) if name]
