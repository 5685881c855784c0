"""How a model is trained: stages from whole images to single clicks to clips, as data.

The embedded model learns from nothing on two CPU cores, where prompts on clips alone never get off the ground. So the encoder
first learns what every pixel belongs to, then clicks and boxes on single images, dozens per encoded image; memory and clips last.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stage:
    """One lesson.

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
    layer_decay, layer_decay_min : float
        Factor by which the rate falls from block to block of its trunk towards the input, and how far at most.
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
    learning_rate: float = 5e-4
    real_share: float = 0.35
    corrections: int = 1
    box_share: float = 0.25
    mask_share: float = 0.0
    frames_to_correct: int = 1
    encoder_rate: float = 1.0
    layer_decay: float = 1.0
    layer_decay_min: float = 0.0
    image_share: float = 0.0
    images_per_step: int = 2
    objects_per_image: int = 20


@dataclass(frozen=True)
class Recipe:
    """Stages in order, and what they share."""

    stages: tuple[Stage, ...]
    seed: int = 0
    weight_decay: float = 0.05
    clip_gradient_norm: float = 1.0
    ema_decay: float = 0.998
    loss_weights: dict[str, float] = field(
        default_factory=lambda: {"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 1.0}
    )


MICRO_RECIPE = Recipe(
    stages=(
        Stage("pixels", "dense", steps=700, image_size=256, clips_per_step=8, learning_rate=1e-3),
        Stage("clicks", "prompts", steps=2600, image_size=256, clips_per_step=3, objects_per_clip=20, learning_rate=6e-4),
        Stage("clicks-full-size", "prompts", steps=1200, image_size=384, clips_per_step=2, objects_per_clip=20, learning_rate=4e-4),
        Stage(
            "clips",
            "prompts",
            steps=1200,
            image_size=256,
            num_frames=4,
            clips_per_step=1,
            objects_per_clip=8,
            learning_rate=4e-4,
            mask_share=0.15,
            frames_to_correct=2,
            encoder_rate=0.3,
        ),
        Stage(
            "clips-full-size",
            "prompts",
            steps=500,
            image_size=384,
            num_frames=4,
            clips_per_step=1,
            objects_per_clip=6,
            learning_rate=2e-4,
            mask_share=0.15,
            frames_to_correct=2,
            encoder_rate=0.3,
        ),
        Stage(
            "mixed",
            "prompts",
            steps=800,
            image_size=384,
            num_frames=4,
            clips_per_step=1,
            objects_per_clip=6,
            learning_rate=3e-4,
            mask_share=0.15,
            frames_to_correct=2,
            encoder_rate=0.6,
            image_share=0.5,
        ),
    )
)
"""The recipe of the embedded weights."""
