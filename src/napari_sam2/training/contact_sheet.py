"""Contact sheets: predictions beside the ground truth in one picture. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.pictures import outlined_frames, write_strip
from napari_sam2.images.stack import Stack

WIDTH_PX = 1600
"""Approximate width of the sheet of a small image."""
MAX_TILE_PX = 1100
"""Longest side of a frame; larger images are subsampled, which keeps the file small."""


def write_contact_sheet(
    path: Path, image: npt.NDArray[Any], labels: Sequence[npt.NDArray[np.integer]], titles: Sequence[str], num_rows: int = 4
) -> None:
    """Write one row per frame: the image, then the image with the outlines of each label stack.

    Parameters
    ----------
    path : Path
        ``.png``.
    image : ndarray
        (T, H, W).
    labels : sequence of ndarray
        (T, H, W) each, such as ground truth, before and after; each object has the same colour in all of them.
    titles : sequence of str
        Captions, one per label stack.
    num_rows : int
        Upper limit of rows; the frames are evenly spaced.
    """
    frames = np.unique(np.linspace(0, len(image) - 1, num_rows).round().astype(int)).tolist()
    step = -(-max(image.shape[1:]) // MAX_TILE_PX)
    shown = np.s_[frames, ::step, ::step]
    # Side by side in one image, so that all columns share one palette.
    columns = [np.zeros_like(labels[0]), *labels]
    wide = Stack.open(np.concatenate([image[shown]] * len(columns), axis=2), "TYX")
    outlines = np.concatenate([column[shown] for column in columns], axis=2)
    zoom = max(1, min(round(WIDTH_PX / wide.width), MAX_TILE_PX // wide.height))
    rows = outlined_frames(wide, outlines, range(len(frames)), zoom)
    tiles = [tile for row in rows for tile in np.split(row, len(columns), axis=1)]
    captions = [caption for frame in frames for caption in (f"frame {frame}", *titles)]
    write_strip(path, tiles, captions, columns=len(columns))
