"""Small layers that blocks share."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_sam2.model.layers import MLP, DropPath, LayerNorm2d


@settings(deadline=None)
@given(batch=st.integers(1, 3), channels=st.integers(1, 6), height=st.integers(1, 4), width=st.integers(1, 4))
def test_normalisation_of_a_map_is_that_of_each_of_its_pixels(batch: int, channels: int, height: int, width: int) -> None:
    torch.manual_seed(channels)
    layer = LayerNorm2d(channels).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = torch.randn(batch, channels, height, width, dtype=torch.float64)
    expected = F.layer_norm(x.permute(0, 2, 3, 1), (channels,), layer.weight, layer.bias, eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(layer(x), expected)


def test_normalisation_by_hand() -> None:
    x = torch.tensor([3.0, 5.0]).reshape(1, 2, 1, 1)
    assert LayerNorm2d(2, eps=3.0)(x).flatten().tolist() == [-0.5, 0.5]


@pytest.mark.parametrize("num_layers", [1, 2, 4])
@pytest.mark.parametrize("sigmoid_output", [False, True])
def test_an_activation_is_between_layers_and_not_after_the_last(num_layers: int, sigmoid_output: bool) -> None:
    torch.manual_seed(0)
    mlp = MLP(3, 5, 2, num_layers, activation=nn.Tanh, sigmoid_output=sigmoid_output)
    assert [(layer.in_features, layer.out_features) for layer in mlp.layers] == list(
        zip([3, *[5] * (num_layers - 1)], [*[5] * (num_layers - 1), 2], strict=True)
    )
    x = y = torch.randn(2, 4, 3)
    for index, layer in enumerate(mlp.layers):
        y = torch.tanh(y) if index else y
        y = y @ layer.weight.T + layer.bias
    torch.testing.assert_close(mlp(x), y.sigmoid() if sigmoid_output else y)


def test_branches_of_whole_samples_are_dropped_in_training() -> None:
    torch.manual_seed(0)
    layer, x = DropPath(0.25), torch.ones(4000, 2, 3)
    found = layer(x)
    values = found.flatten(1)
    assert (values == values[:, :1]).all()
    assert values[:, 0].unique().tolist() == pytest.approx([0, 4 / 3])
    assert found.mean() == pytest.approx(1, abs=0.03)  # five standard deviations
    assert layer.eval()(x) is x
    assert DropPath(0.0).train()(x) is x
