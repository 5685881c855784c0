"""LoRA (Hu et al. 2021): the weights stay, and each layer learns a change of low rank that is added to them in the end.

R rank · M, N rows of a weight, and its other axes together.
"""

from __future__ import annotations

from collections.abc import Mapping

from napari_sam2.torch_threads import torch

from torch import Tensor, nn
from torch.nn.utils import parametrize

RANK = 8
"""R."""

_ORIGINAL = ".parametrizations.weight.original"
_UP, _DOWN = ".parametrizations.weight.0.up", ".parametrizations.weight.0.down"


class LowRankChange(nn.Module):
    """Adds ``up @ down`` to a weight, which is nothing at first.

    Parameters
    ----------
    weight : Tensor
        (M, ...), of a linear or a convolutional layer.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.randn(RANK, columns, device=weight.device) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, RANK, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight."""
        return _changed(weight, self.up, self.down)


def _changed(weight: Tensor, up: Tensor, down: Tensor) -> Tensor:
    return weight + (up @ down).view_as(weight)


def add_low_rank_changes(model: nn.Module) -> None:
    """Freeze a model and let its linear and convolutional layers learn changes of low rank.

    Parameters
    ----------
    model : nn.Module
        Changed in place. Layers that have not more rows or columns than :data:`RANK` stay as they are.
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
        parametrize.register_parametrization(layer, "weight", LowRankChange(layer.weight))


def merge_low_rank_changes(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the changes to the weights: the state dict of the model as it was before, whatever was learnt in it.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        Of a model with or without changes of low rank.

    Returns
    -------
    dict of str to Tensor
        In the order of the model's own layers, under their own names.
    """
    merged = {}
    for key, value in state_dict.items():
        if key.endswith(_ORIGINAL):
            layer = key.removesuffix(_ORIGINAL)
            merged[f"{layer}.weight"] = _changed(value, state_dict[layer + _UP], state_dict[layer + _DOWN])
        elif not key.endswith((_UP, _DOWN)):
            merged[key] = value
    return merged
