"""Training recipes: stages from dense targets to single images to clips, as data.

The embedded model is trained from random weights on two CPU cores, where training on prompted clips alone does not converge. The
encoder is therefore pretrained on dense targets, then the model on clicks and boxes on single images, dozens per encoded image,
and at last, with its memory, on clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from napari_sam2.structured import parse_json, to_json


@dataclass(frozen=True)
class Stage:
    """One training stage: a number of steps on one kind of batches.

    Attributes
    ----------
    name : str
        Name in the log, and for the selection of stages.
    kind : {"dense", "prompts"}
        Dense targets, or prompted objects.
    steps : int
        Optimiser steps.
    image_size : int
        Side S of the input in pixels.
    num_frames, clips_per_step, objects_per_clip : int
        Size of a batch.
    supervised_frames : int
        Number of supervised frames after the first: only the last ones have a loss, and the length of the clips is drawn between
        the first and these, and ``num_frames``. The memory then comes from a longer track, at a third of the cost. 0 for all.
    moving_window_share : float
        Share of the clips that are cropped by a moving window.
    learning_rate : float
        Peak; linear warm-up over the first 50 steps, or a tenth of them, then a cosine down to a twentieth.
    real_share : float
        Share of the clips that are cropped from labelled stacks, if there are any.
    corrections : int
        Correction clicks on a corrected frame.
    box_share, mask_share : float
        Shares of the prompts by boxes, and of the batches prompted by masks.
    frames_to_correct : int
        Upper limit of corrected frames per clip.
    encoder_rate : float
        Learning rate of the image encoder relative to the other parts.
    layer_decay : float
        Layer-wise decay of the learning rate: factor per block of the trunk, towards the input.
    image_share : float
        Share of the steps on single images, which prevent forgetting during training on clips.
    images_per_step, objects_per_image : int
        Batch size of such a step.
    """

    name: str
    kind: str
    steps: int
    image_size: int
    num_frames: int = 1
    clips_per_step: int = 4
    objects_per_clip: int = 24
    supervised_frames: int = 0
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
    """Training stages in order, and the settings that they share."""

    stages: tuple[Stage, ...]
    seed: int = 0
    weight_decay: float = 0.05
    clip_gradient_norm: float = 1.0
    ema_decay: float = 0.998
    loss_weights: dict[str, float] = field(
        default_factory=lambda: {"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 1.0}
    )

    def with_stages(self, names: Sequence[str]) -> Recipe:
        """Select stages by name; their order stays.

        Raises
        ------
        ValueError
            If a name is unknown.
        """
        known = [stage.name for stage in self.stages]
        for name in names:
            if name not in known:
                raise ValueError(f"there is no stage {name!r}: choose among {', '.join(known)}")
        return replace(self, stages=tuple(stage for stage in self.stages if stage.name in names))

    def with_batches(self, factor: int, num_processes: int = 1) -> Recipe:
        """Return the recipe with batches ``factor`` times as large, for a number of processes that draw one batch each.

        Learning rates are multiplied by the square root of both.
        """
        return replace(
            self,
            stages=tuple(
                replace(
                    stage,
                    clips_per_step=factor * stage.clips_per_step,
                    images_per_step=factor * stage.images_per_step,
                    learning_rate=math.sqrt(factor * num_processes) * stage.learning_rate,
                )
                for stage in self.stages
            ),
        )

    def fitted_to(self, seconds: float, step_seconds: Sequence[float]) -> Recipe:
        """Scale all numbers of steps by one factor to a duration; ``step_seconds`` has the duration of a step of each stage."""
        full = sum(stage.steps * each for stage, each in zip(self.stages, step_seconds, strict=True))
        return replace(
            self, stages=tuple(replace(stage, steps=max(1, round(stage.steps * seconds / full))) for stage in self.stages)
        )

    def to_json(self) -> str:
        """Write the recipe as JSON, as it is kept beside a run."""
        return to_json(self, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a recipe from JSON, see :meth:`to_json`.

        Raises
        ------
        ValueError
            If the text is not a recipe.
        """
        return parse_json(cls, text, "the recipe: ")


# Longer tracks in moving windows: without this stage, tracks jump to neighbouring objects.
_TRACKING = Stage(
    "tracking",
    "prompts",
    steps=4800,
    image_size=256,
    num_frames=9,
    clips_per_step=1,
    objects_per_clip=8,
    supervised_frames=2,
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

_JOINT = replace(_TRACKING, name="joint", steps=4400, encoder_rate=1.0, image_share=0.5)
_LONGER = replace(_TRACKING, name="longer", steps=2400, num_frames=13, learning_rate=2.8e-4, image_share=0.5)

MICRO_RECIPE = Recipe(
    stages=(
        Stage("dense", "dense", steps=700, image_size=256, clips_per_step=8, learning_rate=1e-3),
        Stage(
            "clicks",
            "prompts",
            steps=6000,
            image_size=256,
            clips_per_step=3,
            objects_per_clip=16,
            learning_rate=6e-4,
            box_share=0.3,
        ),
        # All stages on clips have steps on images, too: without them the model forgets how to segment from a click.
        Stage(
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
        _TRACKING,
        # Every track begins with a click: every second step is on images, with the full learning rate of the encoder.
        _JOINT,
        _LONGER,
        # Objects with parts need a larger input; the smaller one is faster in the stages before.
        replace(_JOINT, name="finer", steps=3200, image_size=320),
        replace(_LONGER, name="finer-longer", steps=1150, image_size=320),
    ),
    ema_decay=0.999,
    # After a false negative of the object score on one frame, the object is lost on all later frames.
    loss_weights={"loss_mask": 20.0, "loss_dice": 1.0, "loss_iou": 1.0, "loss_class": 2.0},
)
"""The recipe of the embedded model; docs/micro.md describes how the training of the weights in the package differed."""
