"""Reads images and their labels from files, and checks that they fit. T frames · H, W height and width."""

from __future__ import annotations

import dataclasses

import numpy as np

from napari_sam2.images.label_images import is_of_unknown_order, open_labels
from napari_sam2.images.stack import Stack
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.run_file import DataEntry


def read_labelled_stack(entry: DataEntry) -> LabelledStack:
    """Read an image and its labels.

    Parameters
    ----------
    entry : DataEntry
        Paths, axes and channel.

    Returns
    -------
    LabelledStack
        The image of an uncompressed TIFF is memory-mapped, all others are in memory.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file cannot be read, the two do not fit, labels are not whole numbers, there is no object, or it is unknown whether
        the frames are a sequence.
    """
    for path in (entry.image, entry.labels):
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
    axes = entry.axes.upper() if entry.axes is not None else None
    image = Stack.open_file(entry.image, axes, entry.channel)
    if is_of_unknown_order(image):
        raise ValueError(
            f"{entry.image} does not define whether its {len(image)} frames are a sequence: "
            'write axes = "TYX" for a time-lapse, "ZYX" for a volume, "NYX" for separate images'
        )
    return LabelledStack.of(image, open_labels(entry.labels), entry.image, entry.labels)


def without_unlabelled_frames(stack: LabelledStack) -> LabelledStack:
    """Remove frames without labels between labelled frames of a sequence.

    Most likely they were not annotated, as where every fifth frame was, and do not lack objects.
    """
    labelled = np.flatnonzero(stack.labels.any((1, 2)))
    first, last = labelled[0], labelled[-1]
    if not stack.is_sequence or len(labelled) == last - first + 1:
        return stack
    kept = np.concatenate([np.arange(first), labelled, np.arange(last + 1, len(stack.labels))])
    return dataclasses.replace(stack, image=stack.image[kept], labels=stack.labels[kept])


def count_objects(stack: LabelledStack) -> int:
    """Count the objects of a sequence, or of all images of a collection."""
    if stack.is_sequence:
        return len(np.unique(stack.labels)) - bool((stack.labels == 0).any())
    return sum(len(np.unique(plane)) - bool((plane == 0).any()) for plane in stack.labels)
