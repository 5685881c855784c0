"""Images of a TIFF listed, also where it ends too early or contradicts itself: then by its pages, one by one."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.tiff_files import next_directory, parsed_xml
from napari_sam2.images.tiff_images import TiffImage, shaped_metadata
from napari_sam2.images.tiff_reports import CONTRADICTORY, ENDS_EARLY, IMAGEJ_INVALID, TiffReports

MAX_PLANES = 10**6
"""A description that promises more planes, of which most are not there, is ignored."""


def list_images(path: Path, tiff: tifffile.TiffFile, reports: TiffReports) -> tuple[list[TiffImage], bool]:
    """List the images of a file, and return whether it ends too early; of a damaged one as much as can be found."""
    failure = None
    try:
        images = [TiffImage.of(i, series) for i, series in enumerate(tiff.series)]
    except Exception as error:  # tifffile stumbles over what it does not expect with errors of all kinds
        images, failure = [], error
    is_cut = reports.any_of(ENDS_EARLY)
    is_of_imagej = reports.any_of(IMAGEJ_INVALID)  # by its description alone, or because planes are missing
    if failure is None and not images:
        raise ImageFileError(f"{path} is a TIFF without an image in it")
    contradicts_itself = reports.any_of(CONTRADICTORY)
    if failure is not None or (len(images) == 1 and (is_cut or is_of_imagej or contradicts_itself or _is_at_odds(tiff, images[0]))):
        pages = _pages_that_can_be_listed(tiff)
        if not pages and failure is not None:
            raise ImageFileError(f"{path} is a damaged TIFF: its pages cannot be listed") from failure
        is_cut = is_cut or (bool(pages) and next_directory(tiff, pages[-1]) >= tiff.filehandle.size)
        if pages and (failure is not None or contradicts_itself or images[0].kind != "ome"):
            images = [_of_pages(tiff, pages, failure is not None or contradicts_itself or is_of_imagej)]
        elif pages and is_cut and _is_one_run_of_planes(tiff) and _is_block(tiff, pages[0], images[0].num_bytes):
            images = [replace(images[0], pages=[], offset=pages[0].dataoffsets[0])]
        elif images[0].offset is None and len(images[0].pages) < images[0].num_planes:
            images = [_padded(images[0], pages)]
    return images, is_cut


def _is_at_odds(tiff: tifffile.TiffFile, image: TiffImage) -> bool:
    """What describes the planes of an image does not fit the pages that are there."""
    if image.kind == "ome":
        return False
    if image.offset is not None and image.offset < next_directory(tiff, tiff.pages.first) < image.offset + image.num_bytes:
        return True
    return not (image.is_paged or image.is_mappable) or (image.kind in ("shaped", "imagej") and len(tiff.pages) > image.num_planes)


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


def _of_pages(tiff: tifffile.TiffFile, pages: list[Any], is_misdescribed: bool) -> TiffImage:
    """Make an image of pages of one shape, or of the block of bytes that begins at the first; of the size promised if it can be."""
    page, size = pages[0], math.prod(pages[0].shape) * pages[0].dtype.itemsize
    lead = promised_planes(tiff, page) or _planes_before_the_next_directory(tiff, page, size)
    count = math.prod(lead.values())
    offset = None
    if count == len(pages) > 1:
        is_misdescribed = False  # but for pages beside them, as a preview, that tifffile did not expect
    elif count > 1 and _is_block(tiff, page, count * size):
        offset, pages = page.dataoffsets[0], []
    elif 1 < count <= MAX_PLANES and count >= len(pages):
        pages = [*pages, *[None] * (count - len(pages))]
    else:
        lead, is_misdescribed = {"I": len(pages)} if len(pages) > 1 else {}, is_misdescribed or count > 1
    shape, axes = (*lead.values(), *page.shape), "".join(lead) + page.axes
    dtype, page_shape = np.dtype(page.dtype), tuple(page.shape)
    kind = "imagej" if tiff.is_imagej else "generic"
    return TiffImage(0, kind, "", shape, axes, dtype, page_shape, pages, offset, {}, is_misdescribed)


def _planes_before_the_next_directory(tiff: tifffile.TiffFile, page: Any, size: int) -> dict[str, int]:
    """Count the planes between the first and a second page that is cut off with all that describes them, where they fit exactly."""
    following = next_directory(tiff, page)
    if not page.is_contiguous or following < tiff.filehandle.size or page.offset > page.dataoffsets[0]:
        return {}
    count, rest = divmod(following - page.dataoffsets[0], size)
    return {"I": count} if rest == 0 and count > 1 else {}


def _is_block(tiff: tifffile.TiffFile, page: Any, num_bytes: int) -> bool:
    """All planes of an image can lie behind each other from the first on: no directory is among them."""
    following = next_directory(tiff, page)
    return bool(page.is_contiguous) and (following == 0 or following >= page.dataoffsets[0] + num_bytes)


def _is_one_run_of_planes(tiff: tifffile.TiffFile) -> bool:
    """OME-XML describes planes of this file only, in the order of its pages."""
    root = parsed_xml(tiff.ome_metadata or "")
    data = [] if root is None else [item for item in root.iter() if item.tag.endswith("}TiffData") or item.tag == "TiffData"]
    return (
        len(data) == 1 and not len(data[0]) and all(data[0].get(name, "0") == "0" for name in ("IFD", "FirstT", "FirstZ", "FirstC"))
    )


def _padded(image: TiffImage, pages: list[Any]) -> TiffImage:
    there = [page for page in pages if tuple(page.shape) == image.page_shape][: image.num_planes]
    return replace(image, pages=[*there, *[None] * (image.num_planes - len(there))])


def promised_planes(tiff: tifffile.TiffFile, page: Any) -> dict[str, int]:
    """Read how many planes the description of the first page promises, by axis; empty where that is impossible."""
    if tiff.is_imagej:
        metadata = tiff.imagej_metadata or {}
        sizes = {axis: metadata.get(name, 1) for axis, name in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}
        images = metadata.get("images", 1)
        if not all(isinstance(size, int) and size > 0 for size in (*sizes.values(), images)):
            return {}
        if math.prod(sizes.values()) == 1:
            sizes["I"] = images
        return {axis: size for axis, size in sizes.items() if size > 1} if math.prod(sizes.values()) == images else {}
    described = shaped_metadata(page)
    shape, num_inner = described.get("shape"), len(page.shape)
    if not isinstance(shape, list) or not all(isinstance(size, int) and size > 0 for size in shape):
        return {}
    if tuple(shape[-num_inner:]) != tuple(page.shape) or len(shape) - num_inner > 6:
        return {}
    axes, lead = str(described.get("axes") or ""), shape[:-num_inner]
    letters = axes[: len(lead)] if len(axes) == len(shape) and len(set(axes)) == len(axes) else "IJKLMN"
    return dict(zip(letters, lead, strict=False))
