"""Keeps the memory of a worker small, whatever the size of a stack: a worker that takes more than its share is ended by dask."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_sam2.images.stack import Stack
from napari_sam2.predictors.device import return_free_memory
from napari_sam2.session.labels.label_writer import empty_labels

FRAMES_BETWEEN_RELEASES = 4
LABEL_BYTES = 64 * 2**20
"""Labels beyond it lie in a temporary file."""


def labels_of_worker(stack: Stack) -> npt.NDArray[np.uint16]:
    """Make an empty label image for a stack.

    Raises
    ------
    OSError
        If there is no room for its file.
    """
    return empty_labels(stack.labels_shape, LABEL_BYTES)


def memory_released(stack: Stack) -> Callable[[], None]:
    """Return a function to be called for each frame, which releases memory now and then."""
    count = itertools.count(1)

    def now_and_then() -> None:
        if next(count) % FRAMES_BETWEEN_RELEASES == 0:
            release_memory(stack)

    return now_and_then


def release_memory(stack: Stack) -> None:
    """Give back memory that is not needed now: pages of a mapped image, which count as memory of the process, and free memory."""
    mapped = getattr(stack.image, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
    return_free_memory()
