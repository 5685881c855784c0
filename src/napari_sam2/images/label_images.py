"""Label images: whole numbers, 0 for the background and one for each object; and the images that they belong to.

T frames · H, W height and width of a frame.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.images.stack import Stack

logger = logging.getLogger(__name__)

MAX_LABEL = int(np.iinfo(np.uint16).max)
"""The largest label that is taken."""


def open_labels(path: Path) -> Stack:
    """Open the file of a label image.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read, or holds something else.
    """
    labels = Stack.open_file(path)
    check_labels(labels, path)
    return labels


def check_labels(labels: Stack, path: Path | None = None) -> None:
    """Check that what was opened can be labels, without reading it.

    Parameters
    ----------
    labels : Stack
        The label image.
    path : Path, optional
        Its file, for the message.

    Raises
    ------
    ValueError
        If it has colours, several channels, or numbers that are not whole.
    """
    if labels.is_rgb or labels.num_channels > 1:
        where = "labels have" if path is None else f"{path} has"
        raise ValueError(f"{where} colours or channels: labels must be whole numbers, one for each pixel")
    dtype = labels.frames.dtype
    if dtype.kind not in "uib":
        where = "labels hold" if path is None else f"{path} holds"
        raise ValueError(f"{where} {dtype}: labels must be whole numbers, 0 for the background and one for each object")


def as_labels(values: npt.NDArray[Any], path: Path | None = None) -> npt.NDArray[np.uint16]:
    """Take whole numbers as labels.

    Parameters
    ----------
    values : ndarray
        Any shape, any type of whole numbers, or bool.
    path : Path, optional
        Their file, for the message.

    Returns
    -------
    ndarray
        Of the same shape, uint16.

    Raises
    ------
    ValueError
        If one is below 0 or above :data:`MAX_LABEL`.
    """
    for extreme in (int(values.min()), int(values.max())):
        if not 0 <= extreme <= MAX_LABEL:
            where = "there is a label" if path is None else f"{path} holds the label"
            raise ValueError(f"{where} {extreme}: labels must be between 0 and {MAX_LABEL}")
    return values.astype(np.uint16, copy=False)


def as_renumbered_labels(values: npt.NDArray[Any], path: Path | None = None) -> npt.NDArray[np.uint16]:
    """Take whole numbers as labels; where some are too large, all are numbered anew, in their order.

    Raises
    ------
    ValueError
        If one is below 0, or there are more than :data:`MAX_LABEL`; see :func:`as_labels`.
    """
    if int(values.max()) <= MAX_LABEL or int(values.min()) < 0:
        return as_labels(values, path)
    found, numbers = np.unique(np.concatenate([[0], values.ravel()]), return_inverse=True)
    if len(found) - 1 > MAX_LABEL:
        where = "there are" if path is None else f"{path} holds"
        raise ValueError(f"{where} {len(found) - 1} objects: at most {MAX_LABEL} are possible")
    return np.asarray(numbers[1:].reshape(values.shape), np.uint16)


def check_fit(image: Stack, labels: Stack, image_path: Path, labels_path: Path) -> None:
    """Check that a label image has the frames of an image.

    Raises
    ------
    ValueError
        If it has more or fewer, or of another size.
    """
    shapes = [(len(stack), stack.height, stack.width) for stack in (labels, image)]
    if shapes[0] != shapes[1]:
        own, others = (f"{frames} frame{'s' * (frames > 1)} of {height} x {width} pixels" for frames, height, width in shapes)
        raise ValueError(f"{labels_path} holds {own}, but {image_path} holds {others}")


def is_of_unknown_order(image: Stack) -> bool:
    """The order of its frames is not known: they lie along an axis that is not T or Z, nor N for separate images."""
    return len(image) > 1 and image.along not in "TZN"


def warn_of_separate_images(image: Stack, where: Path, remedy: str) -> None:
    """Warn that frames whose order is not known are used as separate images.

    Parameters
    ----------
    image : Stack
        Nothing is logged if the order of its frames is known.
    where : Path
        Where it lies.
    remedy : str
        What to do if they do follow each other.
    """
    if is_of_unknown_order(image):
        text = "%s: its %d frames, along %s, are taken for separate images; if they follow each other, %s"
        logger.warning(text, where, len(image), image.along, remedy)
