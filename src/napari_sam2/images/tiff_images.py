"""The images of a TIFF, which of them is opened, and which are frames of one stack. N planes of an image."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_sam2.images.choice import Choice, listed
from napari_sam2.structured import json_content

logger = logging.getLogger(__name__)


_UNEXPLAINED_KINDS = {"generic", "shaped", "uniform"}
"""Kinds of series without metadata."""
_SCENE_WORDS = ("name", "position", "scene", "series", "well", "field", "site", "tile", "view")
"""A description with one of these is that of several scenes: its images are not frames of one stack."""


@dataclass(frozen=True)
class TiffImage:
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
        The description of its first page.
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
    def of(cls, index: int, series: Any) -> TiffImage:
        """Take what tifffile calls a series."""
        shape = tuple(int(side) for side in series.shape)
        offset = series.dataoffset
        page_shape = tuple(int(side) for side in series.keyframe.shape)
        # Of a pyramid level that lies in one block, tifffile takes the pages of the full resolution for its own.
        is_level = len(series.keyframe.treeindex) > 1
        pages = [series.keyframe] if is_level and offset is not None else list(series)
        described = shaped_metadata(series.keyframe)
        return cls(
            index, series.kind, series.name, shape, series.axes, np.dtype(series.dtype), page_shape, pages, offset, described
        )

    @property
    def num_before(self) -> int:
        """Axes before those of a page."""
        return len(self.shape) - len(self.page_shape)

    @property
    def num_planes(self) -> int:
        """N, by its shape."""
        return math.prod(self.shape[: self.num_before])

    @property
    def num_bytes(self) -> int:
        """Bytes of all its pixels."""
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
        """Its pixels lie in one block."""
        return self.offset is not None

    @property
    def scene(self) -> tuple[str, ...]:
        """What distinguishes it from images of other scenes."""
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


def choose_image(path: Path, images: list[TiffImage], choice: Choice) -> TiffImage:
    """Choose an image of a file, and warn of the ones left out."""
    if choice.is_open and len(images) == 1:
        return images[0]
    names = [image.name for image in images]
    number = choice.find(str(path), names)
    if number is not None:
        return images[number]
    if images[0].kind not in _UNEXPLAINED_KINDS:
        text = (
            "%s holds %d images, %s: the first is opened; choose another by series=1 (--series 1), or by image_name (--image-name)"
        )
        logger.warning(text, path, len(images), listed(names))
        return images[0]
    like = max(_alike(images), key=lambda group: sum(math.prod(image.shape) for image in group))
    chosen = _merged(like)
    left_out = [image for image in images if image not in like and not image.is_level]
    if len(like) > 1:
        logger.warning(
            "%s holds %d images of one shape, without metadata that distinguish them: they are read as one stack of shape %s",
            path,
            len(like),
            written_shape(chosen.shape),
        )
    if left_out:
        first = left_out[0].index
        logger.warning("%s also holds %s, left out; choose it by series=%d (--series %d)", path, _described(left_out), first, first)
    return chosen


def _alike(images: Sequence[TiffImage]) -> list[list[TiffImage]]:
    """Group images that may be frames of one stack; pages of one kind that lie in several series are so too."""
    groups: dict[Any, list[TiffImage]] = {}
    for image in images:
        key: Any = (image.page_shape, image.dtype, image.axes, image.is_level)
        if image.kind == "shaped":
            lead = image.axes[: image.num_before]
            known = "" if lead[:1] in ("", "Q", "I") else lead[0]
            inner = (image.axes[image.num_before :], known, image.shape[1 : image.num_before], image.is_level)
            key = (image.page_shape, image.dtype, inner, image.scene, "" if image.is_paged else image.index)
        groups.setdefault(key, []).append(image)
    return list(groups.values())


def _merged(images: Sequence[TiffImage]) -> TiffImage:
    """Make one stack of images of one shape, or of one shape but for their length, in the order in which they lie in the file."""
    first = max(images, key=lambda image: image.num_before)
    if len(images) == 1:
        return first
    pages = sorted((page for image in images for page in image.pages), key=lambda page: page.index)
    lead, inner = first.axes[: first.num_before], first.axes[first.num_before :]
    sizes = first.shape[: first.num_before]
    if first.kind != "shaped" or not lead:
        sizes, lead = (len(pages),), "I"
    elif lead[0] != "T" and len({image.shape for image in images}) == 1:
        # as where each volume was written when it was there
        lead = "T" + (lead.replace("Q", "Z") if lead.count("Q") == 1 and "Z" not in lead else lead)
        sizes = (len(images), *sizes)
    else:
        sizes = (len(pages) // math.prod(sizes[1:]), *sizes[1:])
    return replace(first, index=images[0].index, shape=(*sizes, *first.page_shape), axes=lead + inner, pages=pages, offset=None)


def _described(images: Sequence[TiffImage]) -> str:
    shown = [
        f"series {image.index}{f' {image.name!r}' if image.name else ''} of shape {written_shape(image.shape)} ({image.dtype})"
        for image in images[:4]
    ]
    return ", ".join(shown) + (f" and {len(images) - 4} more" if len(images) > 4 else "")


def written_shape(shape: Sequence[int]) -> str:
    """Write a shape, as 6 x 96 x 128."""
    return " x ".join(map(str, shape))


def shaped_metadata(page: Any) -> Mapping[str, Any]:
    """Read what tifffile writes into the description of a page: JSON that begins with the shape; empty where there is none."""
    text = page.description
    if not text.startswith("{"):
        return {}
    try:
        content = json_content(text, "")
    except ValueError:
        return {}
    return content if isinstance(content, dict) and "shape" in content else {}
