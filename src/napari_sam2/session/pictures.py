"""Pictures of a result: outlines in colour over the frames, as a movie and as a strip. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi
from skimage.color import hsv2rgb
from skimage.segmentation import find_boundaries

from napari_sam2.predictors.frames import map_intensity
from napari_sam2.session.files import atomic_path
from napari_sam2.session.intensity import choose_range
from napari_sam2.session.stack import Stack, as_planes

Picture = npt.NDArray[np.uint8]
GOLDEN_RATIO = 0.618034
PALETTE_SAMPLE_PX = 16_000_000
"""A longer movie than that has its palette from every second, third ... frame."""
DISPLAY_GAMMA = 0.6
"""Lifts dim objects, which a person would otherwise not see beside bright ones."""


def object_colours(object_ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Give each object a colour that differs well from that of its neighbours in number."""
    hues = [(i * GOLDEN_RATIO) % 1 for i in range(len(object_ids))]
    hsv = np.array([[hue, 0.75, 1.0] for hue in hues]).reshape(1, -1, 3)
    rgb = (255 * hsv2rgb(hsv)[0]).astype(int)
    return {object_id: (int(r), int(g), int(b)) for object_id, (r, g, b) in zip(object_ids, rgb, strict=True)}


def outlined_frames(stack: Stack, labels: Any, frames: Sequence[int], zoom: int = 1) -> list[Picture]:
    """Draw frames with the outline of each object.

    Parameters
    ----------
    stack : Stack
        The image.
    labels : array-like
        (H, W) or (T, H, W), uint16.
    frames : sequence of int
        Which frames.
    zoom : int
        Screen pixels per image pixel; outlines stay one or two screen pixels wide.

    Returns
    -------
    list of ndarray
        (zoom * H, zoom * W, 3), uint8.
    """
    low, high = choose_range(stack.frames)
    planes = as_planes(labels)
    ids = sorted({int(i) for frame in range(planes.shape[0]) for i in np.unique(planes[frame]) if i})
    palette = np.zeros((max(ids, default=0) + 1, 3), np.uint8)
    for object_id, colour in object_colours(ids).items():
        palette[object_id] = colour
    pictures = []
    for frame in frames:
        grey = (255 * map_intensity(np.asarray(stack.frames[frame]), low, high) ** DISPLAY_GAMMA).astype(np.uint8)
        rgb = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
        size = (stack.width * zoom, stack.height * zoom)
        picture = np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
        enlarged = np.asarray(planes[frame]).repeat(zoom, 0).repeat(zoom, 1)
        border = find_boundaries(enlarged, mode="inner")
        border = (ndi.binary_dilation(border) if zoom > 1 else border) & (enlarged > 0)
        picture[border] = palette[enlarged[border]]
        pictures.append(picture)
    return pictures


def write_movie(path: Path, pictures: Sequence[Picture], frames_per_second: float = 6) -> None:
    """Write pictures as an endless GIF."""
    # One palette for all frames, or colours would flicker; from all of them, or objects seen on few would lose theirs.
    step = -(-sum(picture.shape[0] * picture.shape[1] for picture in pictures) // PALETTE_SAMPLE_PX)
    palette = Image.fromarray(np.concatenate(list(pictures[::step]))).quantize(255)
    images = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    with atomic_path(path) as partial:
        images[0].save(
            partial, format="GIF", save_all=True, append_images=images[1:], duration=round(1000 / frames_per_second), loop=0
        )


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
