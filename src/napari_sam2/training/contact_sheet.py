"""Predictions beside the truth, as one picture to look at. T frames · H, W height and width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.pictures import outlined_frames, write_strip
from napari_sam2.session.stack import Stack

WIDTH_PX = 1600


def write_contact_sheet(
    path: Path, image: npt.NDArray[Any], labels: Sequence[npt.NDArray[np.integer]], titles: Sequence[str], num_rows: int = 4
) -> None:
    """Write a row for each of a few frames: the image, then the image with the outlines of each label stack.

    Parameters
    ----------
    path : Path
        ``.png``.
    image : ndarray
        (T, H, W).
    labels : sequence of ndarray
        (T, H, W) each, such as truth, before and after; an object has one colour in all of them.
    titles : sequence of str
        Their names, after that of the image itself.
    num_rows : int
        At most so many frames, at equal distances.
    """
    frames = np.unique(np.linspace(0, len(image) - 1, num_rows).round().astype(int)).tolist()
    # Side by side as one image, so that one palette serves for all.
    columns = [np.zeros_like(labels[0]), *labels]
    wide = Stack.open(np.concatenate([image[frames]] * len(columns), axis=2), "TYX")
    outlines = np.concatenate([column[frames] for column in columns], axis=2)
    zoom = max(1, round(WIDTH_PX / wide.width))
    pictures = outlined_frames(wide, outlines, range(len(frames)), zoom)
    write_strip(path, pictures, [f"frame {frame}: {' | '.join(titles)}" for frame in frames], columns=1)
