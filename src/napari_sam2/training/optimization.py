"""What of a model learns, and how fast: frozen parts, learning rates by depth, weight decay, and their course over the steps."""

from __future__ import annotations

import math
from typing import Any

from napari_sam2.torch_threads import torch  # noqa: F401 - before all else of torch

from torch import nn

from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.training.low_rank import add_low_rank_changes
from napari_sam2.training.recipe import Lesson

TRAINED_PARTS = ("everything", "decoder and memory", "decoder", "LoRA")
"""What can be trained."""

WARMUP_STEPS = 50
LAST_RATE = 0.05
"""Of the peak learning rate, what is left in the end."""

_TRUNK = "image_encoder.trunk."


def freeze_all_but(model: SAM2Base, trained: str) -> None:
    """Let only a part of a model learn.

    Parameters
    ----------
    model : SAM2Base
        Changed in place, with its weights loaded.
    trained : {"everything", "decoder and memory", "decoder", "LoRA"}
        All; all but the image encoder; the mask decoder alone; or changes of low rank in nearly all linear and
        convolutional layers.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if trained not in TRAINED_PARTS:
        raise ValueError(f"what learns must be one of {', '.join(TRAINED_PARTS)}, got {trained!r}")
    if trained == "LoRA":
        add_low_rank_changes(model)
        return
    for name, parameter in model.named_parameters():
        if trained == "decoder":
            parameter.requires_grad = name.startswith("sam_mask_decoder.")
        elif trained == "decoder and memory":
            parameter.requires_grad = not name.startswith("image_encoder.")


def parameter_groups(model: SAM2Base, others: nn.Module, lesson: Lesson, weight_decay: float) -> list[dict[str, Any]]:
    """Sort what learns by how fast it does and whether it decays.

    Parameters
    ----------
    model : SAM2Base
        The model.
    others : nn.Module
        What learns beside it.
    lesson : Lesson
        Says the image encoder's rate and how the rates of its trunk fall towards the input.
    weight_decay : float
        Of weights and embeddings; biases and norms do not decay.

    Returns
    -------
    list of dict
        Groups as for :class:`torch.optim.AdamW`, with a key ``rate``: the learning rate relative to the lesson's.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for owner in (model, others):
        for name, parameter in owner.named_parameters():
            if parameter.requires_grad:
                # parity: biases and norms do not decay, configs/sam2.1_training/*.yaml, with_layer_decay; nor do other vectors
                decays = parameter.ndim > 1
                groups.setdefault((_rate(model, name, lesson), decays), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0, "rate": rate}
        for (rate, decays), parameters in groups.items()
    ]


def _rate(model: SAM2Base, name: str, lesson: Lesson) -> float:
    """Learning rate of a parameter relative to the lesson's (official ``training/optimizer.py`` L382-451)."""
    if not name.startswith("image_encoder."):
        return 1.0
    # parity: position embeddings are not slowed down, official configs/sam2.1_training/*.yaml, layer_decay_param_modifier
    if not name.startswith(_TRUNK) or "pos_embed" in name:
        return lesson.encoder_rate
    trunk: Any = model.image_encoder.trunk
    layers_above = trunk.get_num_layers() + 1 - trunk.get_layer_id(name.removeprefix(_TRUNK))
    return float(lesson.encoder_rate * lesson.layer_decay**layers_above)


def schedule(step: int, steps: int) -> float:
    """Share of the peak learning rate: a linear warm-up, at most a tenth of all steps, then a cosine down to :data:`LAST_RATE`."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / max(1, min(WARMUP_STEPS, steps // 10))) * (LAST_RATE + (1 - LAST_RATE) * cosine)
