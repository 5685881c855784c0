"""A picture of the objects with the lowest scores: truth and prediction, outlined over a few frames.

T frames · H, W height and width of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage as ndi
from skimage.segmentation import find_boundaries

from napari_sam2.evaluation.agreement import Mask, iou
from napari_sam2.evaluation.dataset import Dataset, channels_used
from napari_sam2.evaluation.scores import Evaluation, ObjectScores
from napari_sam2.export.pictures import DISPLAY_GAMMA, Picture
from napari_sam2.files import atomic_path
from napari_sam2.images.intensity import map_intensity, robust_range
from napari_sam2.images.stack import Stack, as_planes

WORST, COLUMNS = 8, 6
"""Objects in a picture, and frames of each."""
TILE_PX, GAP_PX, LINE_PX = 160, 4, 20
MIN_CROP_PX = 24
MIN_WIDTH_PX = 440
"""For the titles, over few frames."""
# As by Okabe and Ito, distinct for all kinds of colour vision; none is grey, which would be invisible on an object.
TRUTH_COLOUR, PREDICTION_COLOUR, BOTH_COLOUR = (86, 180, 233), (255, 159, 0), (225, 80, 200)


@dataclass(frozen=True)
class Scored:
    """A stack, or one image of a collection, and what was found on it.

    Attributes
    ----------
    stack : Stack
        The image.
    dataset, evaluation : Dataset and Evaluation
        The truth and the scores.
    labels : array-like
        (H, W) or (T, H, W): what was found.
    intensity_range : tuple of float
        Intensities that are black and white in the input of the model. Within it, the contrast is fitted to the surroundings of
        each object.
    """

    stack: Stack
    dataset: Dataset
    evaluation: Evaluation
    labels: Any
    intensity_range: tuple[float, float]


def write_worst_objects(path: Path, scored: Sequence[Scored]) -> None:
    """Write a picture of the objects with the lowest mean IoU, see :func:`draw_worst_objects`.

    Parameters
    ----------
    path : Path
        ``.png``.
    scored : sequence of Scored
        One stack, or all images of a collection.

    Raises
    ------
    ValueError
        If the file cannot be written.
    """
    picture = draw_worst_objects(scored, scored[0].dataset.name)
    with atomic_path(path) as partial:
        picture.save(partial, format="PNG")


def draw_worst_objects(scored: Sequence[Scored], title: str) -> Image.Image:
    """Draw the objects with the lowest mean IoU, the worst first, one below the other or side by side.

    Parameters
    ----------
    scored : sequence of Scored
        One stack, or all images of a collection.
    title : str
        Written above them.
    """
    pairs = [(item, part) for part in scored for item in part.evaluation.objects]
    worst = sorted(pairs, key=lambda pair: pair[0].mean)[:WORST]
    blocks = [_block(item, part.dataset.number, _tiles(item, part)) for item, part in worst]
    width, height = max(block.width for block in blocks), blocks[0].height
    per_line = max(1, COLUMNS * (TILE_PX + GAP_PX) // width)
    dataset = scored[0].dataset
    legend = [(f"{title}:", "white"), ("truth", TRUTH_COLOUR), ("prediction", PREDICTION_COLOUR), ("both", BOTH_COLOUR)]
    if dataset.channels:
        legend.append((channels_used(dataset.channels, dataset.num_channels), "white"))
    canvas_width = max(min(per_line, len(blocks)) * width, MIN_WIDTH_PX, _length("  ".join(text for text, _ in legend)))
    canvas = Image.new("RGB", (GAP_PX + canvas_width, LINE_PX + GAP_PX - (-len(blocks) // per_line) * height), "black")
    _write_line(canvas, (GAP_PX, 2), legend)
    for number, block in enumerate(blocks):
        line, column = divmod(number, per_line)
        canvas.paste(block, (GAP_PX + column * width, LINE_PX + GAP_PX + line * height))
    return canvas


def _block(item: ObjectScores, image: int | None, tiles: list[tuple[Picture, str]]) -> Image.Image:
    """Put the frames of an object side by side under their title; a single one has no caption, unless it is of several images."""
    is_short = len(tiles) == 1
    if image is None:
        title = f"object {item.object_id}    IoU {item.mean:.2f}"
    else:
        title, tiles = f"image {image}  object {item.object_id}", [(picture, f"IoU {item.mean:.2f}") for picture, _ in tiles]
    if not is_short:
        title += f"    F {item.boundary_f:.2f}    prompted frame {item.prompted:.2f}"
    width = len(tiles) * (TILE_PX + GAP_PX)
    block = Image.new("RGB", (width if is_short else max(width, MIN_WIDTH_PX), LINE_PX + TILE_PX + 2 * GAP_PX), "black")
    _write_line(block, (0, 2), ((title, "white"),))
    for column, (picture, caption) in enumerate(tiles):
        left = column * (TILE_PX + GAP_PX)
        block.paste(Image.fromarray(picture), (left, LINE_PX))
        if not is_short or image is not None:
            style: dict[str, Any] = {"fill": "white", "font": _font(12), "stroke_width": 1, "stroke_fill": "black"}
            ImageDraw.Draw(block).text((left + 4, LINE_PX + 2), caption, **style)
    return block


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _write_line(image: Image.Image, at: tuple[int, int], words: Sequence[tuple[str, Any]]) -> None:
    draw = ImageDraw.Draw(image)
    x, y = at
    for text, colour in words:
        draw.text((x, y), text, fill=colour, font=_font(14))
        x += int(draw.textlength(text + "  ", font=_font(14)))


def _length(text: str) -> int:
    """Pixels that a line takes."""
    return int(ImageDraw.Draw(Image.new("L", (1, 1))).textlength(text, font=_font(14)))


def _tiles(item: ObjectScores, scored: Scored) -> list[tuple[Picture, str]]:
    """Draw one object on frames spread through its span, the prompted one among them, each with its caption."""
    stack, dataset, found = scored.stack, scored.dataset, as_planes(scored.labels)
    frames = chosen_frames(dataset, item.object_id)
    masks = [(dataset.mask(item.object_id, t), np.asarray(found[t]) == item.object_id) for t in frames]
    windows = _windows([pair[0] for pair in masks])
    crops = np.stack([np.asarray(stack.frames[t])[window] for t, window in zip(frames, windows, strict=True)])
    low, high = robust_range(np.clip(crops.astype(np.float64), *scored.intensity_range))
    tiles = []
    for t, pair, window, crop in zip(frames, masks, windows, crops, strict=True):
        prompted = "  prompted" if t == dataset.anchors[item.object_id] else ""
        picture = _outlined(map_intensity(crop, low, high), *(mask[window] for mask in pair))
        tiles.append((picture, f"frame {t}  {iou(*pair):.2f}{prompted}"))
    return tiles


def chosen_frames(dataset: Dataset, object_id: int) -> list[int]:
    """Spread at most ``COLUMNS`` frames through an object's span; the nearest gives way to the prompted one."""
    span, anchor = dataset.span(object_id), dataset.anchors[object_id]
    frames = np.unique(np.linspace(span.start, span.stop - 1, COLUMNS).round().astype(int))
    frames[np.abs(frames - anchor).argmin()] = anchor
    return [int(frame) for frame in frames]


