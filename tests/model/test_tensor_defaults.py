"""What modules are made of, whatever the process has for a default; see also ``tests/test_torch_settings.py``."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from napari_sam2.model.assembly import build_model
from napari_sam2.model.tensor_defaults import tensor_defaults
from tiny_models import TINY, tiny_predictor

MODULES = {
    "linear": lambda: nn.Linear(2, 3),
    "convolution": lambda: nn.ConvTranspose2d(2, 3, 2),
    "norm": lambda: nn.LayerNorm(2),
    "groups": lambda: nn.GroupNorm(1, 2),
    "embedding": lambda: nn.Embedding(1, 2),
    "parameter": lambda: nn.ParameterList([nn.Parameter(torch.zeros(2)), nn.Parameter(torch.randn((2, 2)))]),
}


@pytest.fixture(autouse=True)
def defaults_of_another() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_ordinary_float32_on_the_cpu(name: str) -> None:
    with torch.inference_mode(), tensor_defaults():
        inside = list(MODULES[name]().parameters())
    with torch.inference_mode():
        outside = list(MODULES[name]().parameters())
    assert {(one.dtype, one.device.type, one.is_inference()) for one in inside} == {(torch.float32, "cpu", False)}
    assert {(one.dtype, one.device.type, one.is_inference()) for one in outside} == {(torch.float64, "meta", True)}


def test_what_a_call_states_wins() -> None:
    with tensor_defaults():
        assert torch.ones(2, dtype=torch.int32).dtype == torch.int32
        assert torch.ones(2, device="meta").device.type == "meta"
        assert torch.ones(2, dtype=None, device=None).dtype == torch.float32


def test_defaults_end_with_the_block_even_by_an_error() -> None:
    with pytest.raises(ValueError, match="wrong"), tensor_defaults():
        raise ValueError("wrong")
    assert (torch.ones(2).dtype, torch.ones(2).device.type) == (torch.float64, "meta")


def test_names_and_shapes_without_numbers() -> None:
    model = build_model(TINY, device="meta")
    assert {(value.device.type, value.dtype) for value in model.state_dict().values()} == {("meta", torch.float32)}


def test_another_thread_finds_its_own_defaults() -> None:
    """While models are made here, tensors that are made there are what they always are."""
    found, is_over = set(), threading.Event()

    def make_tensors() -> None:
        while not is_over.is_set():
            found.add((torch.ones(2, device="cpu").dtype, torch.is_inference_mode_enabled()))

    thread = threading.Thread(target=make_tensors)
    thread.start()
    for _ in range(3):
        tiny_predictor(TINY)
    is_over.set()
    thread.join()
    assert found == {(torch.float64, False)}
