"""Predictions beside the truth, as one picture to look at. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.export.pictures import outlined_frames, write_strip
from napari_sam2.images.stack import Stack

WIDTH_PX = 1600
"""About so wide is the sheet of a small image."""
MAX_TILE_PX = 1100
"""Longest side of a frame. A larger image is thinned out: a sheet is to be looked at, not to fill the disk."""


def write_contact_sheet(
    path: Path, image: npt.NDArray[Any], labels: Sequence[npt.NDArray[np.integer]], titles: Sequence[str], num_rows: int = 4
) -> None:
    """Write a row for each of a few frames: the image, then the image with the outlines of each label stack under its title.

    Parameters
    ----------
    path : Path
        ``.png``.
    image : ndarray
        (T, H, W).
    labels : sequence of ndarray
        (T, H, W) each, such as truth, before and after; an object has one colour in all of them.
    titles : sequence of str
        Their names.
    num_rows : int
        At most so many frames, at equal distances.
    """
    frames = np.unique(np.linspace(0, len(image) - 1, num_rows).round().astype(int)).tolist()
    step = -(-max(image.shape[1:]) // MAX_TILE_PX)
    shown = np.s_[frames, ::step, ::step]
    # Side by side as one image, so that one palette serves for all.
    columns = [np.zeros_like(labels[0]), *labels]
    wide = Stack.open(np.concatenate([image[shown]] * len(columns), axis=2), "TYX")
    outlines = np.concatenate([column[shown] for column in columns], axis=2)
    zoom = max(1, min(round(WIDTH_PX / wide.width), MAX_TILE_PX // wide.height))
    rows = outlined_frames(wide, outlines, range(len(frames)), zoom)
    tiles = [tile for row in rows for tile in np.split(row, len(columns), axis=1)]
    captions = [caption for frame in frames for caption in (f"frame {frame}", *titles)]
    write_strip(path, tiles, captions, columns=len(columns))
