"""LoRA (Hu et al. 2021): the weights are frozen, and each layer is trained by a low-rank update that is merged into them later.

R rank · M, N rows of a weight, and its other axes together.
"""

from __future__ import annotations

from collections.abc import Mapping

from napari_sam2.torch_threads import torch

from torch import Tensor, nn
from torch.nn.utils import parametrize

RANK = 8
"""Rank R of the updates."""

_ORIGINAL = ".parametrizations.weight.original"
_UP, _DOWN = ".parametrizations.weight.0.up", ".parametrizations.weight.0.down"


class LoRA(nn.Module):
    """Parametrization of a weight W as ``W + up @ down``; ``up`` (B in the paper) is zero at first, ``down`` (A) random.

    Parameters
    ----------
    weight : Tensor
        (M, ...), weight of a linear or a convolutional layer.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.randn(RANK, columns, device=weight.device) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, RANK, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with its update."""
        return _updated(weight, self.up, self.down)


def _updated(weight: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return weight + (up @ down).view_as(weight)


def add_lora(model: nn.Module) -> None:
    """Freeze a model and add trainable low-rank updates to its linear and convolutional layers.

    Parameters
    ----------
    model : nn.Module
        Changed in place. Layers with at most :data:`RANK` rows or columns, and grouped convolutions, get no update.
    """
    for parameter in model.parameters():
        parameter.requires_grad = False
    layers = [
        layer
        for layer in model.modules()
        if (isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1))
        and min(layer.weight.shape[0], layer.weight[0].numel()) > RANK
    ]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LoRA(layer.weight))


def merge_lora(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Merge the updates into the weights.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        State dict of a model with or without LoRA.

    Returns
    -------
    dict of str to Tensor
        State dict of the plain model, under its own keys.
    """
    merged = {}
    for key, value in state_dict.items():
        if key.endswith(_ORIGINAL):
            layer = key.removesuffix(_ORIGINAL)
            merged[f"{layer}.weight"] = _updated(value, state_dict[layer + _UP], state_dict[layer + _DOWN])
        elif not key.endswith((_UP, _DOWN)):
            merged[key] = value
    return merged
