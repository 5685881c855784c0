"""Training clips: short image sequences with the labels of all objects on every frame.

T frames · H, W height and width · S side of the model's input · L label layers · O objects · V clips of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt
from torch import Tensor

from napari_sam2.predictors.frames import normalise

MIN_AREA_PX = 30
"""Smaller objects are not used for training: in a mask, with a quarter of the input's side, they cover less than two pixels."""


@dataclass(frozen=True)
class Clip:
    """A labelled sequence.

    Attributes
    ----------
    frames : ndarray
        (T, H, W) or (T, H, W, 3), uint8.
    labels : ndarray
        (L, T, H, W), uint16; 0 is background. Objects of one layer do not overlap; those of two layers may be nested.
    """

    frames: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint16]

    def __post_init__(self) -> None:
        if self.labels.shape[1:] != self.frames.shape[:3]:
            raise ValueError(f"labels of shape {self.labels.shape} do not fit frames of shape {self.frames.shape}")

    def objects_on(self, frame: int) -> list[tuple[int, int]]:
        """List the (layer, label) pairs with at least :data:`MIN_AREA_PX` pixels on a frame."""
        found = []
        for layer, plane in enumerate(self.labels[:, frame]):
            areas = np.bincount(plane.ravel())
            found += [(layer, int(label)) for label in np.flatnonzero(areas >= MIN_AREA_PX) if label]
        return found


@dataclass(frozen=True)
class ClipBatch:
    """Clips of one length as input of the model.

    Attributes
    ----------
    frames : Tensor
        (T, V, 3, S, S), float32, normalised.
    masks : Tensor
        (T, O, S, S), bool.
    clip_of_object : Tensor
        (O,), int64: the clip in which each object is.
    """

    frames: Tensor
    masks: Tensor
    clip_of_object: Tensor

    @property
    def num_frames(self) -> int:
        """Length T."""
        return self.frames.shape[0]

    def to(self, device: torch.device | str) -> ClipBatch:
        """Copy to a device."""
        return ClipBatch(self.frames.to(device), self.masks.to(device), self.clip_of_object.to(device))


LARGEST_FIRST_SHARE = 0.7
"""Share of the clips that are reversed, if necessary, to begin with the end that shows more object pixels, where users click."""


def should_be_reversed(labels: npt.NDArray[np.uint16], rng: np.random.Generator) -> bool:
    """Decide whether to reverse a clip with labels (T, H, W): by :data:`LARGEST_FIRST_SHARE`, or at random."""
    first, last = (np.count_nonzero(labels[t]) for t in (0, -1))
    return bool(first < last if rng.random() < LARGEST_FIRST_SHARE else rng.random() < 0.5)


def normalise_frames(frames: npt.NDArray[np.uint8]) -> Tensor:
    """Convert (T, H, W) or (T, H, W, 3) uint8 frames to (T, 3, H, W) float32, normalised by the ImageNet mean and deviation."""
    rgb = torch.from_numpy(np.ascontiguousarray(frames)).float() / 255
    rgb = rgb[:, None].expand(-1, 3, -1, -1) if rgb.ndim == 3 else rgb.permute(0, 3, 1, 2)
    return normalise(rgb)


def _choose(clip: Clip, objects: list[tuple[int, int]], count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Choose objects at random; up to half of them are first taken from those that disappear, which are rare and informative."""
    mixed = [objects[i] for i in rng.permutation(len(objects))]
    present = [[set(np.unique(plane).tolist()) for plane in layer[1:]] for layer in clip.labels]
    leaving = [(layer, label) for layer, label in mixed if not all(label in frame for frame in present[layer])]
    first = leaving[: count // 2]
    return (first + [item for item in mixed if item not in first])[:count]


def collate(clips: Sequence[Clip], max_objects: int, rng: np.random.Generator) -> ClipBatch | None:
    """Collate clips of one size and length into a batch, with some of the objects on their first frames.

    Up to half of the objects are chosen from those that are absent on a later frame, the rest at random.

    Parameters
    ----------
    clips : sequence of Clip
        All of one shape, with the model's input size.
    max_objects : int
        Upper limit of objects per clip.
    rng : Generator
        Random numbers for the choice of objects.

    Returns
    -------
    ClipBatch or None
        None if no clip has an object of at least :data:`MIN_AREA_PX`.
    """
    frames: list[Tensor] = []
    masks: list[npt.NDArray[np.bool_]] = []
    owners: list[int] = []
    for clip in clips:
        objects = clip.objects_on(0)
        if not objects:
            continue
        for layer, label in _choose(clip, objects, max_objects, rng):
            masks.append(clip.labels[layer] == label)
            owners.append(len(frames))
        frames.append(normalise_frames(clip.frames))
    if not frames:
        return None
    return ClipBatch(
        frames=torch.stack(frames, dim=1),
        masks=torch.from_numpy(np.stack(masks, axis=1)),
        clip_of_object=torch.tensor(owners),
    )