def _windows(masks: Sequence[Mask]) -> list[tuple[slice, slice]]:
    """Put a square of one size around the object on each frame; where it is absent, around its last position."""
    height, width = masks[0].shape
    boxes = [ndi.find_objects(mask.astype(np.uint8))[0] if mask.any() else None for mask in masks]
    longest = max(part.stop - part.start for box in boxes if box is not None for part in box)
    side = min(max(2 * longest, MIN_CROP_PX), height, width)
    windows, (rows, cols) = [], next(box for box in boxes if box is not None)
    for box in boxes:
        rows, cols = box or (rows, cols)
        windows.append((_centred(rows, side, height), _centred(cols, side, width)))
    return windows


def _centred(part: slice, side: int, length: int) -> slice:
    """Return ``side`` pixels around a part of 0 .. ``length``, moved inside where they would cross an end."""
    start = min(max((part.start + part.stop - side) // 2, 0), length - side)
    return slice(start, start + side)


def _outlined(crop: npt.NDArray[np.float32], truth: Mask, found: Mask) -> Picture:
    grey = (255 * crop**DISPLAY_GAMMA).astype(np.uint8)
    rgb = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
    picture = np.array(Image.fromarray(rgb).resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC))
    true_line, found_line = (_outline(mask) for mask in (truth, found))
    picture[true_line] = TRUTH_COLOUR
    picture[found_line] = PREDICTION_COLOUR
    picture[true_line & found_line] = BOTH_COLOUR
    return picture


def _outline(mask: Mask) -> Mask:
    enlarged = np.asarray(Image.fromarray(mask).resize((TILE_PX, TILE_PX), Image.Resampling.NEAREST))
    line: Mask = ndi.binary_dilation(find_boundaries(enlarged, mode="inner")) & enlarged
    return line
