"""Labelled stacks from files as an endless source of varied clips.

T frames · H, W height and width · S side of the model's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
import torch
import torch.nn.functional as F

from napari_sam2.session.intensity import CT_WINDOWS_HU
from napari_sam2.training.clips import Clip, should_be_turned

CT_WINDOW_SHARES = {"soft tissue": 0.6, "brain": 0.1, "lung": 0.15, "bone": 0.15}
"""How often CT is shown in which window."""


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
        Neighbouring frames show the same objects; False for a collection of images.
    """

    image: npt.NDArray[np.generic]
    labels: npt.NDArray[np.uint16]
    is_sequence: bool

    def has_clips_of(self, num_frames: int) -> bool:
        """Whether so many frames of it follow each other."""
        return self.is_sequence and len(self.image) >= num_frames

    @classmethod
    def read(cls, folder: Path) -> LabelledStack:
        """Read ``image.tif`` and ``masks.tif`` of a folder.

        Raises
        ------
        ValueError
            If the two do not fit, or are not (T, H, W) or (H, W).
        """
        with tifffile.TiffFile(folder / "image.tif") as tiff:
            series = tiff.series[0]
            image, axes = series.asarray(), series.axes
        labels = tifffile.imread(folder / "masks.tif")
        if image.ndim == 2:
            image, labels, axes = image[None], labels[None], "Q" + axes
        if image.ndim != 3 or labels.shape != image.shape:
            raise ValueError(
                f"{folder}: image of shape {image.shape} and labels of shape {labels.shape} are not one stack of planes"
            )
        return cls(image, labels.astype(np.uint16), is_sequence=axes[0] in "TZ")


def sample_real_clip(stack: LabelledStack, rng: np.random.Generator, num_frames: int, size: int) -> Clip:
    """Cut, turn, resize and expose a clip of a stack in a way of its own.

    Parameters
    ----------
    stack : LabelledStack
        Where from.
    rng : Generator
        Decides everything.
    num_frames, size : int
        Length T and side S. From a collection of images, or a short stack, a frame is repeated.

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
    if should_be_turned(labels, rng):
        image, labels = image[::-1], labels[::-1]
    quarter_turns, flip = int(rng.integers(4)), rng.random() < 0.5
    image, labels = np.rot90(image, quarter_turns, (1, 2)), np.rot90(labels, quarter_turns, (1, 2))
    if flip:
        image, labels = image[..., ::-1], labels[..., ::-1]
    resized = F.interpolate(torch.from_numpy(image.copy())[None], (size, size), mode="bilinear", antialias=True)[0].numpy()
    nearest = (np.arange(size) * side / size + 0.5 * side / size).astype(int)
    return Clip(expose(resized, rng), np.ascontiguousarray(labels[:, nearest][:, :, nearest])[None])


def _choose_window(labels: npt.NDArray[np.uint16], rng: np.random.Generator) -> tuple[int, int, int]:
    """Choose side, first row and first column of a window: mostly a few times an object's size, around it."""
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


def expose(image: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Map (T, S, S) intensities to 8 bit, once for all frames, with contrast, gamma, noise and sign at random."""
    if image.min() < -300:
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
    """Read every folder that holds ``image.tif`` and ``masks.tif``, itself or one level below."""
    found = [sub for folder in folders for sub in (folder, *sorted(folder.iterdir())) if (sub / "masks.tif").exists()]
    return [LabelledStack.read(folder) for folder in found]
