"""Labelled stacks from files, and random augmented clips of them.

T frames · H, W height and width · S side of the model's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F

from napari_sam2.file_errors import reading
from napari_sam2.images.intensity import CT_WINDOWS_HU, looks_like_ct
from napari_sam2.images.label_images import as_renumbered_labels, check_fit, open_labels, warn_of_separate_images
from napari_sam2.images.sampling import sample_frames
from napari_sam2.images.stack import Stack
from napari_sam2.training.clips import Clip, should_be_reversed

CT_WINDOW_SHARES = {"soft tissue": 0.6, "brain": 0.1, "lung": 0.15, "bone": 0.15}
"""Probability of each CT window."""


@dataclass(frozen=True)
class LabelledStack:
    """An image stack and the labels of its objects.

    Attributes
    ----------
    image : ndarray
        (T, H, W), any integer or float type.
    labels : ndarray
        (T, H, W), uint16.
    is_sequence : bool
        Whether neighbouring frames show the same objects; False for a collection of images.
    """

    image: npt.NDArray[np.generic]
    labels: npt.NDArray[np.uint16]
    is_sequence: bool

    @cached_property
    def is_ct(self) -> bool:
        """Whether it is CT, which is shown in windows; see :func:`~napari_sam2.images.intensity.looks_like_ct`."""
        return looks_like_ct(sample_frames(self.image))

    def has_clips_of(self, num_frames: int) -> bool:
        """Whether it is a sequence of at least so many frames."""
        return self.is_sequence and len(self.image) >= num_frames

    @classmethod
    def read(cls, folder: Path) -> LabelledStack:
        """Read ``image.tif`` and ``masks.tif`` of a folder; frames along an axis that is neither T nor Z are separate images.

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ValueError
            If one cannot be read, or the two do not fit; see :meth:`of`.
        """
        path, labels_path = folder / "image.tif", folder / "masks.tif"
        image = Stack.open_file(path)
        warn_of_separate_images(image, folder, "write image.tif with the axes TYX or ZYX")
        return cls.of(image, open_labels(labels_path), path, labels_path)

    @classmethod
    def of(cls, image: Stack, labels: Stack, path: Path, labels_path: Path) -> LabelledStack:
        """Read an image and its labels, from these files; labels that are too large are numbered anew.

        Raises
        ------
        ValueError
            If the image is in colour, the two have other frames, a label cannot be, or there is no object.
        """
        if image.is_rgb:
            raise ValueError(f"{path} is in colour: choose a channel to learn from (channel = 0 in a run file)")
        check_fit(image, labels, path, labels_path)
        values = as_renumbered_labels(labels.frames[:], labels_path)
        if not values.any():
            raise ValueError(f"{labels_path} has no object: all labels are 0")
        return cls(finite(image.frames[:]), values, is_sequence=len(image) > 1 and image.along in "TZ")


def finite(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Replace NaN and infinity by the smallest finite number of an image."""
    if image.dtype.kind != "f" or np.isfinite(image).all():
        return image
    good = np.isfinite(image)
    return np.where(good, image, image[good].min() if good.any() else 0)


def sample_real_clip(stack: LabelledStack, rng: np.random.Generator, num_frames: int, size: int) -> Clip:
    """Crop, rotate, flip and resize a random clip of a stack, with random exposure.

    Parameters
    ----------
    stack : LabelledStack
        The stack.
    rng : Generator
        Source of all random numbers.
    num_frames, size : int
        Length T and side S. From a collection of images, or a stack that is too short, one frame is repeated.

    Returns
    -------
    Clip
        Frames (T, S, S), uint8, one layer of labels.
    """
    T = len(stack.image)
    stride = int(rng.integers(1, 3))
    stride = stride if (num_frames - 1) * stride < T else 1
    span = (num_frames - 1) * stride + 1
    if stack.has_clips_of(num_frames):
        first = int(rng.integers(0, T - span + 1))
        picked = np.arange(first, first + span, stride)
    else:
        picked = np.full(num_frames, rng.integers(T))
    side, y, x = _choose_window(stack.labels[picked[0]], rng)
    image = stack.image[picked, y : y + side, x : x + side].astype(np.float32)
    labels = stack.labels[picked, y : y + side, x : x + side]
    if should_be_reversed(labels, rng):
        image, labels = image[::-1], labels[::-1]
    quarter_turns, flip = int(rng.integers(4)), rng.random() < 0.5
    image, labels = np.rot90(image, quarter_turns, (1, 2)), np.rot90(labels, quarter_turns, (1, 2))
    if flip:
        image, labels = image[..., ::-1], labels[..., ::-1]
    resized = F.interpolate(torch.from_numpy(image.copy())[None], (size, size), mode="bilinear", antialias=True)[0].numpy()
    nearest = (np.arange(size) * side / size + 0.5 * side / size).astype(int)
    return Clip(expose(resized, rng, stack.is_ct), np.ascontiguousarray(labels[:, nearest][:, :, nearest])[None])


