"""Held-out data: the validation split, quick validation between steps, and full scores before and after training.

T frames · H, W height and width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.torch_threads import torch

import numpy as np
import numpy.typing as npt

from napari_sam2.evaluation.dataset import Dataset
from napari_sam2.evaluation.evaluate import prompt_and_score
from napari_sam2.evaluation.scores import Evaluation
from napari_sam2.evaluation.simulated_prompts import simulated_prompts
from napari_sam2.predictors.video_predictor import SAM2VideoPredictor
from napari_sam2.session.session import Session
from napari_sam2.training.batch_losses import top_mask_ious
from napari_sam2.training.clips import ClipBatch, collate
from napari_sam2.training.real_stacks import LabelledStack, sample_real_clip
from napari_sam2.training.sam2_train import SAM2Train

MIN_HELD_FRAMES = 3
"""If fewer frames would be held out, a strip of all frames is held out instead, provided that it contains a whole object."""

NUM_CLIPS, OBJECTS_PER_CLIP = 6, 8
MAX_FRAMES, MAX_OBJECTS, MAX_IMAGES = 40, 24, 8
"""Upper limits of frames, objects and images of a held-out stack that are scored, so that scoring takes minutes."""


def hold_out(stack: LabelledStack, share: float) -> tuple[LabelledStack, LabelledStack]:
    """Split a stack into a training part and a held-out part.

    Parameters
    ----------
    stack : LabelledStack
        The whole stack.
    share : float
        Share that is held out: the last frames; if these are too few, a strip at the end of the longer side; if that has no
        whole object, the last three frames, though they are more than this share.

    Returns
    -------
    training, held_out : LabelledStack
        Views of the stack. Either may have no object.
    """
    T, H, W = stack.image.shape
    frames = round(share * T)
    if frames >= (MIN_HELD_FRAMES if stack.is_sequence else 1):
        return _split(stack, 0, T - frames)
    training, held_out = _split(stack, 2, W - round(share * W)) if W >= H else _split(stack, 1, H - round(share * H))
    if stack.is_sequence and T >= 2 * MIN_HELD_FRAMES and not stacks_to_score("", held_out):
        return _split(stack, 0, T - MIN_HELD_FRAMES)
    return training, held_out


def _split(stack: LabelledStack, axis: int, at: int) -> tuple[LabelledStack, LabelledStack]:
    before: list[slice] = [slice(None)] * 3
    after = before.copy()
    before[axis], after[axis] = slice(at), slice(at, None)
    return _cut(stack, tuple(before)), _cut(stack, tuple(after))


def _cut(stack: LabelledStack, part: tuple[slice, ...]) -> LabelledStack:
    return dataclasses.replace(stack, image=stack.image[part], labels=stack.labels[part])


# --- between steps -------------------------------------------------------------------------------------------------


class HeldOutClips:
    """A fixed set of held-out clips for validation.

    Parameters
    ----------
    stacks : list of LabelledStack
        The held-out stacks, sampled in turn.
    num_frames, image_size, seed : int
        Length T, side S, and the seed of the random crops.

    Raises
    ------
    ValueError
        If no clip contains an object that is large enough.
    """

    def __init__(self, stacks: list[LabelledStack], num_frames: int, image_size: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.batches: list[ClipBatch] = []
        for attempt in range(20 * NUM_CLIPS):
            stack = stacks[attempt % len(stacks)]
            length = num_frames if stack.has_clips_of(num_frames) else 1
            batch = collate([sample_real_clip(stack, rng, length, image_size)], OBJECTS_PER_CLIP, rng)
            if batch is not None:
                self.batches.append(batch)
            if len(self.batches) == NUM_CLIPS:
                break
        if not self.batches:
            raise ValueError("the part held out for validation has no object that is large enough")

    def mean_iou(self, model: SAM2Train) -> float:
        """Prompt each object by one click at its centre on the first frame; return the mean IoU over frames and objects."""
        model.rng = np.random.default_rng(0)
        means = []
        for batch in self.batches:
            on_device = batch.to(model.device)
            frames = model(on_device)
            ious = [top_mask_ious(steps[-1].multimasks, steps[-1].ious, on_device.masks[t]) for t, steps in enumerate(frames)]
            means.append(float(torch.stack(ious).mean()))
        return float(np.mean(means))


# --- before and after ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoredStack:
    """A held-out stack prepared for scoring: consecutive frames, each object prompted by one click.

    Attributes
    ----------
    name : str
        Name in the table of scores.
    image : ndarray
        (T, H, W).
    dataset : Dataset
        Ground truth, and the frame on which each object is prompted.
    """

    name: str
    image: npt.NDArray[np.generic]
    dataset: Dataset

    def __len__(self) -> int:
        return len(self.image)

    def score(self, model: SAM2VideoPredictor) -> Iterator[int | tuple[Evaluation, npt.NDArray[np.uint16]]]:
        """Prompt and propagate the objects in a session.

        Yields
        ------
        int, then tuple
            Each finished frame, and at the end the scores and the labels, (T, H, W).
        """
        session = Session(self.image, "TYX", model=model)
        for item in prompt_and_score(session, self.dataset, "point"):
            yield (item, np.asarray(session.labels)) if isinstance(item, Evaluation) else item


def stacks_to_score(name: str, stack: LabelledStack) -> list[ScoredStack]:
    """Prepare a held-out stack, or each image of a collection; stacks and images without a whole object are left out."""
    if stack.is_sequence:
        parts = [(name, slice(0, MAX_FRAMES))]
    else:
        chosen = np.unique(np.linspace(0, len(stack.image) - 1, MAX_IMAGES).astype(int)).tolist()
        parts = [(f"{name}, image {i}" if len(stack.image) > 1 else name, slice(i, i + 1)) for i in chosen]
    scored = []
    for part, frames in parts:
        truth = np.asarray(stack.labels[frames])
        dataset = Dataset(Path(part), truth, _anchors(truth))
        try:
            prompted = [entry.object_id for entry in simulated_prompts(dataset)]
        except ValueError:  # the border cuts every object, or there is none
            continue
        kept = {prompted[i] for i in np.linspace(0, len(prompted) - 1, MAX_OBJECTS).round().astype(int)}
        anchors = {i: frame for i, frame in dataset.anchors.items() if i in kept}
        scored.append(ScoredStack(part, np.asarray(stack.image[frames]), dataclasses.replace(dataset, anchors=anchors)))
    return scored


def _anchors(truth: npt.NDArray[np.uint16]) -> dict[int, int]:
    """Map each object id to the frame on which the object is largest, of those on which the border does not cut it."""
    areas: dict[int, tuple[int, int]] = {}
    for frame, plane in enumerate(truth):
        border = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
        for i, area in zip(*np.unique(plane, return_counts=True), strict=True):
            if i not in border and i and area > areas.get(int(i), (0, 0))[0]:
                areas[int(i)] = (int(area), frame)
    return {i: frame for i, (_, frame) in sorted(areas.items())}
