"""Which planes of an image of a TIFF are there: those that a file promises and lacks are left out, or cannot be read."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_sam2.images.errors import ImageFileError
from napari_sam2.images.tiff_files import ome_file_names
from napari_sam2.images.tiff_images import TiffImage
from napari_sam2.images.tiff_listing import promised_planes

logger = logging.getLogger(__name__)


def with_what_is_there(path: Path, tiff: tifffile.TiffFile, image: TiffImage, ends_early: bool) -> TiffImage:
    """Leave out the planes at the end that a file promises and lacks, with a warning."""
    if image.offset is not None:
        plane = math.prod(image.shape[image.num_before :]) * image.dtype.itemsize
        count = (tiff.filehandle.size - image.offset) // plane if plane else image.num_planes
        there = [number < count for number in range(image.num_planes)]
    elif image.is_paged:
        there = [page is not None and any(page.dataoffsets) for page in image.pages]
        for number in range(len(there) - 1, -1, -1):  # where a file was cut, the pages before are whole
            if there[number]:
                if _is_whole(image.pages[number]):
                    break
                there[number] = False
    else:
        return image
    if all(there):
        if ends_early:
            found = "the one plane that is there is" if len(there) == 1 else f"the {len(there)} planes that are there are"
            logger.warning("%s ends too early: %s read", path, found)
        return image
    trimmed = _trimmed(image, there)
    absent = _absent_files(path, tiff)
    if trimmed is None or not any(there):
        missing = f": {_not_beside(absent)}" if absent else ": it ends too early"
        raise ImageFileError(f"{path} holds no whole plane of its image{missing}")
    _warn_of_missing_planes(path, image, trimmed, there, absent)
    return trimmed


def _trimmed(image: TiffImage, there: Sequence[bool]) -> TiffImage | None:
    """Shorten each axis to its last index at which anything is there, then the slowest to the last at which everything is."""
    lead = image.shape[: image.num_before]
    left = np.array(there, bool).reshape(lead)
    if not left.any():
        return None
    kept = [int(indices.max()) + 1 for indices in np.nonzero(left)]
    if kept:
        whole = np.flatnonzero(left[tuple(map(slice, kept))].reshape(kept[0], -1).all(1))
        kept[0] = int(whole[-1]) + 1 if len(whole) else kept[0]
    shape = (*kept, *image.shape[image.num_before :])
    if not image.pages:
        return replace(image, shape=shape)
    numbers = np.arange(len(there)).reshape(lead)[tuple(map(slice, kept))].ravel()
    pages = [image.pages[number] if there[number] else None for number in numbers.tolist()] if image.is_paged else image.pages
    return replace(image, shape=shape, pages=pages)


def _warn_of_missing_planes(path: Path, image: TiffImage, trimmed: TiffImage, there: Sequence[bool], absent: Sequence[str]) -> None:
    text = f"{path} has {sum(there)} of the {len(there)} planes that it promises"
    if absent:
        text += f" ({_not_beside(absent)})"
    shorter = [
        f"{after} of {before} along {axis}"
        for axis, before, after in zip(image.axes, image.shape, trimmed.shape, strict=True)
        if after != before
    ]
    if [f"{sum(there)} of {len(there)}"] == [text.partition(" along ")[0] for text in shorter]:
        text += f", which are read along {shorter[0][-1]}"
    elif shorter:
        text += f": {' and '.join(shorter)} are read"
    if any(page is None for page in trimmed.pages):
        text += "; frames with planes that are missing cannot be read"
    logger.warning("%s", text)


def _not_beside(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'} not beside it"


def _absent_files(path: Path, tiff: tifffile.TiffFile) -> list[str]:
    text = tiff.ome_metadata
    return [] if not text else [name for name in ome_file_names(text) if not (path.parent / name).is_file()]


def _is_whole(page: Any) -> bool:
    """The bytes of a page all lie within its file; of one that a writer only made room for, none are anywhere."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    return any(page.dataoffsets) and max(ends) <= Path(page.parent.filehandle.path).stat().st_size


def what_does_not_fit(path: Path, tiff: tifffile.TiffFile, image: TiffImage) -> str:
    """Return one sentence on how metadata and pages differ."""
    promised = math.prod(promised_planes(tiff, tiff.pages.first).values())
    if 1 < promised < image.num_planes:
        return f"{path} has metadata for {promised} planes, and holds {image.num_planes}: all are read, without pixel size"
    return f"{path} has damaged metadata: its pixels are read as they are stored, pixel size and axes are unknown"


def warn_of_pages_left_out(path: Path, tiff: tifffile.TiffFile, images: Sequence[TiffImage]) -> None:
    """Warn of pages without metadata."""
    if images[0].kind not in ("ome", "imagej"):
        return
    here = {page.index for image in images for page in image.pages if page is not None and page.parent is tiff}
    count = len(tiff.pages) if here and len(here) == sum(len(image.pages) for image in images) else 0
    if count > len(here) > 1:
        logger.warning(
            "%s has metadata for %d planes, and holds %d: %s left out",
            path,
            len(here),
            count,
            "the last one is" if count - len(here) == 1 else f"the last {count - len(here)} are",
        )
