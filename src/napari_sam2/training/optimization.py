"""Trainable parts of a model, and its parameters grouped by learning rate and weight decay."""

from __future__ import annotations

from typing import Any

from napari_sam2.torch_threads import torch  # noqa: F401 - before all else of torch

from torch import nn

from napari_sam2.model.sam2_base import SAM2Base
from napari_sam2.training.lora import add_lora
from napari_sam2.training.recipe import Stage

TRAINABLE_PARTS = ("everything", "decoder and memory", "decoder", "LoRA")
"""Parts of a model that can be trained; the others are frozen."""

_TRUNK = "image_encoder.trunk."


def freeze_all_but(model: SAM2Base, trainable: str) -> None:
    """Freeze all parameters of a model but a part of them.

    Parameters
    ----------
    model : SAM2Base
        Changed in place, with its weights loaded.
    trainable : {"everything", "decoder and memory", "decoder", "LoRA"}
        All parameters; all but the image encoder; the mask decoder alone; or LoRA updates of nearly all linear and convolutional
        layers.

    Raises
    ------
    ValueError
        If ``trainable`` is something else.
    """
    if trainable not in TRAINABLE_PARTS:
        raise ValueError(f"trainable must be one of {', '.join(TRAINABLE_PARTS)}, got {trainable!r}")
    if trainable == "LoRA":
        add_lora(model)
        return
    for name, parameter in model.named_parameters():
        if trainable == "decoder":
            parameter.requires_grad = name.startswith("sam_mask_decoder.")
        elif trainable == "decoder and memory":
            parameter.requires_grad = not name.startswith("image_encoder.")


def parameter_groups(model: SAM2Base, others: nn.Module, stage: Stage, weight_decay: float) -> list[dict[str, Any]]:
    """Group trainable parameters by learning rate and weight decay.

    Parameters
    ----------
    model : SAM2Base
        The model.
    others : nn.Module
        Trained beside it.
    stage : Stage
        Defines the image encoder's rate and the layer-wise decay of the rates of its trunk.
    weight_decay : float
        Weight decay of weights and embeddings; biases and norms have none.

    Returns
    -------
    list of dict
        Groups as for :class:`torch.optim.AdamW`, with a key ``rate``: the learning rate relative to the stage's.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for owner in (model, others):
        for name, parameter in owner.named_parameters():
            if parameter.requires_grad:
                # parity: biases and norms do not decay, configs/sam2.1_training/*.yaml, with_layer_decay; nor do other vectors
                decays = parameter.ndim > 1
                groups.setdefault((_rate(model, name, stage), decays), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if decays else 0.0, "rate": rate}
        for (rate, decays), parameters in groups.items()
    ]


def _rate(model: SAM2Base, name: str, stage: Stage) -> float:
    """Learning rate of a parameter relative to the stage's (official ``training/optimizer.py`` L382-451)."""
    if not name.startswith("image_encoder."):
        return 1.0
    # parity: position embeddings have no layer-wise decay, official configs/sam2.1_training/*.yaml, layer_decay_param_modifier
    if not name.startswith(_TRUNK) or "pos_embed" in name:
        return stage.encoder_rate
    trunk: Any = model.image_encoder.trunk
    layers_above = trunk.get_num_layers() + 1 - trunk.get_layer_id(name.removeprefix(_TRUNK))
    return float(stage.encoder_rate * stage.layer_decay**layers_above)
