"""Pictures of a result: outlines in colour over the frames, one by one and as a strip. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi
from skimage.segmentation import find_boundaries

from napari_sam2.export.colours import Colour, outline_colours
from napari_sam2.files import atomic_path
from napari_sam2.images.intensity import IntensityRange, bounds, choose_ranges, map_intensity
from napari_sam2.images.stack import Stack, as_planes

Picture = npt.NDArray[np.uint8]
DISPLAY_GAMMA = 0.6
"""Brightens dim objects, which are hardly visible beside bright ones. 8-bit colours are shown unchanged."""


class OutlinedFrames(Sequence[Picture]):
    """Frames with the outline of each object, drawn when they are asked for.

    Parameters
    ----------
    stack : Stack
        The image.
    labels : array-like
        (T, H, W), or (H, W) for a single image; uint16.
    zoom : int
        Screen pixels per image pixel; outlines stay one or two screen pixels wide. Pictures are (zoom * H, zoom * W, 3), uint8.
    intensity_ranges : sequence of tuple of float, optional
        Intensities that become black and white, of all or of red, green and blue; by default those of a session, see
        :func:`~napari_sam2.images.intensity.choose_ranges`.
    colours : mapping of int to str, optional
        Chosen colours of objects, ``#rrggbb``.

    Attributes
    ----------
    colours : list of Colour
        Those of the outlines, each once.
    """

    def __init__(
        self,
        stack: Stack,
        labels: Any,
        zoom: int = 1,
        intensity_ranges: Sequence[IntensityRange] | None = None,
        colours: Mapping[int, str] | None = None,
    ) -> None:
        self._stack, self._planes, self._zoom = stack, as_planes(labels), zoom
        self._ranges = intensity_ranges or choose_ranges(stack)
        ids = sorted({int(i) for frame in range(len(stack)) for i in np.unique(self._planes[frame]) if i})
        self._palette = np.zeros((max(ids, default=0) + 1, 3), np.uint8)
        outlines = outline_colours(ids, colours)
        for object_id, colour in outlines.items():
            self._palette[object_id] = colour
        self.colours: list[Colour] = sorted(set(outlines.values()))

    def __len__(self) -> int:
        return len(self._stack)

    @overload
    def __getitem__(self, key: int) -> Picture: ...
    @overload
    def __getitem__(self, key: slice) -> list[Picture]: ...
    def __getitem__(self, key: int | slice) -> Picture | list[Picture]:
        if isinstance(key, slice):
            return [self._draw(frame) for frame in range(len(self))[key]]
        return self._draw(range(len(self))[key])

    def _read(self, frame: int) -> Picture:
        """Read a frame as it is shown, (H, W, 3)."""
        plane = np.asarray(self._stack.frames[frame])
        if self._ranges is not None:
            plane = (255 * map_intensity(plane, *bounds(self._ranges)) ** DISPLAY_GAMMA).astype(np.uint8)
        return plane if plane.ndim == 3 else np.repeat(plane[..., None], 3, axis=2)

    def _draw(self, frame: int) -> Picture:
        stack, zoom = self._stack, self._zoom
        rgb = self._read(frame)
        picture = np.array(Image.fromarray(rgb).resize((stack.width * zoom, stack.height * zoom), Image.Resampling.BICUBIC))
        enlarged = np.asarray(self._planes[frame]).repeat(zoom, 0).repeat(zoom, 1)
        border = find_boundaries(enlarged, mode="inner")
        border = (ndi.binary_dilation(border) if zoom > 1 else border) & (enlarged > 0)
        picture[border] = self._palette[enlarged[border]]
        return picture


def outlined_frames(stack: Stack, labels: Any, frames: Sequence[int], zoom: int = 1) -> list[Picture]:
    """Draw some frames; see :class:`OutlinedFrames`."""
    drawn = OutlinedFrames(stack, labels, zoom)
    return [drawn[frame] for frame in frames]


def write_strip(path: Path, pictures: Sequence[Picture], captions: Sequence[str], columns: int = 5, gap_px: int = 6) -> None:
    """Write pictures side by side, in rows of ``columns``, with a caption in the corner of each."""
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = (columns * (width + gap_px) - gap_px, rows * (height + gap_px) - gap_px)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=max(12, height // 16))
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        corner = (index % columns * (width + gap_px), index // columns * (height + gap_px))
        canvas.paste(Image.fromarray(picture), corner)
        draw.text((corner[0] + 5, corner[1] + 3), caption, fill="white", font=font, stroke_width=1, stroke_fill="black")
    with atomic_path(path) as partial:
        canvas.save(partial, format="PNG")
