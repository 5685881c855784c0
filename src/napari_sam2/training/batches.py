"""The batches of a training stage; the number of the step seeds each of them.

V clips of a batch · S side of the image.
"""

from __future__ import annotations

from napari_sam2.torch_threads import torch

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from napari_sam2.training.clips import Clip, ClipBatch, collate, normalise_frames
from napari_sam2.training.dense_targets import stack_dense_targets
from napari_sam2.training.real_stacks import LabelledStack, sample_real_clip
from napari_sam2.training.recipe import Stage
from napari_sam2.training.synthetic import synthetic_clip
from napari_sam2.training.windows import crop_moving_window

Batch = ClipBatch | tuple[Tensor, Tensor]

MAX_DRAWS = 200
"""Attempts to draw clips with an object for one step; after that an error is raised."""


class StageBatches(Dataset[Batch]):
    """The batches of a training stage, indexed by step.

    Parameters
    ----------
    stage : Stage
        Describes the batches.
    stage_index, seed : int
        Seed the random numbers, together with the step.
    stacks : list of LabelledStack
        Source of real clips; the others are synthetic.
    rank : int
        Rank of the process: at a step all processes draw clips of one kind, each with its own random numbers.
    """

    def __init__(self, stage: Stage, stage_index: int, seed: int, stacks: list[LabelledStack], rank: int = 0) -> None:
        self.stage = stage
        self.stage_index = stage_index
        self.seed = seed
        self.stacks = stacks
        self.rank = rank

    def __len__(self) -> int:
        return self.stage.steps

    def __getitem__(self, step: int) -> Batch:
        """Draw the batch of a step: a ClipBatch, or frames (V, 3, S, S) and dense targets (V, 4, S, S).

        Raises
        ------
        ValueError
            If no clip of :data:`MAX_DRAWS` attempts has an object that is large enough.
        """
        stage = self.stage
        num_frames, num_clips, max_objects = stage.num_frames, stage.clips_per_step, stage.objects_per_clip
        shared_rng = np.random.default_rng([self.seed, self.stage_index, step])
        if stage.image_share and shared_rng.random() < stage.image_share:
            num_frames, num_clips, max_objects = 1, stage.images_per_step, stage.objects_per_image
        elif stage.supervised_frames:
            num_frames = int(shared_rng.integers(1 + stage.supervised_frames, num_frames, endpoint=True))
        rng = np.random.default_rng([self.seed, self.stage_index, step, 1 + self.rank])
        for _ in range(MAX_DRAWS):
            clips = [self._clip(rng, num_frames) for _ in range(num_clips)]
            if stage.kind == "dense":
                return (
                    torch.cat([normalise_frames(clip.frames) for clip in clips]),
                    stack_dense_targets([clip.labels[0, 0] for clip in clips]),
                )
            batch = collate(clips, max_objects, rng)
            if batch is not None:
                return batch
        raise ValueError(
            f"none of {MAX_DRAWS * num_clips} clips cut from the labelled stacks has an object that is large enough for training"
        )

    def _clip(self, rng: np.random.Generator, num_frames: int) -> Clip:
        clip = self._still_clip(rng, num_frames)
        moves = num_frames > 1 and rng.random() < self.stage.moving_window_share
        return crop_moving_window(clip, rng) if moves else clip

    def _still_clip(self, rng: np.random.Generator, num_frames: int) -> Clip:
        size = self.stage.image_size
        if self.stacks and rng.random() < self.stage.real_share:
            # Clips of one repeated frame would train the memory to expect no motion.
            long_enough = [stack for stack in self.stacks if num_frames == 1 or stack.has_clips_of(num_frames)]
            stacks = long_enough or self.stacks
            return sample_real_clip(stacks[rng.integers(len(stacks))], rng, num_frames, size)
        return synthetic_clip(rng, num_frames, size)
