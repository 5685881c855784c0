"""LoRA: low-rank updates of frozen weights, and weights with the updates merged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_sam2.model.assembly import build_model
from napari_sam2.training.lora import RANK, add_lora, merge_lora
from tiny_models import TINY


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(12, 10)
        self.convolution = nn.Conv2d(3, 9, 3)
        self.narrow = nn.Linear(12, RANK)
        self.grouped = nn.Conv2d(16, 16, 3, groups=16)
        self.norm = nn.LayerNorm(12)
        self.embedding = nn.Embedding(20, 20)


def with_random_updates(model: nn.Module) -> nn.Module:
    add_lora(model)
    for name, parameter in model.named_parameters():
        if name.endswith("weight.0.up"):
            nn.init.normal_(parameter, std=0.1)
    return model


def test_only_updates_of_large_layers_are_trainable() -> None:
    model = Layers()
    add_lora(model)
    trainable = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {
        "wide.parametrizations.weight.0.down": (RANK, 12),
        "wide.parametrizations.weight.0.up": (10, RANK),
        "convolution.parametrizations.weight.0.down": (RANK, 27),
        "convolution.parametrizations.weight.0.up": (9, RANK),
    }


def test_at_first_the_model_is_unchanged_but_trainable() -> None:
    torch.manual_seed(0)
    model, image = Layers(), torch.randn(2, 12)
    before = model.wide(image)
    add_lora(model)
    assert torch.equal(model.wide(image), before)
    model.wide(image).sum().backward()
    update = model.wide.parametrizations.weight[0]  # type: ignore[union-attr]
    assert update.up.grad.abs().sum() > 0  # type: ignore[union-attr]
    assert not update.down.grad.any()  # type: ignore[union-attr]


def test_an_update_is_the_product_of_its_factors() -> None:
    torch.manual_seed(0)
    model = Layers()
    original = {name: value.clone() for name, value in model.state_dict().items()}
    with_random_updates(model)
    state, merged = model.state_dict(), merge_lora(model.state_dict())
    for layer in ("wide", "convolution"):
        up, down = (state[f"{layer}.parametrizations.weight.0.{factor}"] for factor in ("up", "down"))
        change = merged[f"{layer}.weight"] - original[f"{layer}.weight"]
        expected = torch.einsum("mr,rn->mn", up, down).reshape(change.shape)
        torch.testing.assert_close(change, expected, rtol=0, atol=1e-6)
        assert torch.linalg.matrix_rank(change.flatten(1), atol=1e-5) <= RANK
    for name in original.keys() - {"wide.weight", "convolution.weight"}:
        assert torch.equal(merged[name], original[name])


def test_merged_weights_have_the_keys_of_the_plain_model() -> None:
    plain = build_model(TINY).state_dict()
    merged = merge_lora(with_random_updates(build_model(TINY)).state_dict())
    assert {name: value.shape for name, value in merged.items()} == {name: value.shape for name, value in plain.items()}
    assert all(value is plain[name] for name, value in merge_lora(plain).items())


@pytest.mark.parametrize("seed", [0, 1])
def test_merged_weights_give_the_same_features(seed: int) -> None:
    torch.manual_seed(seed)
    original, model, merged = (build_model(TINY).eval() for _ in range(3))
    model.load_state_dict(original.state_dict())
    with_random_updates(model)
    merged.load_state_dict(merge_lora(model.state_dict()))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before, expected, found = (each.image_encoder(image)["vision_features"] for each in (original, model, merged))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(before, expected, rtol=0, atol=1e-3)
