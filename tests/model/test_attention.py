"""Attention, plain and with rotary positions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2.model.attention import Attention, RoPEAttention

DIM = 8


def softmax_attention(layer: Attention, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """One head after another by the formula, softmax(q k / sqrt(D)) v."""
    q, k, v = layer.q_proj(q), layer.k_proj(k), layer.v_proj(v)
    width = layer.internal_dim // layer.num_heads
    heads = []
    for head in range(layer.num_heads):
        part = slice(head * width, (head + 1) * width)
        weights = (q[..., part] @ k[..., part].mT / math.sqrt(width)).softmax(-1)
        heads.append(weights @ v[..., part])
    return layer.out_proj(torch.cat(heads, -1))


@settings(deadline=None, max_examples=30)
@given(
    heads=st.sampled_from([1, 2, 4]),
    downsample=st.sampled_from([1, 2]),
    num_q=st.integers(1, 4),
    num_k=st.integers(1, 5),
    width_of_keys=st.sampled_from([None, 3]),
)
def test_attention_is_the_formula(heads: int, downsample: int, num_q: int, num_k: int, width_of_keys: int | None) -> None:
    torch.manual_seed(heads + num_q)
    layer = Attention(DIM, heads, downsample, kv_in_dim=width_of_keys).double()
    q = torch.randn(2, num_q, DIM, dtype=torch.float64)
    k, v = torch.randn(2, 2, num_k, width_of_keys or DIM, dtype=torch.float64)
    torch.testing.assert_close(layer(q, k, v), softmax_attention(layer, q, k, v), rtol=1e-10, atol=1e-10)


def test_heads_must_divide_the_inner_width() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide the inner width 4"):
        Attention(DIM, 3, downsample_rate=2)


def test_weights_are_dropped_only_in_training() -> None:
    torch.manual_seed(0)
    layer, x = Attention(DIM, 1, dropout=0.9), torch.randn(1, 6, DIM)
    assert not torch.equal(layer(x, x, x), layer(x, x, x))
    layer.eval()
    torch.testing.assert_close(layer(x, x, x), softmax_attention(layer, x, x, x), rtol=1e-5, atol=1e-5)


def test_positions_turn_queries_and_keys_and_no_values() -> None:
    """Queries and keys as complex numbers times exp(i angle): by the column, then by the row; each map of keys alike."""
    torch.manual_seed(0)
    height, width = 2, 3
    layer = RoPEAttention(DIM, 1, rope_k_repeat=True, kv_in_dim=4).double()
    q, k = torch.randn(1, 6, DIM, dtype=torch.float64), torch.randn(1, 12, 4, dtype=torch.float64)
    rates = torch.tensor([10000.0 ** (-4 * i / DIM) for i in range(DIM // 4)], dtype=torch.float64)
    cell = torch.arange(height * width, dtype=torch.float64)
    angles = torch.cat([torch.outer(cell % width, rates), torch.outer(cell // width, rates)], 1)

    def turned(x: torch.Tensor, maps: int) -> torch.Tensor:
        pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles).tile(maps, 1)).flatten(-2)

    queries, keys = turned(layer.q_proj(q), 1), turned(layer.k_proj(k), 2)
    expected = layer.out_proj((queries @ keys.mT / math.sqrt(DIM)).softmax(-1) @ layer.v_proj(k))
    torch.testing.assert_close(layer(q, k, k, feat_size=(height, width)), expected, rtol=1e-5, atol=1e-6)


def attention(**arguments: object) -> RoPEAttention:
    torch.manual_seed(0)
    return RoPEAttention(DIM, 1, kv_in_dim=4, **arguments).eval()


def test_a_map_that_is_not_square_needs_its_size() -> None:
    q, k = torch.randn(1, 15, DIM), torch.randn(1, 15, 4)
    with pytest.raises(ValueError, match="give feat_size"):
        attention()(q, k, k)
    with pytest.raises(ValueError, match="15 positions are not a map of 4 x 4"):
        attention()(q, k, k, feat_size=(4, 4))
    tall, wide = attention()(q, k, k, feat_size=(5, 3)), attention()(q, k, k, feat_size=(3, 5))
    assert not torch.allclose(tall, wide, atol=1e-4)
    assert torch.equal(attention(feat_sizes=(3, 5))(q, k, k), wide)


def test_keys_must_be_whole_maps() -> None:
    q, k = torch.randn(1, 16, DIM), torch.randn(1, 37, 4)
    layer = attention(rope_k_repeat=True)
    with pytest.raises(ValueError, match="37 keys are not whole maps of 4 x 4"):
        layer(q, k, k)
    assert layer(q, k, k, num_k_exclude_rope=5).shape == (1, 16, DIM)
    assert layer(q, k[:, :5], k[:, :5], num_k_exclude_rope=5).shape == (1, 16, DIM)
    with pytest.raises(ValueError, match="not whole maps"):
        attention(rope_k_repeat=False)(q, k[:, :32], k[:, :32])


def test_pointers_have_no_place_in_the_image() -> None:
    """Swapping two keys that are excluded from the rotation changes nothing; swapping two that are in the map does."""
    q, k = torch.randn(1, 16, DIM), torch.randn(1, 18, 4)
    layer = attention(rope_k_repeat=True)

    def with_swapped(a: int, b: int) -> torch.Tensor:
        order = list(range(18))
        order[a], order[b] = b, a
        return layer(q, k[:, order], k[:, order], num_k_exclude_rope=2)

    assert torch.allclose(with_swapped(16, 17), with_swapped(0, 0), atol=1e-6)
    assert not torch.allclose(with_swapped(3, 9), with_swapped(0, 0), atol=1e-6)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_aggregated_before_they_are_projected_are_the_same(heads: int, dtype: torch.dtype) -> None:
    """Without gradients, narrow values are mixed first; with gradients, they are projected first."""
    torch.manual_seed(0)
    layer = RoPEAttention(32, heads, rope_k_repeat=True, kv_in_dim=4).eval()
    q, k, v = torch.randn(2, 12, 32), torch.randn(2, 26, 4), torch.randn(2, 26, 4)
    reference = layer(q, k, v, 2, (3, 4))
    assert reference.requires_grad
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = layer(q, k, v, 2, (3, 4))
    assert found.dtype == dtype
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(found.float(), reference.detach(), rtol=tolerance, atol=tolerance)


def test_queries_that_all_keys_share_come_once() -> None:
    layer = attention(rope_k_repeat=True)
    q, k = torch.randn(1, 6, DIM), torch.randn(3, 12, 4)
    expected = layer(q.expand(3, -1, -1), k, k, feat_size=(2, 3))
    torch.testing.assert_close(layer(q, k, k, feat_size=(2, 3)), expected)