def _choose_window(labels: npt.NDArray[np.uint16], rng: np.random.Generator) -> tuple[int, int, int]:
    """Choose side, first row and first column of a window: in most cases around an object, a few times its size."""
    H, W = labels.shape
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    present = np.flatnonzero(areas >= 12)
    if len(present) == 0 or rng.random() < 0.2:
        side = int(min(H, W) * np.exp(rng.uniform(np.log(0.3), 0.0)))
        return side, int(rng.integers(0, H - side + 1)), int(rng.integers(0, W - side + 1))
    label = present[rng.integers(len(present))]
    side = int(np.clip(np.sqrt(areas[label]) * np.exp(rng.uniform(np.log(2.5), np.log(9.0))), min(16, H, W), min(H, W)))
    rows, columns = np.nonzero(labels == label)
    pixel = rng.integers(len(rows))
    y, x = (int(where[pixel] - side * rng.uniform(0.3, 0.7)) for where in (rows, columns))
    return side, int(np.clip(y, 0, H - side)), int(np.clip(x, 0, W - side))


def expose(image: npt.NDArray[np.float32], rng: np.random.Generator, is_ct: bool) -> npt.NDArray[np.uint8]:
    """Map (T, S, S) intensities to 8 bit, once for all frames, with random contrast, gamma, noise and inversion; CT in a window."""
    if is_ct:
        low, high = CT_WINDOWS_HU[rng.choice(list(CT_WINDOW_SHARES), p=list(CT_WINDOW_SHARES.values()))]
        wider = (high - low) / 2 * (np.exp(rng.normal(0, 0.2)) - 1)
        low, high = low - wider, high + wider
    else:
        low, high = np.percentile(image[:, ::3, ::3], [rng.uniform(0, 2), rng.uniform(98.5, 100)])
    exposed = np.clip((image - low) / (high - low + 1e-6), 0, 1) ** np.exp(rng.normal(0, 0.3))
    exposed = exposed + rng.normal(0, rng.uniform(0, 0.06), image.shape)
    exposed = np.clip(exposed * rng.uniform(0.6, 1.1), 0, 1)
    if rng.random() < 0.15:
        exposed = 1 - exposed
    return np.asarray(255 * exposed, np.uint8)


def read_stacks(folders: Sequence[Path]) -> list[LabelledStack]:
    """Read every folder that contains ``image.tif`` and ``masks.tif``, itself or one level below.

    Raises
    ------
    FileNotFoundError
        If a folder or an image is missing.
    ValueError
        If a folder holds no labelled stack, or an invalid one; see :meth:`LabelledStack.read`.
    """
    found: list[Path] = []
    for folder in folders:
        with reading(folder, "the folder"):
            if not folder.is_dir():
                raise FileNotFoundError(f"there is no folder {folder}")
            stacks = [sub for sub in (folder, *sorted(folder.iterdir())) if (sub / "masks.tif").exists()]
        if not stacks:
            raise ValueError(f"{folder} holds no labelled stack: there is no masks.tif in it, nor in a folder in it")
        found += stacks
    return [LabelledStack.read(folder) for folder in found]
