"""The frame looks at what is remembered."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam2.model.attention import RoPEAttention
from napari_sam2.model.memory_attention import MemoryAttention, MemoryAttentionLayer

C, CM, N = 8, 4, 4


def layer(activation: str = "relu", at_attn: bool = False, at_keys: bool = False, at_queries: bool = False) -> MemoryAttentionLayer:
    torch.manual_seed(0)
    built = MemoryAttentionLayer(
        activation=activation,
        cross_attention=RoPEAttention(C, 1, kv_in_dim=CM, rope_k_repeat=True),
        d_model=C,
        dim_feedforward=12,
        dropout=0.5,
        pos_enc_at_attn=at_attn,
        pos_enc_at_cross_attn_keys=at_keys,
        pos_enc_at_cross_attn_queries=at_queries,
        self_attention=RoPEAttention(C, 1),
    )
    return built.eval()


def tensors(batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Frame, memory of two maps and one pointer, and their positions."""
    torch.manual_seed(1)
    return torch.randn(batch, N, C), torch.randn(batch, 2 * N + 1, CM), torch.randn(batch, N, C), torch.randn(batch, 2 * N + 1, CM)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("where", [(), ("at_attn",), ("at_keys",), ("at_queries",)])
def test_a_layer_by_the_formula(activation: str, where: tuple[str, ...]) -> None:
    """Normalise, attend and add: to itself, to memories, and through two linear maps; positions where they are asked for."""
    built = layer(activation, **dict.fromkeys(where, True))
    frame, memory, frame_pos, memory_pos = tensors()
    x = F.layer_norm(frame, (C,))
    qk = x + frame_pos if "at_attn" in where else x
    expected = frame + built.self_attn(qk, qk, x)
    q = F.layer_norm(expected, (C,)) + (frame_pos if "at_queries" in where else 0)
    k = memory + memory_pos if "at_keys" in where else memory
    expected = expected + built.cross_attn_image(q, k, memory, num_k_exclude_rope=1)
    hidden = built.linear1(F.layer_norm(expected, (C,)))
    expected = expected + built.linear2(hidden.relu() if activation == "relu" else F.gelu(hidden))
    found = built(frame, memory, memory_pos, frame_pos, num_k_exclude_rope=1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_layers_follow_each_other_and_a_tenth_of_the_positions_is_added_before() -> None:
    stack = MemoryAttention(C, pos_enc_at_input=True, layer=layer(at_keys=True), num_layers=2).eval()
    torch.nn.init.normal_(stack.layers[1].linear1.weight)  # copies: the first stays
    assert torch.equal(stack.layers[0].linear1.weight, layer().linear1.weight)
    frame, memory, frame_pos, memory_pos = tensors()
    expected = frame + frame_pos / 10
    for one in stack.layers:
        expected = one(expected, memory, memory_pos, frame_pos, 1)
    found = stack(*(x.transpose(0, 1) for x in (frame, memory, frame_pos, memory_pos)), num_obj_ptr_tokens=1)
    torch.testing.assert_close(found, F.layer_norm(expected, (C,)).transpose(0, 1), rtol=1e-5, atol=1e-5)


def test_without_positions_none_are_added() -> None:
    frame, memory, *_ = (x.transpose(0, 1) for x in tensors())
    stacks = [MemoryAttention(C, at_input, layer(), 1).eval() for at_input in (True, False)]
    found = [stack(frame, memory, num_obj_ptr_tokens=1) for stack in stacks]
    assert torch.equal(*found)


def test_objects_of_a_batch_do_not_see_each_other() -> None:
    stack = MemoryAttention(C, pos_enc_at_input=True, layer=layer(at_keys=True), num_layers=1).eval()
    sequences = [x.transpose(0, 1) for x in tensors(3)]
    together = stack(*sequences, num_obj_ptr_tokens=1)
    for i in range(3):
        alone = stack(*(x[:, i : i + 1] for x in sequences), num_obj_ptr_tokens=1)
        torch.testing.assert_close(alone[:, 0], together[:, i], rtol=1e-5, atol=1e-5)


def test_another_activation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"activation must be one of \['gelu', 'relu'\], got 'tanh'"):
        layer("tanh")
