"""A layer computes the same by either library."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_sam2.model import onednn
from napari_sam2.model.onednn import Conv2d, Linear, RightFactor, is_free_to_choose, uses_onednn

DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(params=[False, True], ids=["MKL", "oneDNN"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    by_onednn: bool = request.param
    if by_onednn and not onednn._is_right(torch.float32):
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr(onednn, "uses_onednn", lambda dtype: by_onednn)
    return by_onednn


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 5, 7), (0, 7)])
def test_a_layer_is_the_one_of_torch(shape: tuple[int, ...], bias: bool) -> None:
    layer = Linear(7, 4, bias=bias)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias), rtol=1e-5, atol=1e-6)
        strided = torch.randn(*shape[:-1], 14)[..., ::2]
        torch.testing.assert_close(layer(strided), F.linear(strided, layer.weight, layer.bias), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 1},
        {"kernel_size": 3, "padding": 1, "stride": 2, "bias": False},
        {"kernel_size": (3, 1), "padding": (1, 0), "dilation": 2},
        {"kernel_size": 3, "groups": 4},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_the_one_of_torch(arguments: dict[str, Any], layout: torch.memory_format) -> None:
    layer, same = Conv2d(4, 8, **arguments), nn.Conv2d(4, 8, **arguments)
    same.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 9, 11, generator=torch.Generator().manual_seed(2)).contiguous(memory_format=layout)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x), same(x), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(layer(x[:1]), same(x[:1]), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("library")
def test_a_layer_learns() -> None:
    layer, same = Linear(3, 2), nn.Linear(3, 2)
    same.load_state_dict(layer.state_dict())
    x = torch.randn(4, 3)
    layer(x).square().sum().backward()
    same(x).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, same.weight.grad)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_layer_keeps_to_autocast_and_to_the_dtype_of_its_weights(dtype: torch.dtype) -> None:
    layer, x = Linear(64, 8), torch.randn(32, 64)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    with torch.inference_mode():
        assert layer.to(dtype)(x.to(dtype)).dtype == dtype
    with torch.inference_mode(), pytest.raises(RuntimeError, match="dtype"):
        layer.to(torch.float64)(x)


@pytest.mark.usefixtures("library")
@settings(deadline=None, max_examples=40)
@given(N=st.integers(1, 40), D=st.integers(1, 40), M=st.integers(1, 40), rows=st.integers(1, 40), times=st.integers(1, 3))
def test_a_factor_multiplies_some_rows_at_a_time(N: int, D: int, M: int, rows: int, times: int) -> None:
    generator = torch.Generator().manual_seed(N + D + M)
    left, columns = torch.randn(N, D, generator=generator), torch.randn(M, D, generator=generator)
    factor = RightFactor(columns, rows, times)
    found = torch.cat([factor.multiplied(left[first : first + rows]).clone() for first in range(0, N, rows)])
    torch.testing.assert_close(found, left @ columns.t(), rtol=1e-5, atol=1e-5)


def test_a_factor_of_transposed_columns() -> None:
    columns, left = torch.randn(6, 3).t(), torch.randn(2, 6)
    torch.testing.assert_close(RightFactor(columns, 2, 1).multiplied(left), left @ columns.t())


@pytest.mark.parametrize(
    ("capability", "processor", "expected"),
    [
        ("AVX512", "vendor_id\t: AuthenticAMD", True),
        ("AVX512", "AMD64 Family 26 Model 2 Stepping 1, AuthenticAMD", True),
        ("AVX512", "vendor_id\t: GenuineIntel", False),
        ("AVX2", "vendor_id\t: AuthenticAMD", False),
        ("DEFAULT", "arm", False),
    ],
)
def test_the_processor_decides(monkeypatch: pytest.MonkeyPatch, capability: str, processor: str, expected: bool) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(onednn, "_processor", lambda: processor)
    monkeypatch.setattr(onednn, "_is_right", lambda dtype: True)
    assert uses_onednn.__wrapped__(torch.float32) is expected
    assert not uses_onednn.__wrapped__(torch.float64)


def test_this_processor_is_known() -> None:
    assert onednn._processor()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_trial_of_operators_does_not_depend_on_what_a_host_program_has_set(dtype: torch.dtype) -> None:
    expected = onednn._is_right(dtype)
    with torch.device("meta"), torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert onednn._is_right(dtype) == expected


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, TypeError])
def test_without_the_operators_torch_multiplies(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(*args: object) -> torch.Tensor:
        raise error

    monkeypatch.setattr(onednn, "_linear", fail)
    assert not onednn._is_right(torch.float32)


def test_operators_that_mean_something_else_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "_linear", lambda left, right: torch.zeros(2, 4))
    assert not onednn._is_right(torch.float32)


def test_what_is_learnt_goes_through_operators_that_have_gradients() -> None:
    x = torch.zeros(2, 2)
    assert is_free_to_choose(x)
    assert not is_free_to_choose(x.requires_grad_())
    with torch.no_grad():
        assert is_free_to_choose(x)
