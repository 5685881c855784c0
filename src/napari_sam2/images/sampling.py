"""A few frames spread through a stack, for what has to be known before all of it is read. T frames · H, W their size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def read_sample(frames: Any, max_frames: int = 16) -> Iterator[npt.NDArray[Any]]:
    """Read frames spread through (T, ...), one after another; those that cannot be read are left out.

    Raises
    ------
    OSError
        If none can be read.
    """
    picked: Sequence[int] = np.unique(np.linspace(0, frames.shape[0] - 1, max_frames).round().astype(int)).tolist()
    errors = []
    for frame in picked:
        try:
            plane = np.asarray(frames[frame])
        except OSError as error:
            # It may never be needed; if it is, reading it raises the error.
            errors.append(error)
            continue
        yield plane
    if len(errors) == len(picked):
        raise errors[0]


def sample_frames(frames: Any) -> npt.NDArray[Any]:
    """Read a sample of frames (T, ...), thinned out where they are large."""
    step = max(1, int(np.sqrt(frames.shape[1] * frames.shape[2] / 250_000)))
    return np.stack([plane[::step, ::step] for plane in read_sample(frames)])
