"""The batches of a lesson: each is drawn and seeded by the number of its step.

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
from napari_sam2.training.recipe import Lesson
from napari_sam2.training.synthetic import synthetic_clip
from napari_sam2.training.windows import through_moving_window

Batch = ClipBatch | tuple[Tensor, Tensor]

MOST_DRAWS = 200
"""So often clips are drawn for a step before it is said that there is nothing to learn in them."""


class LessonBatches(Dataset[Batch]):
    """The batches of a lesson, by step number.

    Parameters
    ----------
    lesson : Lesson
        How they are drawn.
    lesson_index, seed : int
        Decide, with the number of the step, what is drawn.
    stacks : list of LabelledStack
        Where from, beside synthetic clips.
    rank : int
        The process they are for: all take clips of one kind at a step, each its own.
    """

    def __init__(self, lesson: Lesson, lesson_index: int, seed: int, stacks: list[LabelledStack], rank: int = 0) -> None:
        self.lesson = lesson
        self.lesson_index = lesson_index
        self.seed = seed
        self.stacks = stacks
        self.rank = rank

    def __len__(self) -> int:
        return self.lesson.steps

    def __getitem__(self, step: int) -> Batch:
        """Draw the batch of a step: a ClipBatch, or frames (V, 3, S, S) and dense targets (V, 4, S, S)."""
        lesson = self.lesson
        num_frames, num_clips, max_objects = lesson.num_frames, lesson.clips_per_step, lesson.objects_per_clip
        shared_rng = np.random.default_rng([self.seed, self.lesson_index, step])
        if lesson.image_share and shared_rng.random() < lesson.image_share:
            num_frames, num_clips, max_objects = 1, lesson.images_per_step, lesson.objects_per_image
        elif lesson.frames_to_learn:
            num_frames = int(shared_rng.integers(1 + lesson.frames_to_learn, num_frames, endpoint=True))
        rng = np.random.default_rng([self.seed, self.lesson_index, step, 1 + self.rank])
        for _ in range(MOST_DRAWS):
            clips = [self._clip(rng, num_frames) for _ in range(num_clips)]
            if lesson.kind == "dense":
                return (
                    torch.cat([normalise_frames(clip.frames) for clip in clips]),
                    stack_dense_targets([clip.labels[0, 0] for clip in clips]),
                )
            batch = collate(clips, max_objects, rng)
            if batch is not None:
                return batch
        raise ValueError(
            f"in {MOST_DRAWS * num_clips} clips cut from the labelled stacks there was no object large enough to learn"
        )

    def _clip(self, rng: np.random.Generator, num_frames: int) -> Clip:
        clip = self._still_clip(rng, num_frames)
        moves = num_frames > 1 and rng.random() < self.lesson.moving_window_share
        return through_moving_window(clip, rng) if moves else clip

    def _still_clip(self, rng: np.random.Generator, num_frames: int) -> Clip:
        size = self.lesson.image_size
        if self.stacks and rng.random() < self.lesson.real_share:
            # A frame that is repeated would teach the memory that nothing moves.
            long_enough = [stack for stack in self.stacks if num_frames == 1 or stack.has_clips_of(num_frames)]
            stacks = long_enough or self.stacks
            return sample_real_clip(stacks[rng.integers(len(stacks))], rng, num_frames, size)
        return synthetic_clip(rng, num_frames, size)
