"""How a model is trained: lessons from whole images to single clicks to clips, as data.

The embedded model learns from nothing on two CPU cores, where prompts on clips alone never get off the ground. So the encoder
first learns what every pixel belongs to, then clicks and boxes on single images, dozens per encoded image; memory and clips last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from napari_sam2.structured import parse_json, to_json


@dataclass(frozen=True)
class Lesson:
    """What is learnt for a number of steps, and from what.

    Attributes
    ----------
    name : str
        For the log.
    kind : {"dense", "prompts"}
        Targets for every pixel, or prompts.
    steps : int
        Optimiser steps.
    image_size : int
        Side S of the input in pixels.
    num_frames, clips_per_step, objects_per_clip : int
        Size of a batch.
    frames_to_learn : int
        Of the frames after the first, only the last so many are learnt from, and a step has any number of frames from those up to
        ``num_frames``: what is recalled then comes from a track that has run for a while, at a third of the cost. 0 for all.
    moving_window_share : float
        Share of the clips that are seen through a window that moves.
    learning_rate : float
        Peak; it warms up over the first 50 steps, or a tenth of them, and falls along a cosine to a twentieth.
    real_share : float
        Share of the clips that are cut from real stacks, where there are any.
    corrections : int
        Correction clicks on a corrected frame.
    box_share, mask_share : float
        Share of the batches prompted by boxes and by masks.
    frames_to_correct : int
        At most so many frames of a clip are corrected.
    encoder_rate : float
        The image encoder's learning rate relative to the rest.
    layer_decay : float
        Factor by which the rate falls from block to block of its trunk towards the input.
    image_share : float
        Share of the steps that go back to single images, so that clips do not make the model forget them.
    images_per_step, objects_per_image : int
        Size of the batch of such a step.
    """

    name: str
    kind: str
    steps: int
    image_size: int
    num_frames: int = 1
    clips_per_step: int = 4
    objects_per_clip: int = 24
    frames_to_learn: int = 0
    moving_window_share: float = 0.0
    learning_rate: float = 5e-4
    real_share: float = 0.35
    corrections: int = 1
    box_share: float = 0.25
    mask_share: float = 0.0
    frames_to_correct: int = 1
    encoder_rate: float = 1.0
    layer_decay: float = 1.0
    image_share: float = 0.0
    images_per_step: int = 2
    objects_per_image: int = 20


@dataclass(frozen=True)
class Recipe:
    """Lessons in order, and what they share."""

    lessons: tuple[Lesson, ...]
    seed: int = 0
    weight_decay: float = 0.05
    clip_gradient_norm: float = 1.0
    ema_decay: float = 0.998
    loss_weights: dict[str, float] = field(
        default_factory=lambda: {"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 1.0}
    )

    def only(self, names: Sequence[str]) -> Recipe:
        """Return the recipe with some of its lessons, in its order.

        Raises
        ------
        ValueError
            If there is no such lesson.
        """
        known = [lesson.name for lesson in self.lessons]
        for name in names:
            if name not in known:
                raise ValueError(f"there is no lesson {name!r}: choose among {', '.join(known)}")
        return replace(self, lessons=tuple(lesson for lesson in self.lessons if lesson.name in names))

    def with_batches(self, factor: int, num_processes: int = 1) -> Recipe:
        """Return the recipe with batches ``factor`` times as large, for so many processes that each take one.

        Learning rates grow with the square root of both.
        """
        return replace(
            self,
            lessons=tuple(
                replace(
                    lesson,
                    clips_per_step=factor * lesson.clips_per_step,
                    images_per_step=factor * lesson.images_per_step,
                    learning_rate=math.sqrt(factor * num_processes) * lesson.learning_rate,
                )
                for lesson in self.lessons
            ),
        )

    def lasting(self, seconds: float, step_seconds: Sequence[float]) -> Recipe:
        """Return the recipe with as many steps, in the same proportions, as fit; ``step_seconds`` is one of each lesson."""
        full = sum(lesson.steps * each for lesson, each in zip(self.lessons, step_seconds, strict=True))
        return replace(
            self, lessons=tuple(replace(lesson, steps=max(1, round(lesson.steps * seconds / full))) for lesson in self.lessons)
        )

    def to_json(self) -> str:
        """Write the recipe as JSON, as it is kept beside a run."""
        return to_json(self, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If it is something else.
        """
        return parse_json(cls, text, "the recipe: ")


# Tracks that have run for a while, through windows that move: without this lesson an object is lost to its neighbours.
_FOLLOWING = Lesson(
    "following",
    "prompts",
    steps=4800,
    image_size=256,
    num_frames=9,
    clips_per_step=1,
    objects_per_clip=8,
    frames_to_learn=2,
    moving_window_share=0.5,
    learning_rate=4e-4,
    real_share=0.4,
    box_share=0.3,
    mask_share=0.15,
    frames_to_correct=2,
    encoder_rate=0.5,
    image_share=0.25,
    images_per_step=3,
    objects_per_image=14,
)

_TOGETHER = replace(_FOLLOWING, name="together", steps=4400, encoder_rate=1.0, image_share=0.5)
_LONGER = replace(_FOLLOWING, name="longer", steps=2400, num_frames=13, learning_rate=2.8e-4, image_share=0.5)

MICRO_RECIPE = Recipe(
    lessons=(
        Lesson("pixels", "dense", steps=700, image_size=256, clips_per_step=8, learning_rate=1e-3),
        Lesson(
            "clicks",
            "prompts",
            steps=6000,
            image_size=256,
            clips_per_step=3,
            objects_per_clip=16,
            learning_rate=6e-4,
            box_share=0.3,
        ),
        # Images stay in every lesson with clips: without them the model forgets how to answer a click.
        Lesson(
            "mixed",
            "prompts",
            steps=4300,
            image_size=256,
            num_frames=4,
            clips_per_step=1,
            objects_per_clip=8,
            learning_rate=4e-4,
            corrections=2,
            box_share=0.3,
            mask_share=0.15,
            frames_to_correct=2,
            encoder_rate=0.6,
            image_share=0.5,
            images_per_step=3,
            objects_per_image=14,
        ),
        _FOLLOWING,
        # Whoever is followed is clicked on first: every second step an image, and the encoder learns at full rate.
        _TOGETHER,
        _LONGER,
        # What has parts is lost in a small input, which is enough to begin with.
        replace(_TOGETHER, name="finer", steps=3200, image_size=320),
        replace(_LONGER, name="finer-longer", steps=1150, image_size=320),
    ),
    ema_decay=0.999,
    # An object that is taken for gone on one frame is lost on all the later ones.
    loss_weights={"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 2.0},
)
"""The recipe of the embedded model; docs/micro.md says in what the weights in the package differ."""
