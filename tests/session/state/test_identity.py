"""A model is known again by its name, and by the hash of its weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_sam2.session.state import identity
from napari_sam2.session.state.identity import ModelIdentity, weights_sha256
from tiny_models import TINY_HIERA, tiny_predictor


class Layers(torch.nn.Module):
    """Weights of several types and shapes, and how often they were read."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
        self.register_buffer("halves", torch.ones(3, dtype=torch.bfloat16))
        self.register_buffer("count", torch.tensor(5))
        self.register_buffer("cache", torch.zeros(2), persistent=False)
        self.num_reads = 0

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        self.num_reads += 1
        return super().state_dict(*args, **kwargs)


def test_equal_weights_have_one_hash_wherever_they_lie_in_memory() -> None:
    one, other = Layers(), Layers()
    other.matrix.data = other.matrix.data.T.contiguous().T
    assert not other.matrix.is_contiguous()
    other.cache += 1
    assert weights_sha256(one) == weights_sha256(other)
    assert len(weights_sha256(one)) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.matrix.data.__setitem__((0, 0), 1e-30),
        lambda one: setattr(one.matrix, "data", one.matrix.data.reshape(3, 2)),
        lambda one: one.register_buffer("halves", torch.ones(3, dtype=torch.bfloat16).view(torch.float16)),
        lambda one: one.register_buffer("count", torch.tensor(5, dtype=torch.int32)),
        lambda one: one.register_buffer("more", torch.zeros(0)),
        lambda one: (one.register_buffer("counted", one.count), one.__delattr__("count")),
    ],
    ids=["value", "shape", "another half", "type", "an empty one", "name"],
)
def test_any_difference_is_in_the_hash(change: Any) -> None:
    other = Layers()
    change(other)
    assert weights_sha256(other) != weights_sha256(Layers())


def test_weights_are_read_once() -> None:
    layers = Layers()
    assert weights_sha256(layers) == weights_sha256(layers)
    assert layers.num_reads == 1


def test_a_model_that_nobody_uses_is_forgotten() -> None:
    count = len(identity._HASHES)
    layers = Layers()
    weights_sha256(layers)
    assert len(identity._HASHES) == count + 1
    del layers
    assert len(identity._HASHES) == count


def test_a_model_in_memory_is_known_by_its_weights() -> None:
    model = tiny_predictor()
    assert ModelIdentity.of(model) == ModelIdentity("tiny", "tiny", 64, weights_sha256(model))
    assert ModelIdentity.of(tiny_predictor()) == ModelIdentity.of(model)
    assert ModelIdentity.of(tiny_predictor(seed=1)) != ModelIdentity.of(model)
    assert ModelIdentity.of(tiny_predictor(TINY_HIERA)).architecture == "tiny-hiera"


def test_the_weights_of_a_model_with_a_name_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_predictor()
    monkeypatch.setattr(model, "state_dict", None)
    assert ModelIdentity.of(model, "mine.pt") == ModelIdentity("mine.pt", "tiny", 64)
    model.source = "folder/theirs.pt"
    assert ModelIdentity.of(model) == ModelIdentity("folder/theirs.pt", "tiny", 64)
    assert ModelIdentity.of(model, "mine.pt").name == "mine.pt"
