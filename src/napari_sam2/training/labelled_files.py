"""Reads an image and its labels from files, and says in one sentence what is wrong with them. T frames · H, W height and width."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2.session.session import MAX_OBJECT_ID
from napari_sam2.session.stack import Stack
from napari_sam2.training.real_stacks import LabelledStack
from napari_sam2.training.run_file import DataEntry


def read_labelled_stack(entry: DataEntry) -> LabelledStack:
    """Read an image and its labels.

    Parameters
    ----------
    entry : DataEntry
        Where they are.

    Returns
    -------
    LabelledStack
        A TIFF that is not compressed stays on the disk and is read as it is needed.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If one cannot be read, the two do not fit, labels are not whole numbers, there is no object, or nobody says whether the
        frames follow each other.
    """
    for path in (entry.image, entry.labels):
        if not path.exists():
            raise FileNotFoundError(f"there is no file {path}")
    axes = entry.axes.upper() if entry.axes is not None else None
    image = _open(entry.image, None if axes is None else axes.replace("N", "Q"), entry.channel)
    labels = _open(entry.labels)
    if image.is_rgb:
        raise ValueError(f"{entry.image} is in colour: choose a channel to learn from (channel = 0)")
    if labels.is_rgb or np.dtype(labels.frames.dtype).kind not in "uib":
        kind = "colours" if labels.is_rgb else str(labels.frames.dtype)
        raise ValueError(f"{entry.labels} holds {kind}: labels must be whole numbers, 0 for the background and one for each object")
    if labels.frames.shape != image.frames.shape:
        raise ValueError(f"{entry.labels} has shape {_shape(labels)}, but {entry.image} has {_shape(image)}")
    if len(image) > 1 and image.along not in "TZ" and "N" not in (axes or ""):
        raise ValueError(
            f"{entry.image} does not say whether its {len(image)} frames follow each other: "
            'write axes = "TYX" for a time-lapse, "ZYX" for a volume, "NYX" for separate images'
        )
    return LabelledStack(
        _finite(np.asarray(image.frames[:])), _as_uint16(labels, entry.labels), is_sequence=len(image) > 1 and image.along in "TZ"
    )


def without_unlabelled_frames(stack: LabelledStack) -> LabelledStack:
    """Leave out frames of a sequence on which nothing is labelled, between others.

    They were passed over, most likely: who labels every fifth frame does not mean that all cells vanish on the others.
    """
    labelled = np.flatnonzero(stack.labels.any((1, 2)))
    first, last = labelled[0], labelled[-1]
    if not stack.is_sequence or len(labelled) == last - first + 1:
        return stack
    kept = np.concatenate([np.arange(first), labelled, np.arange(last + 1, len(stack.labels))])
    return dataclasses.replace(stack, image=stack.image[kept], labels=stack.labels[kept])


def count_objects(stack: LabelledStack) -> int:
    """Count objects: those of all images together where these have nothing to do with each other."""
    if stack.is_sequence:
        return len(np.unique(stack.labels)) - bool((stack.labels == 0).any())
    return sum(len(np.unique(plane)) - bool((plane == 0).any()) for plane in stack.labels)


def _open(path: Path, axes: str | None = None, channel: int | None = None) -> Stack:
    try:
        return Stack.open(path, axes, channel)
    except ValueError as error:
        raise ValueError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _shape(stack: Stack) -> str:
    return " x ".join(str(side) for side in stack.labels_shape)


def _finite(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Put the smallest number in the place of what is none."""
    if image.dtype.kind != "f" or np.isfinite(image).all():
        return image
    good = np.isfinite(image)
    return np.where(good, image, image[good].min() if good.any() else 0)


def _as_uint16(stack: Stack, path: Path) -> npt.NDArray[np.uint16]:
    labels = np.asarray(stack.frames[:])
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ValueError(f"{path} holds the label {low}: labels must be 0 for the background and above for each object")
    if high == 0:
        raise ValueError(f"{path} has no object: all labels are 0")
    if high > MAX_OBJECT_ID:
        values, labels = np.unique(np.concatenate([[0], labels.ravel()]), return_inverse=True)
        if len(values) - 1 > MAX_OBJECT_ID:
            raise ValueError(f"{path} holds {len(values) - 1} objects: at most {MAX_OBJECT_ID} can be told apart")
        labels = labels[1:].reshape(stack.frames.shape)
    return labels.astype(np.uint16)
